/*
 * The self-check of a BPF reader: do its records say what /proc says? A kernel that counts in a way
 * we do not know would give false figures and no error; this is what finds out.
 */
#ifndef MEMHIST_PROC_BPF_CHECK_H
#define MEMHIST_PROC_BPF_CHECK_H

#include "libmemhist/proc/bpf_place.h"
#include "libmemhist/proc/bpf_tasks.h"

/*
 * Compare start time, VSZ and RSS of this process and eight others with stat and statm; a process
 * whose statm changes meanwhile is not judged. Returns 0, -EBADMSG and a sentence when they differ,
 * or another -errno when it could not be done.
 */
int mh_bpf_check(struct mh_bpf_tasks *tasks, const struct mh_root *root,
		 const struct mh_bpf_place *place, struct mh_err *err);

/* Field 22 of stat, of a start time; of a record. */
static inline uint64_t mh_bpf_ticks(uint64_t start_ns, const struct mh_bpf_place *place)
{
	return (start_ns + (uint64_t)place->boot_ns) / place->tick_ns;
}

static inline uint64_t mh_bpf_start_ticks(const struct mh_bpf_task *task,
					  const struct mh_bpf_place *place)
{
	return mh_bpf_ticks(task->start_ns, place);
}

/* Field 2 of statm, of a record. */
static inline uint64_t mh_bpf_rss_pages(const struct mh_bpf_task *task)
{
	return task->file_pages + task->anon_pages + task->shmem_pages;
}

#endif
