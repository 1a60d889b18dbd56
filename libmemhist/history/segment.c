/* Facts of a segment to a message and back. */
#include "libmemhist/history/segment.h"

#include <errno.h>
#include <string.h>
#include <sys/random.h>

static const char unit[] = " kB";

uint32_t mh_segment_number(void)
{
	uint32_t number;

	if (getrandom(&number, sizeof(number), GRND_NONBLOCK) != sizeof(number))
		number = (uint32_t)mh_now().boot_ns; /* the entropy pool of a machine just booted */
	return number;
}

static void copy_text(char *to, size_t size, const char *from)
{
	size_t len = strnlen(from, size - 1);

	memcpy(to, from, len);
	to[len] = '\0';
}

static int take_meminfo_keys(const Memhist__V1__Segment *m, struct mh_meminfo *ret)
{
	for (size_t i = 0; i < m->n_meminfo_key; i++) {
		const char *key = m->meminfo_key[i];
		size_t len = strlen(key), unit_len = sizeof(unit) - 1;
		bool is_kib = len > unit_len && !strcmp(key + len - unit_len, unit);

		if (mh_meminfo_add(ret, key, is_kib ? len - unit_len : len, is_kib, 0))
			return -EBADMSG;
	}
	return 0;
}

static mh_fields_t fields_of(const uint32_t *column, size_t n)
{
	mh_fields_t fields = 0;

	for (size_t i = 0; i < n; i++) {
		int field = mh_field_by_column(column[i]);

		if (field >= 0)
			fields |= (mh_fields_t)1 << field;
	}
	return fields;
}

int mh_segment_take(const Memhist__V1__Segment *m, uint64_t known, struct mh_segment_head *ret,
		    struct mh_err *err)
{
	struct mh_segment_head head = {
		.info =
			{
				.page_bytes = m->page_bytes,
				.clk_tck = m->clk_tck,
				.interval_ms = m->interval_ms,
			},
		.fields = mh_fields_complete(fields_of(m->field, m->n_field)), /* S6 */
		.lagging = fields_of(m->lagging_field, m->n_lagging_field),    /* M2 */
		.features = m->required_features,
	};

	if (m->required_features & ~known)
		return mh_errf(err, -EPROTO, /* P2 */
			       "written by %s with features (0x%llx) that this memhist does not "
			       "know: use a newer one",
			       m->writer, (unsigned long long)m->required_features);
	if (m->boot_id.len != sizeof(head.boot_id.bytes) || !m->page_bytes || !m->clk_tck)
		return -EBADMSG; /* C2 */
	memcpy(head.boot_id.bytes, m->boot_id.data, sizeof(head.boot_id.bytes));
	copy_text(head.info.host, sizeof(head.info.host), m->host);
	copy_text(head.info.writer, sizeof(head.info.writer), m->writer);
	if (head.lagging & MH_FIELDS_OF_RSS)
		head.lagging |= MH_FIELDS(ANON);
	head.lagging &= head.fields;
	if (take_meminfo_keys(m, &head.meminfo))
		return -EBADMSG;
	*ret = head;
	return 0;
}

/* Keys as the format has them (M4): " kB" behind those that count KiB, as in /proc/meminfo. */
static bool make_meminfo_keys(struct mh_arena *a, const struct mh_meminfo *m,
			      Memhist__V1__Segment *ret)
{
	ret->meminfo_key = mh_arena_array(a, m->n, sizeof(*ret->meminfo_key));
	if (!ret->meminfo_key)
		return false;
	for (uint32_t i = 0; i < m->n; i++) {
		char *key = mh_arena_alloc(a, MH_MEMINFO_KEY_MAX + sizeof(unit));

		if (!key)
			return false;
		snprintf(key, MH_MEMINFO_KEY_MAX + sizeof(unit), "%s%s", m->line[i].key,
			 m->line[i].is_kib ? unit : "");
		ret->meminfo_key[ret->n_meminfo_key++] = key;
	}
	return true;
}

Memhist__V1__Segment *mh_segment_make(struct mh_arena *a, const struct mh_segment_facts *facts,
				      const struct mh_boot_id *boot_id, mh_fields_t fields,
				      mh_fields_t lagging, const struct mh_meminfo *meminfo)
{
	Memhist__V1__Segment *m = mh_arena_alloc(a, sizeof(*m));

	if (!m)
		return NULL;
	memhist__v1__segment__init(m);
	m->boot_id = (ProtobufCBinaryData){MH_BOOT_ID_BYTES, (uint8_t *)boot_id->bytes};
	m->page_bytes = facts->page_bytes;
	m->clk_tck = facts->clk_tck;
	m->interval_ms = facts->interval_ms;
	m->host = (char *)facts->host;
	m->writer = (char *)facts->writer;
	m->field = mh_arena_array(a, MH_FIELD_COUNT, sizeof(*m->field));
	m->lagging_field = mh_arena_array(a, MH_FIELD_COUNT, sizeof(*m->lagging_field));
	if (!m->field || !m->lagging_field)
		return NULL;
	for (int field = 0; field < MH_FIELD_COUNT; field++) {
		if (!mh_fields_have(fields, field) || !mh_fields[field].column)
			continue;
		m->field[m->n_field++] = mh_fields[field].column;
		if (mh_fields_have(lagging, field))
			m->lagging_field[m->n_lagging_field++] = mh_fields[field].column;
	}
	return !meminfo || make_meminfo_keys(a, meminfo, m) ? m : NULL;
}
