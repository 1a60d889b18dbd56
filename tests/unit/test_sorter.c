/* Sorting more samples than there is room for: order, equal ones, nothing lost. */
#include "tools/sorter.h"

#include <dirent.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <cmocka.h>

enum { MANY = 1200 * 1000 }; /* more than two pieces */

/* The i-th sample to come: few keys, so that many are equal, and no order. */
static struct sort_sample made(uint32_t i)
{
	uint32_t random = i * UINT32_C(2654435761);

	return (struct sort_sample){
		.family = random >> 30,
		.series = (random >> 16) % 1000,
		.wall_ms = (mh_ms_t)((random >> 8) % 50) - 25,
		.value = i,
	};
}

static int order_of(const struct sort_sample *a, const struct sort_sample *b)
{
	if (a->family != b->family)
		return a->family < b->family ? -1 : 1;
	if (a->series != b->series)
		return a->series < b->series ? -1 : 1;
	return a->wall_ms < b->wall_ms ? -1 : a->wall_ms > b->wall_ms;
}

static void sort(uint32_t n, int dir_fd)
{
	struct sort_sample before = {0}, sample;
	struct mh_err err = {""};
	struct sorter *s;
	uint8_t *seen = calloc(n + 1, 1);
	uint32_t count = 0;

	assert_non_null(seen);
	assert_int_equal(sorter_open(&s, dir_fd, &err), 0);
	for (uint32_t i = 0; i < n; i++) {
		sample = made(i);
		assert_int_equal(sorter_add(s, &sample, &err), 0);
	}
	assert_int_equal(sorter_turn(s, &err), 0);
	while (sorter_next(s, &sample, &err) > 0) {
		const struct sort_sample expected = made((uint32_t)sample.value);

		assert_in_range(sample.value, 0, n - 1);
		assert_int_equal(order_of(&sample, &expected), 0);
		assert_int_equal(seen[sample.value]++, 0);
		if (count++) {
			assert_true(order_of(&before, &sample) <= 0);
			/* equal ones as they came */
			assert_true(order_of(&before, &sample) < 0 || before.value < sample.value);
		}
		before = sample;
	}
	assert_int_equal(count, n);
	assert_int_equal(sorter_next(s, &sample, &err), 0);
	sorter_close(s);
	free(seen);
}

static void few_samples_are_sorted_in_memory(void **state)
{
	(void)state;
	/* a file could not be made */
	for (uint32_t n = 0; n < 100; n++)
		sort(n, STDIN_FILENO);
	sort(1000, STDIN_FILENO);
}

static void many_samples_go_through_a_file(void **state)
{
	char folder[] = "/tmp/memhist-sorter-XXXXXX";
	const struct dirent *entry;
	int dir_fd;
	DIR *dir;

	(void)state;
	assert_non_null(mkdtemp(folder));
	dir_fd = open(folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	assert_true(dir_fd >= 0);
	sort(MANY, dir_fd);
	dir = fdopendir(dir_fd); /* nothing is left of it */
	assert_non_null(dir);
	while ((entry = readdir(dir)))
		assert_int_equal(entry->d_name[0], '.');
	closedir(dir);
	assert_int_equal(rmdir(folder), 0);
}

static void no_place_for_a_file_is_said(void **state)
{
	struct mh_err err = {""};
	struct sort_sample sample;
	struct sorter *s;
	int rc = 0;

	(void)state;
	assert_int_equal(sorter_open(&s, STDIN_FILENO, &err), 0);
	for (uint32_t i = 0; i < MANY && !rc; i++) {
		sample = made(i);
		rc = sorter_add(s, &sample, &err);
	}
	assert_true(rc < 0);
	assert_non_null(strstr(err.text, "cannot make a temporary file to sort samples in"));
	sorter_close(s);
	sorter_close(NULL);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(few_samples_are_sorted_in_memory),
		cmocka_unit_test(many_samples_go_through_a_file),
		cmocka_unit_test(no_place_for_a_file_is_said),
	};
	int null = open("/dev/null", O_RDONLY | O_CLOEXEC);

	/* standard input stands for no directory */
	if (null < 0 || dup2(null, STDIN_FILENO) < 0)
		return 1;
	close(null);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
