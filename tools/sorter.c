/*
 * An external merge sort. A **run** is a stretch of the temporary file whose samples are in order;
 * reading takes the least of all runs' next samples, which a heap of runs has on top. Within a run
 * equal samples are in the order in which they came, and of two runs the earlier has the earlier
 * ones: so the whole is stable.
 */
#include "tools/sorter.h"

#include "tools/heap.h"
#include "tools/spill.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

enum {
	PIECE = 1 << 19,       /* samples sorted in memory */
	READ_BYTES = 16 << 20, /* read ahead of all runs together */
	READ_LEAST = 4096,     /* of one */
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
	struct spill spill; /* where runs are; none: all fits in memory */
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
		s->spill = (struct spill)SPILL_INIT("samples", dir_fd);
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
	spill_done(&s->spill);
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
	uint64_t from = s->spill.bytes;
	int rc = add_run(s, err);

	if (rc)
		return rc;
	qsort(s->piece, s->n, sizeof(*s->piece), compare_items);
	for (size_t i = 0; i < s->n; i++) {
		struct sort_sample sample = s->piece[i].sample;

		memcpy(packed + i, &sample, sizeof(sample));
	}
	rc = spill_write(&s->spill, packed, s->n * sizeof(*packed), err);
	if (rc)
		return rc;
	s->run[s->n_runs++] = (struct run){.at = from, .end = s->spill.bytes};
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
	size_t want = s->ahead_cap * sizeof(*run->ahead);
	int rc;

	if (run->next < run->n)
		return 1;
	if (want > run->end - run->at)
		want = run->end - run->at;
	rc = spill_read(&s->spill, run->at, run->ahead, want, err);
	if (rc)
		return rc;
	run->at += want;
	run->n = want / sizeof(*run->ahead);
	run->next = 0;
	return want != 0;
}

static bool is_before(const void *arg, size_t a, size_t b)
{
	const struct sorter *s = arg;
	const struct run *x = &s->run[a], *y = &s->run[b];
	int order = compare(&x->ahead[x->next], &y->ahead[y->next]);

	return order ? order < 0 : a < b;
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
	heap_make(s->heap, s->n_heap, is_before, s);
	return 0;
}

int sorter_turn(struct sorter *s, struct mh_err *err)
{
	int rc;

	if (s->spill.fd < 0) {
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

	if (s->spill.fd < 0) {
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
	heap_sift(s->heap, s->n_heap, 0, is_before, s);
	return 1;
}
