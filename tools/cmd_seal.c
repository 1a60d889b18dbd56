/* memhist seal: make columns of the segments that nobody writes any more. */
#include "tools/commands.h"
#include "tools/compact.h"
#include "tools/tool.h"

enum { OPT_MERGE = COMPACT_OWN };

static const struct option options[] = {
	COMPACT_OPTIONS("seal"),
	{OPT_MERGE, 0, "merge", NULL, "then merge days that are over, as memhist merge does"},
	{0},
};

static int take(void *arg, int id, const char *const value[OPTION_VALUES_MAX], struct mh_err *err)
{
	struct compact *c = arg;

	if (id != OPT_MERGE)
		return compact_take(c, id, value, err);
	c->merge = true;
	return 0;
}

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
	.take = take,
	.run = run,
};
