/*
 * An external merge sort. A **run** is a stretch of the temporary file whose samples are in order;
 * reading takes the least of all runs' next samples, which a heap of runs has on top. Within a run
 * equal samples are in the order in which they came, and of two runs the earlier has the earlier
 * ones: so the whole is stable.
 */
#include "tools/sorter.h"

#include "tools/tool.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum {
	PIECE = 1 << 19,         /* samples sorted in memory */
	READ_BYTES = 16 << 20,   /* read ahead of all runs together */
	READ_LEAST = 4096,       /* of one */
	WRITE_AT_ONCE = 1 << 20, /* bytes */
};

struct item {
	struct sort_sample sample;
	uint32_t nth; /* of its piece, in the order of arrival */
};

struct run {
	uint64_t at, end; /* bytes of the file not read yet */
	struct sort_sample *ahead;
	size_t n, next; /* of `ahead` */
};

struct sorter {
	int dir_fd;
	int fd; /* -1: all fits in memory */
	uint64_t bytes;
	struct item *piece;
	size_t n;  /* of `piece` */
	size_t at; /* next one handed out, when nothing was written */
	struct run *run;
	size_t n_runs, runs_cap;
	size_t ahead_cap;
	size_t *heap; /* of runs that are not at their end */
	size_t n_heap;
};

int sorter_open(struct sorter **ret, int dir_fd, struct mh_err *err)
{
	struct sorter *s = calloc(1, sizeof(*s));

	if (s) {
		s->dir_fd = dir_fd;
		s->fd = -1;
		s->piece = malloc(PIECE * sizeof(*s->piece));
	}
	if (!s || !s->piece) {
		sorter_close(s);
		return mh_err_sys(err, -ENOMEM, "cannot sort samples");
	}
	*ret = s;
	return 0;
}

void sorter_close(struct sorter *s)
{
	if (!s)
		return;
	for (size_t i = 0; i < s->n_runs; i++)
		free(s->run[i].ahead);
	free(s->run);
	free(s->heap);
	free(s->piece);
	if (s->fd >= 0)
		close(s->fd);
	free(s);
}

/* --- pieces ------------------------------------------------------------------------------ */

static int compare(const struct sort_sample *a, const struct sort_sample *b)
{
	if (a->family != b->family)
		return a->family < b->family ? -1 : 1;
	if (a->series != b->series)
		return a->series < b->series ? -1 : 1;
	return a->wall_ms < b->wall_ms ? -1 : a->wall_ms > b->wall_ms;
}

static int compare_items(const void *a, const void *b)
{
	const struct item *x = a, *y = b;
	int order = compare(&x->sample, &y->sample);

	return order ? order : x->nth < y->nth ? -1 : x->nth > y->nth;
}

/* In a directory whose file system has no files without names. */
static int open_named(int dir_fd)
{
	char name[64];
	int fd;

	snprintf(name, sizeof(name), ".memhist-sort.%ld", (long)getpid());
	fd = openat(dir_fd, name, O_RDWR | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600);
	if (fd < 0)
		return -errno;
	unlinkat(dir_fd, name, 0);
	return fd;
}

static int open_file(struct sorter *s, struct mh_err *err)
{
	const char *tmp = getenv("TMPDIR");
	int dir_fd = s->dir_fd;

	if (dir_fd < 0)
		dir_fd = open(tmp && *tmp ? tmp : "/var/tmp", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	s->fd = dir_fd < 0 ? -errno : openat(dir_fd, ".", O_TMPFILE | O_RDWR | O_CLOEXEC, 0600);
	if (s->fd < 0 && dir_fd >= 0)
		s->fd = open_named(dir_fd);
	if (dir_fd >= 0 && dir_fd != s->dir_fd)
		close(dir_fd);
	return s->fd < 0 ? mh_err_sys(err, s->fd, "cannot make a temporary file to sort samples in")
			 : 0;
}

static int write_all(struct sorter *s, const void *bytes, size_t len, struct mh_err *err)
{
	const char *from = bytes;

	while (len) {
		ssize_t n = write(s->fd, from, len < WRITE_AT_ONCE ? len : WRITE_AT_ONCE);

		if (tool_interrupted())
			return -EINTR;
		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return mh_err_sys(err, -errno,
					  "cannot write the file that samples are sorted in");
		from += n;
		len -= (size_t)n;
		s->bytes += (uint64_t)n;
	}
	return 0;
}

static int add_run(struct sorter *s, struct mh_err *err)
{
	size_t cap = s->runs_cap ? s->runs_cap * 2 : 16;
	struct run *run;

	if (s->n_runs < s->runs_cap)
		return 0;
	run = reallocarray(s->run, cap, sizeof(*run));
	if (!run)
		return mh_err_sys(err, -ENOMEM, "cannot sort samples");
	s->run = run;
	s->runs_cap = cap;
	return 0;
}

/* The piece becomes a run. Samples move to its front, since their places in it say all. */
static int write_piece(struct sorter *s, struct mh_err *err)
{
	struct sort_sample *packed = (struct sort_sample *)s->piece;
	uint64_t from = s->bytes;
	int rc = s->fd < 0 ? open_file(s, err) : 0;

	if (!rc)
		rc = add_run(s, err);
	if (rc)
		return rc;
	qsort(s->piece, s->n, sizeof(*s->piece), compare_items);
	for (size_t i = 0; i < s->n; i++) {
		struct sort_sample sample = s->piece[i].sample;

		memcpy(packed + i, &sample, sizeof(sample));
	}
	rc = write_all(s, packed, s->n * sizeof(*packed), err);
	if (rc)
		return rc;
	s->run[s->n_runs++] = (struct run){.at = from, .end = s->bytes};
	s->n = 0;
	return 0;
}

int sorter_add(struct sorter *s, const struct sort_sample *sample, struct mh_err *err)
{
	int rc = s->n == PIECE ? write_piece(s, err) : 0;

	if (rc)
		return rc;
	s->piece[s->n] = (struct item){*sample, (uint32_t)s->n};
	s->n++;
	return 0;
}

/* --- runs -------------------------------------------------------------------------------- */

/* More of a run into memory: 1, 0 at its end, or -errno. */
static int refill(struct sorter *s, struct run *run, struct mh_err *err)
{
	size_t want = s->ahead_cap * sizeof(*run->ahead), have = 0;

	if (run->next < run->n)
		return 1;
	if (want > run->end - run->at)
		want = run->end - run->at;
	while (have < want) {
		ssize_t n = pread(s->fd, (char *)run->ahead + have, want - have,
				  (off_t)(run->at + have));

		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0)
			return mh_err_sys(err, n ? -errno : -EIO,
					  "cannot read the file that samples are sorted in");
		have += (size_t)n;
	}
	run->at += have;
	run->n = have / sizeof(*run->ahead);
	run->next = 0;
	return have != 0;
}

static bool is_before(const struct sorter *s, size_t a, size_t b)
{
	const struct run *x = &s->run[a], *y = &s->run[b];
	int order = compare(&x->ahead[x->next], &y->ahead[y->next]);

	return order ? order < 0 : a < b;
}

/* The heap's rule holds but for entry `i`, which may belong further down. */
static void sift(struct sorter *s, size_t i)
{
	for (;;) {
		size_t least = i;

		for (size_t child = 2 * i + 1; child <= 2 * i + 2 && child < s->n_heap; child++)
			if (is_before(s, s->heap[child], s->heap[least]))
				least = child;
		if (least == i)
			return;
		size_t swap = s->heap[i];

		s->heap[i] = s->heap[least];
		s->heap[least] = swap;
		i = least;
	}
}

static int begin_merge(struct sorter *s, struct mh_err *err)
{
	size_t bytes = READ_BYTES / s->n_runs;

	s->ahead_cap = (bytes < READ_LEAST ? READ_LEAST : bytes) / sizeof(struct sort_sample);
	s->heap = calloc(s->n_runs, sizeof(*s->heap));
	for (size_t i = 0; i < s->n_runs; i++) {
		int rc;

		s->run[i].ahead = calloc(s->ahead_cap, sizeof(struct sort_sample));
		if (!s->heap || !s->run[i].ahead)
			return mh_err_sys(err, -ENOMEM, "cannot sort samples");
		rc = refill(s, &s->run[i], err);
		if (rc < 0)
			return rc;
		if (rc)
			s->heap[s->n_heap++] = i;
	}
	for (size_t i = s->n_heap; i-- > 0;)
		sift(s, i);
	return 0;
}

int sorter_turn(struct sorter *s, struct mh_err *err)
{
	int rc;

	if (s->fd < 0) {
		qsort(s->piece, s->n, sizeof(*s->piece), compare_items);
		return 0;
	}
	rc = s->n ? write_piece(s, err) : 0;
	if (rc)
		return rc;
	free(s->piece);
	s->piece = NULL;
	return begin_merge(s, err);
}

int sorter_next(struct sorter *s, struct sort_sample *ret, struct mh_err *err)
{
	struct run *run;
	int rc;

	if (s->fd < 0) {
		if (s->at == s->n)
			return 0;
		*ret = s->piece[s->at++].sample;
		return 1;
	}
	if (!s->n_heap)
		return 0;
	run = &s->run[s->heap[0]];
	*ret = run->ahead[run->next++];
	rc = refill(s, run, err);
	if (rc < 0)
		return rc;
	if (!rc)
		s->heap[0] = s->heap[--s->n_heap];
	sift(s, 0);
	return 1;
}
