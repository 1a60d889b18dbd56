/*
 * Processes that have ended, as the kernel saw them end: none escapes, however short its life was,
 * and each brings the peaks of its memory.
 *
 *     rc = mh_bpf_exits_new(&exits, tasks, 0, &err);
 *     …now and then:
 *     n = mh_bpf_exits_drain(exits, book, arg);         // calls book(arg, exit) for each
 *
 * A BPF program writes records into a ring buffer in the kernel's memory. When it is full, those
 * that end are counted and nothing more: whoever forks faster than the ring is emptied costs
 * exactness, not memory.
 *
 * Loaded by _new and never again: what comes after needs no privilege, allocates nothing and never
 * waits.
 */
#ifndef MEMHIST_PROC_BPF_EXITS_H
#define MEMHIST_PROC_BPF_EXITS_H

#include "libmemhist/proc/bpf/exit.h"
#include "libmemhist/proc/bpf_tasks.h"

enum { MH_BPF_EXITS_RING_BYTES = 1 << 20 };

struct mh_bpf_exits;

/*
 * Load the program and begin to record. Exits are those of processes that `tasks` would show; it
 * may be freed before. The ring has `ring_bytes`, rounded up to pages and a power of two; 0 is
 * MH_BPF_EXITS_RING_BYTES, room for 13,107 exits. Returns 0 or -errno and a sentence, like
 * mh_bpf_tasks_new().
 */
int mh_bpf_exits_new(struct mh_bpf_exits **ret, const struct mh_bpf_tasks *tasks,
		     uint32_t ring_bytes, struct mh_err *err);
void mh_bpf_exits_free(struct mh_bpf_exits *exits);

/*
 * Hand over the exits recorded so far, in the order of their records, and forget them; those that
 * come meanwhile too, but no more in all than the ring can hold. Each process comes once. Returns
 * their number, or -errno. An exit is valid during the call of `book` only.
 */
int mh_bpf_exits_drain(struct mh_bpf_exits *exits,
		       void (*book)(void *arg, const struct mh_bpf_exit *exit), void *arg);

/* How many had no room in the ring, since _new. */
uint64_t mh_bpf_exits_dropped(const struct mh_bpf_exits *exits);

#endif
