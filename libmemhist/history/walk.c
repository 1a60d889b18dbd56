/*
 * The walk: a sliding window of the file in memory, frames checked one after the other, and a
 * search for the next valid frame where one is not.
 *
 * A frame found by searching must carry the segment number of the file, which nobody outside can
 * guess: command lines are stored verbatim, and one could hold the bytes of a forged frame.
 */
#include "libmemhist/history/walk.h"

#include "libmemhist/base/beneath.h"
#include "libmemhist/base/buf.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

enum {
	WINDOW = 256 * 1024,
	WINDOW_OF_PIECES = 8 * 1024, /* where frames are passed over */
	/*
	 * Candidates whose checksum is computed per search. A real file has none or a few; only a
	 * forged one can have millions, each asking for 16 MiB of checksum.
	 */
	CANDIDATES_MAX = 4096,
};

struct mh_walk {
	int fd;
	struct mh_buf window;
	size_t at;            /* position of the next frame in the window */
	uint64_t window_base; /* file offset of window.data[0] */
	uint64_t skipped;     /* damaged bytes before `at` */
	size_t window_size;   /* to be read at once */
	bool is_choosy;
	struct mh_walk_choice choice;
	uint64_t size;      /* of the file, where frames are passed over */
	bool has_hopped;    /* the frame before `at` was passed over, … */
	bool has_leapt;     /* … or all frames from here on to `at` */
	uint64_t hopped_at; /* … and begins here */
	bool is_misled;     /* there was no frame where one leapt; up to the next keyframe */
	bool have_segment;
	uint32_t segment;
};

int mh_walk_open(struct mh_walk **ret, int dir_fd, const char *name)
{
	struct mh_walk *w = calloc(1, sizeof(*w));
	int rc;

	if (!w)
		return -ENOMEM;
	rc = w->fd = mh_beneath_file(dir_fd, name, O_RDONLY, 0);
	if (rc < 0) {
		free(w);
		return rc;
	}
	w->window = (struct mh_buf)MH_BUF_INIT(MH_FRAME_HEAD + MH_FRAME_PAYLOAD_MAX + WINDOW);
	w->window_size = WINDOW;
	*ret = w;
	return 0;
}

void mh_walk_close(struct mh_walk *w)
{
	if (!w)
		return;
	close(w->fd);
	mh_buf_done(&w->window);
	free(w);
}

bool mh_walk_is_removed(const struct mh_walk *w)
{
	struct stat st;

	return !fstat(w->fd, &st) && !st.st_nlink;
}

static uint8_t *here(const struct mh_walk *w)
{
	return (uint8_t *)w->window.data + w->at;
}

static size_t ahead(const struct mh_walk *w)
{
	return w->window.len - w->at;
}

/* Drop what has been walked over, so that the window begins at the next frame. */
static void slide(struct mh_walk *w)
{
	memmove(w->window.data, here(w), ahead(w));
	w->window_base += w->at;
	w->window.len -= w->at;
	w->at = 0;
}

/* What a header says of a length is no reason to make room for it: the file must be that long. */
static bool is_promise(const struct mh_walk *w, size_t need)
{
	struct stat st;

	return need > WINDOW && !fstat(w->fd, &st) &&
	       w->window_base + w->at + need > (uint64_t)st.st_size;
}

/*
 * Read on until `need` bytes lie ahead. Returns how many do, fewer only where the file ends before;
 * of these not all need to have been read.
 */
static ssize_t fill(struct mh_walk *w, size_t need)
{
	if (ahead(w) < need && is_promise(w, need))
		return (ssize_t)ahead(w);
	while (ahead(w) < need) {
		size_t want = need - ahead(w) > w->window_size ? need - ahead(w) : w->window_size;
		ssize_t n;
		char *to;

		if (w->at)
			slide(w);
		to = mh_buf_reserve(&w->window, want);
		if (!to)
			return w->window.error;
		n = pread(w->fd, to, want, (off_t)(w->window_base + w->window.len));
		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return -errno;
		if (!n)
			break;
		w->window.len += (size_t)n;
	}
	return (ssize_t)ahead(w);
}

/* The frame at `at`: its size, 0 (cut by the end of the file), -EBADMSG or -errno. */
static int frame_here(struct mh_walk *w, struct mh_frame *ret)
{
	size_t need = MH_FRAME_HEAD;

	for (;;) {
		size_t asked = need;
		ssize_t have = fill(w, asked);
		int rc;

		if (have < 0)
			return (int)have;
		if (!have)
			return 0;
		rc = mh_frame_read(here(w), (size_t)have, ret, &need);
		if (rc > 0 && w->have_segment && ret->segment != w->segment)
			return -EBADMSG; /* F4 */
		if (rc || (size_t)have < asked)
			return rc;
	}
}

/* Go to a place in the file; the window is read anew. */
static void seek(struct mh_walk *w, uint64_t offset)
{
	w->window_base = offset;
	w->window.len = w->at = 0;
}

/* Where in the window, from `from` on, the next candidate for a frame begins; window.len if none.
 */
static size_t next_magic(const struct mh_walk *w, size_t from)
{
	const char *data = w->window.data;
	const char *p = from < w->window.len ? memmem(data + from, w->window.len - from, "MHF1", 4)
					     : NULL;

	return p ? (size_t)(p - data) : w->window.len;
}

/*
 * Nothing but zeros lies in a hole, and a file may be a hole of any size: go to where it ends.
 * Returns false when it ends with the file.
 */
static bool leave_hole(struct mh_walk *w)
{
	uint64_t here_at = w->window_base + w->at;
	off_t data = lseek(w->fd, (off_t)here_at, SEEK_DATA);

	if (data < 0)
		return errno != ENXIO;
	if ((uint64_t)data > w->window_base + w->window.len)
		seek(w, (uint64_t)data);
	return true;
}

/*
 * No valid frame begins at `at`. Find the next one (R3): 1 and `at` there, or 0 with `at` unchanged
 * when there is none up to the end of the file. The whole rest is read through the window piece by
 * piece, so `at` is remembered as a file offset.
 */
static int resync(struct mh_walk *w, struct mh_frame *ret, int *ret_size)
{
	uint64_t start = w->window_base + w->at;
	int candidates = CANDIDATES_MAX;
	int rc = 0;

	w->at++;
	while (candidates) {
		ssize_t have = fill(w, MH_FRAME_HEAD);
		size_t at;

		if (have < MH_FRAME_HEAD) {
			rc = have < 0 ? (int)have : 0;
			break;
		}
		at = next_magic(w, w->at);
		if (at == w->window.len) {
			/* keep three bytes: the magic may lie across the edge */
			w->at = w->window.len - 3;
			if (!leave_hole(w))
				break;
			continue;
		}
		w->at = at;
		candidates--;
		rc = frame_here(w, ret);
		if (rc > 0) {
			w->skipped += w->window_base + w->at - start;
			*ret_size = rc;
			return 1;
		}
		if (rc < 0 && rc != -EBADMSG)
			break;
		rc = 0;
		w->at++;
	}
	/* none: go back, and look again when the file has grown */
	seek(w, start);
	return rc;
}

/*
 * The frame at `at` was not valid, and one that is was found further on. If it was merely cut when
 * we looked, the file may have grown since, with the rest of it and others behind (R1): it is
 * damaged only if it is still not valid.
 */
static int look_again(struct mh_walk *w, uint64_t start, struct mh_frame *ret)
{
	uint64_t found = w->window_base + w->at;
	int size;

	seek(w, start);
	size = frame_here(w, ret);
	if (size > 0) {
		w->skipped = 0;
		return size;
	}
	if (size < 0 && size != -EBADMSG)
		return size;
	seek(w, found);
	return frame_here(w, ret);
}

void mh_walk_pass_over(struct mh_walk *w, const struct mh_walk_choice *choice)
{
	struct stat st = {0};

	w->is_choosy = !fstat(w->fd, &st);
	w->size = (uint64_t)st.st_size;
	w->choice = *choice;
	w->window_size = w->is_choosy ? WINDOW_OF_PIECES : WINDOW;
}

/* Go on `bytes` behind `at`, which need not be in the window. */
static void move(struct mh_walk *w, uint64_t bytes)
{
	if (bytes <= ahead(w))
		w->at += (size_t)bytes;
	else
		seek(w, w->window_base + w->at + bytes);
}

/*
 * Pass over all frames up to the next that is wanted, where somebody knows how far that is. Returns
 * 0 or -errno; *ret_is_wanted: the frame at `at` is. If none is there, look_back() finds out.
 */
static int leap(struct mh_walk *w, bool *ret_is_wanted)
{
	uint64_t here_at = w->window_base + w->at, bytes;
	uint32_t size;
	ssize_t have;

	if (!w->is_choosy || !w->have_segment || w->is_misled)
		return 0;
	bytes = w->choice.passes_over(w->choice.arg, &size);
	if (bytes >= w->size || here_at + bytes + size > w->size)
		return 0; /* F2 */
	if (bytes) {
		move(w, bytes);
		w->has_leapt = true;
		w->hopped_at = here_at;
	}
	*ret_is_wanted = size;
	/* all of the frame at once, and no more */
	if (size <= ahead(w))
		return 0;
	w->window_size = size - ahead(w);
	have = fill(w, size);
	w->window_size = WINDOW_OF_PIECES;
	return have < 0 ? (int)have : 0;
}

/*
 * Pass over the frame at `at`, if that is not wanted and can be: 1 and *ret, else 0, or -errno. Its
 * head is believed for now: if no frame stands behind it, look_back() finds out.
 */
static int hop(struct mh_walk *w, struct mh_step *ret)
{
	struct mh_frame frame;
	uint64_t offset;
	ssize_t have;

	if (!w->is_choosy || !w->have_segment)
		return 0;
	have = fill(w, MH_FRAME_HEAD);
	if (have < MH_FRAME_HEAD)
		return have < 0 ? (int)have : 0;
	if (mh_frame_peek(here(w), &frame) || frame.segment != w->segment ||
	    w->choice.wants(w->choice.arg, frame.type))
		return 0;
	offset = w->window_base + w->at;
	if (offset + MH_FRAME_HEAD + frame.len > w->size)
		return 0; /* F2 */
	*ret = (struct mh_step){
		.frame = frame,
		.offset = offset,
		.size = MH_FRAME_HEAD + frame.len,
	};
	move(w, ret->size);
	w->has_leapt = false;
	w->has_hopped = true;
	w->hopped_at = offset;
	return 1;
}

/* No valid frame stands behind what was passed over: maybe there was none either. */
static int look_back(struct mh_walk *w, struct mh_frame *ret)
{
	int size;

	w->is_misled = w->has_leapt;
	w->has_hopped = false;
	seek(w, w->hopped_at);
	size = frame_here(w, ret);
	if (size <= 0 || w->has_leapt) {
		w->has_leapt = false;
		return size;
	}
	w->at += (size_t)size;
	return frame_here(w, ret);
}

int mh_walk_next(struct mh_walk *w, struct mh_step *ret)
{
	struct mh_frame frame;
	bool is_wanted = false;
	int size = leap(w, &is_wanted);

	if (!size && !is_wanted)
		size = hop(w, ret);
	if (size)
		return size;
	size = frame_here(w, &frame);
	if ((!size || size == -EBADMSG) && (w->has_hopped || w->has_leapt))
		size = look_back(w, &frame);
	if (size < 0 && size != -EBADMSG)
		return size;
	if (size <= 0) {
		uint64_t start = w->window_base + w->at;
		bool was_cut = size == 0;
		int rc;

		if (!ahead(w))
			return 0;
		rc = resync(w, &frame, &size);
		if (rc > 0 && was_cut)
			rc = size = look_again(w, start, &frame);
		if (rc <= 0)
			return rc;
	}
	w->have_segment = true;
	w->has_hopped = w->has_leapt = false;
	w->is_misled &= !(frame.flags & MH_FRAME_KEY);
	w->segment = frame.segment;
	*ret = (struct mh_step){
		.frame = frame,
		.offset = w->window_base + w->at,
		.size = (uint32_t)size,
		.skipped = w->skipped,
	};
	w->skipped = 0;
	w->at += (size_t)size;
	return 1;
}

/* Whether only zero bytes follow from `at` to `end`: the size was extended, the data never came
 * (R2). */
static bool only_zeros(int fd, uint64_t at, uint64_t end)
{
	uint8_t piece[4096];

	while (at < end) {
		off_t data = lseek(fd, (off_t)at, SEEK_DATA);
		ssize_t n;

		if (data < 0 && errno == ENXIO)
			return true; /* a hole up to the end */
		at = data > (off_t)at ? (uint64_t)data : at;
		n = pread(fd, piece, sizeof(piece), (off_t)at);
		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0)
			return false;
		for (ssize_t i = 0; i < n; i++)
			if (piece[i])
				return false;
		at += (uint64_t)n;
	}
	return true;
}

uint64_t mh_walk_tail(const struct mh_walk *w, bool *ret_torn)
{
	uint64_t start = w->window_base + w->at, end;
	uint8_t head[MH_FRAME_HEAD];
	struct mh_frame frame;
	struct stat st;
	size_t need = 0;
	ssize_t n;
	int rc;

	*ret_torn = false;
	if (fstat(w->fd, &st) || (uint64_t)st.st_size <= start)
		return 0;
	end = (uint64_t)st.st_size;
	n = pread(w->fd, head, sizeof(head), (off_t)start);
	if (n <= 0)
		return end - start;
	rc = mh_frame_read(head, (size_t)n, &frame, &need);
	*ret_torn = rc == 0 ? start + need > end : only_zeros(w->fd, start, end);
	return end - start;
}
