/*
 * Files that do not answer: FIFOs without a writer, whose readers wait in open(2); and the threads
 * of the test program that read them.
 */
#ifndef MEMHIST_TESTS_UNIT_STUCK_H
#define MEMHIST_TESTS_UNIT_STUCK_H

#include "libmemhist/proc/offload.h"
#include "tests/unit/tree.h"

#include <stdbool.h>

/* Put a FIFO in the place of a file. */
void stuck_make(const struct tree *tree, const char *name);
/* Wake who waits for it. Somebody does, or will. */
void stuck_wake(const struct tree *tree, const char *name);
/* Wake who waits for it. Returns whether somebody did. */
bool stuck_try_wake(const struct tree *tree, const char *name);
/* Remove it, and wake who waits for it, if anybody does. */
void stuck_release(const struct tree *tree, const char *name);
/* Put a file with this text in its place. */
void stuck_end(const struct tree *tree, const char *name, const char *text);

/* Threads of this process that read aside. */
int stuck_threads(void);
/* Wait until there are `n`; ends the test program when that takes too long. */
void stuck_await_threads(int n);
/* Wait until `n` threads are left behind: those that a busy machine made late are back by then. */
void stuck_await_left(struct mh_offload *o, uint32_t n);
/* Whether they block every signal that can be. */
bool stuck_threads_block_signals(void);

#endif
