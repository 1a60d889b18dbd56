#include "tests/unit/child.h"

#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

enum { SLEEPER_SECONDS = 20 };

struct message {
	enum child_order order;
	unsigned number;
	char text[256];
};

static char *title;

void child_argv(char **argv)
{
	title = argv[0];
}

static void must(int good, const char *what)
{
	if (good)
		return;
	perror(what);
	abort();
}

static char *touched(size_t bytes)
{
	char *memory = mmap(NULL, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1,
			    0);

	must(memory != MAP_FAILED, "mmap");
	memset(memory, 1, bytes);
	return memory;
}

static int start_sleeper(void)
{
	pid_t pid = fork();

	if (!pid) {
		/* it outlives its parent, but not by much: a test that fails does not end it */
		prctl(PR_SET_PDEATHSIG, 0);
		alarm(SLEEPER_SECONDS);
		for (;;)
			pause();
	}
	return pid;
}

/*
 * The kernel shows arguments in anonymous memory only. A new mapping lies below the stack, from
 * which they are moved, so their end has to follow their start.
 */
static int move_title(const char *text)
{
	size_t bytes = strlen(text) + 1;
	char *moved = mmap(NULL, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	must(moved != MAP_FAILED, "mmap");
	memcpy(moved, text, bytes);
	return prctl(PR_SET_MM, PR_SET_MM_ARG_START, moved, 0, 0) ||
			       prctl(PR_SET_MM, PR_SET_MM_ARG_END, moved + bytes, 0, 0)
		       ? -1
		       : 0;
}

static int carry_out(const struct message *m)
{
	const size_t bytes = m->number * (size_t)sysconf(_SC_PAGESIZE);

	switch (m->order) {
	case CHILD_GROW:
		touched(bytes);
		return 0;
	case CHILD_SPIKE:
		return munmap(touched(bytes), bytes);
	case CHILD_LOCK:
		/* in RAM already, so RSS stays; sanitizers have a mlock() that does nothing */
		return (int)syscall(SYS_mlock, m, 1);
	case CHILD_NAME:
		return prctl(PR_SET_NAME, m->text);
	case CHILD_TITLE:
		memset(title, 'x', strlen(title));
		return 0;
	case CHILD_MOVE_TITLE:
		return move_title(m->text);
	case CHILD_UID:
		return setuid(m->number);
	case CHILD_FORK:
		return start_sleeper();
	case CHILD_EXEC:
		return execl(m->text, "sleep", "1000", (char *)NULL);
	case CHILD_EXIT:
		_exit(0);
	}
	return -1;
}

static void live(int orders, int answers)
{
	struct message m;

	while (read(orders, &m, sizeof(m)) == sizeof(m)) {
		int answer = carry_out(&m);

		if (write(answers, &answer, sizeof(answer)) != sizeof(answer))
			break;
	}
	_exit(0);
}

void child_start(struct child *child)
{
	int orders[2], answers[2], ready = 0;
	pid_t pid;

	must(!pipe2(orders, O_CLOEXEC) && !pipe2(answers, O_CLOEXEC), "pipe");
	pid = fork();
	must(pid >= 0, "fork");
	if (!pid) {
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		close(orders[1]);
		close(answers[0]);
		must(write(answers[1], &ready, sizeof(ready)) == sizeof(ready), "write");
		live(orders[0], answers[1]);
	}
	close(orders[0]);
	close(answers[1]);
	*child = (struct child){.pid = (uint32_t)pid, .orders = orders[1], .answers = answers[0]};
	must(read(child->answers, &ready, sizeof(ready)) == sizeof(ready), "read");
}

int child_do(const struct child *child, enum child_order order, unsigned number, const char *text)
{
	struct message m = {.order = order, .number = number};
	int answer = 0;

	if (text)
		snprintf(m.text, sizeof(m.text), "%s", text);
	must(write(child->orders, &m, sizeof(m)) == sizeof(m), "write");
	/* an exec and an exit close the pipe instead of answering */
	if (read(child->answers, &answer, sizeof(answer)) < 0)
		return -1;
	return answer;
}

void child_await_exit(const struct child *child)
{
	siginfo_t info;

	must(!waitid(P_PID, child->pid, &info, WEXITED | WNOWAIT), "waitid");
}

void child_await_exec(const struct child *child)
{
	char path[64], text[512] = "";

	snprintf(path, sizeof(path), "/proc/%u/stat", child->pid);
	for (int tries = 0; tries < 10000 && !strstr(text, "(sleep) S"); tries++) {
		int fd = open(path, O_RDONLY | O_CLOEXEC);
		ssize_t n = read(fd, text, sizeof(text) - 1);

		text[n > 0 ? n : 0] = '\0';
		close(fd);
		usleep(1000);
	}
	must(strstr(text, "(sleep) S") != NULL, "exec");
}

void child_end(struct child *child)
{
	kill((pid_t)child->pid, SIGKILL);
	waitpid((pid_t)child->pid, NULL, 0);
	close(child->orders);
	close(child->answers);
}
