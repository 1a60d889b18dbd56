/*
 * A record of each process that ends, with the peaks of its memory, into a ring buffer (>= 5.8).
 * Nobody is woken: the ring is emptied when its reader comes by.
 *
 * The program runs in the thread that exits. What it has to know of the kernel and the procfs is
 * learned by a task program, whose secrets_map it shares.
 *
 * Where the kernel calls it has changed with 6.16. Before, the memory has been given up by then,
 * and what is left of it is signal->maxrss (ru_maxrss of getrusage(2)). The kernel raises that to
 * the peak of the memory that is left, in exec and in the end, so it is never less than the last
 * program's peak, but can be that of a program before it, or of the parent when it was vforked.
 * Hence two more programs there: they note maxrss where a program begins. When it is higher in the
 * end, it was this program that raised it, and it is its peak; else all we know is that the peak
 * was not higher.
 */
#include "libmemhist/proc/bpf/exit.h"
#include "libmemhist/proc/bpf/task_probe.bpf.h"

enum {
	BPF_MAP_TYPE_LRU_HASH = 9,
	BPF_MAP_TYPE_RINGBUF = 27,
	BPF_NOEXIST = 1,
	BPF_RB_NO_WAKEUP = 1,
	LAST_ONES = 1024,
	BEGUN_MAX = 4096, /* 0.4 MiB; those that live long are sampled, the oldest may go */
};

struct {
	__uint(type, BPF_MAP_TYPE_RINGBUF);
	__uint(max_entries, 4096); /* set before loading */
} ring SEC(".maps");

struct process {
	uint64_t start_ns;
	uint64_t pid;
};

struct {
	__uint(type, BPF_MAP_TYPE_LRU_HASH);
	__uint(max_entries, LAST_ONES);
	__type(key, struct process);
	__type(value, uint8_t);
} ended SEC(".maps");

/*
 * Before 6.16: maxrss when the process' program began. Of a process that is not in here it is not
 * known: it began before us, runs in its parent's memory until it calls exec, or had to make room.
 */
struct {
	__uint(type, BPF_MAP_TYPE_LRU_HASH);
	__uint(max_entries, BEGUN_MAX);
	__type(key, struct process);
	__type(value, uint64_t);
} begun SEC(".maps");

uint64_t lost; /* records that the ring had no room for */

static __always_inline void name_process(struct process *ret, const struct task_struct *leader)
{
	ret->start_ns = leader->start_boottime;
	ret->pid = leader->tgid;
}

/*
 * Whether the process ends with this thread. Before 6.16 it must be concluded from the count of
 * living threads; two that exit at once can both find it 0, and the first one counts.
 */
static __always_inline bool is_last(const uint64_t *ctx, struct task_struct *leader)
{
	struct process process;
	uint8_t yes = 1;

	if (ends_with_memory())
		return ctx[1] & 1;
	if (leader->signal->live.counter)
		return false;
	name_process(&process, leader);
	return !bpf_map_update_elem(&ended, &process, &yes, BPF_NOEXIST);
}

static __always_inline uint64_t higher(uint64_t a, uint64_t b)
{
	return a > b ? a : b;
}

/* The peaks of a process whose record `task` is complete. */
static __always_inline void read_peaks(struct mh_bpf_exit *out, const struct mh_bpf_task *task)
{
	if (task->marks & MH_BPF_SHARES) {
		out->marks = MH_BPF_EXIT_SHARED;
	} else if (task->marks & MH_BPF_HAS_MM) {
		out->marks = MH_BPF_EXIT_PEAK;
		if (has_percpu_rss() && !config.n_cpus)
			out->marks |= MH_BPF_EXIT_INEXACT;
		/* the kernel books the mark when RSS shrinks; until then RSS itself is the peak */
		out->peak_rss_pages = higher(task->hiwater_rss_pages, task->file_pages +
									      task->anon_pages +
									      task->shmem_pages);
		out->peak_vsz_pages = higher(task->hiwater_vsz_pages, task->vsz_pages);
	}
}

/* The same before 6.16. */
static __always_inline void read_maxrss(struct mh_bpf_exit *out, const struct task_struct *leader)
{
	struct process process;
	uint64_t *before;

	out->peak_rss_pages = leader->signal->maxrss;
	name_process(&process, leader);
	before = bpf_map_lookup_elem(&begun, &process);
	if (!before || *before >= out->peak_rss_pages) {
		out->marks = MH_BPF_EXIT_BOUND;
		return;
	}
	out->marks = MH_BPF_EXIT_PEAK;
	/* the kernel adds up what the CPUs have booked */
	if (has_percpu_rss())
		out->marks |= MH_BPF_EXIT_INEXACT;
}

SEC("tp_btf/sched_process_exit")
int process_exits(uint64_t *ctx)
{
	struct task_struct *t = (void *)ctx[0], *leader = t->group_leader;
	struct secrets *s = find_secrets();
	struct mh_bpf_task task;
	struct mh_bpf_exit *out;
	uint32_t pid;

	if (!s || !s->ready || leader->flags & PF_KTHREAD || !is_last(ctx, leader))
		return 0;
	pid = pid_in_namespace(s, leader);
	if (!pid)
		return 0;
	out = bpf_ringbuf_reserve(&ring, sizeof(*out), 0);
	if (!out) {
		__sync_fetch_and_add(&lost, 1);
		return 0;
	}
	read_task(&task, leader, pid, s);
	out->start_ns = task.start_ns;
	out->cgroup = task.cgroup;
	out->peak_rss_pages = 0;
	out->peak_vsz_pages = 0;
	out->pid = pid;
	out->ppid = task.ppid;
	out->euid = task.euid;
	out->exec = task.exec;
	out->flags = task.flags;
	__builtin_memcpy(out->comm, task.comm, sizeof(out->comm));
	out->marks = 0;
	if (ends_with_memory()) {
		read_memory(&task, leader, t, s);
		read_peaks(out, &task);
	} else {
		read_maxrss(out, leader);
	}
	bpf_ringbuf_submit(out, BPF_RB_NO_WAKEUP);
	return 0;
}

/* --- where programs begin; loaded where the memory is gone in the end only -------------------- */

static __always_inline void note_begin(struct task_struct *leader)
{
	struct process process;
	uint64_t maxrss = leader->signal->maxrss;

	name_process(&process, leader);
	bpf_map_update_elem(&begun, &process, &maxrss, 0);
}

SEC("tp_btf/sched_process_fork")
int process_forks(uint64_t *ctx)
{
	struct task_struct *parent = (void *)ctx[0], *child = (void *)ctx[1];

	/* not threads, and not who has its parent's memory until it calls exec */
	if (child->group_leader == child && child->mm && child->mm != parent->mm)
		note_begin(child);
	return 0;
}

/* Whoever calls exec is the leader now, and maxrss the peak of the memory that was left. */
SEC("tp_btf/sched_process_exec")
int process_execs(uint64_t *ctx)
{
	note_begin((void *)ctx[0]);
	return 0;
}

const char LICENSE[] SEC("license") = "Dual MIT/GPL";
