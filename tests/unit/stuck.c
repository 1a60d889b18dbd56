#include "tests/unit/stuck.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

enum { WAIT_MS = 1, WAIT_MOST_MS = 60000 };

static void die(const char *what)
{
	perror(what);
	abort();
}

void stuck_make(const struct tree *tree, const char *name)
{
	char path[512];

	tree_drop(tree, name);
	if (mkfifo(tree_path(tree, name, path), 0644))
		die(path);
}

void stuck_wake(const struct tree *tree, const char *name)
{
	char path[512];
	int fd = open(tree_path(tree, name, path), O_WRONLY | O_CLOEXEC);

	if (fd < 0)
		die(path);
	close(fd);
}

bool stuck_try_wake(const struct tree *tree, const char *name)
{
	char path[512];
	int fd = open(tree_path(tree, name, path), O_WRONLY | O_NONBLOCK | O_CLOEXEC);

	/* ENXIO: nobody waits */
	if (fd < 0 && errno != ENXIO)
		die(path);
	if (fd >= 0)
		close(fd);
	return fd >= 0;
}

void stuck_release(const struct tree *tree, const char *name)
{
	stuck_try_wake(tree, name);
	tree_drop(tree, name);
}

void stuck_end(const struct tree *tree, const char *name, const char *text)
{
	tree_drop(tree, name);
	tree_write(tree, name, text, strlen(text));
}

/* The file of a thread that reads aside. NULL: it is another one, or has ended. */
static FILE *open_task(const char *tid, const char *name)
{
	char path[64], comm[32] = "";
	FILE *f;

	snprintf(path, sizeof(path), "/proc/self/task/%.20s/comm", tid);
	f = fopen(path, "re");
	if (!f || !fgets(comm, sizeof(comm), f) || strcmp(comm, MH_OFFLOAD_THREAD "\n") != 0) {
		if (f)
			fclose(f);
		return NULL;
	}
	fclose(f);
	snprintf(path, sizeof(path), "/proc/self/task/%.20s/%s", tid, name);
	return fopen(path, "re");
}

/* How many there are; *ret_common: the signals that all of them block. */
static int look(uint64_t *ret_common)
{
	DIR *dir = opendir("/proc/self/task");
	struct dirent *entry;
	char line[256];
	int n = 0;

	*ret_common = UINT64_MAX;
	while (dir && (entry = readdir(dir))) {
		FILE *f = open_task(entry->d_name, "status");

		n += f != NULL;
		while (f && fgets(line, sizeof(line), f))
			if (!strncmp(line, "SigBlk:", 7))
				*ret_common &= strtoull(line + 7, NULL, 16);
		if (f)
			fclose(f);
	}
	if (dir)
		closedir(dir);
	return n;
}

int stuck_threads(void)
{
	uint64_t common;

	return look(&common);
}

void stuck_await_threads(int n)
{
	for (int waited_ms = 0; stuck_threads() != n; waited_ms += WAIT_MS) {
		if (waited_ms > WAIT_MOST_MS)
			die("a thread that does not end");
		usleep(WAIT_MS * 1000);
	}
}

void stuck_await_left(struct mh_offload *o, uint32_t n)
{
	for (int waited_ms = 0; mh_offload_left(o) != n; waited_ms += WAIT_MS) {
		if (waited_ms > WAIT_MOST_MS)
			die("a thread that hangs, or does not");
		usleep(WAIT_MS * 1000);
	}
}

bool stuck_threads_block_signals(void)
{
	static const int some[] = {SIGTERM, SIGINT, SIGHUP, SIGCHLD, SIGALRM, SIGUSR1, SIGPIPE};
	uint64_t common;

	if (!look(&common))
		return false;
	for (size_t i = 0; i < sizeof(some) / sizeof(some[0]); i++)
		if (!(common >> (some[i] - 1) & 1))
			return false;
	return true;
}
