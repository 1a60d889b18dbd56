/*
 * Listing by getdents64(2) with a buffer that takes some ten thousand processes at once: half the
 * cost of readdir(3), and the inode numbers come free.
 *
 * Both listings are in the kernel's order, ascending by pid, so marks are carried over by walking
 * them side by side. In a directory that is no procfs the order may be any; then marks get lost,
 * which costs their reader a second look and nothing else.
 */
#include "libmemhist/proc/listing.h"

#include "libmemhist/model/process.h"
#include "libmemhist/proc/parse.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

enum { DIRENTS_BYTES = 256 * 1024, FEW_DIRENTS_BYTES = 2048, FIRST_ENTRIES = 512 };

/* struct linux_dirent64 of getdents64(2) */
struct dirent64_head {
	uint64_t inode;
	int64_t offset;
	uint16_t length;
	uint8_t type;
	char name[]; /* NUL-terminated */
};

void mh_listing_done(struct mh_listing *l)
{
	free(l->entry);
	free(l->before);
	free(l->dirents);
	*l = (struct mh_listing){0};
}

static void swap_with_before(struct mh_listing *l)
{
	const struct mh_listing was = *l;

	l->entry = was.before;
	l->n = was.n_before;
	l->cap = was.before_cap;
	l->before = was.entry;
	l->n_before = was.n;
	l->before_cap = was.cap;
}

static int add(struct mh_listing *l, const struct mh_listing_entry *entry)
{
	if (l->n == l->cap) {
		uint32_t cap = l->cap ? l->cap * 2 : FIRST_ENTRIES;
		struct mh_listing_entry *bigger = reallocarray(l->entry, cap, sizeof(*bigger));

		if (!bigger)
			return -ENOMEM;
		l->entry = bigger;
		l->cap = cap;
	}
	l->entry[l->n++] = *entry;
	return 0;
}

/* The mark that this process had in the listing before; `*at` is the place in it. */
static bool was_left_out(const struct mh_listing *l, uint32_t *at, uint32_t pid, uint64_t inode)
{
	while (*at < l->n_before && l->before[*at].pid < pid)
		(*at)++;
	return *at < l->n_before && l->before[*at].pid == pid && l->before[*at].inode == inode &&
	       l->before[*at].left_out;
}

/* Whether the entry is that of a process, or of a thread. */
static bool take_pid(const struct dirent64_head *d, uint32_t *ret)
{
	uint64_t pid;

	if (d->name[0] < '1' || d->name[0] > '9' || mh_parse_u64(d->name, strlen(d->name), &pid) ||
	    pid > MH_PID_MAX)
		return false;
	*ret = (uint32_t)pid;
	return true;
}

static int add_all(struct mh_listing *l, int fd)
{
	uint32_t before = 0;

	l->n = 0;
	if (lseek(fd, 0, SEEK_SET) < 0)
		return -errno;
	for (;;) {
		long bytes = syscall(SYS_getdents64, fd, l->dirents, DIRENTS_BYTES);

		if (bytes <= 0)
			return bytes ? -errno : 0;
		for (long at = 0; at < bytes;) {
			/* the kernel aligns each of them to 8 bytes */
			const struct dirent64_head *d = (const void *)(l->dirents + at);
			struct mh_listing_entry entry = {.inode = d->inode};
			int rc;

			at += d->length;
			if (!take_pid(d, &entry.pid))
				continue;
			entry.left_out = was_left_out(l, &before, entry.pid, entry.inode);
			rc = add(l, &entry);
			if (rc)
				return rc;
		}
	}
}

int mh_listing_read(struct mh_listing *l, int fd)
{
	int rc;

	if (!l->dirents) {
		l->dirents = malloc(DIRENTS_BYTES);
		if (!l->dirents)
			return -ENOMEM;
	}
	swap_with_before(l);
	rc = add_all(l, fd);
	if (rc)
		swap_with_before(l);
	return rc;
}

int mh_listing_first(int fd, uint32_t max, uint32_t ret[])
{
	_Alignas(struct dirent64_head) char dirents[FEW_DIRENTS_BYTES];
	long bytes = syscall(SYS_getdents64, fd, dirents, sizeof(dirents));
	uint32_t n = 0;

	if (bytes < 0)
		return -errno;
	for (long at = 0; at < bytes && n < max;) {
		const struct dirent64_head *d = (const void *)(dirents + at);

		at += d->length;
		n += take_pid(d, &ret[n]);
	}
	return (int)n;
}
