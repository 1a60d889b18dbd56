/*
 * The plugin without memory: a whole life (configuration, start, reads, flush, end) in which one
 * allocation fails, for each allocation in turn. None may crash it, leak (a sanitizer or valgrind
 * sees it) or make a read return an error; and a plugin that started reports again when memory is
 * back.
 *
 * The program is linked with --wrap for the calls below, which concerns memhist's own code.
 */
#include "tests/unit/plugin_rig.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

enum { N_WORKERS = 30 };

static long until_failure =
	-1; /* allocations until the one that fails; negative: it has, or never */

void *__real_malloc(size_t size);
void *__real_calloc(size_t n, size_t size);
void *__real_realloc(void *p, size_t size);
void *__real_reallocarray(void *p, size_t n, size_t size);
char *__real_strdup(const char *text);
char *__real_strndup(const char *text, size_t n);

void *__wrap_malloc(size_t size);
void *__wrap_calloc(size_t n, size_t size);
void *__wrap_realloc(void *p, size_t size);
void *__wrap_reallocarray(void *p, size_t n, size_t size);
char *__wrap_strdup(const char *text);
char *__wrap_strndup(const char *text, size_t n);

static bool fails(void)
{
	return until_failure >= 0 && until_failure-- == 0;
}

void *__wrap_malloc(size_t size)
{
	return fails() ? NULL : __real_malloc(size);
}

void *__wrap_calloc(size_t n, size_t size)
{
	return fails() ? NULL : __real_calloc(n, size);
}

void *__wrap_realloc(void *p, size_t size)
{
	return fails() ? NULL : __real_realloc(p, size);
}

void *__wrap_reallocarray(void *p, size_t n, size_t size)
{
	return fails() ? NULL : __real_reallocarray(p, n, size);
}

char *__wrap_strdup(const char *text)
{
	return fails() ? NULL : __real_strdup(text);
}

char *__wrap_strndup(const char *text, size_t n)
{
	return fails() ? NULL : __real_strndup(text, n);
}

/* Processes in all groups: some may be in "other" for want of memory for their name. */
static double reported_processes(void)
{
	double n = 0;

	for (size_t i = 0; i < mock.n_values; i++)
		if (strstr(mock.value[i].identifier, "/ps_count"))
			n += mock.value[i].value[0];
	return n;
}

/* Returns whether the failure happened in this life. */
static bool live(const struct rig *rig, long allocation)
{
	oconfig_item_t items[] = {
		RIG_OPTION("Procfs", MOCK_STRING(rig->proc.path)),
		RIG_OPTION("HistoryDir", MOCK_STRING(rig->history)),
		RIG_OPTION("Select", MOCK_STRING("/./")),
	};
	oconfig_item_t block = {.key = (char *)"Plugin", .children = items, .children_num = 3};
	bool failed;

	mock_reset();
	module_register();
	until_failure = allocation;
	if (!mock.config(&block) && !mock.init()) {
		rig_read();
		rig_read();
		failed = until_failure < 0;
		rig_read();
		if (failed)
			assert_true(reported_processes() == N_WORKERS + 1);
	}
	mock.flush(0, NULL, NULL);
	mock.shutdown();
	failed = until_failure < 0;
	until_failure = -1;
	return failed;
}

static void each_allocation_may_fail(void **state)
{
	const struct rig *rig = *state;
	long n = 0;

	for (uint32_t i = 0; i < N_WORKERS; i++)
		rig_process(rig, 20 + i, "worker", 100);
	while (live(rig, n))
		n++;
	/* a plugin that allocated next to nothing would mean that nothing is tested */
	assert_in_range(n, 50, 10000);
	print_message("# %ld allocations failed in turn\n", n);
}

int main(void)
{
	const struct CMUnitTest tests[] = {RIG_TEST(each_allocation_may_fail)};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
