/*
 * Finding the limits. /proc/self/cgroup names the group as its hierarchy has it, but a container
 * may see only a part of that, mounted as if it were all: so each folder on the way up is tried,
 * and those that are not there are passed over.
 */
#include "libmemhist/base/memlimit.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/sysinfo.h>
#include <unistd.h>

enum { GROUPS_TEXT_MAX = 8192, LIMIT_TEXT_MAX = 32 };

/* How a line of /proc/self/cgroup begins, behind its number, and where the limits are then. */
static const struct hierarchy {
	const char *controllers, *mount, *file;
} hierarchies[] = {
	{"::", "/sys/fs/cgroup", "memory.max"},
	{":memory:", "/sys/fs/cgroup/memory", "memory.limit_in_bytes"},
};

/* A file as a string, cut at `size`. Returns false when it cannot be read. */
static bool read_text(const char *path, char *ret, size_t size)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	ssize_t n;

	if (fd < 0)
		return false;
	n = read(fd, ret, size - 1);
	close(fd);
	if (n < 0)
		return false;
	ret[n] = '\0';
	return true;
}

/* The limit in a file; UINT64_MAX when there is none ("max", or no such file). */
static uint64_t read_limit(const char *path)
{
	char text[LIMIT_TEXT_MAX], *end;
	uint64_t bytes;

	if (!read_text(path, text, sizeof(text)) || *text < '0' || *text > '9')
		return UINT64_MAX;
	errno = 0;
	bytes = strtoull(text, &end, 10);
	return errno || *end != '\n' ? UINT64_MAX : bytes;
}

/* The least limit of this group and those above it; `group` is cut on the way. */
static uint64_t least_limit(const char *root, const struct hierarchy *h, char *group)
{
	uint64_t least = UINT64_MAX;

	for (;;) {
		char *slash = strrchr(group, '/');
		char path[PATH_MAX];
		uint64_t limit;

		/* the root's path is "/", that of others does not end with one */
		if (slash && !slash[1])
			*slash = '\0';
		if (snprintf(path, sizeof(path), "%s%s%s/%s", root, h->mount, group, h->file) <
		    (int)sizeof(path)) {
			limit = read_limit(path);
			if (limit < least)
				least = limit;
		}
		slash = strrchr(group, '/');
		if (!slash)
			return least;
		*slash = '\0';
	}
}

static uint64_t group_limit(const char *root)
{
	char path[PATH_MAX], text[GROUPS_TEXT_MAX], *save = NULL;
	uint64_t least = UINT64_MAX;

	if (snprintf(path, sizeof(path), "%s/proc/self/cgroup", root) >= (int)sizeof(path) ||
	    !read_text(path, text, sizeof(text)))
		return UINT64_MAX;
	for (char *line = strtok_r(text, "\n", &save); line; line = strtok_r(NULL, "\n", &save)) {
		char *rest = line + strspn(line, "0123456789");

		for (size_t i = 0; i < sizeof(hierarchies) / sizeof(hierarchies[0]); i++) {
			const struct hierarchy *h = &hierarchies[i];
			size_t n = strlen(h->controllers);
			uint64_t limit;

			if (strncmp(rest, h->controllers, n) != 0)
				continue;
			limit = least_limit(root, h, rest + n);
			if (limit < least)
				least = limit;
		}
	}
	return least;
}

void mh_memlimit_read(struct mh_memlimit *ret, const char *root)
{
	struct sysinfo info;

	*ret = (struct mh_memlimit){.group_bytes = group_limit(root)};
	if (!sysinfo(&info))
		ret->machine_bytes = (uint64_t)info.totalram * info.mem_unit;
}
