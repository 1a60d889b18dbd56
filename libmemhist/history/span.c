/*
 * What a history holds, from the outside. Where segments follow one another in time that is the
 * first frame of the first and the last frame of the last; where the clock was set back, all of
 * them.
 */
#include "libmemhist/history/dir.h"
#include "libmemhist/history/reader.h"
#include "libmemhist/history/walk.h"
#include "proto/memhist.pb-c.h"

#include <errno.h>
#include <unistd.h>

enum extent { FIRST_FRAME, WHOLE };
enum { TRIES_MAX = 100 };

static void widen(struct mh_history_span *span, mh_ms_t least, mh_ms_t greatest)
{
	if (least < span->first_wall_ms)
		span->first_wall_ms = least;
	if (greatest > span->last_wall_ms)
		span->last_wall_ms = greatest;
}

/* The times in the last frame of a sealed segment. Returns whether it had any. */
static bool widen_by_index(const struct mh_frame *frame, struct mh_history_span *span)
{
	Memhist__V1__PartIndex *m = memhist__v1__part_index__unpack(NULL, frame->len,
								    frame->payload);
	size_t n = m && m->n_least_wall_ms == m->n_greatest_wall_ms ? m->n_least_wall_ms : 0;

	for (size_t i = 0; i < n; i++)
		widen(span, m->least_wall_ms[i], m->greatest_wall_ms[i]);
	if (m)
		memhist__v1__part_index__free_unpacked(m, NULL);
	return n > 0;
}

/* Widen the span by the snapshots of one segment: 1, 0 when it has none, or -errno. */
static int add_segment(int dir_fd, const char *name, enum extent extent,
		       struct mh_history_span *span)
{
	struct mh_walk *walk;
	struct mh_step step;
	int found = 0, rc = mh_walk_open(&walk, dir_fd, name);

	if (rc) /* not for us: the others speak */
		return rc == -ENOMEM || rc == -EMFILE || rc == -ENOENT ? rc : 0;
	while ((extent == WHOLE || !found) && (rc = mh_walk_next(walk, &step)) > 0) {
		mh_ms_t wall_ms = step.frame.at.wall_ms;

		if (step.frame.type == MH_FRAME_END && widen_by_index(&step.frame, span))
			found = 1;
		/* what stands before the first keyframe cannot be read */
		if ((step.frame.type != MH_FRAME_SNAPSHOT && step.frame.type != MH_FRAME_PART) ||
		    (!found && !(step.frame.flags & MH_FRAME_KEY)))
			continue;
		widen(span, wall_ms, wall_ms);
		found = 1;
	}
	mh_walk_close(walk);
	return rc < 0 ? rc : found;
}

static bool is_ascending(const struct mh_segment_list *list)
{
	for (size_t i = 1; i < list->n; i++)
		if (list->file[i].start_ms < list->file[i - 1].start_ms)
			return false;
	return true;
}

/* 1, 0 without a snapshot, or -errno. */
static int find_span(int dir_fd, const struct mh_segment_list *list, struct mh_history_span *span)
{
	int found = 0, rc = 0;

	span->first_wall_ms = MH_MS_MAX;
	span->last_wall_ms = MH_MS_MIN;
	if (!is_ascending(list)) {
		for (size_t i = 0; i < list->n && rc >= 0; i++) {
			rc = add_segment(dir_fd, list->file[i].name, WHOLE, span);
			found |= rc > 0;
		}
		return rc < 0 ? rc : found;
	}
	for (size_t i = 0; i < list->n && !rc; i++)
		rc = add_segment(dir_fd, list->file[i].name, FIRST_FRAME, span);
	if (rc <= 0)
		return rc;
	rc = 0;
	for (size_t i = list->n; i-- > 0 && !rc;)
		rc = add_segment(dir_fd, list->file[i].name, WHOLE, span);
	return rc;
}

int mh_history_span(const char *dir, struct mh_history_span *ret, struct mh_err *err)
{
	struct mh_history_span span = {0};
	struct mh_segment_list list = {0};
	int dir_fd = mh_dir_open(dir, err);
	int rc = 0;

	if (dir_fd < 0)
		return dir_fd;
	/* what is gone was merged into another one, perhaps: then it is asked for under that name
	 */
	for (int tries = 0; tries < TRIES_MAX; tries++) {
		rc = mh_dir_list(dir_fd, &list);
		if (!rc)
			rc = find_span(dir_fd, &list, &span);
		if (rc != -ENOENT)
			break;
	}
	if (rc < 0) {
		mh_err_sys(err, rc, "cannot read the history %s", dir);
		goto out;
	}
	if (!rc) {
		rc = list.n ? mh_errf(err, -ENODATA,
				      "%s holds a memhist history without a readable snapshot", dir)
			    : mh_dir_no_history(dir, err);
		goto out;
	}
	span.segments = list.n;
	for (size_t i = 0; i < list.n; i++)
		span.bytes += list.file[i].bytes;
	span.being_written = mh_dir_is_locked(dir_fd, &span.writer_pid);
	*ret = span;
	rc = 0;
out:
	mh_dir_list_done(&list);
	close(dir_fd);
	return rc;
}
