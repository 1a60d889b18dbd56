/*
 * The metrics of one sample, in no format: families of samples with labels and values. It is filled
 * once and then written in each format that somebody asks for (format.h), so that all formats say
 * the same.
 *
 *     struct families f;
 *
 *     families_init(&f, 1000);
 *     families_begin(&f, "memhist_group_processes", METRIC_GAUGE, "Live processes in the group.");
 *     labels = families_labels(&f, &(struct label){"group", "bash"}, 1);
 *     families_add(&f, labels, 3);
 *     families_single(&f, "memhist_up", METRIC_GAUGE, "1 when …", 1);
 *     families_end(&f);
 *     if (f.error) …                         // -ENOMEM or -EOVERFLOW, sticky
 *     families_done(&f);
 *
 * Names are those of the text format: a counter's ends in _total, an info's in _info. A unit is the
 * last word of a name (before _total) where that is one of units[] in families.c. A label set can
 * be given to any number of samples. No sample has a time: one with a time would not be marked
 * stale when its series ends.
 *
 * Readers look at the arrays; text is at f->text.data + an offset, NUL-terminated, any bytes.
 */
#ifndef MEMHIST_EXPORTER_FAMILIES_H
#define MEMHIST_EXPORTER_FAMILIES_H

#include "libmemhist/base/buf.h"

enum metric_type { METRIC_GAUGE, METRIC_COUNTER, METRIC_INFO };

enum { METRIC_NAME_MAX = 127, NO_LABELS = 0 };

struct label {
	const char *name; /* lives as long as the families: a literal */
	const char *value;
};

struct family {
	uint32_t name, help; /* offsets of text */
	uint32_t name_len;
	uint32_t base_len; /* of the name without _total or _info */
	const char *unit;  /* NULL: none */
	enum metric_type type;
	uint32_t first, n; /* of `sample` */
};

struct family_sample {
	uint32_t labels; /* index of `set` */
	double value;
};

struct label_pair {
	const char *name;
	uint32_t value, value_len; /* offset of text */
};

struct label_set {
	uint32_t first, n; /* of `pair` */
};

struct families {
	struct mh_buf text;
	struct family *family;
	struct family_sample *sample;
	struct label_pair *pair;
	struct label_set *set;
	uint32_t n_families, n_samples, n_pairs, n_sets;
	uint32_t n_dropped; /* samples that were more than max_samples */
	int error;

	/* private */
	uint32_t max_samples;
	uint32_t families_cap, samples_cap, pairs_cap, sets_cap;
};

/* `max_samples`: what is added beyond is only counted. */
void families_init(struct families *f, uint32_t max_samples);
void families_done(struct families *f);
/* Forget everything; keep the memory. */
void families_clear(struct families *f);

/* A label set of `n` labels. Returns its index, the one after that of the set made before. */
uint32_t families_labels(struct families *f, const struct label *label, size_t n);

/* The samples added from here on are of this family. Copies its arguments. */
void families_begin(struct families *f, const char *name, enum metric_type type, const char *help);
/* Returns the sample's index, meaningless after an error and for a dropped one. */
uint32_t families_add(struct families *f, uint32_t labels, double value);
/* A family of one sample without labels. */
uint32_t families_single(struct families *f, const char *name, enum metric_type type,
			 const char *help, double value);
/* The unit of a metric of this name, or NULL. */
const char *families_unit(const char *name, enum metric_type type);
/* No more families. A family without samples is left out. */
void families_end(struct families *f);

#endif
