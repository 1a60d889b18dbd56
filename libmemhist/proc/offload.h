/*
 * Reading files that may not answer. /proc/PID/cmdline and smaps_rollup take the lock on the
 * process' address space (mmap_lock): when somebody holds it and sleeps, the reader sleeps with
 * him, for minutes or for ever. Who must not wait gives such files to another thread, in batches,
 * and goes on without those that do not answer:
 *
 *     mh_offload_add(o, pid, "cmdline");                        // at most MH_OFFLOAD_BATCH
 *     …
 *     mh_offload_run(o, deadline_ns);
 *     for (uint32_t i = 0; i < n; i++)
 *             len = mh_offload_answer(o, i, &text);
 *
 * A thread that hangs on one file for more than a limit is left behind, and another reads the rest.
 * When it wakes it ends by itself, and changes nothing: its answer was given (-ETIMEDOUT). At most
 * MH_OFFLOAD_LEFT threads are left behind at one time; past that nothing is read until one is back.
 *
 * One owner thread. Nothing runs before the first batch; batches allocate nothing but for a new
 * thread, and wake the other thread once each.
 */
#ifndef MEMHIST_PROC_OFFLOAD_H
#define MEMHIST_PROC_OFFLOAD_H

#include "libmemhist/proc/root.h"

enum {
	MH_OFFLOAD_BATCH = 64,
	MH_OFFLOAD_BYTES = MH_CMDLINE_MAX, /* of a file; the rest of it is cut */
	MH_OFFLOAD_LEFT = 4,
	MH_OFFLOAD_FILE_MS =
		100, /* one file takes some microseconds; a busy machine stretches it */
};

#define MH_OFFLOAD_THREAD "memhist-reader" /* its comm */

struct mh_offload;

/* `root` may be closed before it is freed. Returns 0 or -errno: no memory, no descriptor. */
int mh_offload_new(struct mh_offload **ret, const struct mh_root *root);
/* Waits for nobody: threads left behind free what they need when they end. NULL is allowed. */
void mh_offload_free(struct mh_offload *o);

/*
 * Add PID/name to the batch; `name` lives for ever. The first call after a run begins a new batch,
 * and the answers of the one before are gone. Returns its number in the batch, or -ENOSPC: run it
 * first.
 */
int mh_offload_add(struct mh_offload *o, uint32_t pid, const char *name);

/*
 * Read the batch. Returns when all files are answered: by `deadline_ns` (mh_monotonic_ns()) the
 * rest is given up, and the one that is being read has MH_OFFLOAD_FILE_MS in any case.
 */
void mh_offload_run(struct mh_offload *o, uint64_t deadline_ns);

/*
 * The i-th answer of the batch: how many bytes the file has, and these in *ret_text until the next
 * batch. Or -errno of reading it, or
 *   -ETIMEDOUT  it did not answer
 *   -EBUSY      not tried: a thread hangs on this process, or too many do on others
 *   -EAGAIN     not tried for want of time: worth asking again soon
 *   -ENOMEM     no thread could be started
 */
int mh_offload_answer(const struct mh_offload *o, uint32_t i, const char **ret_text);

/* How many threads have come back so far. When it rises, what did not answer may do so. */
uint64_t mh_offload_returned(struct mh_offload *o);
/* How many are left behind now. */
uint32_t mh_offload_left(struct mh_offload *o);

#endif
