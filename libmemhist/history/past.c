/* The end of what the newest segment holds. */
#include "libmemhist/history/past.h"

#include "libmemhist/history/walk.h"

#include <errno.h>
#include <string.h>

#define SEGMENT_NUMBER_MAX UINT64_C(9999999999) /* ten digits (D1) */

static int look_at(int dir_fd, const struct mh_segment_file *last, struct mh_past *ret)
{
	struct mh_walk *walk;
	struct mh_step step;
	bool torn;

	if (last->last_seq >= SEGMENT_NUMBER_MAX)
		return -EOVERFLOW;
	ret->next_segment = last->last_seq + 1; /* D2 */
	memcpy(ret->boot, last->boot, sizeof(ret->boot));
	if (mh_walk_open(&walk, dir_fd, last->name))
		return 0; /* unreadable or gone: its number is known, that is enough to go on */
	ret->gap = (struct mh_gap){MH_GAP_STOPPED, last->start_ms};
	while (mh_walk_next(walk, &step) > 0)
		ret->gap.since_wall_ms = step.frame.at.wall_ms;
	ret->torn_bytes = mh_walk_tail(walk, &torn);
	mh_walk_close(walk);
	return 0;
}

int mh_past_look(int dir_fd, struct mh_past *ret)
{
	struct mh_segment_list list = {0};
	struct mh_past past = {.next_segment = 1};
	int rc = mh_dir_list(dir_fd, &list);

	if (!rc && list.n)
		rc = look_at(dir_fd, &list.file[list.n - 1], &past);
	if (!rc)
		*ret = past;
	mh_dir_list_done(&list);
	return rc;
}
