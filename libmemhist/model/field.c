/* The table of fields.def as data. */
#include "libmemhist/model/field.h"

#include <string.h>

const struct mh_field mh_fields[MH_FIELD_COUNT] = {
#define MH_FIELD(NAME, name, column, in_groups, ...) \
	[MH_FIELD_##NAME] = {name, column, MH_IN_GROUPS_##in_groups, __VA_ARGS__},
#include "libmemhist/model/fields.def"
#undef MH_FIELD
};

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
		if (mh_fields[i].column == column)
			return i;
	return -1;
}
