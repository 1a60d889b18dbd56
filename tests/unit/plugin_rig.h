/*
 * A plugin in a test: a /proc of files, a folder for the history, a configuration, and libc calls
 * that fail or hang when told to.
 */
#ifndef MEMHIST_TESTS_UNIT_PLUGIN_RIG_H
#define MEMHIST_TESTS_UNIT_PLUGIN_RIG_H

#include "tests/unit/mock_collectd.h"
#include "tests/unit/tree.h"

#include <stdatomic.h>

struct rig {
	struct tree proc;
	struct tree dir;
	char history[512]; /* a folder below `dir` that does not exist yet */
};

/* How the functions of libc that rig.c replaces behave. */
struct faults {
	atomic_bool listing_fails; /* lseek(2): EIO */
	atomic_bool disk_hangs;    /* fdatasync(2) and fsync(2) wait until it is false again */
	atomic_int waiting;        /* threads that do */
	atomic_int syncs;          /* calls of these two */
	atomic_llong later_s;      /* clocks show so many seconds more */
};

extern struct faults faults;

/* For cmocka_unit_test_setup_teardown(): a rig in *state, a mock just reset, module_register()
 * called. The /proc has meminfo, a boot id and process 1, "init", with 10 pages of 100. */
int rig_setup(void **state);
int rig_teardown(void **state);

/* What the log says when there was nothing to complain about. */
#define RIG_QUIET "<6> memhist plugin: processes are read by procfs.\n"

/*
 * Configure Procfs, the backend that can read it, HistoryDir as given (NULL = none), and that the
 * disk may be full; then `n` items of the test's own.
 */
void rig_configure(const struct rig *rig, const char *history, oconfig_item_t *items, int n);
/* rig_configure() without items, and init, which must succeed. */
void rig_start(const struct rig *rig, const char *history);
/* One read with nothing recorded before. Must return 0, whatever happens. */
void rig_read(void);
void rig_stop(void);

/* A process called `comm` with so many resident pages; its virtual memory is ten times that. */
void rig_process(const struct rig *rig, uint32_t pid, const char *comm, uint64_t rss_pages);
/* The only value of this identifier, which must have been dispatched. */
double rig_value(const char *identifier);
/* Snapshots in the history, 0 when there is none. */
uint64_t rig_recorded(const char *history);
/* Threads of this process. */
unsigned rig_threads(void);

#define RIG_OPTION(name, value)                                                              \
	{                                                                                    \
		.key = (char *)(name), .values = (oconfig_value_t[]){value}, .values_num = 1 \
	}
#define RIG_TEST(f) cmocka_unit_test_setup_teardown(f, rig_setup, rig_teardown)

#endif
