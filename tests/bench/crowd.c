#include "tests/bench/crowd.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

enum { ACTIVE_EVERY = 50, MOVE_US = 100000, MOVED_BYTES = 64 * 4096, NAMES = 300 };

/* The crowd is of many programs: comm and argv[0], which the C library's variable points to. */
static void take_name(uint32_t number)
{
	size_t room = strlen(program_invocation_name);
	char name[16];

	snprintf(name, sizeof(name), "crowd-%u", number % NAMES);
	prctl(PR_SET_NAME, name);
	if (strlen(name) <= room) {
		memset(program_invocation_name, 0, room);
		memcpy(program_invocation_name, name, strlen(name));
	}
}

static void live_idle(void)
{
	for (;;)
		pause();
}

static void live_active(uint32_t seed)
{
	char *memory = mmap(NULL, MOVED_BYTES, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS,
			    -1, 0);

	if (memory == MAP_FAILED)
		_exit(1);
	for (;; seed = seed * 1103515245 + 12345) {
		madvise(memory, MOVED_BYTES, MADV_DONTNEED);
		memset(memory, 1, seed % MOVED_BYTES);
		usleep(MOVE_US);
	}
}

int crowd_start(struct crowd *ret, uint32_t n)
{
	pid_t parent = getpid();

	*ret = (struct crowd){.pid = calloc(n, sizeof(pid_t))};
	if (!ret->pid)
		return -ENOMEM;
	while (ret->n < n) {
		pid_t pid = fork();

		if (pid < 0)
			return -errno;
		if (!pid) {
			prctl(PR_SET_PDEATHSIG, SIGKILL);
			if (getppid() != parent)
				_exit(1);
			take_name(ret->n);
			if (ret->n % ACTIVE_EVERY == ACTIVE_EVERY - 1)
				live_active(ret->n);
			live_idle();
		}
		ret->pid[ret->n++] = pid;
	}
	return 0;
}

void crowd_end(struct crowd *crowd)
{
	for (uint32_t i = 0; i < crowd->n; i++)
		kill(crowd->pid[i], SIGKILL);
	for (uint32_t i = 0; i < crowd->n; i++)
		waitpid(crowd->pid[i], NULL, 0);
	free(crowd->pid);
	*crowd = (struct crowd){0};
}
