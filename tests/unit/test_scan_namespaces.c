/*
 * The BPF backends and pid namespaces: a scanner reports what its procfs shows, under the numbers
 * that it shows, wherever the scanner itself is.
 */
#include "tests/unit/namespace.h"
#include "tests/unit/scene.h"

#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>
#include <cmocka.h>

enum { CHILD_PID = 300 };

static enum mh_scan_backend tier_of_child;

static int complain(char *text, const char *what, const struct scene *scene)
{
	snprintf(text, NAMESPACE_TEXT, "%s (%s)", what, scene->err.text);
	return -1;
}

/* We are process 1, with a child: that is all there is, under the numbers of this namespace. */
static int check_inside(char text[NAMESPACE_TEXT])
{
	const struct mh_process *p;
	struct scene scene;
	pid_t child;
	int rc = 0;

	if (scene_open(&scene, "/proc", (struct mh_scan_config){.backend = tier_of_child}))
		return complain(text, "it cannot be had", &scene);
	child = namespace_fork(CHILD_PID);
	if (!child)
		for (;;)
			pause();
	if (scene_pass(&scene))
		return complain(text, "no pass", &scene);
	if (scene.snapshot->n_live != 2)
		rc = complain(text, "there are not two processes", &scene);
	p = scene_find(&scene, 1);
	if (!p || p->ppid)
		rc = complain(text, "process 1 is not as it should be", &scene);
	p = scene_find(&scene, CHILD_PID);
	if (!p || p->ppid != 1 || !p->value[MH_FIELD_RSS] || !p->cmdline_len)
		rc = complain(text, "its child is not as it should be", &scene);
	scene_close(&scene);
	return rc;
}

static int outer_proc;

/* In a namespace below, the procfs of the one above shows us what is above, in its numbers. */
static int check_outside(char text[NAMESPACE_TEXT])
{
	char path[64], self[32] = "";
	struct scene scene;
	int rc = 0;

	snprintf(path, sizeof(path), "/proc/self/fd/%d", outer_proc);
	if (readlinkat(outer_proc, "self", self, sizeof(self) - 1) < 0)
		return complain(text, "no /proc/self outside", &scene);
	if (scene_open(&scene, path, (struct mh_scan_config){.backend = tier_of_child})) {
		/* the iterator shows the namespace it is in, and has to say so */
		return tier_of_child == MH_SCAN_BPF_SEQ && *scene.err.text
			       ? 0
			       : complain(text, "it cannot be had", &scene);
	}
	if (scene_pass(&scene))
		return complain(text, "no pass", &scene);
	if (tier_of_child == MH_SCAN_BPF_SEQ)
		rc = complain(text, "it was not refused", &scene);
	if (!scene_find(&scene, (uint32_t)strtoul(self, NULL, 10)) || scene.snapshot->n_live < 3)
		rc = complain(text, "the outside is not seen", &scene);
	scene_close(&scene);
	return rc;
}

static void run_in_namespace(enum mh_scan_backend tier, int (*check)(char text[NAMESPACE_TEXT]))
{
	struct scene scene;

	if (scene_open(&scene, "/proc", (struct mh_scan_config){.backend = tier})) {
		print_message("# skipped: %s\n", scene.err.text);
		skip();
	}
	scene_close(&scene);
	tier_of_child = tier;
	namespace_must(check);
}

static void test_bpf_inside(void **state)
{
	(void)state;
	run_in_namespace(MH_SCAN_BPF, check_inside);
}

static void test_bpf_seq_inside(void **state)
{
	(void)state;
	run_in_namespace(MH_SCAN_BPF_SEQ, check_inside);
}

static int open_proc(void **state)
{
	(void)state;
	outer_proc = open("/proc", O_RDONLY | O_DIRECTORY);
	return outer_proc < 0;
}

static int close_proc(void **state)
{
	(void)state;
	return close(outer_proc);
}

static void test_bpf_on_outer_procfs(void **state)
{
	(void)state;
	run_in_namespace(MH_SCAN_BPF, check_outside);
}

static void test_bpf_seq_on_outer_procfs(void **state)
{
	(void)state;
	run_in_namespace(MH_SCAN_BPF_SEQ, check_outside);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_bpf_inside),
		cmocka_unit_test(test_bpf_seq_inside),
		cmocka_unit_test(test_bpf_on_outer_procfs),
		cmocka_unit_test(test_bpf_seq_on_outer_procfs),
	};

	return cmocka_run_group_tests(tests, open_proc, close_proc);
}
