/* The lists of the API and what is kept for them, against snapshots kept whole. */
#include "exporter/api/render.h"
#include "tests/unit/world.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <stdlib.h>
#include <string.h>

static void update(struct recent *r, struct mh_groups *groups, const struct mh_snapshot *s)
{
	const struct source_item item = {.snapshot = s, .page_bytes = 4096, .clk_tck = 100};

	assert_int_equal(mh_groups_update(groups, s), 0);
	assert_int_equal(recent_update(r, &item, groups), 0);
}

static struct mh_groups *new_groups(void)
{
	const struct mh_groups_config config = {.max_groups = 5};
	struct mh_groups *groups;

	assert_int_equal(mh_groups_new(&groups, &config), 0);
	return groups;
}

static int by_size(const void *a, const void *b)
{
	uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;

	return x < y ? 1 : x > y ? -1 : 0;
}

static void check_processes(const struct recent *r, const struct mh_snapshot *s)
{
	const struct recent_list *list = &r->list[RECENT_PROCESSES][RECENT_BY_RSS];
	uint64_t size[256];
	size_t n = 0;

	mh_snapshot_for_each (s, slot) {
		const struct mh_process *p = &s->process[slot];
		const struct recent_process *found = recent_find_process(r, p->id.pid, &p->id);
		struct mh_identity other = p->id;

		assert_non_null(found);
		assert_int_equal(found->track.value, p->value[MH_FIELD_RSS]);
		assert_ptr_equal(recent_find_process(r, p->id.pid, NULL), found);
		other.start_ticks++;
		assert_null(recent_find_process(r, p->id.pid, &other));
		size[n++] = p->value[MH_FIELD_RSS];
	}
	qsort(size, n, sizeof(size[0]), by_size);
	assert_int_equal(list->n, n < RECENT_TOP ? n : RECENT_TOP);
	for (size_t i = 0; i < list->n; i++)
		assert_int_equal(list->row[i].track->value, size[i]);
}

static void check_growth(const struct recent *r, int window)
{
	const struct recent_list *list = &r->list[RECENT_PROCESSES][RECENT_BY_GROWTH + window];
	double before = 0, s;
	int64_t diff;
	size_t n = 0;

	for (uint32_t i = 0; i < r->n_slots; i++)
		n += r->process[i].id.pid &&
		     track_growth(&r->tracks, &r->process[i].track, window, &diff, &s) && diff > 0;
	assert_int_equal(list->n, n < RECENT_TOP ? n : RECENT_TOP);
	for (size_t i = 0; i < list->n; i++) {
		assert_true(track_growth(&r->tracks, list->row[i].track, window, &diff, &s));
		assert_true(diff > 0 && (!i || (double)diff / s <= before));
		before = (double)diff / s;
	}
}

static void check_groups(const struct recent *r, const struct mh_groups *groups)
{
	const struct recent_list *list = &r->list[RECENT_GROUPS][RECENT_BY_RSS];
	const struct mh_group *group;
	size_t n = mh_groups_list(groups, &group);

	assert_int_equal(list->n, n);
	for (size_t i = 0; i < n; i++) {
		const struct recent_group *found = recent_find_group(r, group[i].name);

		assert_non_null(found);
		assert_int_equal(found->track.value, group[i].value[MH_FIELD_RSS]);
		assert_int_equal(found->n_processes, group[i].n_processes);
		assert_true(!i || list->row[i].track->value <= list->row[i - 1].track->value);
	}
	assert_null(recent_find_group(r, "nobody's"));
}

/* Processes and groups that come, go and have others' pids and slots. */
static void lists_are_those_that_a_sort_makes(void **state)
{
	struct mh_groups *groups = new_groups();
	struct recent *r;
	struct world w;

	(void)state;
	world_init(&w, 11);
	assert_int_equal(recent_new(&r), 0);
	for (int step = 0; step < 250; step++) {
		const struct mh_snapshot *s = world_step(&w);

		update(r, groups, s);
		assert_int_equal(r->serial, step + 1);
		check_processes(r, s);
		check_groups(r, groups);
		for (int window = 0; window < TRACK_WINDOWS; window++)
			check_growth(r, window);
	}
	recent_free(r);
	mh_groups_free(groups);
	world_done(&w);
}

static struct mh_process process(uint32_t pid, const char *comm, uint64_t rss)
{
	struct mh_process p = {.id = {.pid = pid, .start_ticks = 250},
			       .comm_len = (uint32_t)strlen(comm),
			       .uid = 4294967294};

	memcpy(p.comm, comm, p.comm_len);
	p.value[MH_FIELD_RSS] = rss;
	return p;
}

static struct mh_snapshot snapshot_of(const struct mh_process *list, uint32_t n, uint32_t second)
{
	static const uint32_t born[] = {0, 1, 2};
	struct mh_snapshot s = {
		.fields = MH_FIELDS(RSS),
		.first = true,
		.process = list,
		.n_slots = n,
		.n_live = n,
		.born = born,
		.n_born = n,
		.at = {1000000 + second * 1000, (500 + second) * UINT64_C(1000000000)}};

	return s;
}

static void names_cannot_break_out(void **state)
{
	const struct mh_process list[] = {process(3, "\"}\n<b>\xff", 9), process(2, "", 8)};
	const struct mh_snapshot s = snapshot_of(list, 2, 0);
	struct mh_groups *groups = new_groups();
	struct mh_buf out = MH_BUF_INIT(1 << 20);
	struct recent *r;

	(void)state;
	assert_int_equal(recent_new(&r), 0);
	update(r, groups, &s);
	render_list(&out, r, &(struct render_list){.kind = RECENT_PROCESSES, .limit = 1});
	assert_string_equal(
		mh_buf_str(&out),
		"{\"status\":\"success\",\"data\":{\"at_ms\":1000000,\"sort\":\"rss\",\"window\":"
		"\"5m\",\"processes\":[{\"id\":\"3-250\",\"pid\":3,"
		"\"comm\":\"\\\"}\\n<b>\xef\xbf\xbd\",\"group\":\"\\\"}\\n<b>\xef\xbf\xbd\","
		"\"uid\":4294967294,\"user\":null,\"age_ms\":497500,\"rss_bytes\":36864,"
		"\"growth_bytes_per_second\":null,\"growth_seconds\":null}]}}\n");
	mh_buf_done(&out);
	recent_free(r);
	mh_groups_free(groups);
}

static void the_points_make_candles(void **state)
{
	struct mh_groups *groups = new_groups();
	struct mh_buf out = MH_BUF_INIT(1 << 20);
	const struct recent_process *p;
	struct recent *r;

	(void)state;
	assert_int_equal(recent_new(&r), 0);
	/* the windows of a minute end at 1,020 and 1,080 s: points of a process that grows by a
	 * page each second */
	for (uint32_t second = 0; second <= 65; second += 5) {
		const struct mh_process list[] = {process(3, "a", 100 + second)};
		const struct mh_snapshot s = snapshot_of(list, 1, second);

		update(r, groups, &s);
	}
	p = recent_find_process(r, 3, NULL);
	assert_non_null(p);
	render_track_candles(&out, r, &p->track, 60000, 0);
	/* points at 0 and 10 s; 20 … 60 s and the last sample at 65 s */
	assert_string_equal(mh_buf_str(&out), "[960000,409600,450560,409600,450560,2],"
					      "[1020000,491520,675840,491520,675840,6]");
	mh_buf_clear(&out);
	render_track_candles(&out, r, &p->track, 60000, 1020000 + 1);
	assert_string_equal(mh_buf_str(&out), "[1020000,532480,675840,532480,675840,5]");
	mh_buf_done(&out);
	recent_free(r);
	mh_groups_free(groups);
}

/* After a reboot nobody is who they were, whatever their pids and start times are. */
static void a_reboot_ends_everything(void **state)
{
	const struct mh_process list[] = {process(3, "a", 9)};
	struct mh_snapshot s = snapshot_of(list, 1, 100);
	struct mh_groups *groups = new_groups();
	struct recent *r;

	(void)state;
	assert_int_equal(recent_new(&r), 0);
	update(r, groups, &s);
	assert_int_equal(r->tracks.n, 1);
	s = snapshot_of(list, 1, 200);
	update(r, groups, &s);
	assert_int_equal(r->tracks.n, 2);
	s = snapshot_of(list, 1, 300);
	s.boot_id.bytes[0] = 1;
	update(r, groups, &s);
	assert_int_equal(r->tracks.n, 1);
	assert_int_equal(track_at(&r->tracks, &recent_find_group(r, "a")->track, 0), 9);
	s = snapshot_of(list, 1, 0); /* or where the boots have no names */
	s.boot_id.bytes[0] = 1;
	update(r, groups, &s);
	assert_int_equal(r->tracks.n, 1);
	recent_free(r);
	mh_groups_free(groups);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(lists_are_those_that_a_sort_makes),
		cmocka_unit_test(names_cannot_break_out),
		cmocka_unit_test(the_points_make_candles),
		cmocka_unit_test(a_reboot_ends_everything),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
