/* Series by number. Strings are kept once; a process costs its entry and one in the index. */
#include "tools/export_series.h"

#include "libmemhist/base/escape.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

enum { BOOT_SHOWN = 4 /* bytes */, NOT_SEEN = 0xffffffff };

void series_done(struct series_set *set)
{
	free(set->series);
	free(set->slot);
	mh_index_done(&set->index);
	mh_strset_done(&set->boots);
	mh_strset_done(&set->hosts);
	mh_strset_done(&set->comms);
	mh_strset_done(&set->meminfo);
	*set = (struct series_set){0};
}

int series_set_boot(struct series_set *set, const struct mh_boot_id *boot_id, const char *host)
{
	uint32_t boot = set->boot;

	if (mh_strset_add(&set->boots, (const char *)boot_id->bytes, MH_BOOT_ID_BYTES, &set->boot) <
		    0 ||
	    mh_strset_add(&set->hosts, host, strlen(host), &set->host) < 0)
		return -ENOMEM;
	if (boot != set->boot)
		for (uint32_t i = 0; i < set->slots_cap; i++)
			set->slot[i] = NOT_SEEN;
	return 0;
}

static uint32_t hash_of(const struct mh_identity *id, uint32_t boot)
{
	struct {
		uint64_t start;
		uint32_t pid, twin, boot, none;
	} key = {id->start_ticks, id->pid, id->twin, boot, 0};

	return mh_hash_bytes(&key, sizeof(key));
}

static int reserve(struct series_set *set)
{
	uint32_t cap = set->cap ? set->cap * 2 : 1024;
	struct series *series;

	if (set->n < set->cap)
		return 0;
	series = reallocarray(set->series, cap, sizeof(*series));
	if (!series)
		return -ENOMEM;
	set->series = series;
	set->cap = cap;
	return 0;
}

int series_of_process(struct series_set *set, const struct mh_process *p, uint32_t *ret)
{
	uint32_t hash = hash_of(&p->id, set->boot), at = 0, i, comm;
	const char *name;
	size_t len = mh_process_program(p, &name);

	if (mh_strset_add(&set->comms, name, len, &comm) < 0)
		return -ENOMEM;
	while ((i = mh_index_next(&set->index, hash, &at)) != MH_INDEX_END)
		if (set->series[i].boot == set->boot &&
		    mh_identity_same(&set->series[i].id, &p->id))
			break;
	if (i == MH_INDEX_END) {
		int rc = set->n < SERIES_PROCESSES_MAX ? mh_index_add(&set->index, hash, set->n)
						       : -EOVERFLOW;

		if (!rc && reserve(set))
			rc = -ENOMEM;
		if (rc)
			return rc;
		i = set->n++;
		set->series[i] = (struct series){.id = p->id, .boot = set->boot, .host = set->host};
	}
	set->series[i].comm = comm;
	*ret = i;
	return 0;
}

static int reserve_slots(struct series_set *set, uint32_t n)
{
	uint32_t cap = set->slots_cap ? set->slots_cap : 256;
	uint32_t *slot;

	if (n <= set->slots_cap)
		return 0;
	while (cap < n)
		cap *= 2;
	slot = reallocarray(set->slot, cap, sizeof(*slot));
	if (!slot)
		return -ENOMEM;
	for (uint32_t i = set->slots_cap; i < cap; i++)
		slot[i] = NOT_SEEN;
	set->slot = slot;
	set->slots_cap = cap;
	return 0;
}

int series_update(struct series_set *set, const struct mh_snapshot *s, const struct chosen *chosen)
{
	int rc = reserve_slots(set, s->n_slots);

	for (uint32_t i = 0; i < s->n_gone; i++)
		if (s->gone[i].slot < set->slots_cap)
			set->slot[s->gone[i].slot] = NOT_SEEN;
	for (uint32_t i = 0; i < s->n_renamed && !rc; i++)
		set->slot[s->renamed[i]] = NOT_SEEN;
	mh_snapshot_for_each (s, slot) {
		if (!rc && chosen->is_slot[slot] && set->slot[slot] == NOT_SEEN)
			rc = series_of_process(set, &s->process[slot], &set->slot[slot]);
	}
	return rc;
}

/* --- labels ------------------------------------------------------------------------------ */

static void add_label(struct mh_buf *out, char before, const char *name, const char *bytes,
		      size_t len)
{
	mh_buf_printf(out, "%c%s=\"", before, name);
	mh_escape_prometheus(out, bytes, len);
	mh_buf_addc(out, '"');
}

/* Opens the labels. Returns what stands before the next one. */
static char add_host(const struct series_set *set, uint32_t host, struct mh_buf *out)
{
	const struct mh_str *name = mh_strset_get(&set->hosts, host);

	if (!name->len)
		return '{';
	add_label(out, '{', "host", name->bytes, name->len);
	return ',';
}

/* Eight digits, and which one it is where two boots begin with the same. */
static void add_boot(const struct series_set *set, uint32_t boot, char before, struct mh_buf *out)
{
	const struct mh_str *id = mh_strset_get(&set->boots, boot);
	uint32_t nth = 1;

	for (uint32_t i = 0; i < boot; i++)
		nth += !memcmp(mh_strset_get(&set->boots, i)->bytes, id->bytes, BOOT_SHOWN);
	mh_buf_printf(out, "%cboot=\"", before);
	for (size_t i = 0; i < BOOT_SHOWN; i++)
		mh_buf_printf(out, "%02x", (unsigned char)id->bytes[i]);
	if (nth > 1)
		mh_buf_printf(out, "-%u", nth);
	mh_buf_addc(out, '"');
}

void series_write_process(const struct series_set *set, uint32_t series, struct mh_buf *out)
{
	const struct series *s = &set->series[series];
	const struct mh_str *comm = mh_strset_get(&set->comms, s->comm);

	add_boot(set, s->boot, add_host(set, s->host, out), out);
	mh_buf_printf(out, ",pid=\"%u\",start=\"%llu\"", s->id.pid,
		      (unsigned long long)s->id.start_ticks);
	if (s->id.twin)
		mh_buf_printf(out, ",twin=\"%u\"", s->id.twin);
	if (comm->len)
		add_label(out, ',', "comm", comm->bytes, comm->len);
	mh_buf_addc(out, '}');
}

void series_write_gap(const struct series_set *set, uint32_t series, struct mh_buf *out)
{
	const char *kind = mh_gap_name((enum mh_gap_kind)(series % SERIES_GAP_KINDS));

	add_label(out, add_host(set, series / SERIES_GAP_KINDS, out), "kind", kind, strlen(kind));
	mh_buf_addc(out, '}');
}

void series_write_host(const struct series_set *set, uint32_t host, struct mh_buf *out)
{
	if (add_host(set, host, out) == ',')
		mh_buf_addc(out, '}');
}
