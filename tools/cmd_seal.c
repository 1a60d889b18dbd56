/* memhist seal: make columns of the segments that nobody writes any more. */
#include "tools/commands.h"
#include "tools/compact.h"
#include "tools/tool.h"

static const struct option options[] = {
	COMPACT_OPTIONS("seal"),
	{OPTION_FLAG(struct compact, merge), 0, "merge", NULL,
	 "then merge days that are over, as memhist merge does"},
	{0},
};

static int run(int argc, char **argv)
{
	struct compact config = {
		.command = &command_seal,
		.seal = true,
		.max_temporary = UINT64_MAX,
	};

	return compact_run(&config, argc, argv);
}

const struct command command_seal = {
	.name = "memhist seal",
	.usage = "[--history DIR] [OPTION]...",
	.summary = "Make finished segments small: columns instead of rows.",
	.options = options,
	.examples = "  memhist seal --history /var/lib/memhist\n"
		    "  memhist seal --merge --background --quiet      # from a timer\n",
	.take = compact_take,
	.run = run,
};
