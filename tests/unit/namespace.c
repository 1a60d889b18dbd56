#include "tests/unit/namespace.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/sched.h>
#include <sched.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>
#include <cmocka.h>

struct report {
	enum namespace_result result;
	char text[NAMESPACE_TEXT];
};

static int write_file(const char *path, const char *text)
{
	int fd = open(path, O_WRONLY | O_CLOEXEC);
	ssize_t n = write(fd, text, strlen(text));

	close(fd);
	return n == (ssize_t)strlen(text) ? 0 : -1;
}

/* New namespaces, as root or by way of one for users; the next fork is process 1. */
static int leave(void)
{
	char uid_map[64], gid_map[64];

	if (!geteuid())
		return unshare(CLONE_NEWPID | CLONE_NEWNS);
	snprintf(uid_map, sizeof(uid_map), "0 %u 1", geteuid());
	snprintf(gid_map, sizeof(gid_map), "0 %u 1", getegid());
	if (unshare(CLONE_NEWUSER | CLONE_NEWPID | CLONE_NEWNS))
		return -1;
	return write_file("/proc/self/setgroups", "deny") ||
			       write_file("/proc/self/uid_map", uid_map) ||
			       write_file("/proc/self/gid_map", gid_map)
		       ? -1
		       : 0;
}

static int mount_proc(void)
{
	if (mount("none", "/", "none", MS_REC | MS_PRIVATE, ""))
		return -1;
	return mount("proc", "/proc", "proc", MS_NOSUID | MS_NOEXEC | MS_NODEV, "");
}

static void first_process(int (*check)(char text[NAMESPACE_TEXT]), int to)
{
	struct report report = {.result = NAMESPACE_GOOD};

	prctl(PR_SET_PDEATHSIG, SIGKILL);
	if (mount_proc()) {
		report.result = NAMESPACE_CANNOT;
		snprintf(report.text, sizeof(report.text), "cannot mount a proc (errno %d)", errno);
	} else if (check(report.text)) {
		report.result = NAMESPACE_BAD;
	}
	_exit(write(to, &report, sizeof(report)) != sizeof(report));
}

enum namespace_result namespace_run(int (*check)(char text[NAMESPACE_TEXT]),
				    char ret_text[NAMESPACE_TEXT])
{
	struct report report = {.result = NAMESPACE_BAD, .text = "it died"};
	int pipe_fds[2], status;
	pid_t outside;

	if (pipe2(pipe_fds, O_CLOEXEC))
		abort();
	/* unshare(2) is for a process that has nothing else to do in the old one */
	outside = fork();
	if (!outside) {
		pid_t first;

		prctl(PR_SET_PDEATHSIG, SIGKILL);
		if (leave() || (first = fork()) < 0) {
			report.result = NAMESPACE_CANNOT;
			snprintf(report.text, sizeof(report.text),
				 "cannot make namespaces (errno %d)", errno);
			_exit(write(pipe_fds[1], &report, sizeof(report)) != sizeof(report));
		}
		if (!first)
			first_process(check, pipe_fds[1]);
		waitpid(first, &status, 0);
		_exit(0);
	}
	close(pipe_fds[1]);
	if (read(pipe_fds[0], &report, sizeof(report)) != sizeof(report))
		report.result = NAMESPACE_BAD;
	close(pipe_fds[0]);
	waitpid(outside, &status, 0);
	memcpy(ret_text, report.text, sizeof(report.text));
	return report.result;
}

void namespace_must(int (*check)(char text[NAMESPACE_TEXT]))
{
	char text[NAMESPACE_TEXT];

	switch (namespace_run(check, text)) {
	case NAMESPACE_GOOD:
		break;
	case NAMESPACE_BAD:
		fail_msg("%s", text);
		break;
	case NAMESPACE_CANNOT:
		print_message("# skipped: %s\n", text);
		skip();
	}
}

pid_t namespace_fork(pid_t wanted)
{
	struct clone_args args = {
		.exit_signal = SIGCHLD,
		.set_tid = (uint64_t)(uintptr_t)&wanted,
		.set_tid_size = 1,
	};

	return (pid_t)syscall(SYS_clone3, &args, sizeof(args));
}
