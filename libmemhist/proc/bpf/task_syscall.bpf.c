/*
 * All processes into a map that user space has mapped, in one system call: the kernel's list is
 * walked by an open-coded iterator (>= 6.7), and nothing is copied afterwards.
 *
 * Nothing here calls bpf_probe_read_kernel(): what the verifier has no type for is read through a
 * pointer cast to a kernel type, which is a plain load.
 */
#include "libmemhist/proc/bpf/task_learn.bpf.h"

/* kernel/bpf/task_iter.c, kernel/bpf/helpers.c */
struct bpf_iter_task {
	uint64_t opaque[3];
} __attribute__((aligned(8)));

extern int bpf_iter_task_new(struct bpf_iter_task *it, struct task_struct *task,
			     unsigned flags) __ksym;
extern struct task_struct *bpf_iter_task_next(struct bpf_iter_task *it) __ksym;
extern void bpf_iter_task_destroy(struct bpf_iter_task *it) __ksym;
extern void bpf_rcu_read_lock(void) __ksym;
extern void bpf_rcu_read_unlock(void) __ksym;
extern void *bpf_rdonly_cast(void *obj, uint32_t btf_id) __ksym;

enum {
	ALL_PROCESSES = 0, /* BPF_TASK_ITER_ALL_PROCS */
	THREADS_TRIED = 64,
};

struct mh_bpf_window window;

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(map_flags, BPF_F_MMAPABLE);
	__uint(max_entries, 1); /* set to config.window before loading */
	__type(key, uint32_t);
	__type(value, struct mh_bpf_task);
} tasks SEC(".maps");

/* The address as a pointer to a kernel type */
#define AT(address, type) \
	((type *)bpf_rdonly_cast((void *)(address), bpf_core_type_id_kernel(type)))

static __always_inline void load_counters(const uint64_t at[4], uint64_t offset, int32_t ret[4])
{
	ret[0] = AT(at[0] + offset, struct refcount_struct)->refs.counter;
	ret[1] = AT(at[1] + offset, struct refcount_struct)->refs.counter;
	ret[2] = AT(at[2] + offset, struct refcount_struct)->refs.counter;
	ret[3] = AT(at[3] + offset, struct refcount_struct)->refs.counter;
}

static __always_inline uint64_t load_u64(uint64_t address)
{
	return (uint64_t)AT(address, struct list_head)->next;
}

static __always_inline void load_upid(uint64_t address, struct upid *ret)
{
	struct upid *upid = AT(address, struct upid);

	ret->nr = upid->nr;
	ret->ns = upid->ns;
}

/* The first thread of a process that still has memory; t when there is none. */
static __always_inline struct task_struct *living_thread(struct task_struct *t)
{
	uint64_t node = (uint64_t)t->signal->thread_head.next;

#pragma clang loop unroll(disable)
	for (int i = 0; i < THREADS_TRIED; i++) {
		struct task_struct *thread = AT(
			node - bpf_core_field_offset(struct task_struct, thread_node),
			struct task_struct);

		if (thread->mm)
			return thread;
		node = load_u64(node);
	}
	return AT(t, struct task_struct);
}

/* To be run once, before the first reading. */
SEC("syscall")
int prepare(void)
{
	struct task_struct *self = bpf_get_current_task_btf();
	struct secrets *s = find_secrets();
	struct pid *pid = self->thread_pid;

	if (!s || !pid || pid->level < config.namespaces_up)
		return 1;
	learn(s, pid, pid->level - config.namespaces_up);
	return 0;
}

/*
 * Write the record of the task at this address into the window. A function of its own, checked by
 * the verifier once and not along every path through the loop that calls it.
 */
__noinline int write_task(uint64_t address, uint32_t pid, uint32_t at)
{
	struct task_struct *t = AT(address, struct task_struct), *thread = t;
	struct mh_bpf_task *out = bpf_map_lookup_elem(&tasks, &at);
	struct secrets *s = find_secrets();

	if (!out || !s)
		return 0;
	read_task(out, t, pid, s);
	if (!t->mm && !(out->flags & PF_KTHREAD) && t->signal->live.counter > 0) {
		out->marks |= MH_BPF_ORPHAN;
		thread = living_thread(t);
	}
	read_memory(out, t, thread, s);
	return 1;
}

SEC("syscall")
int read_tasks(void)
{
	struct secrets *s = find_secrets();
	struct bpf_iter_task it;
	struct task_struct *t;

	if (!s || !s->ready)
		return 1;
	window.n = 0;
	window.more = 0;
	window.found = !window.after_pid;
	bpf_rcu_read_lock();
	bpf_iter_task_new(&it, NULL, ALL_PROCESSES);
	while ((t = bpf_iter_task_next(&it))) {
		uint32_t pid = pid_in_namespace(s, t);

		if (!pid)
			continue;
		if (!window.found) {
			window.found = pid == window.after_pid &&
				       t->start_boottime == window.after_start_ns;
			continue;
		}
		if (!write_task(as_number(s, t), pid, window.n)) {
			window.more = 1;
			break;
		}
		window.n++;
	}
	bpf_iter_task_destroy(&it);
	bpf_rcu_read_unlock();
	return 0;
}

const char LICENSE[] SEC("license") = "Dual MIT/GPL";
