#include "tests/unit/tree.h"

#include <fcntl.h>
#include <ftw.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

/* The tests' own scaffolding has nothing to report to: it ends the test program. */
static void must(int good, const char *what)
{
	if (good)
		return;
	perror(what);
	abort();
}

void tree_make(struct tree *tree)
{
	const char *base = getenv("TMPDIR");

	snprintf(tree->path, sizeof(tree->path), "%s/memhist-tree-XXXXXX",
		 base && *base ? base : "/tmp");
	must(mkdtemp(tree->path) != NULL && !chmod(tree->path, 0755), tree->path);
}

static int remove_one(const char *path, const struct stat *st, int type, struct FTW *ftw)
{
	(void)st;
	(void)type;
	(void)ftw;
	return remove(path);
}

static void remove_all(const char *path)
{
	must(!nftw(path, remove_one, 16, FTW_DEPTH | FTW_PHYS), path);
}

void tree_remove(struct tree *tree)
{
	remove_all(tree->path);
}

const char *tree_path(const struct tree *tree, const char *name, char buf[512])
{
	snprintf(buf, 512, "%s/%s", tree->path, name);
	return buf;
}

void tree_drop(const struct tree *tree, const char *name)
{
	char path[512];

	remove_all(tree_path(tree, name, path));
}

void tree_write(const struct tree *tree, const char *name, const char *bytes, size_t len)
{
	char path[512];
	int fd;

	tree_path(tree, name, path);
	for (char *slash = path + strlen(tree->path) + 1; (slash = strchr(slash, '/')); slash++) {
		*slash = '\0';
		mkdir(path, 0755);
		*slash = '/';
	}
	fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644);
	must(fd >= 0, path);
	must(write(fd, bytes, len) == (ssize_t)len, path);
	close(fd);
}

void tree_process(const struct tree *tree, uint32_t pid, const struct tree_process *p)
{
	const uint64_t page_kib = (uint64_t)sysconf(_SC_PAGESIZE) / 1024;
	char name[64], text[1024];
	int len;

	snprintf(name, sizeof(name), "%u/stat", pid);
	len = snprintf(text, sizeof(text),
		       "%u (%s) S %u 1 1 0 -1 %u 0 0 0 0 0 0 0 0 20 0 1 0 %" PRIu64 " %" PRIu64
		       " %" PRIu64 " 0 1 1 4096 0 0 0 0 0 0 0 0 0 17 0 0 0 0 0 0\n",
		       pid, p->comm, p->ppid, p->flags, p->start_ticks,
		       p->vsz_pages * (uint64_t)sysconf(_SC_PAGESIZE), p->rss_pages);
	tree_write(tree, name, text, (size_t)len);
	snprintf(name, sizeof(name), "%u/statm", pid);
	len = snprintf(text, sizeof(text), "%" PRIu64 " %" PRIu64 " 1 1 0 1 0\n", p->vsz_pages,
		       p->rss_pages);
	tree_write(tree, name, text, (size_t)len);
	snprintf(name, sizeof(name), "%u/status", pid);
	len = snprintf(text, sizeof(text),
		       "Name:\t%s\nPPid:\t%u\nUid:\t%u\t%u\t%u\t%u\n"
		       "VmPeak:\t%8" PRIu64 " kB\nVmSize:\t%8" PRIu64 " kB\nVmLck:\t%8u kB\n"
		       "VmHWM:\t%8" PRIu64 " kB\nVmRSS:\t%8" PRIu64 " kB\nRssAnon:\t%8" PRIu64
		       " kB\nRssFile:\t%8u kB\nRssShmem:\t%8u kB\nVmSwap:\t%8u kB\nThreads:\t1\n",
		       p->comm, p->ppid, p->uid, p->uid, p->uid, p->uid, p->vsz_pages * page_kib,
		       p->vsz_pages * page_kib, 0, p->rss_pages * page_kib, p->rss_pages * page_kib,
		       p->rss_pages * page_kib, 0, 0, 0);
	tree_write(tree, name, text, (size_t)len);
	snprintf(name, sizeof(name), "%u/cmdline", pid);
	tree_write(tree, name, p->cmdline ? p->cmdline : "",
		   p->cmdline ? strlen(p->cmdline) + 1 : 0);
}
