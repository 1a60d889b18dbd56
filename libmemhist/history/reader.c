/*
 * The reader: segments in order, each walked frame by frame through the decoder. Keeps one file
 * open, lists the directory anew when there is none left or one of the list is gone, and takes
 * deletions as they come.
 *
 * What has a number up to `done_seq` is done, under whatever name (D5): an open segment that was
 * read and then sealed is not read again. A merged one may hold both, what is done and what is not;
 * then `last` says how far it is known. An open file is read to its end, whatever becomes of its
 * name; where it was removed before it held a snapshot, its number is to come again (D2).
 *
 * Snapshots outside the range are decoded (deltas build on them) but the decoder's round stays
 * open, so that the first snapshot delivered tells of all births and exits until then.
 */
#include "libmemhist/history/reader.h"

#include "libmemhist/history/rows/decode.h"
#include "libmemhist/history/dir.h"
#include "libmemhist/history/columns/part_reading.h"
#include "libmemhist/history/walk.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

struct mh_reader {
	struct mh_reader_options options;
	char *dir_path;
	int dir_fd;
	struct mh_segment_list list;
	uint64_t done_seq; /* the last number opened or passed over */
	struct {
		uint64_t done_seq, missing;
	} before;            /* the open segment was begun */
	bool has_begun;      /* a segment was opened */
	bool is_new_segment; /* nothing of the open segment was delivered yet … */
	bool is_empty;       /* … and no snapshot of it read */
	bool is_lost;        /* damage was reported, and no keyframe has come since */
	bool is_late;        /* follow: behind the newest snapshot, which alone is delivered */

	struct mh_walk *walk; /* the open segment, NULL = between segments */
	bool is_sealed;
	char name[MH_SEGMENT_NAME_MAX];
	char gone[MH_SEGMENT_NAME_MAX]; /* was listed, and could not be found */
	struct mh_boot_id boot;         /* of the last snapshot, wanted or not … */
	struct mh_instant last;         /* … and its time; 0 = none yet */
	struct mh_step step;            /* of the last frame */
	struct mh_step place;           /* of the last snapshot */
	mh_ms_t last_wall_ms;

	struct mh_decoder *decoder;
	struct mh_reader_stats stats;

	struct mh_part_reading parts;
};

/* Its end is "not yet". */
static bool goes_on(const struct mh_reader *r)
{
	return r->options.follow || r->options.wait;
}

int mh_reader_open(struct mh_reader **ret, const char *dir, const struct mh_reader_options *options,
		   struct mh_err *err)
{
	struct mh_reader *r = calloc(1, sizeof(*r));
	int rc;

	if (!r || !(r->dir_path = strdup(dir)) || mh_decoder_new(&r->decoder)) {
		if (r)
			r->dir_fd = -1;
		mh_reader_close(r);
		return mh_err_sys(err, -ENOMEM, "cannot read the history %s", dir);
	}
	r->options = *options;
	r->is_late = options->follow;
	mh_part_reading_begin(&r->parts, &r->options, r->decoder, &r->stats);
	rc = r->dir_fd = mh_dir_open(dir, err);
	if (rc < 0)
		goto fail;
	rc = mh_dir_list(r->dir_fd, &r->list);
	if (rc) {
		mh_err_sys(err, rc, "cannot list the history %s", dir);
		goto fail;
	}
	r->stats.foreign_files = r->list.n_foreign;
	if (!r->list.n && !goes_on(r)) {
		rc = mh_dir_no_history(dir, err);
		goto fail;
	}
	*ret = r;
	return 0;
fail:
	mh_reader_close(r);
	return rc;
}

void mh_reader_close(struct mh_reader *r)
{
	if (!r)
		return;
	mh_walk_close(r->walk);
	mh_decoder_free(r->decoder);
	mh_dir_list_done(&r->list);
	mh_part_reading_done(&r->parts);
	if (r->dir_fd >= 0)
		close(r->dir_fd);
	free(r->dir_path);
	free(r);
}

static void report(struct mh_reader *r, uint64_t offset, uint64_t bytes, bool torn,
		   const char *reason)
{
	struct mh_damage damage = {
		.file = r->name,
		.offset = offset,
		.bytes = bytes,
		.torn = torn,
		.reason = reason,
	};

	if (torn) {
		r->stats.torn_tails++;
		r->stats.torn_bytes += bytes;
	} else {
		r->stats.damages++;
		r->stats.damaged_bytes += bytes;
		r->is_lost = true;
		mh_decoder_lost(r->decoder, r->last_wall_ms);
	}
	if (r->options.damage)
		r->options.damage(r->options.arg, &damage);
}

static void report_unreadable(struct mh_reader *r, const struct mh_segment_file *file)
{
	struct mh_damage damage = {
		.file = file->name,
		.bytes = file->bytes,
		.unreadable = true,
		.reason = "cannot be opened",
	};

	r->stats.unreadable++;
	if (r->options.damage)
		r->options.damage(r->options.arg, &damage);
}

static bool has_newer_segment(struct mh_reader *r)
{
	if (mh_dir_list(r->dir_fd, &r->list) || !r->list.n)
		return false;
	return r->list.file[r->list.n - 1].last_seq > r->done_seq;
}

/* Whether the open segment was removed by its writer, who could write no snapshot to it (D2). */
static bool was_abandoned(const struct mh_reader *r)
{
	return r->is_empty && !r->is_sealed && mh_walk_is_removed(r->walk);
}

/*
 * Whether the writer has left the open segment for good (R1). Asked before the last look at its
 * end: what it wrote before it left is there by then.
 */
static bool is_left(struct mh_reader *r)
{
	int32_t pid;

	if (has_newer_segment(r) || was_abandoned(r))
		return true;
	return !goes_on(r) && !mh_dir_is_locked(r->dir_fd, &pid);
}

static void close_segment(struct mh_reader *r)
{
	bool torn;
	uint64_t tail = mh_walk_tail(r->walk, &torn);
	uint64_t end = r->step.offset + r->step.size;

	if (was_abandoned(r)) {
		r->done_seq = r->before.done_seq;
		r->stats.missing = r->before.missing;
		r->stats.segments--;
		tail = torn ? 0 : tail; /* of what was cut off nothing is lost */
	}
	if (r->is_sealed && (torn || (!tail && r->step.frame.type != MH_FRAME_END)))
		report(r, end, tail, false, "cut short, after it was sealed"); /* R2 */
	else if (tail)
		report(r, end, tail, torn, torn ? "cut short by a crash" : "no valid frame");
	mh_walk_close(r->walk);
	r->walk = NULL;
}

/*
 * Whether nothing in segment `i` can be wanted. Its last time is not known without reading it, but
 * the next one's first time is, unless the clock was set back in between.
 */
static bool is_out_of_range(const struct mh_reader *r, size_t i)
{
	const struct mh_segment_file *file = &r->list.file[i];
	bool has_next = i + 1 < r->list.n;

	if (r->options.follow)
		return !r->has_begun && has_next;
	if (file->start_ms >= r->options.until_ms)
		return true;
	/* names have whole seconds: the next one may have begun up to a second later */
	return has_next && file[1].start_ms >= file->start_ms &&
	       file[1].start_ms + 1000 <= r->options.since_ms;
}

/* The walk is at the beginning of this segment. */
static void begin_segment(struct mh_reader *r, const struct mh_segment_file *file)
{
	bool is_known_in_part = file->seq <= r->done_seq;

	r->before.done_seq = r->done_seq;
	r->before.missing = r->stats.missing;
	if (r->has_begun && file->seq > r->done_seq)
		r->stats.missing += file->seq - r->done_seq - 1;
	r->done_seq = file->last_seq;
	r->has_begun = r->is_new_segment = r->is_empty = true;
	r->is_lost = false;
	r->is_sealed = file->is_sealed;
	memcpy(r->name, file->name, sizeof(r->name));
	r->step = (struct mh_step){0};
	r->stats.segments++;
	if (r->options.parts && file->is_sealed)
		mh_walk_pass_over(r->walk,
				  &(struct mh_walk_choice){mh_part_reading_needs,
							   mh_part_reading_passes_over, &r->parts});
	mh_decoder_new_segment(r->decoder);
	if (is_known_in_part && r->last.boot_ns)
		mh_decoder_resume(r->decoder, &r->boot, r->last.boot_ns);
}

/* Open the next segment: 1, 0 when there is none (yet), -ENOENT: the list is old, or -errno. */
static int open_next(struct mh_reader *r, struct mh_err *err)
{
	for (size_t i = 0; i < r->list.n; i++) {
		const struct mh_segment_file *file = &r->list.file[i];
		int rc;

		if (file->last_seq <= r->done_seq)
			continue;
		if (is_out_of_range(r, i)) {
			r->done_seq = file->last_seq;
			continue;
		}
		rc = mh_walk_open(&r->walk, r->dir_fd, file->name);
		if (!rc) {
			begin_segment(r, file);
			return 1;
		}
		/* sealed, merged or deleted since: another one may hold it; but a name that is
		 * listed again and again, and is not there, is not asked for forever */
		if (rc == -ENOENT && strcmp(file->name, r->gone) != 0) {
			memcpy(r->gone, file->name, sizeof(r->gone));
			return rc;
		}
		if (rc == -ENOENT)
			continue;
		if (rc != -EACCES && rc != -EPERM && rc != -EIO && rc != -EINVAL && rc != -ELOOP)
			return mh_err_sys(err, rc, "cannot open %s/%s", r->dir_path, file->name);
		report_unreadable(r, file);
		r->done_seq = file->last_seq;
	}
	return 0;
}

/* The open segment, or the next one: 1, 0 at the end, or -errno. */
static int have_segment(struct mh_reader *r, struct mh_err *err)
{
	bool is_new_list = false;

	if (r->walk)
		return 1;
	for (;;) {
		int rc = open_next(r, err);

		if (rc != -ENOENT && (rc || is_new_list))
			return rc;
		is_new_list = true;
		rc = mh_dir_list(r->dir_fd, &r->list);
		if (rc)
			return mh_err_sys(err, rc, "cannot list the history %s", r->dir_path);
	}
}

/* Take the part that the decoder has: MH_READER_PART, or 0 when nothing of it is wanted. */
static int take_part(struct mh_reader *r)
{
	bool continues = r->is_new_segment && r->stats.snapshots;

	if (!mh_part_reading_take(&r->parts, continues ? &r->last_wall_ms : NULL))
		return 0;
	r->is_new_segment = false;
	r->last_wall_ms = r->parts.last_ms;
	r->stats.snapshots += r->parts.windows.n_snapshots;
	r->stats.process_samples += r->parts.process_samples;
	return MH_READER_PART;
}

/* Decode the frame of r->step: 1 when the table is at a snapshot, MH_READER_PART, 0 or -errno. */
static int take_frame(struct mh_reader *r, struct mh_err *err)
{
	const struct mh_step *step = &r->step;
	struct mh_err reason;
	int rc;

	if (step->skipped)
		report(r, step->offset - step->skipped, step->skipped, false, "no valid frame");
	rc = mh_decoder_frame(r->decoder, &step->frame, &reason);
	if (rc == -EPROTO)
		return mh_errf(err, rc, "%s/%s: %s", r->dir_path, r->name, reason.text);
	if (rc == -EBADMSG) {
		report(r, step->offset, step->size, false,
		       "a frame that breaks the format's rules");
		return 0;
	}
	if (rc < 0)
		return mh_err_sys(err, rc, "cannot decode %s/%s", r->dir_path, r->name);
	r->stats.bytes += step->size;
	r->stats.frames++;
	r->stats.keyframes += step->frame.flags & MH_FRAME_KEY;
	if (rc == MH_DECODED_ORPHAN) {
		r->stats.orphans++;
		if (!r->is_lost)
			report(r, step->offset, 0, false,
			       "frames before this one are missing"); /* F7 */
	}
	if (rc == MH_DECODED_SNAPSHOT || rc == MH_DECODED_PART)
		r->is_lost = false;
	if (rc == MH_DECODED_PART)
		return take_part(r);
	return rc == MH_DECODED_SNAPSHOT;
}

/* The next snapshot of the frames read last: 1, 0 when there is none, or -errno. */
static int take_more(struct mh_reader *r, struct mh_err *err)
{
	int rc = mh_decoder_more(r->decoder);

	if (rc == -EBADMSG) {
		report(r, r->step.offset, r->step.size, false,
		       "a frame that breaks the format's rules");
		return 0;
	}
	if (rc < 0)
		return mh_err_sys(err, rc, "cannot decode %s/%s", r->dir_path, r->name);
	return rc == MH_DECODED_SNAPSHOT;
}

/* Go to the next snapshot, wanted or not: 1, 0 at the end, or -errno. */
static int go_on(struct mh_reader *r, struct mh_err *err)
{
	bool is_ended = false; /* the writer was seen to have left, and this is the last look */

	for (;;) {
		int rc = take_more(r, err);

		if (rc)
			return rc;
		rc = have_segment(r, err);
		if (rc <= 0)
			return rc;
		rc = mh_walk_next(r->walk, &r->step);
		if (rc < 0)
			return mh_err_sys(err, rc, "cannot read %s/%s", r->dir_path, r->name);
		if (rc) {
			rc = take_frame(r, err);
			if (rc)
				return rc;
		} else if (is_ended) {
			close_segment(r);
			is_ended = false;
		} else {
			is_ended = r->is_sealed || is_left(r); /* D6 */
			if (!is_ended)
				return 0;
		}
	}
}

static int advance(struct mh_reader *r, struct mh_err *err)
{
	int rc = go_on(r, err);

	if (rc > 0) {
		r->is_empty = false;
		r->boot = *mh_decoder_boot(r->decoder);
		r->last = mh_decoder_at(r->decoder);
	}
	return rc;
}

static bool is_wanted(const struct mh_reader *r)
{
	mh_ms_t wall_ms = mh_decoder_at(r->decoder).wall_ms;

	return wall_ms >= r->options.since_ms && wall_ms < r->options.until_ms;
}

static const struct mh_snapshot *deliver(struct mh_reader *r)
{
	const struct mh_snapshot *s;

	if (r->is_new_segment && r->stats.snapshots)
		mh_decoder_continues(r->decoder, r->last_wall_ms,
				     mh_decoder_at(r->decoder).wall_ms);
	s = mh_decoder_end(r->decoder);
	r->is_new_segment = false;
	r->is_late = false;
	r->last_wall_ms = s->at.wall_ms;
	r->stats.snapshots++;
	r->stats.process_samples += s->n_live;
	return s;
}

int mh_reader_next(struct mh_reader *r, const struct mh_snapshot **ret, struct mh_err *err)
{
	bool have_newest = false;
	int rc;

	while ((rc = advance(r, err)) > 0) {
		if (rc == MH_READER_PART)
			return rc;
		if (!is_wanted(r))
			continue;
		r->place = r->step;
		if (r->is_late) {
			have_newest = true;
			continue;
		}
		*ret = deliver(r);
		return MH_READER_SNAPSHOT;
	}
	if (rc || !have_newest)
		return rc;
	*ret = deliver(r);
	return MH_READER_SNAPSHOT;
}

void mh_reader_part(const struct mh_reader *r, struct mh_read_part *ret)
{
	*ret = (struct mh_read_part){mh_decoder_part(r->decoder), &r->parts.windows, r->parts.gap};
}

const struct mh_last_marks *mh_reader_last_marks(const struct mh_reader *r, uint32_t *ret_n)
{
	return mh_decoder_last_marks(r->decoder, ret_n);
}

const struct mh_segment_info *mh_reader_segment(const struct mh_reader *r)
{
	return mh_decoder_segment(r->decoder);
}

void mh_reader_place(const struct mh_reader *r, struct mh_place *ret)
{
	*ret = (struct mh_place){
		.file = r->name,
		.offset = r->place.offset,
		.size = r->place.size,
		.seq = r->place.frame.seq,
		.key = r->place.frame.flags & MH_FRAME_KEY,
	};
}

void mh_reader_stats(const struct mh_reader *r, struct mh_reader_stats *ret)
{
	*ret = r->stats;
	ret->gaps = mh_decoder_gaps(r->decoder);
}
