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
#include "libmemhist/history/unknown.h"
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
	bool is_newer; /* the index says what is not known here (P3) */
	struct mh_boot_id boot;
	struct mh_instant last; /* of the last snapshot of all; 0 = none yet */
	struct mh_err *err;
};

static int damaged(struct merger *m)
{
	return mh_errf(m->err, -EBADMSG, "%s is damaged: it stays as it is, and is not merged",
		       m->file->name);
}

static int misplaced(struct merger *m)
{
	return mh_errf(m->err, -EILSEQ,
		       "%s does not go on where the segment before it ends: they are not merged",
		       m->file->name); /* G2 */
}

/* The snapshot that the decoder is at. */
static int add(struct merger *m)
{
	struct mh_instant at = mh_decoder_at(m->decoder);
	const struct mh_boot_id *boot = mh_decoder_boot(m->decoder);

	if (m->last.boot_ns &&
	    (at.boot_ns <= m->last.boot_ns || memcmp(boot, &m->boot, sizeof(*boot)) != 0))
		return misplaced(m);
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
	m->is_newer = index && mh_message_has_unknown(&index->base);
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
	rc = m->is_newer ? mh_refuse_unknown(&reason)
			 : mh_decoder_frame(m->decoder, &step->frame, &reason);
	if (rc == -EPROTO)
		return mh_errf(m->err, rc, "%s is not merged: %s", m->file->name, reason.text);
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

/*
 * A look at the frames alone, for damage, and at the times of the first and the last snapshot: a
 * hundredth of the work, before any of it is done.
 */
static int examine_segment(struct merger *m)
{
	mh_boot_ns_t first_ns = 0;
	struct mh_step step = {0};
	bool torn;
	int rc = mh_walk_open(&m->walk, m->dir_fd, m->file->name);

	if (rc)
		return rc == -ENOENT ? -ESTALE : rc;
	while (!rc && (rc = mh_walk_next(m->walk, &step)) > 0) {
		rc = step.skipped ? damaged(m) : 0;
		first_ns = first_ns ? first_ns : step.frame.at.boot_ns;
	}
	if (!rc && (step.frame.type != MH_FRAME_END || mh_walk_tail(m->walk, &torn)))
		rc = damaged(m);
	if (!rc && m->last.boot_ns && first_ns <= m->last.boot_ns)
		rc = misplaced(m);
	m->last = step.frame.at;
	mh_walk_close(m->walk);
	m->walk = NULL;
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
	m->has_index = m->is_newer = false;
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

/* Each of them in turn. On failure *ret_bad is which one it was. */
static int for_each(struct merger *m, const struct mh_segment_file *file, size_t n,
		    int (*step)(struct merger *m), size_t *ret_bad)
{
	int rc = 0;

	m->last = (struct mh_instant){0};
	for (size_t i = 0; i < n && !rc; i++) {
		m->file = &file[i];
		rc = step(m);
		if (rc)
			*ret_bad = i;
	}
	return rc;
}

static int merge_all(struct merger *m, const struct mh_segment_file *file, size_t n,
		     struct mh_merge_result *ret)
{
	int rc = for_each(m, file, n, examine_segment, &ret->bad);

	if (!rc)
		rc = mh_decoder_new(&m->decoder);
	if (!rc) {
		mh_decoder_be_strict(m->decoder); /* P3 */
		rc = mh_sealed_new(&m->sealed, m->dir_fd, ret->name);
	}
	if (!rc)
		rc = for_each(m, file, n, take_segment, &ret->bad);
	if (!rc)
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
	int rc;

	*ret = (struct mh_merge_result){.bad = n};
	mh_merged_name(ret->name, &file[0], &file[n - 1]);
	err->text[0] = '\0';
	rc = merge_all(&m, file, n, ret);
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
