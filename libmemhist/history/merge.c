/*
 * The merger: reads sealed segments one after the other through one decoder, as a reader does, into
 * another sealed one.
 *
 * Invariants:
 *   G1  A segment is removed only when each snapshot of it is in the merged one, which has its name
 *       and is on the disk. So one with damage is not merged, whatever of it can be read.
 *   G2  Snapshots of a merged segment are of one boot, and their boot times ascend. By these a
 *       reader knows how far it has read what it holds (Z8).
 *   G3  Numbers without a segment are not in the range of a merged one: they stay missing (Z8).
 */
#include "libmemhist/history/merge.h"

#include "libmemhist/history/sealed.h"
#include "libmemhist/history/walk.h"
#include "proto/memhist.pb-c.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <unistd.h>

enum { DAY_MS = 24 * 3600 * 1000 };

static int64_t day_of(const struct mh_segment_file *file)
{
	return file->start_ms / DAY_MS - (file->start_ms % DAY_MS < 0);
}

static bool same_day(const struct mh_segment_file *a, const struct mh_segment_file *b)
{
	return day_of(a) == day_of(b) && !strcmp(a->boot, b->boot);
}

/* Whether `next` can be the next one of the run that begins with `first`. */
static bool goes_on(const struct mh_segment_file *first, const struct mh_segment_file *next,
		    uint64_t bytes)
{
	return next->is_sealed && next->seq == next[-1].last_seq + 1 && same_day(first, next) &&
	       next->last_seq - first->seq <= MH_MERGED_MORE_MAX &&
	       bytes + next->bytes <= MH_MERGED_BYTES_MAX;
}

int mh_merge_next(const struct mh_segment_list *list, bool all, size_t *at,
		  struct mh_merge_run *ret)
{
	while (*at < list->n) {
		const struct mh_segment_file *first = &list->file[*at];
		struct mh_merge_run run = {*at, 1, first->bytes};

		while (first->is_sealed && *at + run.n < list->n &&
		       goes_on(first, &first[run.n], run.bytes))
			run.bytes += first[run.n++].bytes;
		*at += run.n;
		if (run.n > 1 && (all || !same_day(first, &list->file[list->n - 1]))) {
			*ret = run;
			return 1;
		}
	}
	return 0;
}

struct merger {
	int dir_fd;
	struct mh_decoder *decoder;
	struct mh_sealed *sealed;
	struct mh_walk *walk; /* of the input */
	const struct mh_segment_file *file;
	uint64_t snapshots; /* of it so far … */
	uint64_t promised;  /* … and by its index */
	bool has_index;
	struct mh_boot_id boot;
	struct mh_instant last; /* of the last snapshot of all; 0 = none yet */
	struct mh_err *err;
};

static int damaged(struct merger *m)
{
	return mh_errf(m->err, -EBADMSG, "%s is damaged: it stays as it is, and is not merged",
		       m->file->name);
}

/* The snapshot that the decoder is at. */
static int add(struct merger *m)
{
	struct mh_instant at = mh_decoder_at(m->decoder);
	const struct mh_boot_id *boot = mh_decoder_boot(m->decoder);

	if (m->last.boot_ns &&
	    (at.boot_ns <= m->last.boot_ns || memcmp(boot, &m->boot, sizeof(*boot)) != 0))
		return mh_errf(m->err, -EILSEQ,
			       "%s does not go on where the segment before it ends: they are not "
			       "merged",
			       m->file->name); /* G2 */
	if (!m->snapshots && m->last.boot_ns)
		mh_decoder_continues(m->decoder, m->last.wall_ms, at.wall_ms);
	m->boot = *boot;
	m->last = at;
	m->snapshots++;
	return mh_sealed_add(m->sealed, m->decoder);
}

/* How many snapshots the index says there are; a file that was cut short has none. */
static void take_index(struct merger *m, const struct mh_frame *frame)
{
	Memhist__V1__PartIndex *index = memhist__v1__part_index__unpack(NULL, frame->len,
									frame->payload);

	for (size_t i = 0; index && i < index->n_snapshots; i++)
		m->promised += index->snapshots[i];
	m->has_index = index != NULL;
	if (index)
		memhist__v1__part_index__free_unpacked(index, NULL);
}

static int take_frame(struct merger *m, const struct mh_step *step)
{
	struct mh_err reason = {""};
	int rc;

	if (step->skipped)
		return damaged(m);
	if (step->frame.type == MH_FRAME_END)
		take_index(m, &step->frame);
	rc = mh_decoder_frame(m->decoder, &step->frame, &reason);
	if (rc == -EPROTO)
		return mh_errf(m->err, rc, "%s: %s", m->file->name, reason.text);
	if (rc == -EBADMSG || rc == MH_DECODED_ORPHAN)
		return damaged(m);
	while (rc == MH_DECODED_SNAPSHOT) {
		rc = add(m);
		if (!rc)
			rc = mh_decoder_more(m->decoder);
		if (rc == -EBADMSG)
			return damaged(m);
	}
	return rc;
}

/* All of one segment. */
static int take_segment(struct merger *m)
{
	struct mh_step step;
	bool torn;
	int rc = mh_walk_open(&m->walk, m->dir_fd, m->file->name);

	if (rc)
		return rc == -ENOENT ? -ESTALE : rc;
	m->snapshots = m->promised = 0;
	m->has_index = false;
	mh_decoder_new_segment(m->decoder);
	while (!rc && (rc = mh_walk_next(m->walk, &step)) > 0)
		rc = take_frame(m, &step);
	if (!rc && (mh_walk_tail(m->walk, &torn) || !m->has_index || m->promised != m->snapshots))
		rc = damaged(m);
	mh_walk_close(m->walk);
	m->walk = NULL;
	return rc;
}

/* Whether somebody has removed one of them, and would not want it back. */
static bool is_stale(int dir_fd, const struct mh_segment_file *file, size_t n)
{
	for (size_t i = 0; i < n; i++)
		if (faccessat(dir_fd, file[i].name, F_OK, AT_SYMLINK_NOFOLLOW))
			return true;
	return false;
}

static int merge_all(struct merger *m, const struct mh_segment_file *file, size_t n,
		     size_t *ret_bad)
{
	int rc = 0;

	for (size_t i = 0; i < n && !rc; i++) {
		m->file = &file[i];
		rc = take_segment(m);
		*ret_bad = i;
	}
	if (rc)
		return rc;
	*ret_bad = n;
	rc = mh_sealed_finish(m->sealed);
	if (!rc && is_stale(m->dir_fd, file, n))
		rc = -ESTALE;
	return rc ? rc : mh_sealed_put(m->sealed);
}

int mh_merge(int dir_fd, const struct mh_segment_file *file, size_t n, struct mh_merge_result *ret,
	     struct mh_err *err)
{
	struct merger m = {.dir_fd = dir_fd, .err = err};
	struct mh_sealed_stats stats;
	int rc = mh_decoder_new(&m.decoder);

	*ret = (struct mh_merge_result){.bad = n};
	mh_merged_name(ret->name, &file[0], &file[n - 1]);
	err->text[0] = '\0';
	if (!rc)
		rc = mh_sealed_new(&m.sealed, dir_fd, ret->name);
	if (!rc)
		rc = merge_all(&m, file, n, &ret->bad);
	if (!rc) {
		mh_sealed_stats(m.sealed, &stats);
		ret->snapshots = stats.snapshots;
		ret->process_samples = stats.process_samples;
		ret->bytes_after = stats.bytes;
		for (size_t i = 0; i < n; i++) {
			ret->bytes_before += file[i].bytes;
			unlinkat(dir_fd, file[i].name, 0);
		}
	} else if (rc == -ESTALE) {
		mh_errf(err, rc, "%s: a segment was removed while it was merged", file[0].name);
	} else if (!err->text[0]) {
		mh_err_sys(err, rc, "cannot merge %s and those behind it", file[0].name);
	}
	mh_sealed_free(m.sealed);
	mh_decoder_free(m.decoder);
	return rc;
}
