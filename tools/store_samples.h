/*
 * What one request to a store brought: series of processes, and their samples. The readers of the
 * two protocols put it here; store_intake.c makes snapshots of it.
 *
 *     store_samples_begin(&s);
 *     rc = store_series_label(&s, name, name_len, value, value_len);   // each label
 *     rc = store_series_end(&s);                                       // 0: nobody wants it
 *     rc = store_sample_add(&s, ms, value);                            // of that series
 *     store_samples_sort(&s);
 *
 * Limits: STORE_SAMPLES_MAX samples and series; -EOVERFLOW, which means: ask for less.
 */
#ifndef MEMHIST_TOOLS_STORE_SAMPLES_H
#define MEMHIST_TOOLS_STORE_SAMPLES_H

#include "libmemhist/base/buf.h"
#include "libmemhist/base/err.h"
#include "libmemhist/base/timespec.h"
#include "libmemhist/model/process.h"

enum {
	STORE_SAMPLES_MAX = 1 << 20,
	STORE_TARGET_MAX = 4096,      /* bytes of the labels that tell one machine from others */
	STORE_START = MH_FIELD_COUNT, /* memhist_process_start_time_seconds */
};

#define STORE_METRIC_PREFIX "memhist_process_"
#define STORE_METRIC_START  "start_time_seconds"

struct store_series {
	int field; /* MH_FIELD_… or STORE_START */
	uint32_t pid;
	int64_t start_ms; /* of its label; -1 = it has none */
	uint32_t comm_len;
	char comm[MH_COMM_MAX + 1];
};

struct store_sample {
	mh_ms_t at_ms;
	uint32_t series;
	double value; /* finite */
};

/* Zero-initialise. */
struct store_samples {
	struct store_series *series;
	uint32_t n_series, series_cap;
	struct store_sample *sample;
	uint32_t n, cap;
	mh_ms_t since_ms, until_ms; /* others are not taken; exclusive */
	/* all series are of one machine, whose labels these are, as PromQL; "" = none yet */
	char target[STORE_TARGET_MAX];
	/* … and these another's, when there is one: see store_series_end() */
	char other[STORE_TARGET_MAX];

	/* private: of the series that is read */
	struct store_series next;
	bool is_ours;
	char labels[STORE_TARGET_MAX];
	size_t labels_len;
	uint32_t n_labels;
};

void store_samples_done(struct store_samples *s);
/* Forget series and samples; the machine stays. */
void store_samples_clear(struct store_samples *s);

void store_series_begin(struct store_samples *s);
/* In any order, but the same for all series. Returns 0. */
int store_series_label(struct store_samples *s, const char *name, size_t name_len,
		       const char *value, size_t value_len);
/* Returns 1: its samples are wanted; 0: it is none of ours; -ENOMEM; -EOVERFLOW; or -EMLINK:
 * it is of another machine than those before. */
int store_series_end(struct store_samples *s);
/* A sample of the last series. What is no number, or not in time, is left out. */
int store_sample_add(struct store_samples *s, mh_ms_t at_ms, double value);

/* By time, pid; of the same both, first the start, then those with a start of their own. */
void store_samples_sort(struct store_samples *s);

#endif
