/* Clocks of threads, and what the kernel says of them. */
#include "exporter/pulse.h"

#include <fcntl.h>
#include <unistd.h>

static uint64_t monotonic_ns(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (uint64_t)now.tv_sec * 1000000000 + (uint64_t)now.tv_nsec;
}

void pulse_begin(struct pulse *p)
{
	if (!atomic_load(&p->tid))
		atomic_store(&p->tid, gettid());
	atomic_store(&p->due_ns, monotonic_ns());
}

void pulse_end(struct pulse *p, int64_t wait_ms)
{
	atomic_store(&p->due_ns, wait_ms < 0 ? 0 : monotonic_ns() + (uint64_t)wait_ms * 1000000);
}

uint64_t pulse_late_ms(struct pulse *p)
{
	uint64_t due = atomic_load(&p->due_ns), now = monotonic_ns();

	return due && now > due ? (now - due) / 1000000 : 0;
}

bool pulse_is_held(struct pulse *p)
{
	char path[64], text[512];
	const char *end;
	ssize_t n;
	int fd;

	snprintf(path, sizeof(path), "/proc/self/task/%d/stat", atomic_load(&p->tid));
	fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		return false;
	n = read(fd, text, sizeof(text) - 1);
	close(fd);
	if (n <= 0)
		return false;
	text[n] = '\0';
	end = strrchr(text, ')'); /* of the name, which may be anything */
	return end && !strncmp(end, ") D", 3);
}
