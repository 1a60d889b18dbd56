/* memhist seal: make columns of the segments that nobody writes any more. */
#include "libmemhist/base/places.h"
#include "libmemhist/history/seal.h"
#include "tools/commands.h"
#include "tools/human.h"
#include "tools/tool.h"

#include <errno.h>
#include <inttypes.h>
#include <stddef.h>
#include <sys/file.h>
#include <unistd.h>

struct config {
	const char *history;
	bool verbose;
};

enum { OPT_HISTORY = 1, OPT_VERBOSE };

static const struct option options[] = {
	{OPT_HISTORY, 0, "history", "DIR", "the history to seal [" DEFAULT_HISTORY "]"},
	{OPT_VERBOSE, 'v', "verbose", NULL, "list every segment"},
	{0},
};

static int take(void *arg, int id, const char *const value[OPTION_VALUES_MAX], struct mh_err *err)
{
	struct config *c = arg;

	switch (id) {
	case OPT_HISTORY:
		c->history = value[0];
		return 0;
	case OPT_VERBOSE:
		c->verbose = true;
		return 0;
	default:
		return mh_errf(err, -EINVAL, "“%s” is no option; the history is named by --history",
			       value[0]);
	}
}

struct totals {
	uint64_t segments, damages, failed;
	struct mh_seal_result sum;
};

/* Seal one segment; one that cannot be sealed stays, and the others go on. Returns -EINTR. */
static int seal_one(const struct config *config, int dir_fd, const struct mh_segment_file *file,
		    struct totals *t)
{
	struct mh_seal_result result;
	struct mh_err err;
	int rc = mh_seal_segment(dir_fd, file, &result, &err);

	if (rc == -ENODATA)
		return 0; /* torn from the beginning */
	if (rc) {
		tool_say(command_seal.name, "%s", err.text);
		t->failed++;
		return 0;
	}
	if (config->verbose)
		printf("%s: %" PRIu64 " snapshots, %" PRIu64 " to %" PRIu64 " bytes\n", file->name,
		       result.snapshots, result.bytes_before, result.bytes_after);
	t->segments++;
	t->damages += result.damages;
	t->sum.process_samples += result.process_samples;
	t->sum.bytes_before += result.bytes_before;
	t->sum.bytes_after += result.bytes_after;
	return tool_interrupted() ? -EINTR : 0;
}

/* All open segments but the newest while somebody writes it. */
static int seal_all(const struct config *config, int dir_fd, struct totals *t, struct mh_err *err)
{
	struct mh_segment_list list = {0};
	int32_t pid;
	/* asked before the listing: who begins to write after it begins another segment */
	bool is_written = mh_dir_is_locked(dir_fd, &pid);
	int rc = mh_dir_list(dir_fd, &list);

	if (rc)
		mh_err_sys(err, rc, "cannot list the history %s", config->history);
	for (size_t i = 0; i < list.n && !rc; i++)
		if (!list.file[i].is_sealed && (i + 1 < list.n || !is_written))
			rc = seal_one(config, dir_fd, &list.file[i], t);
	mh_dir_list_done(&list);
	return rc;
}

static int report(const struct config *config, const struct totals *t)
{
	const struct mh_seal_result *sum = &t->sum;

	if (t->segments)
		printf("%s: %" PRIu64 " segment%s sealed, %" PRIu64 " to %" PRIu64
		       " bytes (%.2f per process-sample)\n",
		       config->history, t->segments, human_s(t->segments), sum->bytes_before,
		       sum->bytes_after,
		       (double)sum->bytes_after /
			       (double)(sum->process_samples + !sum->process_samples));
	else if (!t->failed)
		printf("%s: nothing to seal\n", config->history);
	if (t->damages)
		tool_say(command_seal.name,
			 "%" PRIu64 " damaged place%s left out: gaps say where, see memhist verify",
			 t->damages, human_s(t->damages));
	return t->failed ? STATUS_PARTIAL : t->damages ? STATUS_DAMAGED : STATUS_OK;
}

static int run(int argc, char **argv)
{
	struct config config = {.history = DEFAULT_HISTORY};
	struct totals totals = {0};
	struct mh_err err = {""};
	int dir_fd, rc, status = options_parse(&command_seal, argc, argv, &config);

	if (status != OPTIONS_GO_ON)
		return status;
	tool_catch_signals();
	dir_fd = mh_places_open_history(NULL, config.history, false, &err);
	if (dir_fd < 0)
		return tool_fail(command_seal.name, dir_fd, &err);
	/* one at a time; the writer of the history has a lock of its own */
	rc = flock(dir_fd, LOCK_EX | LOCK_NB) ? -errno : 0;
	if (rc == -EWOULDBLOCK)
		mh_errf(&err, rc, "%s is being sealed by another process", config.history);
	else if (rc)
		mh_err_sys(&err, rc, "cannot lock %s", config.history);
	else
		rc = seal_all(&config, dir_fd, &totals, &err);
	close(dir_fd);
	return rc ? tool_fail(command_seal.name, rc, &err) : report(&config, &totals);
}

const struct command command_seal = {
	.name = "memhist seal",
	.usage = "[--history DIR] [OPTION]...",
	.summary = "Make finished segments small: columns instead of rows.",
	.options = options,
	.examples = "  memhist seal --history /var/lib/memhist\n",
	.take = take,
	.run = run,
};
