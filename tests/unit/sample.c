/* The good messages, and what a decoder must make of them. */
#include "tests/unit/sample.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

static void point(Memhist__V1__Processes *m, struct listed *a, size_t n)
{
	m->slot_gap = a->slot_gap;
	m->pid = a->pid;
	m->start_ticks = a->start_ticks;
	m->twin = a->twin;
	m->ppid = a->ppid;
	m->uid = a->uid;
	m->comm = a->comm;
	m->cmdline = a->cmdline;
	m->n_slot_gap = m->n_ppid = m->n_uid = m->n_comm = m->n_cmdline = n;
}

static void add_string(struct sample *s, const char *text)
{
	s->string[s->m.n_string++] = (ProtobufCBinaryData){strlen(text), (uint8_t *)text};
}

static void init(struct sample *s, bool key)
{
	*s = (struct sample){
		.key = key,
		.m = MEMHIST__V1__SNAPSHOT__INIT,
		.segment = MEMHIST__V1__SEGMENT__INIT,
		.born = MEMHIST__V1__PROCESSES__INIT,
		.renamed = MEMHIST__V1__PROCESSES__INIT,
		.rss = MEMHIST__V1__COLUMN__INIT,
		.future = MEMHIST__V1__COLUMN__INIT,
	};
	s->m.string = s->string;
	s->m.born = &s->born;
	s->m.gone_gap = s->gone_gap;
	s->m.column = s->column;
	s->column[s->m.n_column++] = &s->rss;
	s->rss.field = 1;
	s->rss.slot_gap = s->rss_gap;
	s->rss.delta = s->rss_delta;
	s->rss.n_slot_gap = s->rss.n_delta = 2;
	s->m.meminfo_gap = s->meminfo_gap;
	s->m.meminfo_delta = s->meminfo_delta;
	s->m.live_plus_1 = 4;
}

/* pid 10 "sh" in slot 0, 7 pages; pid 11 "cat" in slot 1, none; pid 20 "web" in slot 5, 9 pages. */
static void good_key(struct sample *s)
{
	init(s, true);
	memset(s->boot_id, 0xab, sizeof(s->boot_id));
	s->m.segment = &s->segment;
	s->segment.boot_id = (ProtobufCBinaryData){sizeof(s->boot_id), s->boot_id};
	s->segment.page_bytes = 4096;
	s->segment.clk_tck = 100;
	s->segment.field = s->field;
	s->segment.field[s->segment.n_field++] = 1;
	s->segment.meminfo_key = s->meminfo_key;
	s->segment.meminfo_key[s->segment.n_meminfo_key++] = (char *)"MemTotal kB";
	s->segment.meminfo_key[s->segment.n_meminfo_key++] = (char *)"HugePages_Total";
	add_string(s, "sh");
	add_string(s, "cat");
	add_string(s, "web");
	add_string(s, "");
	s->of_born = (struct listed){
		.slot_gap = {0, 0, 3},
		.pid = {10, 1, 9},
		.start_ticks = {100, 0, 100},
		.ppid = {1, 10, 1},
		.comm = {0, 1, 2},
		.cmdline = {3, 3, 3},
	};
	point(&s->born, &s->of_born, 3);
	s->born.n_pid = s->born.n_start_ticks = 3;
	s->rss_gap[1] = 4;
	s->rss_delta[0] = 7;
	s->rss_delta[1] = 9;
	s->m.n_meminfo_gap = s->m.n_meminfo_delta = 1;
	s->meminfo_delta[0] = 1000;
}

/* On good_key(): 11 ends, 30 "new" takes its slot, 3 pages; 20 is "webber"; 10 shrinks to 5. */
static void good_delta(struct sample *s)
{
	init(s, false);
	s->gone_gap[s->m.n_gone_gap++] = 1;
	add_string(s, "new");
	add_string(s, "webber");
	s->of_born = (struct listed){
		.slot_gap = {1}, .pid = {30}, .start_ticks = {300}, .comm = {4}, .cmdline = {3}};
	point(&s->born, &s->of_born, 1);
	s->born.n_pid = s->born.n_start_ticks = 1;
	s->of_renamed = (struct listed){.slot_gap = {5}, .ppid = {1}, .comm = {5}, .cmdline = {3}};
	point(&s->renamed, &s->of_renamed, 1);
	s->m.renamed = &s->renamed;
	s->rss_delta[0] = -2;
	s->rss_delta[1] = 3;
	s->m.n_meminfo_gap = s->m.n_meminfo_delta = 1;
	s->meminfo_gap[0] = 1;
	s->meminfo_delta[0] = 2;
}

int feed_bytes(struct rig *rig, const void *bytes, size_t len, uint8_t type, int flags)
{
	struct mh_frame frame = {
		.seq = rig->seq++,
		.at = {1000, 1000},
		.type = type,
		.flags = (uint8_t)flags,
		.version = 1,
		.len = (uint32_t)len,
		.payload = bytes,
	};

	return mh_decoder_frame(rig->decoder, &frame, NULL);
}

uint8_t *packed(const struct sample *s, size_t room, size_t *ret_len)
{
	size_t len = memhist__v1__snapshot__get_packed_size(&s->m);
	uint8_t *bytes = calloc(1, len + room);

	assert_non_null(bytes);
	*ret_len = memhist__v1__snapshot__pack(&s->m, bytes);
	assert_int_equal(*ret_len, len);
	return bytes;
}

int feed(struct rig *rig, const struct sample *s)
{
	size_t len;
	uint8_t *bytes = packed(s, 0, &len);
	int rc = feed_bytes(rig, bytes, len, MH_FRAME_SNAPSHOT, s->key ? MH_FRAME_KEY : 0);

	free(bytes);
	return rc;
}

static void check_process(const struct mh_snapshot *s, uint32_t pid, const char *comm, uint64_t rss)
{
	mh_snapshot_for_each (s, slot) {
		const struct mh_process *p = &s->process[slot];

		if (p->id.pid != pid)
			continue;
		assert_string_equal(p->comm, comm);
		assert_int_equal(p->cmdline_len, 0);
		assert_int_equal(p->value[MH_FIELD_RSS], rss);
		return;
	}
	fail_msg("no process %u", pid);
}

static void check_meminfo(const struct mh_snapshot *s, uint64_t total, uint64_t pages)
{
	assert_non_null(s->meminfo);
	assert_int_equal(s->meminfo->n, 2);
	assert_string_equal(s->meminfo->line[0].key, "MemTotal");
	assert_true(s->meminfo->line[0].is_kib);
	assert_int_equal(s->meminfo->line[0].value, total);
	assert_false(s->meminfo->line[1].is_kib);
	assert_int_equal(s->meminfo->line[1].value, pages);
}

void check_key(struct rig *rig)
{
	const struct mh_snapshot *s = mh_decoder_end(rig->decoder);

	assert_int_equal(s->n_live, 3);
	assert_int_equal(s->fields, 1 << MH_FIELD_RSS); /* S6 */
	check_process(s, 10, "sh", 7);
	check_process(s, 11, "cat", 0);
	check_process(s, 20, "web", 9);
	check_meminfo(s, 1000, 0);
}

void check_delta(struct rig *rig)
{
	const struct mh_snapshot *s = mh_decoder_end(rig->decoder);

	assert_int_equal(s->n_live, 3);
	check_process(s, 10, "sh", 5);
	check_process(s, 30, "new", 3);
	check_process(s, 20, "webber", 9);
	check_meminfo(s, 1000, 2);
}

void take_key(struct rig *rig)
{
	struct sample good;

	good_key(&good);
	assert_int_equal(feed(rig, &good), MH_DECODED_SNAPSHOT);
	check_key(rig);
}

void gives(struct rig *rig, int rc)
{
	struct sample good;

	if (!rig->s.key)
		take_key(rig);
	assert_int_equal(feed(rig, &rig->s), rc);
	good_delta(&good);
	assert_int_equal(feed(rig, &good), MH_DECODED_ORPHAN);
	take_key(rig);
}

void refused(struct rig *rig)
{
	gives(rig, -EBADMSG);
}

struct sample *a_key(struct rig *rig)
{
	good_key(&rig->s);
	return &rig->s;
}

struct sample *a_delta(struct rig *rig)
{
	good_delta(&rig->s);
	return &rig->s;
}

int rig_setup(void **state)
{
	struct rig *rig = calloc(1, sizeof(*rig));

	*state = rig;
	return rig ? mh_decoder_new(&rig->decoder) : -1;
}

int rig_teardown(void **state)
{
	struct rig *rig = *state;

	mh_decoder_free(rig->decoder);
	free(rig);
	return 0;
}
