/*
 * The backends against one another and against statm, on more than a thousand processes of mixed
 * kinds; how one is chosen, refused and replaced; and that it goes on without privileges.
 */
#include "tests/unit/scene.h"
#include "tests/unit/zoo.h"

#include <errno.h>
#include <inttypes.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>
#include <cmocka.h>

enum {
	ROUNDS = 4,
	STABLE_WANTED = 900,
	SMALL_WINDOW = 41,
	NOBODY = 65534,
};

static const enum mh_scan_backend bpf_tiers[] = {MH_SCAN_BPF, MH_SCAN_BPF_SEQ};

enum { BPF_TIERS = sizeof(bpf_tiers) / sizeof(*bpf_tiers) };

/* --- agreement -------------------------------------------------------------------------------- */

struct statm {
	uint64_t vsz, rss;
};

static struct statm read_statm(pid_t pid)
{
	struct statm statm;
	char path[64];
	FILE *f;

	snprintf(path, sizeof(path), "/proc/%d/statm", pid);
	f = fopen(path, "re");
	assert_non_null(f);
	assert_int_equal(fscanf(f, "%" SCNu64 " %" SCNu64, &statm.vsz, &statm.rss), 2);
	fclose(f);
	return statm;
}

static void read_all(const struct zoo *zoo, struct statm *ret)
{
	for (uint32_t i = 0; i < zoo->n; i++)
		ret[i] = read_statm(zoo->animal[i].pid);
}

/* A scene of a BPF tier; skips the test where it cannot be had. */
static void open_tier(struct scene *scene, enum mh_scan_backend tier, uint32_t window)
{
	const struct mh_scan_config config = {.backend = tier, .bpf_window = window};

	if (!scene_open(scene, "/proc", config))
		return;
	print_message("# skipped: %s\n", scene->err.text);
	skip();
}

static void pass(struct scene *scene)
{
	if (scene_pass(scene))
		fail_msg("%s", scene->err.text);
	assert_false(scene->snapshot->partial);
}

static void assert_same_names(const struct mh_process *a, const struct mh_process *b)
{
	assert_string_equal(a->comm, b->comm);
	assert_int_equal(a->ppid, b->ppid);
	assert_int_equal(a->uid, b->uid);
	assert_true(mh_identity_same(&a->id, &b->id));
}

/* Whether they have the same command lines. One that was not read is missing. */
static bool have_same_lines(const struct zoo *zoo, const struct scene *bpf,
			    const struct scene *procfs)
{
	for (uint32_t i = 0; i < zoo->n; i++) {
		const struct mh_process *a = scene_find(bpf, (uint32_t)zoo->animal[i].pid);
		const struct mh_process *b = scene_find(procfs, (uint32_t)zoo->animal[i].pid);

		if (!a->cmdline_len != !b->cmdline_len)
			return false;
		assert_int_equal(a->cmdline_len, b->cmdline_len);
		if (a->cmdline_len)
			assert_memory_equal(a->cmdline, b->cmdline, a->cmdline_len);
	}
	return true;
}

/*
 * Every field, ANON being the rest of RSS, too. The marks of a zombie are those it had when it was
 * met alive, or what the BPF backend has from the record of its end.
 */
static void assert_same_values(const struct mh_process *bpf, const struct mh_process *procfs,
			       bool is_zombie)
{
	for (int field = 0; field < MH_FIELD_COUNT; field++)
		if (bpf->value[field] != procfs->value[field] &&
		    !(is_zombie && (field == MH_FIELD_HWM || field == MH_FIELD_PEAK)))
			fail_msg("%s of %u: %" PRIu64 " by BPF, %" PRIu64 " by procfs",
				 mh_fields[field].name, bpf->id.pid, bpf->value[field],
				 procfs->value[field]);
}

/* What the animal has to show, its statm being the same before and after. */
static void assert_values(const struct mh_process *p, enum zoo_kind kind, const struct statm *statm)
{
	if (kind == ZOO_SHARER || kind == ZOO_VFORKED) {
		/* its host or parent has it all */
		assert_int_equal(p->value[MH_FIELD_RSS], 0);
		assert_int_equal(p->value[MH_FIELD_VSZ], 0);
	} else if (kind == ZOO_FIRST_GONE) {
		assert_int_equal(statm->rss, 0);
		assert_true(p->value[MH_FIELD_RSS] > 0);
		assert_true(p->value[MH_FIELD_VSZ] > 0);
	} else {
		assert_int_equal(p->value[MH_FIELD_RSS], statm->rss);
		assert_int_equal(p->value[MH_FIELD_VSZ], statm->vsz);
	}
}

/* One pass of a BPF tier and one of procfs, between two readings of statm. */
static uint32_t compare(const struct zoo *zoo, struct scene *bpf, struct scene *procfs)
{
	struct statm *before = calloc(zoo->n, sizeof(*before));
	struct statm *after = calloc(zoo->n, sizeof(*after));
	uint32_t stable = 0;

	assert_non_null(before);
	assert_non_null(after);
	read_all(zoo, before);
	pass(bpf);
	pass(procfs);
	read_all(zoo, after);
	for (uint32_t i = 0; i < zoo->n; i++) {
		const struct zoo_animal *animal = &zoo->animal[i];
		const struct mh_process *a = scene_find(bpf, (uint32_t)animal->pid);
		const struct mh_process *b = scene_find(procfs, (uint32_t)animal->pid);

		assert_non_null(a);
		assert_non_null(b);
		assert_same_names(a, b);
		if (memcmp(&before[i], &after[i], sizeof(*before)) != 0) {
			/* between what it was before and what it was after */
			assert_in_range(a->value[MH_FIELD_RSS], before[i].rss, after[i].rss);
			continue;
		}
		assert_values(a, animal->kind, &after[i]);
		if (animal->kind == ZOO_SHARER)
			/* who shares is not told by procfs */
			assert_int_equal(b->value[MH_FIELD_RSS], after[i].rss);
		else
			assert_same_values(a, b, animal->kind == ZOO_ZOMBIE);
		stable++;
	}
	/* on a busy machine there is no time for all of them in one pass */
	for (int tries = 40; !have_same_lines(zoo, bpf, procfs); tries--) {
		assert_true(tries > 0);
		pass(bpf);
		pass(procfs);
	}
	free(before);
	free(after);
	return stable;
}

static void agree(enum mh_scan_backend tier, uint32_t window)
{
	struct scene bpf, procfs;
	uint32_t stable = 0, one;
	struct zoo zoo;

	open_tier(&bpf, tier, window);
	assert_int_equal(scene_open(&procfs, "/proc", (struct mh_scan_config){0}), 0);
	zoo_start(&zoo);
	for (int round = 0; round < ROUNDS; round++)
		stable += compare(&zoo, &bpf, &procfs);
	print_message("# %u stable processes, 0 mismatches\n", stable);
	assert_true(stable >= ROUNDS * STABLE_WANTED);
	one = (uint32_t)zoo.animal[0].pid;
	zoo_end(&zoo);
	pass(&bpf);
	assert_null(scene_find(&bpf, one));
	assert_true(scene_gone(&bpf, one));
	scene_close(&bpf);
	scene_close(&procfs);
}

static void test_bpf_agrees(void **state)
{
	(void)state;
	agree(MH_SCAN_BPF, 0);
}

static void test_bpf_agrees_in_windows(void **state)
{
	(void)state;
	agree(MH_SCAN_BPF, SMALL_WINDOW);
}

static void test_bpf_seq_agrees(void **state)
{
	(void)state;
	agree(MH_SCAN_BPF_SEQ, 0);
}

/* Whom /proc lists before and after, BPF has, and it is the same process. */
static void has_everybody(enum mh_scan_backend tier)
{
	struct scene bpf, before, after;
	uint32_t n = 0;

	open_tier(&bpf, tier, 0);
	assert_int_equal(scene_open(&before, "/proc", (struct mh_scan_config){0}), 0);
	assert_int_equal(scene_open(&after, "/proc", (struct mh_scan_config){0}), 0);
	pass(&before);
	pass(&bpf);
	pass(&after);
	for (uint32_t slot = 0; slot < before.snapshot->n_slots; slot++) {
		const struct mh_process *p = &before.snapshot->process[slot], *found;
		const struct mh_process *still = scene_find(&after, p->id.pid);

		if (!p->id.pid || !still || !mh_identity_same(&p->id, &still->id))
			continue;
		found = scene_find(&bpf, p->id.pid);
		assert_non_null(found);
		assert_true(mh_identity_same(&p->id, &found->id));
		n++;
	}
	assert_true(n >= 2);
	scene_close(&bpf);
	scene_close(&before);
	scene_close(&after);
}

static void test_bpf_has_everybody(void **state)
{
	(void)state;
	has_everybody(MH_SCAN_BPF);
}

static void test_bpf_seq_has_everybody(void **state)
{
	(void)state;
	has_everybody(MH_SCAN_BPF_SEQ);
}

/* --- choice ----------------------------------------------------------------------------------- */

static void test_names(void **state)
{
	static const char *const good[] = {"auto", "bpf", "bpf-seq", "procfs"};
	static const char *const bad[] = {"", "BPF", "bpf ", "seq", "autos"};
	enum mh_scan_backend backend = MH_SCAN_PROCFS;
	struct mh_err err;

	(void)state;
	for (size_t i = 0; i < sizeof(bad) / sizeof(*bad); i++)
		assert_int_equal(mh_scan_backend_parse(bad[i], &backend, NULL), -EINVAL);
	mh_scan_backend_parse("", &backend, &err);
	assert_string_equal(err.text, "'' is none of auto, bpf, bpf-seq, procfs");
	mh_scan_backend_parse("bpf_seq", &backend, &err);
	assert_string_equal(err.text, "'bpf_seq' is no backend: did you mean bpf-seq?");
	assert_int_equal(backend, MH_SCAN_PROCFS);
	for (size_t i = 0; i < sizeof(good) / sizeof(*good); i++) {
		assert_int_equal(mh_scan_backend_parse(good[i], &backend, NULL), 0);
		assert_string_equal(mh_scan_backend_name(backend), good[i]);
	}
}

/* Runs `check` as a process of its own, which may give up what it likes. */
static void in_a_child(int (*check)(void))
{
	pid_t pid = fork();
	int status;

	assert_true(pid >= 0);
	if (!pid)
		_exit(check());
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_true(WIFEXITED(status));
	assert_int_equal(WEXITSTATUS(status), 0);
}

/* Become nobody: no capability is left, and none can be had again. */
static int drop_privileges(void)
{
	if (!geteuid() && setresuid(NOBODY, NOBODY, NOBODY))
		return -1;
	return prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0);
}

static int new_scan(struct mh_scan **ret, struct mh_root *root, enum mh_scan_backend backend,
		    struct mh_err *err)
{
	const struct mh_scan_config config = {.root = root, .backend = backend};

	err->text[0] = '\0';
	return mh_scan_new(ret, &config, err);
}

/* Asked for by name it fails, with a sentence; "auto" falls to procfs and says why. */
static int check_refusal(void)
{
	const char *name, *reason;
	struct mh_scan *scan;
	struct mh_root root;
	struct mh_err err;

	if (drop_privileges() || mh_root_open(&root, "/proc", &err))
		return 1;
	for (int i = 0; i < BPF_TIERS; i++)
		if (new_scan(&scan, &root, bpf_tiers[i], &err) >= 0 || !*err.text)
			return 2;
	if (new_scan(&scan, &root, MH_SCAN_AUTO, &err))
		return 3;
	mh_scan_backend(scan, &name, &reason);
	if (strcmp(name, "procfs") != 0 || !*reason)
		return 4;
	print_message("# %s\n", reason);
	mh_scan_free(scan);
	mh_root_close(&root);
	return 0;
}

static void test_refusal(void **state)
{
	(void)state;
	in_a_child(check_refusal);
}

/* "auto" takes the first that can be had by name, and says what each before was refused for. */
static void test_auto(void **state)
{
	const char *name, *reason;
	struct mh_err err, before = {""};
	struct mh_buf refused = MH_BUF_INIT(4096);
	struct mh_scan *scan;
	struct mh_root root;
	int tier = 0;

	(void)state;
	assert_int_equal(mh_root_open(&root, "/proc", &err), 0);
	for (; tier < BPF_TIERS && new_scan(&scan, &root, bpf_tiers[tier], &err); tier++) {
		if (strcmp(err.text, before.text) != 0)
			mh_buf_printf(&refused, "%s%s", refused.len ? "; " : "", err.text);
		before = err;
	}
	if (tier < BPF_TIERS)
		mh_scan_free(scan);
	assert_int_equal(new_scan(&scan, &root, MH_SCAN_AUTO, &err), 0);
	mh_scan_backend(scan, &name, &reason);
	assert_string_equal(name,
			    tier < BPF_TIERS ? mh_scan_backend_name(bpf_tiers[tier]) : "procfs");
	assert_string_equal(reason, mh_buf_str(&refused));
	print_message("# %s\n", reason);
	mh_buf_done(&refused);
	mh_scan_free(scan);
	mh_root_close(&root);
}

static enum mh_scan_backend tier_of_child;

/* A scanner that was made with privileges goes on without. */
static int check_dropped(void)
{
	struct scene scene;

	if (scene_open(&scene, "/proc", (struct mh_scan_config){.backend = tier_of_child}))
		return 1;
	if (drop_privileges())
		return 2;
	for (int i = 0; i < 3; i++)
		if (scene_pass(&scene))
			return 3;
	if (!scene_find(&scene, (uint32_t)getppid()) || !scene_find(&scene, (uint32_t)getpid()))
		return 4;
	scene_close(&scene);
	return 0;
}

static void drop_privileges_after(enum mh_scan_backend tier)
{
	struct scene scene;

	open_tier(&scene, tier, 0);
	scene_close(&scene);
	tier_of_child = tier;
	in_a_child(check_dropped);
}

static void test_bpf_after_dropped_privileges(void **state)
{
	(void)state;
	drop_privileges_after(MH_SCAN_BPF);
}

static void test_bpf_seq_after_dropped_privileges(void **state)
{
	(void)state;
	drop_privileges_after(MH_SCAN_BPF_SEQ);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_names),
		cmocka_unit_test(test_refusal),
		cmocka_unit_test(test_auto),
		cmocka_unit_test(test_bpf_after_dropped_privileges),
		cmocka_unit_test(test_bpf_seq_after_dropped_privileges),
		cmocka_unit_test(test_bpf_has_everybody),
		cmocka_unit_test(test_bpf_seq_has_everybody),
		cmocka_unit_test(test_bpf_agrees),
		cmocka_unit_test(test_bpf_agrees_in_windows),
		cmocka_unit_test(test_bpf_seq_agrees),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
