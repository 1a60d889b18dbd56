/*
 * A segment of 30,000 identities: a crowd that comes and goes, every one of them once. Open and
 * sealed it says the same.
 */
#include "libmemhist/history/dir.h"
#include "tests/unit/recording.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

enum { AT_A_TIME = 1500, SNAPSHOTS = 40, CHANGED = AT_A_TIME / 2 }; /* 1,500 + 38 × 750 */

/* The crowd of snapshot `n`: half of the one before has gone, and others have come. */
static const struct mh_snapshot *meet(struct mh_table *t, uint32_t n)
{
	const struct mh_boot_id boot_id = {{1}};
	struct mh_round round = {.fields = MH_FIELDS(RSS) | MH_FIELDS(VSZ)};

	mh_table_begin(t, (struct mh_instant){1795206528000 + n * 1000, (n + 1) * 1000000000ull});
	mh_table_set_boot(t, &boot_id);
	for (uint32_t i = 0; i < AT_A_TIME; i++) {
		uint32_t who = n * CHANGED + i;
		struct mh_identity id = {.pid = 1 + who % 32768, .start_ticks = 100 + who};
		uint64_t value[MH_FIELD_COUNT] = {0};
		char comm[16], cmdline[40];
		struct mh_names names = {.comm = comm, .cmdline = cmdline};
		struct mh_process *p = mh_table_find(t, id.pid);

		if (!p) {
			assert_int_equal(mh_table_add(t, &id, &p), 0);
			names.comm_len = (size_t)snprintf(comm, sizeof(comm), "c%u", who);
			names.cmdline_len = (size_t)snprintf(cmdline, sizeof(cmdline),
							     "/bin/c%u --all", who);
			assert_true(mh_table_rename(t, p, &names) >= 0);
		}
		mh_table_keep(t, p);
		value[MH_FIELD_RSS] = who % 977 + n;
		value[MH_FIELD_VSZ] = 5000 + who % 13;
		mh_table_set(t, p, value);
	}
	mh_table_drop_unkept(t);
	return mh_table_end(t, &round);
}

static void compare(const char *dir, const struct written *log, uint64_t n_identities)
{
	struct mh_reader *r = open_reader(dir, false);
	struct mh_buf text = MH_BUF_INIT(1 << 22);
	const struct mh_snapshot *s;
	struct mh_reader_stats stats;
	struct mh_err err = {""};
	uint64_t born = 0;
	size_t n = 0;

	while (mh_reader_next(r, &s, &err) > 0) {
		mh_buf_clear(&text);
		describe(&text, s);
		assert_true(n < log->n);
		assert_string_equal(mh_buf_str(&text), log->text[n]);
		born += s->n_born;
		n++;
	}
	assert_int_equal(n, log->n);
	assert_int_equal(born, n_identities);
	mh_reader_stats(r, &stats);
	assert_int_equal(stats.damages + stats.orphans + stats.torn_tails, 0);
	mh_reader_close(r);
	mh_buf_done(&text);
}

static void thirty_thousand_in_a_segment(void **state)
{
	const char *dir = temp_dir();
	struct mh_writer_config config = config_for(dir);
	struct mh_buf text = MH_BUF_INIT(1 << 22);
	struct mh_segment_list list = {0};
	struct mh_err err = {""};
	struct written log = {0};
	struct mh_table *t;
	struct mh_writer *w;
	uint64_t born = 0;
	int fd;

	(void)state;
	config.key_every = 60;
	assert_int_equal(mh_table_new(&t, 0), 0);
	w = open_writer(&config);
	for (uint32_t n = 0; n < SNAPSHOTS; n++) {
		const struct mh_snapshot *s = meet(t, n);

		assert_int_equal(mh_writer_append(w, s, &err), 0);
		mh_buf_clear(&text);
		describe(&text, s);
		log.text[log.n++] = strdup(mh_buf_str(&text));
		born += s->n_born;
	}
	assert_int_equal(mh_writer_close(w), 0);
	assert_true(born >= 30000);
	compare(dir, &log, born);
	fd = mh_dir_open(dir, &err);
	assert_int_equal(mh_dir_list(fd, &list), 0);
	assert_int_equal(list.n, 1);
	assert_int_equal(seal_each(dir, 1), 1);
	compare(dir, &log, born);
	close(fd);
	mh_dir_list_done(&list);
	mh_buf_done(&text);
	mh_table_free(t);
	forget(&log);
	remove_dir(dir);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(thirty_thousand_in_a_segment),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
