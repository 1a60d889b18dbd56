/* The descriptors that the procfs scanner keeps open: how many, where, and when there are none. */
#include "tests/unit/child.h"
#include "tests/unit/scene.h"

#include <dirent.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <sys/select.h>
#include <unistd.h>
#include <cmocka.h>

/* Own descriptors with this number or a higher one. */
static int count_fds(int lowest)
{
	DIR *dir = opendir("/proc/self/fd");
	struct dirent *entry;
	int n = 0;

	assert_non_null(dir);
	while ((entry = readdir(dir))) {
		long fd = strtol(entry->d_name, NULL, 10);

		n += entry->d_name[0] != '.' && fd >= lowest && fd != dirfd(dir);
	}
	closedir(dir);
	return n;
}

static void descriptors_are_bounded_and_given_back(void **state)
{
	struct child children[8];
	struct scene scene;
	struct rlimit limit;
	int before = count_fds(0), high_before = count_fds(FD_SETSIZE);

	(void)state;
	assert_int_equal(getrlimit(RLIMIT_NOFILE, &limit), 0);
	for (int i = 0; i < 8; i++)
		child_start(&children[i]);
	scene_must_open(&scene, (struct mh_scan_config){.max_open_files = 3});
	for (int i = 0; i < 5; i++) {
		int kept;

		scene_must_pass(&scene);
		kept = (int)scene_stats(&scene).open_files;
		/* later, one of the three may have ended */
		assert_in_range(kept, i ? 0 : 3, 3);
		/* pipes of the children, the root and that of the offload, and those kept */
		assert_int_equal(count_fds(0), before + 16 + 2 + kept);
		/* out of the way of select(2), where the limit allows */
		if (limit.rlim_cur >= 2 * FD_SETSIZE)
			assert_int_equal(count_fds(FD_SETSIZE), high_before + kept);
		for (int c = 0; c < 8; c++)
			scene_must_be_as_statm(&scene, children[c].pid);
	}
	for (int i = 0; i < 8; i++)
		child_end(&children[i]);
	scene_must_pass(&scene);
	assert_true(scene_stats(&scene).open_files <= 3);
	scene_close(&scene);
	assert_int_equal(count_fds(0), before);
}

static void descriptors_follow_the_limit(void **state)
{
	struct rlimit was, few = {.rlim_cur = 20};
	struct scene scene;

	(void)state;
	assert_int_equal(getrlimit(RLIMIT_NOFILE, &was), 0);
	few.rlim_max = was.rlim_max;
	assert_int_equal(setrlimit(RLIMIT_NOFILE, &few), 0);
	scene_must_open(&scene, (struct mh_scan_config){0});
	assert_int_equal(setrlimit(RLIMIT_NOFILE, &was), 0);
	scene_must_pass(&scene);
	assert_true(scene_stats(&scene).open_files <= 10);
	scene_close(&scene);
}

/* Then the inodes tell who is who. */
static void none_are_kept_when_none_may_be(void **state)
{
	struct child child;
	struct scene scene;

	(void)state;
	child_start(&child);
	scene_must_open(&scene, (struct mh_scan_config){.max_open_files = MH_SCAN_NO_FILES});
	for (int i = 0; i < 3; i++) {
		child_do(&child, CHILD_GROW, 10, NULL);
		scene_must_pass(&scene);
		scene_must_be_as_statm(&scene, child.pid);
		assert_int_equal(scene_stats(&scene).open_files, 0);
		assert_int_equal(scene_born(&scene, child.pid), i == 0);
	}
	scene_close(&scene);
	child_end(&child);
}

static void without_descriptors_the_known_stay(void **state)
{
	struct rlimit was, none;
	struct child child;
	struct scene scene;
	uint64_t rss;

	(void)state;
	child_start(&child);
	scene_must_open(&scene, (struct mh_scan_config){.max_open_files = 2});
	scene_must_pass(&scene);
	assert_int_equal(scene_stats(&scene).open_files, 2);
	rss = scene_must_find(&scene, child.pid)->value[MH_FIELD_RSS];
	child_do(&child, CHILD_GROW, 50, NULL);

	assert_int_equal(getrlimit(RLIMIT_NOFILE, &was), 0);
	none = was;
	none.rlim_cur = 3;
	assert_int_equal(setrlimit(RLIMIT_NOFILE, &none), 0);
	scene_must_pass(&scene);
	assert_int_equal(setrlimit(RLIMIT_NOFILE, &was), 0);
	assert_true(scene.snapshot->partial);
	assert_true(scene_stats(&scene).failed > 0);
	/* one of them is given back to whoever needs it */
	assert_int_equal(scene_stats(&scene).open_files, 1);
	assert_non_null(scene_find(&scene, (uint32_t)getpid()));
	assert_int_equal(scene_must_find(&scene, child.pid)->value[MH_FIELD_RSS], rss);
	assert_false(scene_gone(&scene, child.pid));

	scene_must_pass(&scene);
	assert_false(scene.snapshot->partial);
	assert_false(scene_born(&scene, child.pid));
	scene_must_be_as_statm(&scene, child.pid);
	child_end(&child);
	scene_close(&scene);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(descriptors_are_bounded_and_given_back),
		cmocka_unit_test(descriptors_follow_the_limit),
		cmocka_unit_test(none_are_kept_when_none_may_be),
		cmocka_unit_test(without_descriptors_the_known_stay),
	};

	return cmocka_run_group_tests_name("scan_files", tests, NULL, NULL);
}
