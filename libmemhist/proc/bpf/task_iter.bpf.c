/*
 * All processes as a stream of records, by the kernel's own iterator over tasks (>= 5.8). It visits
 * threads too: those whose first thread has lost its memory by exiting bring the memory of their
 * process, in a second record of it.
 *
 * The helpers used are those of 5.8; newer ones stand behind a check that removes them elsewhere.
 */
#include "libmemhist/proc/bpf/task_learn.bpf.h"
#include "libmemhist/proc/bpf/task_probe.bpf.h"

#pragma clang attribute push(__attribute__((preserve_access_index)), apply_to = record)

struct seq_file;

struct bpf_iter_meta {
	struct seq_file *seq;
};

struct bpf_iter__task {
	struct bpf_iter_meta *meta;
	struct task_struct *task;
};

#pragma clang attribute pop

/* The iterator shows our own pid namespace, so that is the only one we can serve. */
static __always_inline void learn_from_reader(struct secrets *s)
{
	struct task_struct *self = (void *)bpf_get_current_task();
	struct pid *pid = BPF_CORE_READ(self, thread_pid);

	learn(s, pid, BPF_CORE_READ(pid, level));
}

SEC("iter/task")
int show_task(struct bpf_iter__task *ctx)
{
	struct task_struct *t = ctx->task, *leader;
	struct secrets *s = find_secrets();
	struct mh_bpf_task out;
	uint32_t pid;

	if (!t || !s)
		return 0;
	leader = t->group_leader;
	if (t != leader && (leader->mm || !t->mm))
		return 0;
	if (!s->ready)
		learn_from_reader(s);
	pid = pid_in_namespace(s, leader);
	if (!pid)
		return 0;
	read_task(&out, leader, pid, s);
	if (t != leader)
		out.marks |= MH_BPF_ORPHAN;
	read_memory(&out, leader, t, s);
	bpf_seq_write(ctx->meta->seq, &out, sizeof(out));
	return 0;
}

const char LICENSE[] SEC("license") = "Dual MIT/GPL";
