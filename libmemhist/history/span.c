/* What a history holds, from the outside: the first frame of its first readable segment, the last
 * of its last. */
#include "libmemhist/history/dir.h"
#include "libmemhist/history/reader.h"
#include "libmemhist/history/walk.h"

#include <errno.h>
#include <unistd.h>

/* Times of the first and last snapshot in one segment: 1, 0 when it has none, or -errno. */
static int segment_span(int dir_fd, const char *name, bool whole, mh_ms_t *ret_first,
			mh_ms_t *ret_last)
{
	struct mh_walk *walk;
	struct mh_step step;
	int found = 0, rc = mh_walk_open(&walk, dir_fd, name);

	if (rc)
		return rc == -ENOENT ? 0 : rc;
	while ((whole || !found) && (rc = mh_walk_next(walk, &step)) > 0) {
		if (step.frame.type != MH_FRAME_SNAPSHOT)
			continue;
		if (!found)
			*ret_first = step.frame.at.wall_ms;
		*ret_last = step.frame.at.wall_ms;
		found = 1;
	}
	mh_walk_close(walk);
	return rc < 0 ? rc : found;
}

static int find_span(int dir_fd, const struct mh_segment_list *list, struct mh_history_span *ret)
{
	mh_ms_t ignored;
	size_t first;
	int rc = 0;

	for (first = 0; first < list->n && !rc; first++)
		rc = segment_span(dir_fd, list->file[first].name, false, &ret->first_wall_ms,
				  &ignored);
	if (rc <= 0)
		return rc;
	rc = 0;
	for (size_t i = list->n; i-- > 0 && !rc;)
		rc = segment_span(dir_fd, list->file[i].name, true, &ignored, &ret->last_wall_ms);
	return rc;
}

int mh_history_span(const char *dir, struct mh_history_span *ret, struct mh_err *err)
{
	struct mh_history_span span = {0};
	struct mh_segment_list list = {0};
	int dir_fd = mh_dir_open(dir, err);
	int rc;

	if (dir_fd < 0)
		return dir_fd;
	rc = mh_dir_list(dir_fd, &list);
	if (!rc)
		rc = find_span(dir_fd, &list, &span);
	if (rc < 0) {
		mh_err_sys(err, rc, "cannot read the history %s", dir);
		goto out;
	}
	if (!rc) {
		rc = mh_errf(err, -ENODATA,
			     list.n ? "%s holds a memhist history without a readable snapshot"
				    : "%s holds no memhist history: no file there has a segment's "
				      "name",
			     dir);
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
