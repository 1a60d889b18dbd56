/*
 * What a command costs, for benchmarks that are scripts: its own CPU time and the most memory it
 * had resident.
 *
 *     cost FILE COMMAND [ARGUMENT]...
 *
 * Writes "CPU-SECONDS WALL-SECONDS RESIDENT-KIB" into FILE and exits as the command did. A script
 * cannot ask the kernel for this itself: the most that a child had counts from its fork on, when it
 * still was the interpreter.
 */
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

static double now_s(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

static double seconds(struct timeval t)
{
	return (double)t.tv_sec + (double)t.tv_usec / 1e6;
}

int main(int argc, char **argv)
{
	double began = now_s();
	struct rusage usage;
	int status = 0;
	FILE *to;
	pid_t pid;

	if (argc < 3) {
		fputs("usage: cost FILE COMMAND [ARGUMENT]...\n", stderr);
		return 2;
	}
	pid = fork();
	if (pid == 0) {
		execvp(argv[2], argv + 2);
		fprintf(stderr, "cost: %s: errno %d\n", argv[2], errno);
		_exit(127);
	}
	if (pid < 0 || wait4(pid, &status, 0, &usage) != pid)
		return 126;
	to = fopen(argv[1], "w");
	if (!to)
		return 126;
	fprintf(to, "%.6f %.6f %ld\n", seconds(usage.ru_utime) + seconds(usage.ru_stime),
		now_s() - began, usage.ru_maxrss);
	if (fclose(to))
		return 126;
	return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
}
