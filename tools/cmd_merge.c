/* memhist merge: make one segment of those of a day. */
#include "tools/commands.h"
#include "tools/compact.h"
#include "tools/tool.h"

static const struct option options[] = {
	COMPACT_OPTIONS("merge"),
	{OPTION_FLAG(struct compact, merge_all), 'a', "all", NULL,
	 "today's too, as far as it is sealed"},
	{0},
};

static int run(int argc, char **argv)
{
	struct compact config = {
		.command = &command_merge,
		.merge = true,
		.max_temporary = UINT64_MAX,
	};

	return compact_run(&config, argc, argv);
}

const struct command command_merge = {
	.name = "memhist merge",
	.usage = "[--history DIR] [OPTION]...",
	.summary = "Make one segment of the sealed ones of a day.",
	.options = options,
	.examples = "  memhist merge --history /var/lib/memhist --dry-run\n",
	.take = compact_take,
	.run = run,
};
