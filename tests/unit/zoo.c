#include "tests/unit/zoo.h"

#include <fcntl.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

/* How many of each; a host brings its sharer, a parent its child. */
static const uint32_t population[ZOO_KINDS] = {
	[ZOO_IDLE] = 600,      [ZOO_GROWING] = 60, [ZOO_THREADED] = 150, [ZOO_SHARED] = 200,
	[ZOO_FIRST_GONE] = 10, [ZOO_HOST] = 10,    [ZOO_PARENT] = 10,    [ZOO_ZOMBIE] = 20,
};

enum {
	PAGES = 64,
	GROWTH_PAGES = 4096,
	THREADS = 6,
	STACK_BYTES = 64 * 1024,
	GROWTH_US = 1000,
	STORM_US = 500,
};

static size_t page_bytes;
static char *shared;

static void must(int good, const char *what)
{
	if (good)
		return;
	perror(what);
	abort();
}

static void sleep_for_ever(void)
{
	for (;;)
		pause();
}

/* The lives below are told where to say that they have become what they are. */
static void say(int to, enum zoo_kind kind, pid_t pid)
{
	const struct zoo_animal animal = {.kind = kind, .pid = pid};

	must(write(to, &animal, sizeof(animal)) == sizeof(animal), "write");
}

static char *touched(size_t pages)
{
	char *memory = mmap(NULL, pages * page_bytes, PROT_READ | PROT_WRITE,
			    MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	must(memory != MAP_FAILED, "mmap");
	memset(memory, 1, pages * page_bytes);
	return memory;
}

static void live_growing(int to)
{
	char *memory = mmap(NULL, GROWTH_PAGES * page_bytes, PROT_READ | PROT_WRITE,
			    MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	must(memory != MAP_FAILED, "mmap");
	say(to, ZOO_GROWING, getpid());
	for (size_t i = 0; i < GROWTH_PAGES; i++) {
		memory[i * page_bytes] = 1;
		usleep(GROWTH_US);
	}
	sleep_for_ever();
}

static void *thread_life(void *barrier)
{
	touched(PAGES / 2);
	pthread_barrier_wait(barrier);
	sleep_for_ever();
	return NULL;
}

static void live_threaded(int to)
{
	pthread_barrier_t barrier;
	pthread_t thread;

	pthread_barrier_init(&barrier, NULL, THREADS + 1);
	for (int i = 0; i < THREADS; i++)
		must(!pthread_create(&thread, NULL, thread_life, &barrier), "pthread_create");
	pthread_barrier_wait(&barrier);
	say(to, ZOO_THREADED, getpid());
	sleep_for_ever();
}

static void live_shared(int to, uint32_t number)
{
	char *own = touched(PAGES);

	memset(shared, 1, (number % PAGES + 1) * page_bytes);
	munmap(own, PAGES / 2 * page_bytes);
	/* where the limit allows none, this kind does without */
	(void)mlock(own + PAGES / 2 * page_bytes, page_bytes);
	say(to, ZOO_SHARED, getpid());
	sleep_for_ever();
}

/* What the other thread of ZOO_FIRST_GONE does: it waits until the first one is a zombie. */
static void *outlive(void *to)
{
	char path[64], state = 0;

	prctl(PR_SET_PDEATHSIG, SIGKILL);
	touched(PAGES * 4);
	snprintf(path, sizeof(path), "/proc/self/task/%d/stat", getpid());
	while (state != 'Z') {
		char text[256], *comm_end;
		int fd = open(path, O_RDONLY | O_CLOEXEC);
		ssize_t n = read(fd, text, sizeof(text) - 1);

		close(fd);
		must(n > 0, path);
		text[n] = '\0';
		comm_end = strrchr(text, ')');
		state = comm_end ? comm_end[2] : 0;
		usleep(1000);
	}
	say(*(int *)to, ZOO_FIRST_GONE, getpid());
	sleep_for_ever();
	return NULL;
}

static void live_first_gone(int to)
{
	static int where;
	pthread_t thread;

	where = to;
	must(!pthread_create(&thread, NULL, outlive, &where), "pthread_create");
	/* this thread alone, without what pthread_exit() would load */
	syscall(SYS_exit, 0);
}

static int share(void *to)
{
	prctl(PR_SET_PDEATHSIG, SIGKILL);
	say(*(int *)to, ZOO_SHARER, (pid_t)syscall(SYS_getpid));
	sleep_for_ever();
	return 0;
}

static void live_host(int to)
{
	char *stack = touched(STACK_BYTES / page_bytes);

	touched(PAGES);
	must(clone(share, stack + STACK_BYTES, CLONE_VM | CLONE_PARENT | SIGCHLD, &to) > 0,
	     "clone");
	say(to, ZOO_HOST, getpid());
	sleep_for_ever();
}

/* What vfork() does, in a child that goes on for ever. */
static int begin_vforked(void *to)
{
	prctl(PR_SET_PDEATHSIG, SIGKILL);
	/* the parent is what its kind says as long as we are: it cannot say so itself */
	say(*(int *)to, ZOO_PARENT, getppid());
	say(*(int *)to, ZOO_VFORKED, (pid_t)syscall(SYS_getpid));
	sleep_for_ever();
	return 0;
}

static void live_parent(int to)
{
	char *stack = touched(STACK_BYTES / page_bytes);

	touched(PAGES);
	clone(begin_vforked, stack + STACK_BYTES, CLONE_VM | CLONE_VFORK | SIGCHLD, &to);
	must(0, "clone");
}

static void live(enum zoo_kind kind, uint32_t number, int to)
{
	char name[16];

	snprintf(name, sizeof(name), "zoo) %u", number % 1000);
	prctl(PR_SET_NAME, name);
	switch (kind) {
	case ZOO_GROWING:
		live_growing(to);
		break;
	case ZOO_THREADED:
		live_threaded(to);
		break;
	case ZOO_SHARED:
		live_shared(to, number);
		break;
	case ZOO_FIRST_GONE:
		live_first_gone(to);
		break;
	case ZOO_HOST:
		live_host(to);
		break;
	case ZOO_ZOMBIE:
		say(to, ZOO_ZOMBIE, getpid());
		_exit(0);
	case ZOO_PARENT:
		live_parent(to);
		break;
	default:
		touched(number % PAGES + 1);
		say(to, ZOO_IDLE, getpid());
		sleep_for_ever();
	}
}

static pid_t start(void)
{
	pid_t pid = fork();

	must(pid >= 0, "fork");
	if (!pid)
		prctl(PR_SET_PDEATHSIG, SIGKILL);
	return pid;
}

static void storm(void)
{
	signal(SIGCHLD, SIG_IGN);
	for (;;) {
		pid_t pid = fork();

		if (!pid)
			_exit(0);
		usleep(STORM_US);
	}
}

static void await_zombie(pid_t pid)
{
	siginfo_t info;

	must(!waitid(P_PID, (id_t)pid, &info, WEXITED | WNOWAIT), "waitid");
}

void zoo_start(struct zoo *ret)
{
	uint32_t n = population[ZOO_HOST] + population[ZOO_PARENT];
	int ends[2];

	page_bytes = (size_t)sysconf(_SC_PAGESIZE);
	shared = mmap(NULL, PAGES * page_bytes, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS,
		      -1, 0);
	must(shared != MAP_FAILED, "mmap");
	must(!pipe2(ends, O_CLOEXEC), "pipe");
	for (int kind = 0; kind < ZOO_KINDS; kind++) {
		for (uint32_t i = 0; i < population[kind]; i++)
			if (!start())
				live((enum zoo_kind)kind, i, ends[1]);
		n += population[kind];
	}
	close(ends[1]);
	*ret = (struct zoo){.animal = calloc(n, sizeof(*ret->animal))};
	must(ret->animal != NULL, "calloc");
	/* messages are shorter than what a pipe takes whole */
	for (; ret->n < n; ret->n++)
		must(read(ends[0], &ret->animal[ret->n], sizeof(*ret->animal)) ==
			     sizeof(*ret->animal),
		     "read");
	close(ends[0]);
	for (uint32_t i = 0; i < ret->n; i++)
		if (ret->animal[i].kind == ZOO_ZOMBIE)
			await_zombie(ret->animal[i].pid);
	ret->storm = start();
	if (!ret->storm)
		storm();
}

void zoo_end(struct zoo *zoo)
{
	kill(zoo->storm, SIGKILL);
	for (uint32_t i = 0; i < zoo->n; i++)
		kill(zoo->animal[i].pid, SIGKILL);
	waitpid(zoo->storm, NULL, 0);
	for (uint32_t i = 0; i < zoo->n; i++)
		waitpid(zoo->animal[i].pid, NULL, 0);
	free(zoo->animal);
	munmap(shared, PAGES * page_bytes);
	*zoo = (struct zoo){0};
}
