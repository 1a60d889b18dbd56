/*
 * A directory of JSON files, one per snapshot, as process_memory_history writes them with ps and
 * reads them with its aggregate.py:
 *
 *     memory_20250604_123456.json
 *     {"timestamp":"2025-06-04T12:34:56+09:00","hostname":"server01",
 *      "items":[{"pid":1234,"cmd":"python main.py","rss":102400,"group":"python"}],
 *      "total_mb":100.0,"total_gb":0.1,"total_tb":0.0}
 *
 *   - Times are local with their offset, in whole seconds. Of histories that have more than one
 *     snapshot a second they have milliseconds, in the name too; so has a snapshot that met a
 *     second of which there is a file already, so that all can be read back.
 *   - items: the largest first. rss in KiB; cmd as ps prints it, [comm] where there is no command
 *     line; group is the program's name.
 *   - total_…: the sum of the items' rss in MiB, GiB (one decimal) and TiB (three).
 *
 * The files appear together with their directory. They are written in memory bounded by one of
 * them.
 */
#include "tools/export.h"
#include "tools/json.h"
#include "tools/outdir.h"

#include "libmemhist/base/civil.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { FILE_MAX = 256 << 20, NAME_MAX_BYTES = 64, SAME_SECOND_MAX = 1000, FILE_MODE = 0640 };

struct writer {
	const struct export_job *job;
	struct outdir dir;
	struct mh_buf content;
	struct mh_buf command;
	uint32_t *slot; /* of the items, to be sorted */
	uint32_t slots_cap;
};

/* --- the content ------------------------------------------------------------------------- */

/* What the clock on the wall shows, with the millisecond where `fine`. `T` stands between. */
static void add_clock(struct mh_buf *b, mh_ms_t wall_ms, bool utc, bool fine)
{
	struct mh_buf time = MH_BUF_INIT(64);

	mh_time_format(&time, wall_ms, utc);
	if (time.len > 10)
		time.data[10] = 'T';
	mh_buf_add(b, time.data, time.len);
	if (fine)
		mh_buf_printf(b, ".%03d", (int)((wall_ms % 1000 + 1000) % 1000));
	mh_buf_done(&time);
}

/* "+09:00": how far the clock is ahead. */
static void add_offset(struct mh_buf *b, mh_ms_t wall_ms, bool utc)
{
	mh_ms_t minutes = (mh_civil(wall_ms, utc) - wall_ms) / 60000;
	mh_ms_t ahead = minutes < 0 ? -minutes : minutes;

	mh_buf_printf(b, "%c%02d:%02d", minutes < 0 ? '-' : '+', (int)(ahead / 60),
		      (int)(ahead % 60));
}

static void write_times(struct writer *w, const struct export_step *step, bool fine)
{
	struct mh_buf time = MH_BUF_INIT(64);

	add_clock(&time, step->s->at.wall_ms, step->job->utc, fine);
	add_offset(&time, step->s->at.wall_ms, step->job->utc);
	json_string(&w->content, "timestamp", mh_buf_str(&time));
	json_string(&w->content, "hostname", step->segment->host);
	mh_buf_done(&time);
}

static uint64_t rss_kib(const struct export_step *step, const struct mh_process *p)
{
	return mh_field_shown(MH_FIELD_RSS, p->value[MH_FIELD_RSS], step->segment->page_bytes) /
	       1024;
}

static void write_item(struct writer *w, const struct export_step *step, const struct mh_process *p)
{
	struct mh_buf *b = &w->content, *command = &w->command;
	const char *group;
	size_t group_len = mh_process_program(p, &group);

	mh_buf_clear(command);
	if (p->cmdline_len) {
		mh_buf_add(command, p->cmdline, p->cmdline_len);
		for (size_t i = 0; i < command->len; i++)
			if (!command->data[i])
				command->data[i] = ' ';
	} else {
		mh_buf_addc(command, '[');
		mh_buf_add(command, p->comm, p->comm_len);
		mh_buf_addc(command, ']');
	}
	json_open(b, NULL, '{');
	json_number(b, "pid", p->id.pid);
	json_text(b, "cmd", command->data, command->len);
	json_number(b, "rss", rss_kib(step, p));
	json_text(b, "group", group, group_len);
	json_close(b, '}');
}

/* Largest first; of equal ones the smaller pid. */
static int by_rss(const void *a, const void *b, void *arg)
{
	const struct mh_snapshot *s = arg;
	const struct mh_process *x = &s->process[*(const uint32_t *)a];
	const struct mh_process *y = &s->process[*(const uint32_t *)b];

	if (x->value[MH_FIELD_RSS] != y->value[MH_FIELD_RSS])
		return x->value[MH_FIELD_RSS] > y->value[MH_FIELD_RSS] ? -1 : 1;
	return x->id.pid < y->id.pid ? -1 : 1;
}

static void write_items(struct writer *w, const struct export_step *step)
{
	uint64_t total_kib = 0;
	uint32_t n = 0;

	mh_snapshot_for_each (step->s, slot)
		if (step->job->chosen.is_slot[slot])
			w->slot[n++] = slot;
	if (n)
		qsort_r(w->slot, n, sizeof(*w->slot), by_rss, (void *)step->s);
	json_open(&w->content, "items", '[');
	for (uint32_t i = 0; i < n; i++) {
		const struct mh_process *p = &step->s->process[w->slot[i]];

		write_item(w, step, p);
		total_kib += rss_kib(step, p);
	}
	json_close(&w->content, ']');
	json_decimal(&w->content, "total_mb", (double)total_kib / 1024, 1);
	json_decimal(&w->content, "total_gb", (double)total_kib / (1024 * 1024), 1);
	json_decimal(&w->content, "total_tb", (double)total_kib / (1024 * 1024 * 1024.0), 3);
}

/* --- files ------------------------------------------------------------------------------- */

/* memory_20250604_123456.json, with _500 for the millisecond where `fine`. */
static void compose_name(char ret[NAME_MAX_BYTES], const struct export_step *step, bool fine,
			 unsigned nth)
{
	struct mh_buf time = MH_BUF_INIT(64);
	size_t len = 0;

	add_clock(&time, step->s->at.wall_ms, step->job->utc, fine);
	len = (size_t)snprintf(ret, NAME_MAX_BYTES, "memory_");
	for (size_t i = 0; i < time.len && len + 16 < NAME_MAX_BYTES; i++)
		if (time.data[i] == 'T' || time.data[i] == '.')
			ret[len++] = '_';
		else if (time.data[i] >= '0' && time.data[i] <= '9')
			ret[len++] = time.data[i];
	if (nth > 1)
		len += (size_t)snprintf(ret + len, NAME_MAX_BYTES - len, "_%u", nth);
	snprintf(ret + len, NAME_MAX_BYTES - len, ".json");
	mh_buf_done(&time);
}

/* Whether there is a file of this second: one came late, or the clock was set back. */
static bool has_second(const struct writer *w, const struct export_step *step)
{
	char name[NAME_MAX_BYTES];

	compose_name(name, step, false, 1);
	return !faccessat(w->dir.fd, name, F_OK, AT_SYMLINK_NOFOLLOW);
}

/* A time that comes twice, when the clock is set back, has a file for each. */
static int create(struct writer *w, const struct export_step *step, bool fine,
		  char name[NAME_MAX_BYTES])
{
	for (unsigned nth = 1; nth <= SAME_SECOND_MAX; nth++) {
		int fd;

		compose_name(name, step, fine, nth);
		fd = openat(w->dir.fd, name, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC,
			    FILE_MODE);
		if (fd >= 0 || errno != EEXIST)
			return fd < 0 ? -errno : fd;
	}
	return -EEXIST;
}

static int write_all(int fd, const struct mh_buf *b)
{
	size_t done = 0;

	while (done < b->len) {
		ssize_t n = write(fd, b->data + done, b->len - done);

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return -errno;
		done += (size_t)n;
	}
	return 0;
}

static int write_file(struct writer *w, const struct export_step *step, bool fine,
		      struct mh_err *err)
{
	char name[NAME_MAX_BYTES];
	int rc = 0, fd = create(w, step, fine, name);

	if (fd < 0)
		return mh_err_sys(err, fd, "cannot make %s/%s", w->dir.path, name);
	rc = w->content.error ? w->content.error : write_all(fd, &w->content);
	if (close(fd) && !rc)
		rc = -errno;
	return rc ? mh_err_sys(err, rc, "cannot write %s/%s", w->dir.path, name) : 0;
}

static int reserve(struct writer *w, uint32_t n)
{
	uint32_t *slot;

	if (n <= w->slots_cap)
		return 0;
	slot = reallocarray(w->slot, n, sizeof(*slot));
	if (!slot)
		return -ENOMEM;
	w->slot = slot;
	w->slots_cap = n;
	return 0;
}

static int snapshot(void *self, const struct export_step *step, struct mh_err *err)
{
	struct writer *w = self;
	bool fine = step->segment->interval_ms % 1000 != 0 || has_second(w, step);

	/* a history of something else, or a stretch of one */
	if (!mh_fields_have(step->s->fields, MH_FIELD_RSS))
		return 0;
	if (reserve(w, step->s->n_slots))
		return mh_err_sys(err, -ENOMEM, "cannot write %s", w->dir.path);
	mh_buf_clear(&w->content);
	json_open(&w->content, NULL, '{');
	write_times(w, step, fine);
	write_items(w, step);
	json_close(&w->content, '}');
	mh_buf_addc(&w->content, '\n');
	return write_file(w, step, fine, err);
}

/* --- the format -------------------------------------------------------------------------- */

static void close_writer(void *self)
{
	struct writer *w = self;

	if (!w)
		return;
	outdir_done(&w->dir);
	mh_buf_done(&w->content);
	mh_buf_done(&w->command);
	free(w->slot);
	free(w);
}

static int open_writer(void **ret, struct export_job *job, struct mh_err *err)
{
	struct writer *w = calloc(1, sizeof(*w));
	int rc;

	if (!w)
		return mh_err_sys(err, -ENOMEM, "cannot export %s", job->history);
	w->job = job;
	w->content = (struct mh_buf)MH_BUF_INIT(FILE_MAX);
	w->command = (struct mh_buf)MH_BUF_INIT(2 * MH_CMDLINE_MAX);
	rc = outdir_open(&w->dir, job->output, job->history, err);
	if (rc) {
		free(w);
		return rc;
	}
	*ret = w;
	return 0;
}

static int commit(void *self, struct mh_err *err)
{
	struct writer *w = self;

	return outdir_commit(&w->dir, err);
}

const struct export_format export_json = {
	.name = "json",
	.open = open_writer,
	.snapshot = snapshot,
	.commit = commit,
	.close = close_writer,
};
