/*
 * Each allocation fails in turn: whoever asked says -ENOMEM, nothing is lost or half done, and the
 * same call succeeds when there is memory again. (That nothing leaks is seen by the sanitizers.)
 */
#include "libmemhist/base/buf.h"
#include "libmemhist/base/index.h"
#include "libmemhist/base/strpool.h"
#include "libmemhist/base/strset.h"
#include "libmemhist/model/group.h"
#include "libmemhist/model/table.h"
#include "libmemhist/view/label.h"
#include "tests/unit/nomem.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

enum { MANY = 300 }; /* past several doublings */

static void a_buffer(void **state)
{
	(void)state;
	for (nomem_begin(); nomem_next();) {
		struct mh_buf b = MH_BUF_INIT(1 << 20);
		size_t len = 0;

		for (int i = 0; i < MANY && !b.error; i++) {
			len = b.len;
			if (i % 2)
				mh_buf_printf(&b, "%20d", i);
			else
				mh_buf_adds(&b, "twenty bytes of text");
		}
		assert_int_equal(b.error, nomem_failed() ? -ENOMEM : 0);
		if (b.error) {
			assert_int_equal(b.len, len);
			assert_string_equal(mh_buf_str(&b), "");
			b.error = 0; /* what was there is still there */
			mh_buf_adds(&b, ".");
			assert_int_equal(strlen(mh_buf_str(&b)), len + 1);
		}
		mh_buf_done(&b);
	}
}

static void a_string_set(void **state)
{
	(void)state;
	for (nomem_begin(); nomem_next();) {
		struct mh_strset set = {0};
		char text[100];

		for (uint32_t i = 0; i < MANY; i++) {
			size_t len = (size_t)snprintf(text, sizeof(text), "%80u", i);
			bool failed_before = nomem_failed();
			uint32_t index = 4711;
			int rc = mh_strset_add(&set, text, len, &index);

			if (nomem_failed() && !failed_before) {
				assert_int_equal(rc, -ENOMEM);
				assert_int_equal(index, 4711);
				assert_int_equal(set.n_items, i);
				rc = mh_strset_add(&set, text, len, &index);
			}
			assert_int_equal(rc, 1);
			assert_int_equal(index, i);
		}
		for (uint32_t i = 0; i < MANY; i++) {
			snprintf(text, sizeof(text), "%80u", i);
			assert_string_equal(mh_strset_get(&set, i)->bytes, text);
		}
		mh_strset_done(&set);
	}
}

static void a_string_pool(void **state)
{
	(void)state;
	for (nomem_begin(); nomem_next();) {
		const struct mh_pooled *held[MANY];
		struct mh_strpool pool = {0};

		for (uint32_t i = 0; i < MANY; i++) {
			bool failed_before = nomem_failed();

			held[i] = mh_strpool_get(&pool, (char *)&i, sizeof(i));
			if (nomem_failed() && !failed_before) {
				assert_null(held[i]);
				assert_int_equal(pool.index.n, i);
				held[i] = mh_strpool_get(&pool, (char *)&i, sizeof(i));
			}
			assert_non_null(held[i]);
		}
		for (uint32_t i = 0; i < MANY; i++) {
			assert_memory_equal(held[i]->bytes, &i, sizeof(i));
			mh_strpool_put(&pool, held[i]);
		}
		assert_int_equal(pool.index.n, 0);
		mh_strpool_done(&pool);
	}
}

static int name(struct mh_table *t, struct mh_process *p, uint32_t i)
{
	char comm[20], cmdline[40];
	struct mh_names names = {.comm = comm, .cmdline = cmdline};

	names.comm_len = (size_t)snprintf(comm, sizeof(comm), "name%u", i);
	names.cmdline_len = (size_t)snprintf(cmdline, sizeof(cmdline), "/bin/name%u -x", i);
	return mh_table_rename(t, p, &names);
}

/* A crowd of processes, each tried again when it failed; what failed left no trace. */
static void make_crowd(struct mh_table *t)
{
	for (uint32_t pid = 1; pid <= MANY; pid++) {
		struct mh_identity id = {.pid = pid};
		struct mh_process *p = NULL;
		int rc;

		while ((rc = mh_table_add(t, &id, &p)) == -ENOMEM) {
			assert_true(nomem_failed());
			assert_null(p);
			assert_null(mh_table_find(t, pid));
			assert_int_equal(mh_table_live(t), pid - 1);
		}
		assert_int_equal(rc, 0);
		while ((rc = name(t, p, pid)) == -ENOMEM)
			assert_int_equal(p->comm_len + p->cmdline_len, 0);
		assert_int_equal(rc, 1);
	}
}

static void a_process_table(void **state)
{
	(void)state;
	for (nomem_begin(); nomem_next();) {
		const struct mh_snapshot *s;
		struct mh_table *t;
		unsigned asked;

		if (mh_table_new(&t, 0)) {
			assert_true(nomem_failed());
			continue;
		}
		mh_table_begin(t, (struct mh_instant){0});
		make_crowd(t);
		s = mh_table_end(t, &(struct mh_round){0});
		assert_int_equal(s->n_born, MANY);
		asked = nomem_count();
		for (int round = 0; round < 3; round++) {
			/* ending everybody needs no memory, a new crowd only for its names */
			mh_table_begin(t, (struct mh_instant){0});
			mh_table_drop_unkept(t);
			assert_int_equal(nomem_count(), asked);
			make_crowd(t);
			s = mh_table_end(t, &(struct mh_round){0});
			assert_int_equal(s->n_born, MANY);
			assert_int_equal(s->n_gone, MANY);
			asked += MANY;
			if (!nomem_failed())
				assert_int_equal(nomem_count(), asked);
			asked = nomem_count();
		}
		mh_table_free(t);
	}
}

/* A crowd that needs no memory any more: the snapshot for those who do. */
static const struct mh_snapshot *crowd_snapshot(struct mh_table **ret)
{
	nomem_pause();
	assert_int_equal(mh_table_new(ret, 0), 0);
	mh_table_begin(*ret, (struct mh_instant){0});
	make_crowd(*ret);
	return mh_table_end(*ret, &(struct mh_round){0});
}

static void groups(void **state)
{
	static const struct mh_groups_config config = {.max_groups = 1000};
	struct mh_table *t;
	const struct mh_snapshot *s = crowd_snapshot(&t);

	(void)state;
	for (nomem_begin(); nomem_next();) {
		const struct mh_group *group;
		uint32_t n_processes = 0;
		struct mh_groups *g;
		unsigned asked;
		size_t n;
		int rc = mh_groups_new(&g, &config);

		if (rc) {
			assert_true(nomem_failed());
			continue;
		}
		rc = mh_groups_update(g, s);
		assert_int_equal(rc, nomem_failed() ? -ENOMEM : 0);
		/* nobody is lost, whatever failed */
		n = mh_groups_list(g, &group);
		for (size_t i = 0; i < n; i++)
			n_processes += group[i].n_processes;
		assert_int_equal(n_processes, MANY);
		if (!rc)
			assert_int_equal(n, MANY);
		/* named again, everybody has a group of their own; then nothing is asked for */
		assert_int_equal(mh_groups_update(g, s), 0);
		assert_int_equal(mh_groups_list(g, &group), MANY);
		asked = nomem_count();
		for (int i = 0; i < 10; i++)
			assert_int_equal(mh_groups_update(g, s), 0);
		assert_int_equal(nomem_count(), asked);
		mh_groups_free(g);
	}
	mh_table_free(t);
}

/* A rule for some of the crowd, whose descendants follow; NULL: no memory. */
static struct mh_rules *make_rules(void)
{
	struct mh_rules *r;

	if (mh_rules_new(&r))
		return NULL;
	if (!mh_rules_begin(r, NULL) && !mh_rules_add(r, MH_SELECT_COMM, "absent", NULL) &&
	    !mh_rules_name(r, "{{.Comm}}", NULL) && !mh_rules_end(r, NULL) &&
	    !mh_rules_begin(r, NULL) && !mh_rules_add(r, MH_SELECT_PROGRAM, "/[0-4]$/", NULL) &&
	    !mh_rules_name(r, "rule {{.Comm}}", NULL) && !mh_rules_end(r, NULL))
		return r;
	mh_rules_free(r);
	return NULL;
}

static void groups_by_rules(void **state)
{
	struct mh_table *t;
	const struct mh_snapshot *s = crowd_snapshot(&t);

	(void)state;
	for (nomem_begin(); nomem_next();) {
		struct mh_groups_config config = {.max_groups = 1000, .rules = make_rules()};
		const struct mh_group *group;
		uint32_t n_processes = 0;
		struct mh_groups *g;
		size_t n;
		int rc;

		if (!config.rules || mh_groups_new(&g, &config)) {
			assert_true(nomem_failed());
			mh_rules_free(config.rules); /* the caller's still */
			continue;
		}
		rc = mh_groups_update(g, s);
		assert_int_equal(rc, nomem_failed() ? -ENOMEM : 0);
		/* nobody is lost, whatever failed */
		n = mh_groups_list(g, &group);
		for (size_t i = 0; i < n; i++)
			n_processes += group[i].n_processes;
		assert_int_equal(n_processes, MANY);
		assert_int_equal(mh_groups_update(g, s), 0);
		assert_int_equal(mh_groups_list(g, &group), MANY + 1);
		assert_string_equal(group[0].name, "absent");
		mh_groups_free(g);
	}
	mh_table_free(t);
}

static void labels(void **state)
{
	(void)state;
	for (int rule = MH_LABEL_BY_IDENTITY; rule <= MH_LABEL_BY_COMMAND; rule++) {
		struct mh_table *t;
		const struct mh_snapshot *s = crowd_snapshot(&t);

		for (nomem_begin(); nomem_next();) {
			struct mh_labels *l;
			int rc = mh_labels_new(&l, (enum mh_label_rule)rule);

			if (!rc) {
				rc = mh_labels_update(l, s);
				if (!rc)
					assert_int_equal(mh_labels_count(l), MANY);
				mh_labels_free(l);
			}
			assert_int_equal(rc, nomem_failed() ? -ENOMEM : 0);
		}
		mh_table_free(t);
	}
}

static void patterns(void **state)
{
	(void)state;
	for (nomem_begin(); nomem_next();) {
		struct mh_select select = {0};
		int rc = mh_select_add(&select, "word", NULL);

		if (!rc)
			rc = mh_select_add(&select, "/^re(gular)?$/", NULL);
		assert_int_equal(rc, nomem_failed() ? -ENOMEM : 0);
		assert_int_equal(mh_select_name(&select, "regular", 7), select.n != 1);
		mh_select_done(&select);
	}
}

static void an_index_makes_room_in_advance(void **state)
{
	(void)state;
	for (nomem_begin(); nomem_next();) {
		struct mh_index index = {0};
		int rc = mh_index_reserve(&index, 10000);

		assert_int_equal(rc, nomem_failed() ? -ENOMEM : 0);
		if (!rc) {
			unsigned asked = nomem_count();

			for (uint32_t i = 0; i < 10000; i++)
				assert_int_equal(mh_index_add(&index, i * 7, i), 0);
			assert_int_equal(nomem_count(), asked);
			assert_int_equal(mh_index_reserve(&index, 0), 0);
			assert_int_equal(mh_index_reserve(&index, UINT32_MAX), -EOVERFLOW);
		}
		mh_index_done(&index);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_buffer),        cmocka_unit_test(a_string_set),
		cmocka_unit_test(a_string_pool),   cmocka_unit_test(an_index_makes_room_in_advance),
		cmocka_unit_test(a_process_table), cmocka_unit_test(groups),
		cmocka_unit_test(groups_by_rules), cmocka_unit_test(labels),
		cmocka_unit_test(patterns),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
