/* A process that does as it is told, to be looked at by the tests. It dies with them. */
#ifndef MEMHIST_TESTS_UNIT_CHILD_H
#define MEMHIST_TESTS_UNIT_CHILD_H

#include <stdint.h>
#include <sys/types.h>

struct child {
	uint32_t pid;
	int orders, answers; /* pipes */
};

enum child_order {
	CHILD_GROW,       /* touch `number` more pages */
	CHILD_SPIKE,      /* touch `number` pages and give them back */
	CHILD_LOCK,       /* lock a page that is in RAM already */
	CHILD_NAME,       /* prctl(PR_SET_NAME, text) */
	CHILD_TITLE,      /* overwrite the command line with 'x' */
	CHILD_MOVE_TITLE, /* prctl(PR_SET_MM_ARG_START) to text; -1 without CAP_SYS_RESOURCE */
	CHILD_UID,        /* setuid(number) */
	CHILD_FORK,       /* start a child that only sleeps; answers with its pid */
	CHILD_EXEC,       /* execl(text, "sleep", "1000") */
	CHILD_EXIT,       /* becomes a zombie */
};

/* Where argv[0] lies; to be called first in main(), for CHILD_TITLE. */
void child_argv(char **argv);

void child_start(struct child *child);
/* Returns the answer when the order has been carried out (0 for most). */
int child_do(const struct child *child, enum child_order order, unsigned number, const char *text);
/* Wait until it has exited and is a zombie. */
void child_await_exit(const struct child *child);
/* Wait until sleep has started and sleeps. */
void child_await_exec(const struct child *child);
/* Kill and reap. */
void child_end(struct child *child);

#endif
