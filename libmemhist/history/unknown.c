/* A walk through a message and those in it, by their descriptors. */
#include "libmemhist/history/unknown.h"

#include "libmemhist/model/field.h"
#include "proto/memhist.pb-c.h"

#include <errno.h>

static bool has_unknown_columns(const Memhist__V1__Segment *m)
{
	for (size_t i = 0; i < m->n_field; i++)
		if (mh_field_by_column(m->field[i]) < 0)
			return true;
	return false;
}

static bool has_unknown_below(const ProtobufCMessage *m, const ProtobufCFieldDescriptor *field)
{
	const void *member = (const char *)m + field->offset;
	const ProtobufCMessage *const *list;
	size_t n;

	if (field->type != PROTOBUF_C_TYPE_MESSAGE)
		return false;
	if (field->label != PROTOBUF_C_LABEL_REPEATED) {
		const ProtobufCMessage *below = *(const ProtobufCMessage *const *)member;

		return below && mh_message_has_unknown(below);
	}
	n = *(const size_t *)((const char *)m + field->quantifier_offset);
	list = *(const ProtobufCMessage *const *const *)member;
	for (size_t i = 0; i < n; i++)
		if (mh_message_has_unknown(list[i]))
			return true;
	return false;
}

/* Messages are as deep as the schema is, which has no circle. */
bool mh_message_has_unknown(const ProtobufCMessage *m)
{
	if (m->n_unknown_fields)
		return true;
	if (m->descriptor == &memhist__v1__segment__descriptor)
		return has_unknown_columns((const Memhist__V1__Segment *)m);
	for (unsigned i = 0; i < m->descriptor->n_fields; i++)
		if (has_unknown_below(m, &m->descriptor->fields[i]))
			return true;
	return false;
}

int mh_refuse_unknown(struct mh_err *err)
{
	return mh_errf(err, -EPROTO,
		       "a newer memhist wrote what this one does not know and would lose: use a "
		       "newer one");
}
