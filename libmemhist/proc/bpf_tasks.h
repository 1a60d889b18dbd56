/*
 * The kernel's own list of processes, read by BPF programs of ours (bpf/): records, without a
 * notion of tables or names.
 *
 *     rc = mh_bpf_tasks_new(&tasks, MH_BPF_WALK, &config, &err);
 *     …each pass:
 *     rc = mh_bpf_tasks_begin(tasks);
 *     while (!rc && (n = mh_bpf_tasks_next(tasks, &task)) > 0)
 *             …task[0] … task[n - 1]…
 *
 * Programs are loaded by _new and never again: what comes after needs no privilege.
 */
#ifndef MEMHIST_PROC_BPF_TASKS_H
#define MEMHIST_PROC_BPF_TASKS_H

#include "libmemhist/base/err.h"
#include "libmemhist/proc/bpf/task.h"

#include <stdbool.h>

enum mh_bpf_how {
	MH_BPF_WALK, /* one program walks the kernel's list into a mapped array: >= 6.7 */
	MH_BPF_SEQ,  /* the kernel's iterator over tasks, as a stream: >= 5.8 */
};

struct mh_bpf_tasks_config {
	uint32_t namespaces_up; /* see mh_bpf_config; MH_BPF_SEQ can serve 0 only */
	uint32_t window;        /* records mapped at once, of 128 bytes. MH_BPF_WALK: a pass over
				 * more processes takes several runs */
	uint32_t exact_cpus;    /* sum the counters of RSS over the CPUs when there are at most so
				 * many: each costs a cache line per process */
};

struct mh_bpf_tasks;

/*
 * Load the program. Returns 0 or -errno and a sentence: -EPERM (no privilege), -ENOTSUP (the
 * kernel cannot), -ENOMEM and others.
 */
int mh_bpf_tasks_new(struct mh_bpf_tasks **ret, enum mh_bpf_how how,
		     const struct mh_bpf_tasks_config *config, struct mh_err *err);
void mh_bpf_tasks_free(struct mh_bpf_tasks *tasks);

/*
 * What the programs have learned of the kernel and the procfs, for other programs that make such
 * records. It lives as `tasks` does.
 */
struct mh_bpf_learned {
	int secrets_map; /* the descriptor of that map */
	const struct mh_bpf_config *config;
	bool ends_with_memory; /* the end of a process is reported while its memory is there */
};

void mh_bpf_tasks_learned(const struct mh_bpf_tasks *tasks, struct mh_bpf_learned *ret);

/* Whether the RSS is that of statm; else it is off by what the CPUs have not booked yet. */
bool mh_bpf_tasks_are_exact(const struct mh_bpf_tasks *tasks);

/* Begin a pass; one that was not read to its end is given up. Returns 0 or -errno. */
int mh_bpf_tasks_begin(struct mh_bpf_tasks *tasks);

/*
 * The next records: their number, 0 after the last, or -errno. They are valid until the next call.
 * Every process that lives from _begin to the end is among them. One may come twice: when others
 * end meanwhile, or (MH_BPF_SEQ) when its first thread has exited; then with and without memory.
 */
int mh_bpf_tasks_next(struct mh_bpf_tasks *tasks, const struct mh_bpf_task **ret);

#endif
