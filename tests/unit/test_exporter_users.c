/* Whose processes scrapers see: users are looked up in a file, which may not answer. */
#include "exporter/view.h"
#include "tests/unit/world.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

static struct view *watched; /* whose lock is not to be held while users are looked up */
static unsigned n_lookups;

int __real_mh_users_read(struct mh_users *u, const char *path);
int __wrap_mh_users_read(struct mh_users *u, const char *path);

int __wrap_mh_users_read(struct mh_users *u, const char *path)
{
	assert_string_equal(path, "/etc/passwd");
	n_lookups++;
	if (watched) {
		assert_int_equal(pthread_mutex_trylock(&watched->lock), 0);
		pthread_mutex_unlock(&watched->lock);
	}
	return __real_mh_users_read(u, path);
}

static void update(struct view *v, const struct mh_snapshot *s)
{
	const struct source_item item = {.snapshot = s, .page_bytes = 4096, .clk_tck = 100};
	const struct view_facts facts = {0};

	view_update(v, &item, &facts);
}

/* Scrapers would wait for it, too. */
static void users_are_looked_up_without_the_lock(void **state)
{
	struct world w;
	struct view *v;

	(void)state;
	world_init(&w, 3);
	assert_int_equal(view_new(&v, 10, 5), 0);
	watched = v;
	n_lookups = 0;
	for (int i = 0; i < 3; i++)
		update(v, world_step(&w));
	assert_int_equal(n_lookups, 3);
	watched = NULL;
	view_free(v);
	assert_int_equal(view_new(&v, 10, 0), 0);
	update(v, world_step(&w));
	assert_int_equal(n_lookups, 3); /* nobody asks for them */
	view_free(v);
	world_done(&w);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(users_are_looked_up_without_the_lock),
	};

	return cmocka_run_group_tests_name("exporter_users", tests, NULL, NULL);
}
