/* A folder of files that a test makes and removes: a /proc that says what the test wants. */
#ifndef MEMHIST_TESTS_UNIT_TREE_H
#define MEMHIST_TESTS_UNIT_TREE_H

#include <stddef.h>
#include <stdint.h>

struct tree {
	char path[200];
};

void tree_make(struct tree *tree);
/* With all that is in it. */
void tree_remove(struct tree *tree);

/* "TREE/name" into `buf`, which is returned. */
const char *tree_path(const struct tree *tree, const char *name, char buf[512]);
/* Write a file, in place when it is there; folders are made as needed. */
void tree_write(const struct tree *tree, const char *name, const char *bytes, size_t len);
/* Remove a file or a folder with all that is in it. */
void tree_drop(const struct tree *tree, const char *name);

/* A process' files: stat, statm, status, cmdline. */
struct tree_process {
	const char *comm;
	const char *cmdline; /* one argument; NULL: none */
	uint32_t ppid;
	uint32_t uid;
	uint32_t flags;
	uint64_t start_ticks;
	uint64_t vsz_pages;
	uint64_t rss_pages;
};

void tree_process(const struct tree *tree, uint32_t pid, const struct tree_process *p);

#endif
