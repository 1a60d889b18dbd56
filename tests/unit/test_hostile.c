/*
 * Processes that choose their names to deceive: in stat a name stands between parentheses,
 * unescaped, and a scanner that believes it reads another process' numbers.
 */
#include "tests/unit/child.h"
#include "tests/unit/tiers.h"

#include <fcntl.h>
#include <inttypes.h>
#include <setjmp.h>
#include <signal.h>
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

static const char *const names[] = {
	") R 1 1 (",
	"a) R 1 1 (x",
	"",
	")",
	"(((((((((((((((",
	")))))))))))))))",
	"\n",
	"a\nb",
	"\x1b[31mred",
	"\xff\xfe",
	"\xe3\x83\xa1\xe3\x83\xa2\xe3\x83\xaa\xe3\x83\xa1\xe3\x83\xa2", /* cut in a character */
	"\"\\{},=",
	"=cmd|'/C calc'!",
	"a\tb",
	"0 (x) S 1",
	"kworker/0:1-mine",
	"Uid:\t0\t0\t0\t0",
};

/* As they say of themselves, by a reading of the test's own. */
static void assert_true_values(const struct mh_process *p)
{
	uint64_t vsz, rss;
	char path[64];
	FILE *f;

	snprintf(path, sizeof(path), "/proc/%u/statm", p->id.pid);
	f = fopen(path, "re");
	assert_non_null(f);
	assert_int_equal(fscanf(f, "%" SCNu64 " %" SCNu64, &vsz, &rss), 2);
	fclose(f);
	assert_int_equal(p->value[MH_FIELD_VSZ], vsz);
	assert_int_equal(p->value[MH_FIELD_RSS], rss);
	assert_true(rss > 0);
	assert_int_equal(p->ppid, getpid());
	assert_int_equal(p->uid, geteuid());
}

static void pass(struct scene *scene)
{
	assert_int_equal(scene_pass(scene), 0);
	assert_int_equal(scene_stats(scene).malformed, 0);
}

static void names_do_not_deceive(void **state)
{
	enum { N = sizeof(names) / sizeof(names[0]) };
	struct child child[N];
	struct scene scene;

	tiers_open(&scene, state);
	for (int i = 0; i < N; i++) {
		child_start(&child[i]);
		assert_int_equal(child_do(&child[i], CHILD_NAME, 0, names[i]), 0);
	}
	for (int round = 0; round < 3; round++) {
		pass(&scene);
		for (int i = 0; i < N; i++) {
			const struct mh_process *p = scene_find(&scene, child[i].pid);
			size_t len = strlen(names[i]) < 15 ? strlen(names[i]) : 15;

			assert_non_null(p);
			assert_int_equal(p->comm_len, len);
			assert_memory_equal(p->comm, names[i], len);
			assert_true_values(p);
		}
	}
	/* and with the next owner of the name */
	for (int i = 0; i < N; i++)
		assert_int_equal(child_do(&child[i], CHILD_NAME, 0, names[N - 1 - i]), 0);
	for (int round = 0; round < 32; round++)
		pass(&scene);
	for (int i = 0; i < N; i++)
		assert_memory_equal(scene_find(&scene, child[i].pid)->comm, names[N - 1 - i],
				    strnlen(names[N - 1 - i], 15));
	for (int i = 0; i < N; i++)
		child_end(&child[i]);
	scene_close(&scene);
}

/* A shell with these arguments that waits for its end of file. */
struct shell {
	pid_t pid;
	int input;
};

static struct shell start_shell(const char *const argv[])
{
	struct shell shell;
	int input[2];

	assert_int_equal(pipe2(input, O_CLOEXEC), 0);
	shell.pid = fork();
	assert_true(shell.pid >= 0);
	if (!shell.pid) {
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		dup2(input[0], STDIN_FILENO);
		execv("/bin/sh", (char *const *)(uintptr_t)argv);
		_exit(127);
	}
	close(input[0]);
	shell.input = input[1];
	return shell;
}

static void end_shell(struct shell *shell)
{
	kill(shell->pid, SIGKILL);
	waitpid(shell->pid, NULL, 0);
	close(shell->input);
}

/* Until it runs /bin/sh and waits. */
static void await_shell(const struct shell *shell)
{
	char path[64], text[512] = "";

	snprintf(path, sizeof(path), "/proc/%d/stat", shell->pid);
	for (int tries = 0; tries < 10000 && !strstr(text, "(sh) S"); tries++) {
		int fd = open(path, O_RDONLY | O_CLOEXEC);
		ssize_t n = read(fd, text, sizeof(text) - 1);

		text[n > 0 ? n : 0] = '\0';
		close(fd);
		usleep(1000);
	}
	assert_non_null(strstr(text, "(sh) S"));
}

static size_t join(const char *const argv[], char *ret, size_t size)
{
	size_t len = 0;

	for (size_t i = 0; argv[i]; i++) {
		assert_true(len + strlen(argv[i]) + 1 <= size);
		memcpy(ret + len, argv[i], strlen(argv[i]) + 1);
		len += strlen(argv[i]) + 1;
	}
	while (len && !ret[len - 1])
		len--;
	return len < MH_CMDLINE_MAX ? len : MH_CMDLINE_MAX;
}

static void command_lines_are_kept_as_they_are(void **state)
{
	static char huge[100000], joined[25 * sizeof(huge)];
	const char *huge_argv[24] = {"sh", "-c", "read x"};
	const char *hostile_argv[4 + sizeof(names) / sizeof(names[0])] = {"sh", "-c", "read x"};
	const char *const empty_argv[] = {"", NULL};
	const char *const slashes[] = {"/../\n/x y/", "-c", "read x", "", "", NULL};
	const char *const *argv[] = {hostile_argv, huge_argv, empty_argv, slashes};
	struct shell shell[4];
	struct scene scene;

	tiers_open(&scene, state);
	memset(huge, 'a', sizeof(huge) - 1);
	for (size_t i = 3; i < 23; i++)
		huge_argv[i] = huge;
	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++)
		hostile_argv[3 + i] = names[i];
	for (int i = 0; i < 4; i++)
		shell[i] = start_shell(argv[i]);
	for (int i = 0; i < 4; i++)
		await_shell(&shell[i]);
	pass(&scene);
	for (int i = 0; i < 4; i++) {
		const struct mh_process *p = scene_find(&scene, (uint32_t)shell[i].pid);
		size_t len = join(argv[i], joined, sizeof(joined));

		assert_non_null(p);
		assert_true_values(p);
		assert_string_equal(p->comm, "sh");
		assert_int_equal(p->cmdline_len, len);
		if (len)
			assert_memory_equal(p->cmdline, joined, len);
		else
			assert_null(p->cmdline);
	}
	for (int i = 0; i < 4; i++)
		end_shell(&shell[i]);
	scene_close(&scene);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		TIERS_TEST(names_do_not_deceive),
		TIERS_TEST(command_lines_are_kept_as_they_are),
	};

	return cmocka_run_group_tests_name("hostile", tests, NULL, NULL);
}
