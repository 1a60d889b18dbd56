/*
 * What is written to a remote store, in no protocol: series, and batches of their samples.
 *
 *     struct remote_pool pool = {0};
 *     struct remote_batch *batch;
 *
 *     family = remote_family_new(&pool, "memhist_processes", METRIC_GAUGE, "Live processes.");
 *     series = remote_series_get(&pool, family, labels, n_labels);
 *     remote_batch_new(&batch, &pool, 2000);
 *     remote_batch_add(batch, series, 42, ms);
 *     remote_encode_v1(batch, 0, batch->n_series, &out);           // encode.h
 *     …send; where a part is refused, encode ranges of series…
 *     remote_batch_clear(batch);
 *     remote_batch_free(batch);
 *     remote_series_put(series);
 *     remote_family_put(family);
 *     remote_pool_done(&pool);
 *
 * A series is made once in its life: its labels are sorted, checked and put into the bytes that the
 * first protocol wants, so that a sample costs an addition. There is one series with the same
 * labels, however many have asked for it, so that a batch has each once. Strings are kept once in a
 * pool, which tells the symbols of the second protocol.
 *
 * A batch holds references to its series: it is encoded alike as often as it is encoded, whatever
 * has become of the processes since. Between remote_batch_clear() and the first remote_batch_add()
 * it holds none.
 *
 * A pool with all its series and batches belongs to one thread at a time.
 */
#ifndef MEMHIST_EXPORTER_REMOTE_BATCH_H
#define MEMHIST_EXPORTER_REMOTE_BATCH_H

#include "exporter/families.h"
#include "libmemhist/base/strpool.h"
#include "libmemhist/base/timespec.h"

#include <stdbool.h>

enum {
	REMOTE_LABELS_MAX = 48,  /* of a series, its name included */
	REMOTE_VALUE_MAX = 2048, /* bytes of a label's value; a longer one is cut */
};

/* Zero-initialise. */
struct remote_pool {
	struct mh_strpool strings;
	uint64_t batches; /* numbers given to batches */

	/* private */
	struct remote_series **series; /* by their number; NULL where there is none */
	uint32_t n_series, series_cap;
	struct mh_index index; /* over the labels */
};

/* Frees what is left of strings. All series, families and batches were given back before. */
void remote_pool_done(struct remote_pool *pool);

/* What all series of one name have in common: the metadata. */
struct remote_family {
	uint32_t references;
	enum metric_type type;
	const struct mh_pooled *name, *help, *unit; /* unit "" for none */
};

/* A reference to a new one; NULL: no memory. The unit is told by the name, as in families.h. */
struct remote_family *remote_family_new(struct remote_pool *pool, const char *name,
					enum metric_type type, const char *help);
/* Give a reference back. NULL is allowed. */
void remote_family_put(struct remote_pool *pool, struct remote_family *family);

struct remote_series {
	uint32_t references;
	struct remote_family *family;
	/*
	 * When a counter began to count, 0 for a gauge; milliseconds since 1970. It holds for the
	 * samples that are added from then on.
	 */
	mh_ms_t start_ms;
	uint32_t n_labels; /* __name__ included */
	const struct mh_pooled *
		*label; /* n_labels pairs of name and value, by name in byte order */
	char *v1;       /* all labels as prometheus.TimeSeries has them, v1_len bytes */
	uint32_t v1_len;

	bool is_live;    /* for who makes samples: the last one was not remote_stale() … */
	mh_ms_t last_ms; /* … and had this time */

	/* private */
	uint32_t hash, number; /* in the pool */
	uint64_t batch;        /* the one that is filled now … */
	uint32_t place;        /* … and where in it */
};

/*
 * The series with these labels and __name__, a new one or the one that somebody has; the caller has
 * a reference. Names are sorted by bytes, and of two alike the first counts; a label whose value is
 * empty is left out; a value becomes valid UTF-8 as on the page of metrics. Returns NULL: no memory
 * (errno ENOMEM), or a label name that is none, or too many of them (EINVAL).
 */
struct remote_series *remote_series_get(struct remote_pool *pool, struct remote_family *family,
					const struct label *label, size_t n);
void remote_series_hold(struct remote_series *series);
/* Give a reference back. NULL is allowed. */
void remote_series_put(struct remote_pool *pool, struct remote_series *series);

/* A sample that says: here the series ends. The one NaN that others must not have. */
double remote_stale(void);
bool remote_is_stale(double value);

struct remote_sample {
	double value;
	mh_ms_t ms;
	mh_ms_t start_ms; /* of a counter, when that is before; else 0 */
	uint32_t next;    /* of its series, REMOTE_END: none */
};
#define REMOTE_END UINT32_MAX

struct remote_batch_series {
	struct remote_series *series;
	uint32_t first, last; /* of `sample` */
	uint32_t n;
};

struct remote_batch {
	struct remote_pool *pool;
	/* Each series once, in the order in which they came, its samples in the order of time. */
	struct remote_batch_series *series;
	uint32_t n_series;
	struct remote_sample *sample;
	uint32_t n_samples;
	uint32_t max_samples;
	mh_ms_t first_ms, last_ms; /* the lowest and the highest time; meaningless when empty */

	/* private */
	uint64_t number;
	struct remote_scratch *scratch;
};

/* Which symbols strings are, while a batch is encoded (encode_v2.c); nothing in between. */
struct remote_scratch {
	uint32_t *symbol; /* by the string's number */
	uint32_t *used;   /* numbers of the n strings that are symbols */
	uint32_t n, cap;
};

/* Room for `max_samples` (1 and up) is made at once. Returns 0 or -ENOMEM. */
int remote_batch_new(struct remote_batch **ret, struct remote_pool *pool, uint32_t max_samples);
/* NULL is allowed. */
void remote_batch_free(struct remote_batch *b);
void remote_batch_clear(struct remote_batch *b);

/*
 * Add a sample. A NaN that is not remote_stale() becomes the ordinary one. Returns 0; -EOVERFLOW:
 * the batch is full; -EINVAL: not later than the series' last sample in this batch, which is left
 * out.
 */
int remote_batch_add(struct remote_batch *b, struct remote_series *series, double value,
		     mh_ms_t ms);

/* How many samples `n` series from `first` on have. */
uint32_t remote_batch_samples(const struct remote_batch *b, uint32_t first, uint32_t n);

#endif
