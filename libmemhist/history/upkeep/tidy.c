/*
 * Tidying. A segment that another one holds too is removed only when all of that one can be read,
 * and its name is on the disk: it may have got it a moment before the power went.
 */
#include "libmemhist/history/upkeep/tidy.h"

#include "libmemhist/history/dir.h"
#include "libmemhist/history/walk.h"

#include <errno.h>
#include <sys/file.h>
#include <unistd.h>

int mh_tidy_lock(int dir_fd)
{
	return flock(dir_fd, LOCK_EX | LOCK_NB) ? -errno : 0;
}

/* Whether each byte of a sealed segment belongs to a valid frame, up to the last one. */
static bool is_whole(int dir_fd, const char *name)
{
	struct mh_step step = {0};
	bool ok = true, torn;
	struct mh_walk *walk;
	int rc;

	if (mh_walk_open(&walk, dir_fd, name))
		return false;
	while ((rc = mh_walk_next(walk, &step)) > 0)
		ok = ok && !step.skipped;
	ok = ok && !rc && step.frame.type == MH_FRAME_END && !mh_walk_tail(walk, &torn);
	mh_walk_close(walk);
	return ok;
}

/* The segment that holds all that this one does. */
static const struct mh_segment_file *holder_of(const struct mh_segment_list *list,
					       const struct mh_segment_file *file)
{
	for (size_t i = 0; i < list->n; i++)
		if (list->file[i].is_sealed && list->file[i].seq <= file->seq &&
		    file->last_seq <= list->file[i].last_seq)
			return &list->file[i];
	return NULL;
}

static int remove_superseded(int dir_fd, const struct mh_segment_list *list, struct mh_tidied *ret)
{
	const struct mh_segment_file *whole = NULL;

	if (list->n_superseded && fsync(dir_fd))
		return -errno;
	for (size_t i = list->n; i < list->n + list->n_superseded; i++) {
		const struct mh_segment_file *file = &list->file[i];
		const struct mh_segment_file *holder = holder_of(list, file);

		if (holder && holder != whole && is_whole(dir_fd, holder->name))
			whole = holder;
		if (!holder || holder != whole)
			ret->kept++;
		else if (unlinkat(dir_fd, file->name, 0) && errno != ENOENT)
			return -errno;
		else
			ret->superseded++;
	}
	return 0;
}

int mh_tidy(int dir_fd, struct mh_tidied *ret)
{
	struct mh_segment_list list = {0};
	int rc = mh_dir_list(dir_fd, &list);

	*ret = (struct mh_tidied){0};
	if (!rc)
		rc = remove_superseded(dir_fd, &list, ret);
	for (size_t i = 0; i < list.n_temporary && !rc; i++) {
		const char *name = list.file[list.n + list.n_superseded + i].name;

		if (!unlinkat(dir_fd, name, 0))
			ret->temporary++;
		else if (errno != ENOENT)
			rc = -errno;
	}
	mh_dir_list_done(&list);
	return rc;
}
