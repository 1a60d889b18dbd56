/*
 * memhist repair: damaged segments become sound ones, as far as they can be read.
 *
 * First the history is read once, as verify does it, to find out which segments have damage and
 * what is lost; then these are repaired, one after the other. Without --output in place, with the
 * damaged files kept in DIR/damaged; with it into a new directory, sound segments as copies.
 */
#include "libmemhist/base/beneath.h"
#include "libmemhist/base/places.h"
#include "libmemhist/history/reader.h"
#include "libmemhist/history/repair.h"
#include "libmemhist/history/upkeep/tidy.h"
#include "tools/commands.h"
#include "tools/human.h"
#include "tools/outdir.h"
#include "tools/progress.h"
#include "tools/settings.h"
#include "tools/tool.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

struct config {
	const char *history;
	const char *file;   /* only this segment, by its path; NULL: all */
	const char *output; /* NULL: in place */
	bool utc;
	bool dry_run;
	bool verbose;
};

enum {
	OPT_OUTPUT = 1,
	OPT_DRY_RUN,
};

static const struct option options[] = {
	{OPTION_TEXT(struct config, history), 0, "history", "DIR",
	 "the history to repair [" DEFAULT_HISTORY "]"},
	{OPT_OUTPUT, 'o', "output", "DIR",
	 "make a repaired copy there, and change nothing [repair in place]"},
	{OPT_DRY_RUN, 'n', "dry-run", NULL,
	 "say what is damaged and would be lost, and do nothing"},
	{OPTION_FLAG(struct config, utc), 0, "utc", NULL, "times are shown in UTC"},
	{OPTION_FLAG(struct config, verbose), 'v', "verbose", NULL, "progress on a terminal"},
	{0},
};

static int take(void *arg, int id, const char *const value[OPTION_VALUES_MAX], struct mh_err *err)
{
	struct config *c = arg;

	switch (id) {
	case OPT_OUTPUT:
		c->output = value[0];
		return 0;
	case OPT_DRY_RUN:
		c->dry_run = true;
		return 0;
	default:
		if (c->file)
			return mh_errf(err, -EINVAL, "one FILE at a time: %s or %s?", c->file,
				       value[0]);
		c->file = value[0];
		return 0;
	}
}

struct repair {
	const struct config *config;
	struct progress progress;
	int dir_fd;
	int lock_fd;
	struct mh_segment_list files;
	const char *only; /* name of the one segment that is meant; NULL: all */
	bool *is_damaged; /* by position in `files` */
	uint64_t n_damaged, n_places, n_unreadable;
	uint64_t n_repaired, n_hopeless, n_failed;
	uint64_t bytes_before, bytes_after;
};

/* --- what is damaged --------------------------------------------------------------------- */

static bool is_meant(const struct repair *r, const char *name)
{
	return !r->only || !strcmp(r->only, name);
}

static void on_damage(void *arg, const struct mh_damage *d)
{
	struct repair *r = arg;

	if (!is_meant(r, d->file) || d->torn)
		return; /* torn: nothing was ever reported as written there */
	progress_end(&r->progress);
	if (d->unreadable) {
		printf("%s: %s\n", d->file, d->reason);
		r->n_unreadable++;
		return;
	}
	printf("%s: bytes %" PRIu64 " to %" PRIu64 ": %s\n", d->file, d->offset,
	       d->bytes ? d->offset + d->bytes - 1 : d->offset, d->reason);
	r->n_places++;
	for (size_t i = 0; i < r->files.n; i++) {
		if (strcmp(r->files.file[i].name, d->file) != 0 || r->is_damaged[i])
			continue;
		r->is_damaged[i] = true;
		r->n_damaged++;
	}
}

static void say_lost(const struct repair *r, const struct mh_snapshot *s)
{
	struct mh_buf line = MH_BUF_INIT(256);

	mh_buf_adds(&line, "lost: what was taken between ");
	mh_time_format(&line, s->gap.since_wall_ms, r->config->utc);
	mh_buf_adds(&line, " and ");
	mh_time_format(&line, s->at.wall_ms, r->config->utc);
	puts(mh_buf_str(&line));
	mh_buf_done(&line);
}

static int examine(struct repair *r, struct mh_err *err)
{
	struct mh_reader_options reading = {
		.since_ms = MH_MS_MIN,
		.until_ms = MH_MS_MAX,
		.damage = on_damage,
		.arg = r,
	};
	const struct mh_snapshot *s;
	struct mh_reader *reader;
	uint64_t n = 0;
	int rc = mh_reader_open(&reader, r->config->history, &reading, err);

	if (rc)
		return rc;
	while ((rc = mh_reader_next(reader, &s, err)) > 0) {
		if (s->gap.kind == MH_GAP_DAMAGE && r->n_damaged)
			say_lost(r, s);
		progress_show(&r->progress, ++n, 0);
		if (tool_interrupted()) {
			rc = -EINTR;
			break;
		}
	}
	progress_end(&r->progress);
	mh_reader_close(reader);
	return rc;
}

/* --- repairing --------------------------------------------------------------------------- */

static void repair_one(struct repair *r, const struct mh_segment_file *file, int to_fd)
{
	struct mh_repair_result result;
	struct mh_err err;
	int rc = mh_repair_segment(r->dir_fd, file, to_fd, &result, &err);

	if (rc && rc != -ENODATA) {
		tool_say(command_repair.name, "%s", err.text);
		r->n_failed++;
		return;
	}
	if (rc) {
		printf("%s: nothing of it can be read\n", file->name);
		r->n_hopeless++;
		return;
	}
	printf("%s: %" PRIu64 " snapshot%s with %" PRIu64 " process-sample%s saved\n", result.name,
	       result.snapshots, human_s(result.snapshots), result.process_samples,
	       human_s(result.process_samples));
	r->n_repaired++;
	r->bytes_before += result.bytes_before;
	r->bytes_after += result.bytes_after;
}

/* As it is, on the disk. */
static int copy_one(const struct repair *r, const struct mh_segment_file *file, int to_fd,
		    struct mh_err *err)
{
	static char bytes[1 << 16];
	int from = mh_beneath_file(r->dir_fd, file->name, O_RDONLY, 0);
	int to = from < 0 ? from
			  : mh_beneath_file(to_fd, file->name, O_WRONLY | O_CREAT | O_EXCL, 0640);
	ssize_t n = 0;
	int rc = to < 0 ? to : 0;

	while (!rc && (n = read(from, bytes, sizeof(bytes))) != 0) {
		for (ssize_t done = 0, w; n > 0 && done < n && !rc; done += w > 0 ? w : 0) {
			w = write(to, bytes + done, (size_t)(n - done));
			rc = w < 0 && errno != EINTR ? -errno : 0;
		}
		if (n < 0 && errno != EINTR)
			rc = -errno;
		if (tool_interrupted())
			rc = -EINTR;
	}
	if (!rc && fsync(to))
		rc = -errno;
	if (from >= 0)
		close(from);
	if (to >= 0)
		close(to);
	return rc && rc != -EINTR ? mh_err_sys(err, rc, "cannot copy %s", file->name) : rc;
}

static int repair_in_place(struct repair *r)
{
	for (size_t i = 0; i < r->files.n; i++) {
		if (!r->is_damaged[i])
			continue;
		if (tool_interrupted())
			return -EINTR;
		repair_one(r, &r->files.file[i], r->dir_fd);
	}
	return 0;
}

static int repair_into(struct repair *r, struct mh_err *err)
{
	struct outdir dir;
	int rc = outdir_open(&dir, r->config->output, r->config->history, err);

	if (rc)
		return rc;
	for (size_t i = 0; i < r->files.n && !rc; i++) {
		if (!is_meant(r, r->files.file[i].name))
			continue;
		if (tool_interrupted())
			rc = -EINTR;
		else if (r->is_damaged[i])
			repair_one(r, &r->files.file[i], dir.fd);
		else
			rc = copy_one(r, &r->files.file[i], dir.fd, err);
	}
	if (!rc && r->n_failed)
		rc = mh_errf(err, -EIO, "%s was not made, since not all segments could be repaired",
			     r->config->output);
	if (!rc)
		rc = outdir_commit(&dir, err);
	outdir_done(&dir);
	return rc;
}

/* --- the command ------------------------------------------------------------------------- */

static int is_written(const struct repair *r, int32_t pid, struct mh_err *err)
{
	if (!pid)
		return mh_errf(err, -EBUSY, "%s is being written: end who writes it first",
			       r->config->history);
	return mh_errf(err, -EBUSY, "%s is being written by process %" PRId32 ": end it first",
		       r->config->history, pid);
}

static bool changes(const struct repair *r)
{
	return !r->config->output && !r->config->dry_run;
}

/* Nobody writes it; nobody seals, merges or repairs it until we are done. */
static int open_history(struct repair *r, struct mh_err *err)
{
	const char *history = r->config->history;
	int32_t pid = 0;
	int rc;

	r->dir_fd = changes(r) ? mh_places_open_history(settings_places(), history, false, err)
			       : mh_dir_open(history, err);
	if (r->dir_fd < 0)
		return r->dir_fd;
	if (mh_dir_is_locked(r->dir_fd, &pid))
		return is_written(r, pid, err);
	rc = changes(r) ? mh_tidy_lock(r->dir_fd) : 0;
	if (rc == -EWOULDBLOCK)
		return mh_errf(err, rc, "%s is being sealed or merged by another process", history);
	if (rc)
		return mh_err_sys(err, rc, "cannot lock %s", history);
	rc = mh_dir_list(r->dir_fd, &r->files);
	if (rc)
		return mh_err_sys(err, rc, "cannot list %s", history);
	for (size_t i = 0; r->only && i < r->files.n; i++)
		if (is_meant(r, r->files.file[i].name))
			return 0;
	return r->only ? mh_errf(err, -EINVAL, "%s is no segment of the history %s", r->only,
				 history)
		       : 0;
}

/* Nobody begins to write it until we are done. Only now: to a reader, who holds it writes. */
static int lock_history(struct repair *r, struct mh_err *err)
{
	int32_t pid = 0;

	r->lock_fd = mh_dir_lock(r->dir_fd, &pid);
	if (r->lock_fd == -EBUSY)
		return is_written(r, pid, err);
	return r->lock_fd < 0
		       ? mh_err_sys(err, r->lock_fd, "cannot lock %s/LOCK", r->config->history)
		       : 0;
}

static int repair(struct repair *r, struct mh_err *err)
{
	int rc = open_history(r, err);

	if (rc)
		return rc;
	r->is_damaged = calloc(r->files.n + 1, sizeof(*r->is_damaged));
	if (!r->is_damaged)
		return mh_err_sys(err, -ENOMEM, "cannot repair %s", r->config->history);
	rc = examine(r, err);
	if (rc || r->config->dry_run)
		return rc;
	if (r->config->output)
		return repair_into(r, err);
	if (!r->n_damaged)
		return 0;
	rc = lock_history(r, err);
	return rc ? rc : repair_in_place(r);
}

static int report(const struct repair *r)
{
	const struct config *c = r->config;

	if (!r->n_damaged)
		printf("%s: no damage%s\n", c->history, c->output ? ", copied as it is" : "");
	else if (c->dry_run)
		printf("%s: %" PRIu64 " damaged segment%s, nothing done\n", c->history,
		       r->n_damaged, human_s(r->n_damaged));
	else
		printf("%s: %" PRIu64 " of %" PRIu64 " damaged segment%s repaired, %" PRIu64
		       " to %" PRIu64 " bytes%s%s%s\n",
		       c->output ? c->output : c->history, r->n_repaired, r->n_damaged,
		       human_s(r->n_damaged), r->bytes_before, r->bytes_after,
		       c->output ? "" : "; the damaged files are in ", c->output ? "" : c->history,
		       c->output ? "" : "/" MH_DAMAGED_DIR);
	if (r->n_failed || r->n_unreadable || r->n_hopeless)
		return STATUS_PARTIAL;
	return c->dry_run && r->n_damaged ? STATUS_DAMAGED : STATUS_OK;
}

static bool is_directory(const char *path)
{
	struct stat st;

	return !stat(path, &st) && S_ISDIR(st.st_mode);
}

/* FILE is a segment of the history in its directory. Returns that directory, to be freed. */
static char *split_file(struct config *c, struct repair *r)
{
	char *slash, *folder = strdup(c->file);

	if (!folder)
		return NULL;
	slash = strrchr(folder, '/');
	r->only = slash ? c->file + (slash - folder) + 1 : c->file;
	if (!slash)
		memcpy(folder, ".", 2); /* there is room: it is no option, so not "" */
	else if (slash == folder)
		slash[1] = '\0';
	else
		*slash = '\0';
	c->history = folder;
	return folder;
}

static int run(int argc, char **argv)
{
	struct config c = {0};
	struct repair r = {.config = &c, .dir_fd = -1, .lock_fd = -1};
	struct mh_err err = {""};
	char *folder;
	int rc, status = options_parse(&command_repair, argc, argv, &c);

	if (status != OPTIONS_GO_ON)
		return status;
	if (c.output && c.dry_run)
		return options_usage_error(&command_repair, "--dry-run makes no --output");
	if (c.file && (c.history || !*c.file))
		return options_usage_error(&command_repair, "name a FILE or a --history");
	if (c.file && is_directory(c.file))
		return options_usage_error(&command_repair,
					   "%s is a directory: a whole history is named by "
					   "--history",
					   c.file);
	folder = c.file ? split_file(&c, &r) : NULL;
	c.history = settings_history(c.history);
	tool_catch_signals();
	progress_begin(&r.progress, "examining: snapshot", c.verbose);
	rc = repair(&r, &err);
	mh_dir_list_done(&r.files);
	free(r.is_damaged);
	if (r.lock_fd >= 0)
		close(r.lock_fd);
	if (r.dir_fd >= 0)
		close(r.dir_fd);
	status = rc ? tool_fail(command_repair.name, rc, &err) : report(&r);
	free(folder);
	return status;
}

const struct command command_repair = {
	.name = "memhist repair",
	.usage = "[--history DIR | FILE] [OPTION]...",
	.summary = "Make a damaged history sound: what can be read stays, the rest becomes a gap.",
	.options = options,
	.examples = "  memhist repair --dry-run\n"
		    "  memhist repair --history /var/lib/memhist\n"
		    "  memhist repair --history ./copy -o ./repaired\n",
	.take = take,
	.run = run,
};
