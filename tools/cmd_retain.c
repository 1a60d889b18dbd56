/*
 * memhist retain: apply limits to a history once, by the rules by which daemons keep theirs.
 *
 * Those of the configuration are meant for its history. Another one, an archive perhaps, is not
 * made smaller by them unless the file is named for that.
 */
#include "libmemhist/base/size.h"
#include "libmemhist/history/upkeep/retention.h"
#include "tools/commands.h"
#include "tools/human.h"
#include "tools/settings.h"
#include "tools/tool.h"

#include <errno.h>
#include <inttypes.h>
#include <limits.h>
#include <string.h>
#include <unistd.h>

struct config {
	const char *history;
	struct mh_limits limits;
	bool has_max_size, has_max_age, has_min_free;
	bool is_configured; /* some of the limits are the configuration's */
	bool dry_run, verbose;
};

enum {
	OPT_MAX_SIZE = 1,
	OPT_MAX_AGE,
	OPT_MIN_FREE,
};

static const struct option options[] = {
	{OPTION_TEXT(struct config, history), 0, "history", "DIR",
	 "the history to make smaller [" DEFAULT_HISTORY "]"},
	{OPT_MAX_SIZE, 0, "max-size", "SIZE",
	 "what all files there may take: 500M, 2G (powers of 1024)"},
	{OPT_MAX_AGE, 0, "max-age", "DURATION",
	 "how old a segment may be, beside the newest one: 90d, 1y"},
	{OPT_MIN_FREE, 0, "min-free", "AMOUNT", "what is to be free in the file system: 5G, 10%"},
	{OPTION_FLAG(struct config, dry_run), 'n', "dry-run", NULL,
	 "say what would be deleted, and delete nothing"},
	{OPTION_FLAG(struct config, verbose), 'v', "verbose", NULL,
	 "list every segment that is deleted"},
	{0},
};

static int take(void *arg, int id, const char *const value[OPTION_VALUES_MAX], struct mh_err *err)
{
	struct config *c = arg;

	c->has_max_size |= id == OPT_MAX_SIZE;
	c->has_max_age |= id == OPT_MAX_AGE;
	c->has_min_free |= id == OPT_MIN_FREE;
	switch (id) {
	case OPT_MAX_SIZE:
		return mh_limits_max_size(&c->limits, value[0], err);
	case OPT_MAX_AGE:
		return mh_limits_max_age(&c->limits, value[0], err);
	case OPT_MIN_FREE:
		return mh_limits_min_free(&c->limits, value[0], err);
	default:
		return option_no_word(value[0], err);
	}
}

/* Limits that no option says are those of the configuration. */
static void complete_limits(struct config *c)
{
	const struct mh_config *settled = settings();
	const struct mh_limits said = c->limits;
	const bool takes_size = settled->text[MH_CONFIG_HISTORY_MAX_SIZE] && !c->has_max_size;
	const bool takes_age = settled->text[MH_CONFIG_HISTORY_MAX_AGE] && !c->has_max_age;
	const bool takes_free = settled->text[MH_CONFIG_HISTORY_MIN_FREE] && !c->has_min_free;
	uint32_t sync_ms;

	c->is_configured = takes_size || takes_age || takes_free;
	mh_config_limits(settled, &c->limits, &sync_ms);
	if (!takes_size)
		c->limits.max_bytes = said.max_bytes;
	if (!takes_age)
		c->limits.max_age_ms = said.max_age_ms;
	if (!takes_free) {
		c->limits.min_free_bytes = said.min_free_bytes;
		c->limits.min_free_percent = said.min_free_percent;
	}
}

static void print_limits(const struct config *c)
{
	struct mh_buf text = MH_BUF_INIT(1024);

	mh_limits_describe(&text, &c->limits);
	printf("%s: to be %s, by %s\n", c->history, mh_buf_str(&text), settings()->file);
	mh_buf_done(&text);
}

static int told(void *arg, const struct mh_segment_file *file, enum mh_deletion by)
{
	static const char *const reasons[MH_DELETIONS] = {"size", "age", "free space"};
	const struct config *c = arg;
	char size[MH_SIZE_TEXT];

	if (c->dry_run || c->verbose)
		printf("%s: %s, for %s%s\n", file->name, mh_size_text(size, file->disk_bytes),
		       reasons[by], c->dry_run ? " (would be deleted)" : "");
	return tool_interrupted();
}

/* Somewhere else nothing is put there, not even a lock. */
static int check(int dir_fd, const char *path, struct mh_err *err)
{
	struct mh_segment_list list = {0};
	int rc = mh_dir_list(dir_fd, &list);

	if (rc)
		mh_err_sys(err, rc, "cannot list the history %s", path);
	else if (!list.n && !list.n_temporary)
		rc = mh_dir_no_history(path, err);
	mh_dir_list_done(&list);
	return rc;
}

/* The directory, and the lock on it unless nothing is to be touched. *ret_lock_fd is -1 without. */
static int open_history(const struct config *c, int *ret_dir_fd, int *ret_lock_fd,
			struct mh_err *err)
{
	/* in any case by this: who takes the lock would make what is missing */
	int dir_fd = mh_dir_open(c->history, err), rc;

	if (dir_fd < 0)
		return dir_fd;
	*ret_dir_fd = dir_fd;
	*ret_lock_fd = -1;
	rc = check(dir_fd, c->history, err);
	if (rc || c->dry_run)
		return rc;
	*ret_dir_fd = -1;
	close(dir_fd);
	return mh_dir_own(c->history, settings_places(), ret_dir_fd, ret_lock_fd, err);
}

/* While somebody writes, the newest segment is his. */
static uint64_t first_kept(int dir_fd)
{
	struct mh_segment_list list = {0};
	uint64_t seq = 0;
	int32_t pid;

	if (mh_dir_is_locked(dir_fd, &pid) && !mh_dir_list(dir_fd, &list) && list.n)
		seq = list.file[list.n - 1].last_seq;
	mh_dir_list_done(&list);
	return seq;
}

static int report(const struct config *c, const struct mh_retention_result *r)
{
	uint64_t n = 0;
	char size[MH_SIZE_TEXT], left[MH_SIZE_TEXT], free_text[MH_SIZE_TEXT];

	for (int by = 0; by < MH_DELETIONS; by++)
		n += r->deleted[by];
	printf("%s: %" PRIu64 " segment%s%s deleted, %s; %zu segment%s left, %s\n", c->history, n,
	       human_s(n), c->dry_run ? " would be" : "", mh_size_text(size, r->deleted_bytes),
	       r->stock.files.n, human_s(r->stock.files.n), mh_size_text(left, r->stock.bytes));
	if (c->limits.max_bytes && r->stock.bytes > c->limits.max_bytes) {
		tool_say(command_retain.name,
			 "%s still takes more than asked for: %s are files that are no segments, "
			 "or are being written, and deleting the others would not be enough",
			 c->history, mh_size_text(size, r->stock.files.other_bytes));
		return STATUS_PARTIAL;
	}
	if (r->is_low) {
		tool_say(command_retain.name,
			 "%s are free in the file system of %s, which is less than asked for: "
			 "deleting this history would not be enough",
			 mh_size_text(free_text, r->free_bytes), c->history);
		return STATUS_PARTIAL;
	}
	return STATUS_OK;
}

static int run(int argc, char **argv)
{
	struct config config = {0};
	struct mh_retention_job job = {
		.limits = &config.limits,
		.newest_ms = MH_MS_MIN,
		.most_by_age = UINT_MAX,
		.told = told,
		.arg = &config,
	};
	struct mh_retention_result result = {0};
	struct mh_err err = {""};
	int dir_fd = -1, lock_fd = -1, rc;
	int status = options_parse(&command_retain, argc, argv, &config);

	if (status != OPTIONS_GO_ON)
		return status;
	if (!config.history || settings_named() || settings_is_own_history(config.history))
		complete_limits(&config);
	if (!config.has_max_size && !config.has_max_age && !config.has_min_free &&
	    !config.is_configured)
		return options_usage_error(&command_retain,
					   "name a limit: --max-size, --max-age or --min-free");
	config.history = settings_history(config.history);
	job.dry_run = config.dry_run;
	tool_catch_signals();
	rc = open_history(&config, &dir_fd, &lock_fd, &err);
	if (!rc && config.is_configured)
		print_limits(&config);
	if (!rc && config.dry_run)
		job.keep_seq = first_kept(dir_fd);
	if (!rc)
		rc = mh_retention_apply(dir_fd, config.history, &job, &result, &err);
	status = rc ? tool_fail(command_retain.name, rc, &err) : report(&config, &result);
	mh_stock_done(&result.stock);
	if (lock_fd >= 0)
		close(lock_fd);
	if (dir_fd >= 0)
		close(dir_fd);
	return status;
}

const struct command command_retain = {
	.name = "memhist retain",
	.usage = "[--history DIR] [LIMIT]... [OPTION]...",
	.summary = "Delete the oldest segments of a history that nobody writes.",
	.options = options,
	.examples = "  memhist retain --dry-run      # by the limits of the configuration\n"
		    "  memhist retain --history ./trace --max-size 500M --dry-run\n"
		    "  memhist retain --history ./trace --max-age 90d\n",
	.take = take,
	.run = run,
};
