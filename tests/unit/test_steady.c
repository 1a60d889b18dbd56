/*
 * The steady state allocates nothing: a monitor of memory has a flat memory of its own. The linker
 * sends memhist's calls to the counters below (--wrap); a thousand ticks on a machine where
 * processes change but none is born must leave them where they are.
 */
#include "libmemhist/model/group.h"
#include "libmemhist/sampler.h"

#include "tests/unit/namespace.h"
#include "tests/unit/tree.h"

#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>
#include <cmocka.h>

enum { TICKS = 1000, WARM_UP = 70, PROCESSES = 50, INTERVAL_MS = 1000 };

static unsigned long allocations;

void *__real_malloc(size_t size);
void *__real_calloc(size_t n, size_t size);
void *__real_realloc(void *old, size_t size);
void *__real_reallocarray(void *old, size_t n, size_t size);
void *__wrap_malloc(size_t size);
void *__wrap_calloc(size_t n, size_t size);
void *__wrap_realloc(void *old, size_t size);
void *__wrap_reallocarray(void *old, size_t n, size_t size);

void *__wrap_malloc(size_t size)
{
	allocations++;
	return __real_malloc(size);
}

void *__wrap_calloc(size_t n, size_t size)
{
	allocations++;
	return __real_calloc(n, size);
}

void *__wrap_realloc(void *old, size_t size)
{
	allocations++;
	return __real_realloc(old, size);
}

void *__wrap_reallocarray(void *old, size_t n, size_t size)
{
	allocations++;
	return __real_reallocarray(old, n, size);
}

/* A tick per second, as the clocks of the snapshots say; segments are not rotated in the time. */
static int tick(struct mh_sampler *sampler, struct mh_groups *const groups[2],
		struct mh_instant *now, char *text)
{
	const struct mh_snapshot *snapshot;
	struct mh_err err;

	now->boot_ns += (uint64_t)INTERVAL_MS * 1000000;
	now->wall_ms += INTERVAL_MS;
	if (!mh_sampler_tick(sampler, *now, &snapshot, &err))
		return mh_groups_update(groups[0], snapshot) |
		       mh_groups_update(groups[1], snapshot);
	snprintf(text, NAMESPACE_TEXT, "%s", err.text);
	return -1;
}

/* One that takes some of whoever is there, by a regular expression, with their descendants. */
static struct mh_rules *make_rules(void)
{
	struct mh_rules *rules;

	if (mh_rules_new(&rules) || mh_rules_begin(rules, NULL) ||
	    mh_rules_add(rules, MH_SELECT_CMDLINE, "(?P<x>[a-m])", NULL) ||
	    mh_rules_name(rules, "{{.Matches.x}} {{.Username}}", NULL) || mh_rules_end(rules, NULL))
		abort();
	return rules;
}

static int count_allocations(struct mh_sampler *sampler, void (*change)(int tick), char *text)
{
	const struct mh_groups_config by_program = {0},
				      by_rules = {.rules = make_rules(), .top = 3};
	struct mh_instant now = mh_now();
	struct mh_sampler_status status;
	struct mh_groups *groups[2] = {NULL, NULL};
	int rc = mh_groups_new(&groups[0], &by_program);

	if (!rc)
		rc = mh_groups_new(&groups[1], &by_rules);

	for (int i = 0; i < WARM_UP && !rc; i++) {
		change(i);
		rc = tick(sampler, groups, &now, text);
	}
	allocations = 0;
	for (int i = 0; i < TICKS && !rc; i++) {
		change(i);
		rc = tick(sampler, groups, &now, text);
	}
	mh_groups_free(groups[0]);
	mh_groups_free(groups[1]);
	mh_sampler_status(sampler, &status);
	if (!rc && status.history_error) {
		snprintf(text, NAMESPACE_TEXT, "%s", status.history_message.text);
		return -1;
	}
	if (!rc && allocations) {
		snprintf(text, NAMESPACE_TEXT, "%lu allocations in %d ticks", allocations, TICKS);
		return -1;
	}
	return rc;
}

static enum mh_scan_backend backend = MH_SCAN_AUTO;

static struct mh_sampler *open_sampler(const char *procfs, const char *history, char *text)
{
	/* without min_free: the machine's disk may be full */
	static const struct mh_upkeep_config any_disk = {.sync_ms = MH_UPKEEP_SYNC_MS};
	const struct mh_sampler_config config = {
		.procfs = procfs,
		.backend = backend,
		.history_dir = history,
		.upkeep = &any_disk,
		.interval_ms = INTERVAL_MS,
	};
	struct mh_sampler *sampler;
	struct mh_err err;

	if (!mh_sampler_new(&sampler, &config, &err))
		return sampler;
	snprintf(text, NAMESPACE_TEXT, "%s", err.text);
	return NULL;
}

/* --- on a recorded tree ----------------------------------------------------------------------- */

static struct tree recorded;

static void write_process(uint32_t pid, uint64_t rss_pages)
{
	tree_process(&recorded, pid,
		     &(struct tree_process){.comm = "process",
					    .cmdline = "/usr/bin/process",
					    .start_ticks = pid,
					    .vsz_pages = 10000 + rss_pages % 7,
					    .rss_pages = rss_pages});
}

static void change_recorded(int i)
{
	write_process(1 + (uint32_t)i % PROCESSES, 1000 + (uint64_t)i * 37 % 5000);
}

static void ticks_on_a_tree_allocate_nothing(void **state)
{
	static const char boot_id[] = "00112233-4455-6677-8899-aabbccddeeff\n";
	char text[NAMESPACE_TEXT] = "";
	struct mh_sampler *sampler;
	struct tree history;
	int rc = -1;

	(void)state;
	tree_make(&recorded);
	tree_make(&history);
	tree_write(&recorded, "meminfo", "MemTotal: 1 kB\n", 15);
	tree_write(&recorded, "sys/kernel/random/boot_id", boot_id, strlen(boot_id));
	for (uint32_t pid = 1; pid <= PROCESSES; pid++)
		write_process(pid, 100);
	sampler = open_sampler(recorded.path, history.path, text);
	if (sampler)
		rc = count_allocations(sampler, change_recorded, text);
	mh_sampler_free(sampler);
	tree_remove(&history);
	tree_remove(&recorded);
	if (rc)
		fail_msg("%s", text);
}

/* --- on a /proc where nobody else is ---------------------------------------------------------- */

static void change_nothing(int i)
{
	(void)i;
}

/* Moves its memory up and down, as the processes do that a machine has. */
static void live(unsigned seed)
{
	size_t bytes = 64 * (size_t)sysconf(_SC_PAGESIZE);
	char *memory = mmap(NULL, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1,
			    0);

	prctl(PR_SET_PDEATHSIG, SIGKILL);
	if (memory == MAP_FAILED)
		_exit(1);
	for (;; seed = seed * 1103515245 + 12345) {
		madvise(memory, bytes, MADV_DONTNEED);
		memset(memory, 1, seed % bytes);
		usleep(10000 + seed % 20000);
	}
}

static int check_procfs(char *text)
{
	struct mh_sampler *sampler;
	pid_t child[PROCESSES];
	struct tree history;
	int rc = -1;

	for (unsigned i = 0; i < PROCESSES; i++) {
		child[i] = fork();
		if (!child[i])
			live(i);
	}
	tree_make(&history);
	sampler = open_sampler("/proc", history.path, text);
	if (sampler)
		rc = count_allocations(sampler, change_nothing, text);
	mh_sampler_free(sampler);
	tree_remove(&history);
	for (int i = 0; i < PROCESSES; i++) {
		kill(child[i], SIGKILL);
		waitpid(child[i], NULL, 0);
	}
	return rc;
}

static void allocate_nothing_by(enum mh_scan_backend wanted)
{
	char text[NAMESPACE_TEXT] = "";
	struct mh_sampler *sampler;

	backend = wanted;
	sampler = open_sampler("/proc", NULL, text);
	if (!sampler) {
		print_message("# skipped: %s\n", text);
		skip();
	}
	mh_sampler_free(sampler);
	namespace_must(check_procfs);
}

static void ticks_by_bpf_allocate_nothing(void **state)
{
	(void)state;
	allocate_nothing_by(MH_SCAN_BPF);
}

static void ticks_by_bpf_seq_allocate_nothing(void **state)
{
	(void)state;
	allocate_nothing_by(MH_SCAN_BPF_SEQ);
}

static void ticks_by_procfs_allocate_nothing(void **state)
{
	(void)state;
	allocate_nothing_by(MH_SCAN_PROCFS);
}

/* The counters must be able to see something. */
static void births_do_allocate(void **state)
{
	char text[NAMESPACE_TEXT] = "";
	struct mh_sampler *sampler;

	(void)state;
	allocations = 0;
	sampler = open_sampler("/proc", NULL, text);
	assert_non_null(sampler);
	assert_true(allocations > 0);
	mh_sampler_free(sampler);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(births_do_allocate),
		cmocka_unit_test(ticks_on_a_tree_allocate_nothing),
		cmocka_unit_test(ticks_by_bpf_allocate_nothing),
		cmocka_unit_test(ticks_by_bpf_seq_allocate_nothing),
		cmocka_unit_test(ticks_by_procfs_allocate_nothing),
	};

	return cmocka_run_group_tests_name("steady", tests, NULL, NULL);
}
