/*
 * All processes as a stream of records, by the kernel's own iterator over tasks (>= 5.8). It visits
 * threads too: those whose first thread has lost its memory by exiting bring the memory of their
 * process, in a second record of it.
 *
 * The helpers used are those of 5.8; newer ones stand behind a check that removes them elsewhere.
 */
#include "libmemhist/proc/bpf/task_common.bpf.h"

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

static __always_inline void load_counters(const uint64_t at[4], uint64_t offset, int32_t ret[4])
{
	/* side by side since 6.6: one call instead of four */
	if (at[1] - at[0] == 4 && at[2] - at[1] == 4 && at[3] - at[2] == 4) {
		bpf_probe_read_kernel(ret, 4 * sizeof(*ret), (void *)(at[0] + offset));
		return;
	}
	bpf_probe_read_kernel(&ret[0], sizeof(*ret), (void *)(at[0] + offset));
	bpf_probe_read_kernel(&ret[1], sizeof(*ret), (void *)(at[1] + offset));
	bpf_probe_read_kernel(&ret[2], sizeof(*ret), (void *)(at[2] + offset));
	bpf_probe_read_kernel(&ret[3], sizeof(*ret), (void *)(at[3] + offset));
}

static __always_inline uint64_t load_u64(uint64_t address)
{
	uint64_t value = 0;

	bpf_probe_read_kernel(&value, sizeof(value), (void *)address);
	return value;
}

static __always_inline void load_upid(uint64_t address, struct upid *ret)
{
	bpf_probe_read_kernel(&ret->nr, sizeof(ret->nr),
			      (void *)(address + bpf_core_field_offset(struct upid, nr)));
	ret->ns = (void *)load_u64(address + bpf_core_field_offset(struct upid, ns));
}

/* The iterator shows our own pid namespace, so that is the only one we can serve. */
static __always_inline void learn(struct secrets *s)
{
	struct task_struct *self = (void *)bpf_get_current_task();
	struct pid *pid = BPF_CORE_READ(self, thread_pid);
	struct upid upid = {0};

	s->level = BPF_CORE_READ(pid, level);
	load_upid((uint64_t)pid + bpf_core_field_offset(struct pid, numbers) +
			  s->level * bpf_core_type_size(struct upid),
		  &upid);
	s->ns = upid.ns;
	if (has_percpu_rss())
		learn_offsets(s);
	s->ready = 1;
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
		learn(s);
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
