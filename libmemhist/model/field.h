/* The measured fields, from fields.def: an index for C, a row of facts for everything else. */
#ifndef MEMHIST_MODEL_FIELD_H
#define MEMHIST_MODEL_FIELD_H

#include <stdbool.h>
#include <stdint.h>

enum mh_field_index {
#define MH_FIELD(name, ...) MH_FIELD_##name,
#include "libmemhist/model/fields.def"
#undef MH_FIELD
	MH_FIELD_COUNT,
	MH_FIELD_NONE = -1
};

/* A set of fields: bit i stands for the field with index i. */
typedef uint32_t mh_fields_t;
#define MH_FIELDS(name) ((mh_fields_t)1 << MH_FIELD_##name)

#define MH_FIELDS_ALL (((mh_fields_t)1 << MH_FIELD_COUNT) - 1)

/* The stored fields that say what RSS is made of. */
#define MH_FIELDS_OF_RSS (MH_FIELDS(RSS) | MH_FIELDS(FILE) | MH_FIELDS(SHMEM))

enum mh_unit { MH_UNIT_PAGES, MH_UNIT_COUNT };
enum mh_in_groups { MH_IN_GROUPS_NONE, MH_IN_GROUPS_SUM, MH_IN_GROUPS_MAX };

struct mh_field {
	const char *name; /* "rss" */
	uint32_t column;  /* number in history files; 0 = follows from others */
	enum mh_unit unit;
	enum mh_in_groups in_groups;
	enum mh_field_index mark;  /* of this field, or MH_FIELD_NONE */
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

/* The fields that are known when these are stored: ANON is what FILE and SHMEM leave of RSS. */
static inline mh_fields_t mh_fields_complete(mh_fields_t stored)
{
	return (stored & MH_FIELDS_OF_RSS) == MH_FIELDS_OF_RSS ? stored | MH_FIELDS(ANON) : stored;
}

/* ANON of a process with these values. The kernel counts RSS as the sum of the three. */
static inline uint64_t mh_field_anon(const uint64_t value[MH_FIELD_COUNT])
{
	return value[MH_FIELD_RSS] - value[MH_FIELD_FILE] - value[MH_FIELD_SHMEM];
}

/* Take a process, or another group, into the values of a group: NONE are left alone. */
static inline void mh_fields_combine(uint64_t group[MH_FIELD_COUNT],
				     const uint64_t value[MH_FIELD_COUNT])
{
#define MH_COMBINE_NONE(to, from) ((void)0)
#define MH_COMBINE_SUM(to, from)  ((to) += (from))
#define MH_COMBINE_MAX(to, from)  ((to) = (to) > (from) ? (to) : (from))
#define MH_FIELD(NAME, name, column, unit, in_groups, ...) \
	MH_COMBINE_##in_groups(group[MH_FIELD_##NAME], value[MH_FIELD_##NAME]);
#include "libmemhist/model/fields.def"
#undef MH_FIELD
}

/* A value as people see it: bytes for pages, UINT64_MAX when they are too many; counts as is. */
uint64_t mh_field_shown(int field, uint64_t value, uint32_t page_bytes);

/* Whether it is the highest that another field has been. */
bool mh_field_is_mark(int field);
/* Index of the field called `name`, or -1. */
int mh_field_by_name(const char *name);
/* Index of the field with this history column number, or -1 (written by a newer memhist). */
int mh_field_by_column(uint32_t column);

#endif
