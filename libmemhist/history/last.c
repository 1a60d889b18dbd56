/*
 * Looking for the last frame: backwards from the end of the file, in a piece of it, then a larger
 * one; where that does not help (a frame larger than the piece, much damage), by walking through
 * all of it. As in walk.c, a frame found by searching must carry the file's number.
 */
#include "libmemhist/history/last.h"

#include "libmemhist/base/beneath.h"
#include "libmemhist/history/walk.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

enum {
	PIECE = 64 * 1024,
	PIECE_MAX = 1024 * 1024,
	CANDIDATES_MAX = 256, /* whose checksum is computed; a forged file can have many */
};

static const char magic[] = "MHF1";

static ssize_t read_at(int fd, void *to, size_t len, off_t at)
{
	ssize_t n;

	do
		n = pread(fd, to, len, at);
	while (n < 0 && errno == EINTR);
	return n < 0 ? -errno : n;
}

/* The last frame of this number in the bytes; false when there is none, or it is not certain. */
static bool find(const uint8_t *bytes, size_t len, const uint8_t number[4], struct mh_frame *ret)
{
	int candidates = CANDIDATES_MAX;

	for (size_t at = len; at-- > 0 && candidates;) {
		size_t need;

		if (bytes[at] != magic[0] || len - at < MH_FRAME_HEAD ||
		    memcmp(bytes + at, magic, strlen(magic)) != 0 ||
		    memcmp(bytes + at + MH_FRAME_SEGMENT_AT, number, 4) != 0)
			continue;
		candidates--;
		if (mh_frame_read(bytes + at, len - at, ret, &need) > 0)
			return true;
	}
	return false;
}

/* 1 and the time, 0: look elsewhere; or -errno. */
static int look_at_end(int fd, struct mh_instant *ret)
{
	uint8_t head[MH_FRAME_HEAD], *piece;
	struct mh_frame frame;
	struct stat st;
	ssize_t n = read_at(fd, head, sizeof(head), 0);
	int rc = 0;

	if (n < 0 || fstat(fd, &st))
		return n < 0 ? (int)n : -errno;
	if (n < MH_FRAME_HEAD || memcmp(head, magic, strlen(magic)) != 0)
		return 0;
	piece = malloc(PIECE_MAX);
	if (!piece)
		return -ENOMEM;
	for (size_t want = PIECE; !rc && want <= PIECE_MAX; want *= PIECE_MAX / PIECE) {
		off_t at = st.st_size > (off_t)want ? st.st_size - (off_t)want : 0;

		n = read_at(fd, piece, want, at);
		if (n < 0)
			rc = (int)n;
		else if (find(piece, (size_t)n, head + MH_FRAME_SEGMENT_AT, &frame))
			rc = 1;
	}
	if (rc > 0)
		*ret = frame.at;
	free(piece);
	return rc;
}

static int walk_to_end(int dir_fd, const char *name, struct mh_instant *ret)
{
	struct mh_walk *walk;
	struct mh_step step;
	bool found = false;
	int rc = mh_walk_open(&walk, dir_fd, name);

	if (rc)
		return rc;
	while ((rc = mh_walk_next(walk, &step)) > 0) {
		*ret = step.frame.at;
		found = true;
	}
	mh_walk_close(walk);
	return rc ? rc : found ? 0 : -ENODATA;
}

int mh_segment_last(int dir_fd, const char *name, struct mh_instant *ret)
{
	struct mh_instant last;
	int fd = mh_beneath_file(dir_fd, name, O_RDONLY, 0), rc;

	if (fd < 0)
		return fd;
	rc = look_at_end(fd, &last);
	close(fd);
	if (!rc)
		rc = walk_to_end(dir_fd, name, &last);
	if (rc >= 0)
		*ret = last;
	return rc < 0 ? rc : 0;
}
