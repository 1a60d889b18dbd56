/* The measured fields, from fields.def: an index for C, a row of facts for everything else. */
#ifndef MEMHIST_MODEL_FIELD_H
#define MEMHIST_MODEL_FIELD_H

#include <stdbool.h>
#include <stdint.h>

enum mh_field_index {
#define MH_FIELD(name, ...) MH_FIELD_##name,
#include "libmemhist/model/fields.def"
#undef MH_FIELD
	MH_FIELD_COUNT
};

/* A set of fields: bit i stands for the field with index i. */
typedef uint32_t mh_fields_t;
#define MH_FIELDS(name) ((mh_fields_t)1 << MH_FIELD_##name)

enum mh_in_groups { MH_IN_GROUPS_NONE, MH_IN_GROUPS_SUM };

struct mh_field {
	const char *name; /* "rss" */
	uint32_t column;  /* number in history files */
	enum mh_in_groups in_groups;
	const char *origin;        /* "statm field 2 (resident)" */
	const char *metric;        /* "resident_memory_bytes" */
	const char *collectd_type; /* "ps_rss", "" = none */
	const char *help;
};

extern const struct mh_field mh_fields[MH_FIELD_COUNT];

static inline bool mh_fields_have(mh_fields_t fields, int field)
{
	return fields & (mh_fields_t)1 << field;
}

/* Index of the field called `name`, or -1. */
int mh_field_by_name(const char *name);
/* Index of the field with this history column number, or -1 (written by a newer memhist). */
int mh_field_by_column(uint32_t column);

#endif
