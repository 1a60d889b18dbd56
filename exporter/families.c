/* The arrays of families. Whatever fails leaves them as they were, and nothing is added after. */
#include "exporter/families.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

enum {
	FIRST_CAP = 64,
	TEXT_MAX_BYTES = 64 << 20, /* of names, helps and label values */
};

static const char *const units[] = {"byte_seconds", "bytes", "seconds", "pages", NULL};

void families_init(struct families *f, uint32_t max_samples)
{
	*f = (struct families){.text = MH_BUF_INIT(TEXT_MAX_BYTES), .max_samples = max_samples};
	families_clear(f);
}

void families_done(struct families *f)
{
	mh_buf_done(&f->text);
	free(f->family);
	free(f->sample);
	free(f->pair);
	free(f->set);
}

void families_clear(struct families *f)
{
	mh_buf_clear(&f->text);
	f->n_families = f->n_samples = f->n_pairs = f->n_sets = f->n_dropped = 0;
	f->error = 0;
	families_labels(f, NULL, 0); /* NO_LABELS */
}

/* Room for `n` entries. */
static bool reserve(struct families *f, void **array, uint32_t *cap, uint32_t n, size_t size)
{
	uint32_t more = *cap ? *cap : FIRST_CAP;
	void *bigger;

	if (f->error || n <= *cap)
		return !f->error;
	while (more < n)
		more *= 2;
	bigger = reallocarray(*array, more, size);
	if (!bigger) {
		f->error = -ENOMEM;
		return false;
	}
	*array = bigger;
	*cap = more;
	return true;
}

/* Returns the offset of the copy. */
static uint32_t add_text(struct families *f, const char *text, size_t len)
{
	uint32_t at = (uint32_t)f->text.len;

	mh_buf_add(&f->text, text, len);
	mh_buf_addc(&f->text, '\0');
	if (!f->error)
		f->error = f->text.error;
	return at;
}

uint32_t families_labels(struct families *f, const struct label *label, size_t n)
{
	if (!reserve(f, (void **)&f->set, &f->sets_cap, f->n_sets + 1, sizeof(*f->set)) ||
	    !reserve(f, (void **)&f->pair, &f->pairs_cap, f->n_pairs + (uint32_t)n,
		     sizeof(*f->pair)))
		return NO_LABELS;
	f->set[f->n_sets] = (struct label_set){f->n_pairs, (uint32_t)n};
	for (size_t i = 0; i < n; i++) {
		size_t len = strlen(label[i].value);

		f->pair[f->n_pairs++] = (struct label_pair){
			label[i].name, add_text(f, label[i].value, len), (uint32_t)len};
	}
	return f->n_sets++;
}

static bool ends_in(const char *name, size_t len, const char *word)
{
	size_t n = strlen(word);

	return len > n && !memcmp(name + len - n, word, n);
}

static const char *unit_of(const char *name, size_t len)
{
	for (size_t i = 0; units[i]; i++)
		if (ends_in(name, len, units[i]) && name[len - strlen(units[i]) - 1] == '_')
			return units[i];
	return NULL;
}

/* Of the name without _total or _info. */
static size_t base_of(const char *name, size_t len, enum metric_type type)
{
	const char *suffix = type == METRIC_COUNTER ? "_total" : type == METRIC_INFO ? "_info" : "";

	return ends_in(name, len, suffix) ? len - strlen(suffix) : len;
}

const char *families_unit(const char *name, enum metric_type type)
{
	return type == METRIC_INFO ? NULL : unit_of(name, base_of(name, strlen(name), type));
}

void families_begin(struct families *f, const char *name, enum metric_type type, const char *help)
{
	size_t len = strnlen(name, METRIC_NAME_MAX), base_len = base_of(name, len, type);
	struct family *family;

	families_end(f);
	if (!reserve(f, (void **)&f->family, &f->families_cap, f->n_families + 1,
		     sizeof(*f->family)))
		return;
	family = &f->family[f->n_families++];
	*family = (struct family){
		.name = add_text(f, name, len),
		.help = add_text(f, help, strlen(help)),
		.name_len = (uint32_t)len,
		.base_len = (uint32_t)base_len,
		.unit = type == METRIC_INFO ? NULL : unit_of(name, base_len),
		.type = type,
		.first = f->n_samples,
	};
}

uint32_t families_add(struct families *f, uint32_t labels, double value)
{
	if (f->n_samples >= f->max_samples) {
		f->n_dropped++;
		return 0;
	}
	if (!reserve(f, (void **)&f->sample, &f->samples_cap, f->n_samples + 1, sizeof(*f->sample)))
		return 0;
	f->sample[f->n_samples] = (struct family_sample){labels, value};
	f->family[f->n_families - 1].n++;
	return f->n_samples++;
}

uint32_t families_single(struct families *f, const char *name, enum metric_type type,
			 const char *help, double value)
{
	families_begin(f, name, type, help);
	return families_add(f, NO_LABELS, value);
}

void families_end(struct families *f)
{
	if (f->n_families && !f->family[f->n_families - 1].n)
		f->n_families--;
}
