/* Proportional memory: its text, who is asked for it and when, and whose a value is. */
#include "libmemhist/proc/pss.h"

#include "libmemhist/base/timespec.h"
#include "libmemhist/proc/parse.h"
#include "libmemhist/proc/pidfile.h"
#include "tests/unit/scene.h"
#include "tests/unit/stuck.h"

#include <errno.h>
#include <inttypes.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>
#include <cmocka.h>

enum { PROCESSES = 6, PLENTY_MS = 5000 };

/* --- the text --------------------------------------------------------------------------------- */

#define HEAD "00400000-7fff0000 ---p 00000000 00:00 0                          [rollup]\n"

static int parse(const char *text, struct mh_smaps_rollup *ret)
{
	return mh_parse_smaps_rollup(text, strlen(text), ret);
}

static void a_text_is_understood(void **state)
{
	struct mh_smaps_rollup r;

	(void)state;
	assert_int_equal(parse(HEAD "Rss:                5192 kB\n"
				    "Pss:                 512 kB\n"
				    "Pss_Dirty:           384 kB\n"
				    "Shared_Clean:       4536 kB\n"
				    "Private_Clean:       272 kB\n"
				    "Private_Dirty:       384 kB\n"
				    "Swap:                  8 kB\n"
				    "SwapPss:               4 kB\n"
				    "Locked:                0 kB\n",
			       &r),
			 0);
	assert_int_equal(r.pss_bytes, 512 * 1024);
	assert_int_equal(r.uss_bytes, (272 + 384) * 1024);
	assert_true(r.has_swap);
	assert_int_equal(r.swap_pss_bytes, 4 * 1024);
	assert_int_equal(parse("Pss: 1 kB\nPrivate_Clean: 2 kB\nPrivate_Dirty: 3 kB\n", &r), 0);
	assert_false(r.has_swap);
	assert_int_equal(r.uss_bytes, 5 * 1024);
}

static void a_hostile_text_is_refused(void **state)
{
	static const char good[] = HEAD
		"Pss: 1 kB\nPrivate_Clean: 2 kB\nPrivate_Dirty: 3 kB\nSwapPss: 4 kB\n";
	static const char *const bad[] = {
		"",
		"\n",
		HEAD,
		"Pss: 1 kB\nPrivate_Clean: 2 kB\n",
		"Pss: 1 kB\nPrivate_Dirty: 2 kB\n",
		"Private_Clean: 1 kB\nPrivate_Dirty: 2 kB\n",
		"Pss: 1 kB\nPrivate_Clean: 2 kB\nPrivate_Dirty: 3 kB",
		"Pss: 1 kB\nPss: 1 kB\nPrivate_Clean: 2 kB\nPrivate_Dirty: 3 kB\n",
		"Pss: kB\nPrivate_Clean: 2 kB\nPrivate_Dirty: 3 kB\n",
		"Pss: \nPrivate_Clean: 2 kB\nPrivate_Dirty: 3 kB\n",
		"Pss:\nPrivate_Clean: 2 kB\nPrivate_Dirty: 3 kB\n",
		"Pss: -1 kB\nPrivate_Clean: 2 kB\nPrivate_Dirty: 3 kB\n",
		"Pss: 1 MB\nPrivate_Clean: 2 kB\nPrivate_Dirty: 3 kB\n",
		"Pss: 1x kB\nPrivate_Clean: 2 kB\nPrivate_Dirty: 3 kB\n",
		"Pss: 1 kB\nPrivate_Clean: 18014398509481984 kB\nPrivate_Dirty: 3 kB\n",
		"Pss: 1 kB\nPrivate_Clean: 99999999999999999999 kB\nPrivate_Dirty: 3 kB\n",
		("Pss: 1 kB\nPrivate_Clean: 18014398509481983 kB\n"
		 "Private_Dirty: 18014398509481983 kB\n"),
	};
	struct mh_smaps_rollup r = {.pss_bytes = 4711}, cut;

	(void)state;
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		assert_int_equal(parse(bad[i], &r), -EBADMSG);
		assert_int_equal(r.pss_bytes, 4711);
	}
	/* what is cut is refused, or lacks the line that may be missing */
	for (size_t len = 0; len < sizeof(good) - 1; len++)
		if (!mh_parse_smaps_rollup(good, len, &cut)) {
			assert_int_equal(good[len - 1], '\n');
			assert_false(cut.has_swap);
		}
	assert_int_equal(parse(good, &r), 0);
}

static void choices_are_understood(void **state)
{
	static const char *const bad[] = {"",       "top",    "top:",     "top:0", "top:101",
					  "top:-1", "match:", "match:((", "TOP:3", "all"};
	struct mh_pss_choice choice = {.top = 7};
	char much[MH_PSS_PATTERN_MAX + 20];
	struct mh_err err;

	(void)state;
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		err.text[0] = '\0';
		assert_int_equal(mh_pss_parse(bad[i], &choice, &err), -EINVAL);
		assert_true(strlen(err.text) > 10);
		assert_int_equal(choice.top, 7);
	}
	mh_pss_parse("match:", &choice, &err);
	assert_string_equal(err.text, "there is no regular expression after match:");
	memset(much, 'a', sizeof(much) - 1);
	memcpy(much, "match:", 6);
	much[sizeof(much) - 1] = '\0';
	assert_int_equal(mh_pss_parse(much, &choice, &err), -EINVAL);
	assert_int_equal(mh_pss_parse("top:100", &choice, &err), 0);
	assert_int_equal(choice.top, 100);
	assert_string_equal(choice.pattern, "");
	assert_int_equal(mh_pss_parse("match:^post", &choice, &err), 0);
	assert_int_equal(choice.top, MH_PSS_MAX);
	assert_string_equal(choice.pattern, "/^post/");
	assert_int_equal(mh_pss_parse("off", &choice, &err), 0);
	assert_int_equal(choice.top, 0);
}

/* --- asking ----------------------------------------------------------------------------------- */

struct fixture {
	struct tree tree;
	struct scene scene;
	struct mh_pss *pss;
};

/* The process n has n * 100 pages, and n KiB of proportional memory. */
static void write_process(const struct tree *tree, uint32_t pid, uint64_t start_ticks,
			  uint64_t rss_pages)
{
	char name[32], comm[16], text[200];
	int len;

	snprintf(comm, sizeof(comm), "%s%" PRIu32, pid % 2 ? "odd" : "even", pid);
	tree_process(tree, pid,
		     &(struct tree_process){.comm = comm,
					    .cmdline = comm,
					    .start_ticks = start_ticks,
					    .vsz_pages = 9000,
					    .rss_pages = rss_pages});
	snprintf(name, sizeof(name), "%" PRIu32 "/smaps_rollup", pid);
	len = snprintf(text, sizeof(text),
		       HEAD "Pss: %" PRIu32 " kB\nPrivate_Clean: %" PRIu32
			    " kB\nPrivate_Dirty: 1 kB\nSwapPss: 3 kB\n",
		       pid, pid);
	tree_write(tree, name, text, (size_t)len);
}

static void set_up(struct fixture *f, const char *who, uint32_t budget_ms)
{
	struct mh_pss_choice choice;
	struct mh_err err;

	tree_make(&f->tree);
	tree_write(&f->tree, "meminfo", "MemTotal: 1 kB\n", 15);
	for (uint32_t pid = 1; pid <= PROCESSES; pid++)
		write_process(&f->tree, pid, pid, pid * 100);
	assert_int_equal(scene_open(&f->scene, f->tree.path, (struct mh_scan_config){0}), 0);
	assert_int_equal(mh_pss_parse(who, &choice, &err), 0);
	assert_int_equal(
		mh_pss_new(&f->pss, &choice, &f->scene.root, f->scene.offload, budget_ms, &err), 0);
}

static void tear_down(struct fixture *f)
{
	mh_pss_free(f->pss);
	scene_close(&f->scene);
	tree_remove(&f->tree);
}

static void update(struct fixture *f)
{
	scene_must_pass(&f->scene);
	mh_pss_update(f->pss, f->scene.snapshot);
}

/* The value of the i-th of the chosen, who must be `pid`. */
static const struct mh_pss_value *at(const struct fixture *f, size_t i, uint32_t pid)
{
	const struct mh_pss_value *value;

	assert_true(mh_pss_list(f->pss, &value) > i);
	assert_int_equal(value[i].id.pid, pid);
	assert_int_equal(f->scene.snapshot->process[value[i].slot].id.pid, pid);
	return &value[i];
}

static size_t count(const struct fixture *f)
{
	const struct mh_pss_value *value;

	return mh_pss_list(f->pss, &value);
}

static struct mh_pss_stats stats(const struct fixture *f)
{
	struct mh_pss_stats s;

	mh_pss_stats(f->pss, &s);
	return s;
}

static void the_largest_are_asked(void **state)
{
	mh_boot_ns_t began = mh_now().boot_ns;
	struct fixture f;

	(void)state;
	set_up(&f, "top:3", PLENTY_MS);
	assert_int_equal(count(&f), 0);
	update(&f);
	assert_int_equal(count(&f), 3);
	for (uint32_t i = 0; i < 3; i++) {
		const struct mh_pss_value *v = at(&f, i, PROCESSES - i);

		assert_true(v->has && v->has_swap);
		assert_int_equal(v->pss_bytes, (PROCESSES - i) * 1024);
		assert_int_equal(v->uss_bytes, (PROCESSES - i + 1) * 1024);
		assert_int_equal(v->swap_pss_bytes, 3 * 1024);
		assert_in_range(v->read_ns, began, mh_now().boot_ns);
	}
	assert_int_equal(stats(&f).reads, 3);
	/* another is the largest: who was asked keeps his value, and all are asked again */
	write_process(&f.tree, 1, 1, 5000);
	update(&f);
	assert_int_equal(at(&f, 0, 1)->pss_bytes, 1024);
	assert_true(at(&f, 1, 6)->has && at(&f, 2, 5)->has);
	assert_int_equal(stats(&f).reads, 6);
	tear_down(&f);
}

static void names_choose(void **state)
{
	struct fixture f;

	(void)state;
	set_up(&f, "match:^even", PLENTY_MS);
	update(&f);
	assert_int_equal(count(&f), 3);
	assert_true(at(&f, 0, 6)->has && at(&f, 1, 4)->has && at(&f, 2, 2)->has);
	write_process(&f.tree, 8, 8, 1000);
	write_process(&f.tree, 9, 9, 1000);
	tree_drop(&f.tree, "4");
	update(&f);
	assert_int_equal(count(&f), 3);
	assert_true(at(&f, 0, 8)->has && at(&f, 1, 6)->has && at(&f, 2, 2)->has);
	tear_down(&f);
}

static void missing_is_missing(void **state)
{
	struct fixture f;

	(void)state;
	set_up(&f, "top:4", PLENTY_MS);
	tree_drop(&f.tree, "6/smaps_rollup");
	tree_write(&f.tree, "5/smaps_rollup", "Pss: much\n", 10);
	write_process(&f.tree, 4, 4, 0); /* no memory: not chosen */
	update(&f);
	assert_false(at(&f, 0, 6)->has);
	assert_false(at(&f, 1, 5)->has);
	assert_true(at(&f, 2, 3)->has);
	assert_true(at(&f, 3, 2)->has);
	assert_int_equal(stats(&f).malformed, 1);
	/* what was read before does not stand for what cannot be read now */
	write_process(&f.tree, 6, 6, 600);
	update(&f);
	assert_true(at(&f, 0, 6)->has);
	tree_drop(&f.tree, "6/smaps_rollup");
	update(&f);
	assert_false(at(&f, 0, 6)->has);
	tear_down(&f);
}

static void a_successor_has_no_value_of_another(void **state)
{
	struct fixture f;

	(void)state;
	set_up(&f, "top:1", PLENTY_MS);
	update(&f);
	assert_true(at(&f, 0, 6)->has);
	/* between the snapshot and the asking */
	scene_must_pass(&f.scene);
	write_process(&f.tree, 6, 6000, 600);
	mh_pss_update(f.pss, f.scene.snapshot);
	assert_false(at(&f, 0, 6)->has);
	/* and from snapshot to snapshot, when it cannot be asked itself */
	update(&f);
	assert_true(at(&f, 0, 6)->has);
	write_process(&f.tree, 6, 6001, 600);
	tree_drop(&f.tree, "6/smaps_rollup");
	update(&f);
	assert_int_equal(at(&f, 0, 6)->id.start_ticks, 6001);
	assert_false(at(&f, 0, 6)->has);
	tear_down(&f);
}

static void turns_go_on_where_time_ended(void **state)
{
	struct fixture f;
	mh_boot_ns_t read_ns;

	(void)state;
	/* the largest hangs, which takes all the time of an update */
	set_up(&f, "top:3", MH_OFFLOAD_FILE_MS / 2);
	stuck_make(&f.tree, "6/smaps_rollup");
	update(&f);
	assert_false(at(&f, 0, 6)->has || at(&f, 1, 5)->has || at(&f, 2, 4)->has);
	assert_int_equal(stats(&f).stuck, 1);
	/* the others come then, however many updates that takes on a busy machine */
	for (int tries = 100; stats(&f).reads < 2; tries--) {
		assert_true(tries > 0);
		update(&f);
	}
	assert_true(at(&f, 1, 5)->has && at(&f, 2, 4)->has);
	assert_false(at(&f, 0, 6)->has);
	assert_int_equal(stats(&f).stuck, 1);
	/* who hung is left in peace, and a value that is read again is younger */
	read_ns = at(&f, 1, 5)->read_ns;
	for (int tries = 100; at(&f, 1, 5)->read_ns == read_ns; tries--) {
		assert_true(tries > 0);
		update(&f);
	}
	assert_true(at(&f, 1, 5)->read_ns > read_ns);
	assert_int_equal(stats(&f).stuck, 1);
	stuck_wake(&f.tree, "6/smaps_rollup");
	tear_down(&f);
	stuck_await_threads(0);
}

/* Reading smaps_rollup takes so long. */
static unsigned slow_us;

int __real_mh_pidfile_read(const struct mh_root *root, uint32_t pid, const char *name, char *buf,
			   size_t size);
int __wrap_mh_pidfile_read(const struct mh_root *root, uint32_t pid, const char *name, char *buf,
			   size_t size);

int __wrap_mh_pidfile_read(const struct mh_root *root, uint32_t pid, const char *name, char *buf,
			   size_t size)
{
	if (slow_us && !strcmp(name, "smaps_rollup"))
		usleep(slow_us);
	return __real_mh_pidfile_read(root, pid, name, buf, size);
}

/* With time for one of them in an update, it is another one each time. */
static void who_was_asked_longest_ago_comes_first(void **state)
{
	struct fixture f;

	(void)state;
	slow_us = MH_OFFLOAD_FILE_MS * 1000 / 5;
	set_up(&f, "top:3", MH_OFFLOAD_FILE_MS / 10);
	for (int tries = 100; stats(&f).reads < 3; tries--) {
		assert_true(tries > 0);
		update(&f);
	}
	assert_int_equal(stats(&f).reads, 3);
	assert_true(at(&f, 0, 6)->has && at(&f, 1, 5)->has && at(&f, 2, 4)->has);
	tear_down(&f);
	slow_us = 0;
}

static void no_time_is_no_reading(void **state)
{
	struct fixture f;

	(void)state;
	set_up(&f, "top:3", 0);
	for (int i = 0; i < 3; i++)
		update(&f);
	assert_int_equal(count(&f), 3);
	assert_false(at(&f, 0, 6)->has);
	assert_int_equal(stats(&f).reads, 0);
	tear_down(&f);
	mh_pss_free(NULL);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_text_is_understood),
		cmocka_unit_test(a_hostile_text_is_refused),
		cmocka_unit_test(choices_are_understood),
		cmocka_unit_test(the_largest_are_asked),
		cmocka_unit_test(names_choose),
		cmocka_unit_test(missing_is_missing),
		cmocka_unit_test(a_successor_has_no_value_of_another),
		cmocka_unit_test(turns_go_on_where_time_ended),
		cmocka_unit_test(who_was_asked_longest_ago_comes_first),
		cmocka_unit_test(no_time_is_no_reading),
	};

	return cmocka_run_group_tests_name("pss", tests, NULL, NULL);
}
