/* The table of fields.def as data. */
#include "libmemhist/model/field.h"

#include <string.h>

const struct mh_field mh_fields[MH_FIELD_COUNT] = {
#define MH_FIELD(NAME, name, column, unit, in_groups, mark, ...)                               \
	[MH_FIELD_##NAME] = {                                                                  \
		name,       column, MH_UNIT_##unit, MH_IN_GROUPS_##in_groups, MH_FIELD_##mark, \
		__VA_ARGS__},
#include "libmemhist/model/fields.def"
#undef MH_FIELD
};

bool mh_field_is_mark(int field)
{
	for (int i = 0; i < MH_FIELD_COUNT; i++)
		if (mh_fields[i].mark == (enum mh_field_index)field)
			return true;
	return false;
}

int mh_field_by_name(const char *name)
{
	for (int i = 0; i < MH_FIELD_COUNT; i++)
		if (!strcmp(mh_fields[i].name, name))
			return i;
	return -1;
}

int mh_field_by_column(uint32_t column)
{
	for (int i = 0; i < MH_FIELD_COUNT; i++)
		if (column && mh_fields[i].column == column)
			return i;
	return -1;
}

uint64_t mh_field_shown(int field, uint64_t value, uint32_t page_bytes)
{
	uint64_t bytes;

	if (mh_fields[field].unit == MH_UNIT_COUNT)
		return value;
	return __builtin_mul_overflow(value, page_bytes, &bytes) ? UINT64_MAX : bytes;
}
