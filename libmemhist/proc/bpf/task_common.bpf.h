/*
 * What the task programs share: the kernel's types as far as we read them, and how a record is
 * made of a task.
 *
 * The types are ours, not those of a vmlinux.h: each names only the members used, and libbpf
 * replaces every offset by the running kernel's (CO-RE). An array inside such a type must be
 * indexed by literals, since the stride of a variable index would be that of our type.
 *
 * The object that includes this header says how memory is read that the verifier has no type for:
 *   load_u64(address), load_upid(address, struct upid *),
 *   load_counters(four addresses, offset of the CPU, four s32 *)
 * by defining these functions, or by including task_probe.bpf.h.
 */
#ifndef MEMHIST_PROC_BPF_TASK_COMMON_BPF_H
#define MEMHIST_PROC_BPF_TASK_COMMON_BPF_H

#include "libmemhist/proc/bpf/task.h"

#include <stdbool.h>

typedef uint8_t __u8;
typedef uint16_t __u16;
typedef uint32_t __u32;
typedef uint64_t __u64;
typedef int32_t __s32;
typedef int64_t __s64;
typedef uint16_t __be16;
typedef uint32_t __be32;
typedef uint32_t __wsum;

#include <bpf/bpf_helpers.h>

#include <bpf/bpf_core_read.h>

/* include/uapi/linux/bpf.h, whose numbers are for ever */
enum {
	BPF_MAP_TYPE_ARRAY = 2,
	BPF_MAP_TYPE_PERCPU_ARRAY = 6,
	BPF_F_MMAPABLE = 1 << 10,
};

#define PF_KTHREAD 0x00200000u /* include/linux/sched.h */

#pragma clang attribute push(__attribute__((preserve_access_index)), apply_to = record)

typedef struct {
	int counter;
} atomic_t;

struct list_head {
	struct list_head *next;
};

struct refcount_struct {
	atomic_t refs;
};

struct pid_namespace {
	unsigned level;
};

struct upid {
	int nr;
	struct pid_namespace *ns;
};

struct pid {
	unsigned level;
	struct upid numbers[1];
};

typedef struct {
	unsigned val;
} kuid_t;

struct cred {
	kuid_t euid;
};

struct kernfs_node {
	uint64_t id;
};

struct cgroup {
	struct kernfs_node *kn;
};

struct css_set {
	struct cgroup *dfl_cgrp;
};

struct signal_struct {
	atomic_t live;
	int nr_threads;
	unsigned long maxrss;
	struct list_head thread_head;
};

struct percpu_counter {
	int64_t count;
	int32_t *counters;
};

struct task_struct;

struct mm_struct {
	unsigned long hiwater_rss;
	unsigned long hiwater_vm;
	unsigned long total_vm;
	unsigned long locked_vm;
	struct percpu_counter rss_stat[4]; /* >= 6.2 */
	struct task_struct *owner;         /* CONFIG_MEMCG */
};

/* A structure, as in the kernel: libbpf does not take a field of another kind for the same one. */
typedef struct {
	int64_t counter;
} atomic_long_t;

struct mm_rss_stat {
	atomic_long_t count[4];
};

struct mm_struct___pre62 {
	struct mm_rss_stat rss_stat;
};

struct task_struct {
	unsigned __state; /* >= 5.14 */
	unsigned flags;
	struct mm_struct *mm;
	int exit_state;
	int pid;
	int tgid;
	struct task_struct *real_parent;
	struct task_struct *group_leader;
	struct pid *thread_pid;
	struct list_head thread_node;
	uint64_t start_boottime;
	const struct cred *real_cred;
	char comm[MH_BPF_COMM_BYTES];
	struct signal_struct *signal;
	uint64_t self_exec_id;
	struct css_set *cgroups;
};

struct task_struct___pre514 {
	long state;
};

/* >= 6.16, together with the second argument of the tracepoint */
struct trace_event_raw_sched_process_exit {
	bool group_dead;
};

#pragma clang attribute pop

const volatile struct mh_bpf_config config;

/* What must not be seen from user space: addresses of the kernel. Hence no global variable. */
struct secrets {
	uint32_t ready;
	uint32_t level;           /* of the pid namespace of the procfs */
	struct pid_namespace *ns; /* that namespace; only compared */
	uint64_t scratch;
	uint64_t offset[MH_BPF_CPUS_MAX]; /* where the per-CPU area of config.cpu[i] begins */
};

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, 1);
	__type(key, uint32_t);
	__type(value, struct secrets);
} secrets_map SEC(".maps");

static __always_inline void load_counters(const uint64_t at[4], uint64_t offset, int32_t ret[4]);
static __always_inline uint64_t load_u64(uint64_t address);
static __always_inline void load_upid(uint64_t address, struct upid *ret);

static __always_inline struct secrets *find_secrets(void)
{
	uint32_t zero = 0;

	return bpf_map_lookup_elem(&secrets_map, &zero);
}

/* Whether RSS is counted per CPU here (>= 6.2). */
static __always_inline bool has_percpu_rss(void)
{
	return !bpf_core_field_exists(((struct mm_struct___pre62 *)0)->rss_stat.count);
}

/* Whether the memory of a process is still there when its end is reported (>= 6.16). */
static __always_inline bool ends_with_memory(void)
{
	return bpf_core_field_exists(((struct trace_event_raw_sched_process_exit *)0)->group_dead);
}

/* A pointer as a number, which the verifier lets us calculate with: by way of memory. */
static __always_inline uint64_t as_number(struct secrets *s, const void *pointer)
{
	volatile uint64_t *scratch = &s->scratch;

	*scratch = (uint64_t)pointer;
	return *scratch;
}

/* The number of a process in the pid namespace of the procfs; 0: it is not there. */
static __always_inline uint32_t pid_in_namespace(const struct secrets *s, struct task_struct *t)
{
	struct upid upid = {0};
	struct pid *pid;

	if (!s->level) {
		uint32_t tgid = t->tgid;

		/* or the compiler makes one load of two kinds of pointers */
		barrier_var(tgid);
		return tgid;
	}
	pid = t->thread_pid;
	if (!pid || pid->level < s->level)
		return 0;
	load_upid((uint64_t)pid + bpf_core_field_offset(struct pid, numbers) +
			  s->level * bpf_core_type_size(struct upid),
		  &upid);
	return upid.ns == s->ns ? upid.nr : 0;
}

static __always_inline uint64_t not_negative(int64_t value)
{
	return value & ~(value >> 63); /* without a branch for the verifier to follow */
}

/*
 * The counters of RSS. One per CPU holds what that CPU has not booked yet: with them the sum is
 * that of statm and status, without them it is off by a batch per CPU, like field 24 of stat.
 */
static __always_inline void read_rss_percpu(struct mh_bpf_task *out, struct mm_struct *mm,
					    const struct secrets *s)
{
	int64_t file = mm->rss_stat[0].count, anon = mm->rss_stat[1].count;
	int64_t swap = mm->rss_stat[2].count, shmem = mm->rss_stat[3].count;
	const uint64_t at[4] = {
		(uint64_t)mm->rss_stat[0].counters,
		(uint64_t)mm->rss_stat[1].counters,
		(uint64_t)mm->rss_stat[2].counters,
		(uint64_t)mm->rss_stat[3].counters,
	};

	/* some kernels give a process its per-CPU counters with its second thread only */
	if (at[0]) {
#pragma clang loop unroll(disable)
		for (uint32_t i = 0; i < MH_BPF_CPUS_MAX && i < config.n_cpus; i++) {
			int32_t unbooked[4] = {0};

			load_counters(at, s->offset[i], unbooked);
			file += unbooked[0];
			anon += unbooked[1];
			swap += unbooked[2];
			shmem += unbooked[3];
		}
	}
	out->file_pages = not_negative(file);
	out->anon_pages = not_negative(anon);
	out->swap_pages = not_negative(swap);
	out->shmem_pages = not_negative(shmem);
}

static __always_inline void read_rss_pre62(struct mh_bpf_task *out, struct mm_struct *mm)
{
	struct mm_struct___pre62 *old = (void *)mm;
	int64_t count[4] = {0};

	bpf_probe_read_kernel(count, sizeof(count), &old->rss_stat.count);
	out->file_pages = not_negative(count[0]);
	out->anon_pages = not_negative(count[1]);
	out->swap_pages = not_negative(count[2]);
	out->shmem_pages = not_negative(count[3]);
}

static __always_inline void clear_memory(struct mh_bpf_task *out)
{
	out->file_pages = out->anon_pages = out->swap_pages = out->shmem_pages = 0;
	out->vsz_pages = out->hiwater_rss_pages = out->hiwater_vsz_pages = out->locked_pages = 0;
}

/*
 * The memory of thread t of the process `leader`. t->mm may be left and even freed while it is
 * read; that is harmless, and told by t->mm being another one afterwards.
 */
static __always_inline void read_memory(struct mh_bpf_task *out, struct task_struct *leader,
					struct task_struct *t, const struct secrets *s)
{
	struct mm_struct *mm = t->mm;

	/* kernel threads borrow the memory of others */
	if (!mm || out->flags & PF_KTHREAD) {
		clear_memory(out);
		return;
	}
	out->marks |= MH_BPF_HAS_MM;
	if (has_percpu_rss())
		read_rss_percpu(out, mm, s);
	else
		read_rss_pre62(out, mm);
	out->vsz_pages = mm->total_vm;
	out->hiwater_rss_pages = mm->hiwater_rss;
	out->hiwater_vsz_pages = mm->hiwater_vm;
	out->locked_pages = mm->locked_vm;
	if (bpf_core_field_exists(mm->owner)) {
		struct task_struct *owner = mm->owner;

		if (owner && owner != leader && owner->tgid != leader->tgid)
			out->marks |= MH_BPF_SHARES;
	}
	barrier();
	if (t->mm != mm)
		out->marks |= MH_BPF_TORN;
}

/* Everything but the memory of a process, whose pid is known. */
static __always_inline void read_task(struct mh_bpf_task *out, struct task_struct *t, uint32_t pid,
				      const struct secrets *s)
{
	uint32_t state;

	out->start_ns = t->start_boottime;
	out->pid = pid;
	out->marks = 0;
	out->reserved = 0;
	out->flags = t->flags;
	out->exec = (uint32_t)t->self_exec_id;
	if (bpf_core_field_exists(t->__state))
		state = t->__state;
	else
		state = (uint32_t)((struct task_struct___pre514 *)t)->state;
	out->state = (uint16_t)(state | t->exit_state);
	__builtin_memcpy(out->comm, t->comm, sizeof(out->comm));
	out->threads = t->signal->nr_threads;
	out->ppid = pid_in_namespace(s, t->real_parent->group_leader);
	out->euid = t->real_cred->euid.val;
	out->cgroup = t->cgroups->dfl_cgrp->kn->id;
}

#endif
