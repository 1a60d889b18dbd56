/* Taking stock of a directory. */
#include "libmemhist/history/upkeep/stock.h"

#include "libmemhist/base/beneath.h"
#include "libmemhist/history/last.h"
#include "libmemhist/history/upkeep/tidy.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

enum {
	RATE_LEAST_MS = 10 * 60 * 1000,
	RATE_MOST_MS = 7 * 24 * 3600 * 1000, /* more than that is no present rate */
	RATE_SEGMENTS = 64,
};

static uint64_t sum_of(const struct mh_segment_list *list)
{
	uint64_t bytes = list->other_bytes;

	for (size_t i = 0; i < list->n + list->n_superseded + list->n_temporary; i++)
		bytes += list->file[i].disk_bytes;
	return bytes;
}

/* What repairing has put aside. */
static int take_damaged(int dir_fd, struct mh_stock *s)
{
	struct mh_segment_list list = {0};
	int fd = mh_beneath_open(dir_fd, MH_DAMAGED_DIR, O_RDONLY | O_DIRECTORY, 0);
	int rc;

	if (fd < 0)
		return 0; /* normally there is none; what may not be looked into is foreign */
	rc = mh_dir_list(fd, &list);
	s->files.other_bytes += sum_of(&list);
	mh_dir_list_done(&list);
	close(fd);
	return rc;
}

int mh_stock_take(int dir_fd, struct mh_stock *ret)
{
	struct stat st;
	int rc;

	if (fstat(dir_fd, &st))
		return -errno;
	rc = mh_dir_list(dir_fd, &ret->files);
	if (!rc)
		rc = take_damaged(dir_fd, ret);
	if (rc) {
		mh_stock_done(ret);
		return rc;
	}
	ret->bytes = (uint64_t)st.st_blocks * 512 + sum_of(&ret->files);
	return 0;
}

void mh_stock_done(struct mh_stock *s)
{
	mh_dir_list_done(&s->files);
	s->bytes = 0;
}

int mh_stock_tidy(int dir_fd, struct mh_stock *s)
{
	struct mh_tidied tidied;
	int fd;

	if (!s->files.n_superseded && !s->files.n_temporary)
		return 0;
	/* a lock of our own, not shared with other descriptors of the directory */
	fd = mh_beneath_open(dir_fd, ".", O_RDONLY | O_DIRECTORY, 0);
	if (fd < 0)
		return fd;
	/* while somebody is at work there, it is not left behind; what cannot be removed counts */
	if (!mh_tidy_lock(fd))
		mh_tidy(fd, &tidied);
	close(fd);
	return mh_stock_take(dir_fd, s);
}

/* --- rate ------------------------------------------------------------------------------------- */

/* How long the segment is; 0 when that cannot be told. */
static uint64_t length_ms(int dir_fd, const struct mh_segment_file *file)
{
	struct mh_instant last;

	if (mh_segment_last(dir_fd, file->name, &last) || last.wall_ms <= file->start_ms)
		return 0;
	return (uint64_t)(last.wall_ms - file->start_ms);
}

/* In order of what tells most. */
enum kind { SEALED, FINISHED, OPEN, KINDS };

static enum kind kind_of(const struct mh_segment_file *file, uint64_t keep_seq)
{
	if (keep_seq && file->last_seq >= keep_seq)
		return OPEN;
	return file->is_sealed ? SEALED : FINISHED;
}

int mh_stock_rate(int dir_fd, const struct mh_stock *s, uint64_t keep_seq,
		  struct mh_stock_rate *ret)
{
	for (int kind = 0; kind < KINDS; kind++) {
		struct mh_stock_rate rate = {0};
		int left = RATE_SEGMENTS;

		for (size_t i = s->files.n; i-- > 0 && left && rate.ms < RATE_MOST_MS;) {
			const struct mh_segment_file *file = &s->files.file[i];
			uint64_t ms = 0;

			if (kind_of(file, keep_seq) != (enum kind)kind)
				continue;
			left--;
			ms = length_ms(dir_fd, file);
			rate.ms += ms;
			rate.bytes += ms ? file->disk_bytes : 0;
		}
		if (rate.ms < RATE_LEAST_MS || !rate.bytes)
			continue;
		*ret = rate;
		return 1;
	}
	return 0;
}
