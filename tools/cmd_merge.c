/* memhist merge: make one segment of those of a day. */
#include "tools/commands.h"
#include "tools/compact.h"
#include "tools/tool.h"

enum { OPT_ALL = COMPACT_OWN };

static const struct option options[] = {
	COMPACT_OPTIONS("merge"),
	{OPT_ALL, 'a', "all", NULL, "today's too, as far as it is sealed"},
	{0},
};

static int take(void *arg, int id, const char *const value[OPTION_VALUES_MAX], struct mh_err *err)
{
	struct compact *c = arg;

	if (id != OPT_ALL)
		return compact_take(c, id, value, err);
	c->merge_all = true;
	return 0;
}

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
	.take = take,
	.run = run,
};
