/* The self-check: nine processes between two readings of their statm. */
#include "libmemhist/proc/bpf_check.h"

#include "libmemhist/proc/pidfile.h"

#include <errno.h>
#include <string.h>
#include <unistd.h>

enum {
	SAMPLES = 9, /* this process and eight others */
	TRIES = 3,
	/* what a CPU may keep to itself of each of the three counters: more than any batch */
	UNBOOKED_PAGES = 3 * 1024,
};

struct sample {
	uint32_t pid;
	bool readable; /* statm before the pass */
	struct mh_statm before;
	bool met;
	struct mh_bpf_task task;
};

/* Whether /proc can be expected to say the same of it. */
static bool is_plain(const struct mh_bpf_task *task)
{
	return task->marks == MH_BPF_HAS_MM;
}

/*
 * This process and others spread evenly over the list: each `step`-th of those that are plain.
 * Returns how many were chosen or -errno; *ret_plain is how many there are.
 */
static int choose(struct mh_bpf_tasks *tasks, uint32_t own_pid, uint32_t step,
		  struct sample sample[SAMPLES], uint32_t *ret_plain)
{
	const struct mh_bpf_task *task;
	uint32_t plain = 0;
	int n, chosen = 1, rc = mh_bpf_tasks_begin(tasks);

	if (rc < 0)
		return rc;
	sample[0] = (struct sample){.pid = own_pid};
	while ((n = mh_bpf_tasks_next(tasks, &task)) > 0) {
		for (int i = 0; i < n; i++) {
			if (!is_plain(&task[i]) || task[i].pid == own_pid)
				continue;
			if (plain++ % step == 0 && chosen < SAMPLES)
				sample[chosen++] = (struct sample){.pid = task[i].pid};
		}
	}
	*ret_plain = plain;
	return n < 0 ? n : chosen;
}

static int read_statm(const struct mh_root *root, uint32_t pid, struct mh_statm *ret)
{
	int rc, fd = mh_pidfile_open(root, pid, "statm");

	if (fd < 0)
		return fd;
	rc = mh_pidfile_statm(fd, ret);
	close(fd);
	return rc;
}

/* The records of the samples, by one pass. */
static int meet(struct mh_bpf_tasks *tasks, struct sample *sample, int n_samples)
{
	const struct mh_bpf_task *task;
	int n, rc = mh_bpf_tasks_begin(tasks);

	if (rc)
		return rc;
	while ((n = mh_bpf_tasks_next(tasks, &task)) > 0) {
		for (int i = 0; i < n; i++)
			for (int s = 0; s < n_samples; s++)
				if (task[i].pid == sample[s].pid && is_plain(&task[i])) {
					sample[s].task = task[i];
					sample[s].met = true;
				}
	}
	return n;
}

static bool same_rss(const struct mh_bpf_tasks *tasks, uint64_t rss, uint64_t statm)
{
	uint64_t off = rss > statm ? rss - statm : statm - rss;
	uint64_t may_be = mh_bpf_tasks_are_exact(tasks)
				  ? 0
				  : (uint64_t)sysconf(_SC_NPROCESSORS_CONF) * UNBOOKED_PAGES;

	return off <= may_be;
}

/* 1: the sample agrees with /proc; 0: it cannot be judged; -EBADMSG: it does not agree. */
static int judge(const struct mh_bpf_tasks *tasks, const struct mh_root *root,
		 const struct mh_bpf_place *place, const struct sample *s, struct mh_err *err)
{
	uint64_t rss = mh_bpf_rss_pages(&s->task);
	uint64_t start = mh_bpf_start_ticks(&s->task, place);
	char text[MH_STAT_TEXT_MAX];
	struct mh_statm after;
	struct mh_stat stat;

	if (!s->readable || !s->met || mh_pidfile_stat(root, s->pid, text, &stat) ||
	    read_statm(root, s->pid, &after))
		return 0;
	if (stat.start_ticks != start)
		return mh_errf(err, -EBADMSG,
			       "BPF: start time of process %u is %llu, but %llu in %s/%u/stat",
			       s->pid, (unsigned long long)start,
			       (unsigned long long)stat.start_ticks, root->path, s->pid);
	if (after.vsz_pages != s->before.vsz_pages || after.rss_pages != s->before.rss_pages)
		return 0;
	if (s->task.vsz_pages != after.vsz_pages || !same_rss(tasks, rss, after.rss_pages))
		return mh_errf(err, -EBADMSG,
			       "BPF: process %u has %llu pages, %llu resident, but %llu and %llu "
			       "in %s/%u/statm",
			       s->pid, (unsigned long long)s->task.vsz_pages,
			       (unsigned long long)rss, (unsigned long long)after.vsz_pages,
			       (unsigned long long)after.rss_pages, root->path, s->pid);
	return 1;
}

/* One comparison of all samples, of which the first is this process. */
static int compare(struct mh_bpf_tasks *tasks, const struct mh_root *root,
		   const struct mh_bpf_place *place, struct sample *sample, int n,
		   bool *ret_own_agrees, struct mh_err *err)
{
	int rc;

	for (int i = 0; i < n; i++) {
		sample[i].met = false;
		sample[i].readable = !read_statm(root, sample[i].pid, &sample[i].before);
	}
	rc = meet(tasks, sample, n);
	if (rc)
		return mh_err_sys(err, rc, "BPF: processes cannot be read");
	*ret_own_agrees = false;
	for (int i = 0; i < n; i++) {
		rc = judge(tasks, root, place, &sample[i], err);
		if (rc < 0)
			return rc;
		if (!i)
			*ret_own_agrees = rc;
	}
	return 0;
}

int mh_bpf_check(struct mh_bpf_tasks *tasks, const struct mh_root *root,
		 const struct mh_bpf_place *place, struct mh_err *err)
{
	struct sample sample[SAMPLES];
	uint32_t plain;
	int n = choose(tasks, place->own_pid, UINT32_MAX, sample, &plain);
	bool own_agrees = false;
	int rc = 0;

	if (n >= 0)
		n = choose(tasks, place->own_pid, plain / SAMPLES + 1, sample, &plain);
	if (n < 0)
		return mh_err_sys(err, n, "BPF: processes cannot be read");
	/* again when a process changed, or changed there and back, while it was looked at */
	for (int try = 0; try < TRIES && (!own_agrees || rc); try++) {
		rc = compare(tasks, root, place, sample, n, &own_agrees, err);
		if (rc && rc != -EBADMSG)
			break;
	}
	if (rc)
		return rc;
	if (!own_agrees)
		return mh_errf(err, -EBADMSG, "BPF: this process, %u, is not found as %s has it",
			       place->own_pid, root->path);
	return 0;
}
