/* Wanted command lines: one batch of an offload at a time, with who it was asked for. */
#include "libmemhist/proc/cmdlines.h"

#include "libmemhist/base/timespec.h"
#include "libmemhist/proc/parse.h"
#include "libmemhist/proc/scan_backend.h"

#include <errno.h>

/* A process that hangs again and again costs a wait in one of so many passes. */
enum { STUCK_EVERY = 16 };

void mh_cmdlines_begin(struct mh_cmdlines *c)
{
	uint64_t returned = mh_offload_returned(c->offload);

	c->deadline_ns = 0;
	c->n = c->at = 0;
	c->ask_stuck = returned != c->returned && !c->rest;
	if (c->ask_stuck) {
		c->returned = returned;
		c->rest = STUCK_EVERY;
	}
	c->rest -= c->rest > 0;
}

bool mh_cmdlines_want(struct mh_cmdlines *c, const struct mh_process *p, uint32_t slot)
{
	c->wanted[c->n].slot = slot;
	c->wanted[c->n++].id = p->id;
	return c->n == MH_OFFLOAD_BATCH;
}

void mh_cmdlines_read(struct mh_cmdlines *c)
{
	if (!c->n)
		return;
	if (!c->deadline_ns)
		c->deadline_ns = mh_monotonic_ns() + UINT64_C(1000000) * MH_CMDLINES_PASS_MS;
	for (uint32_t i = 0; i < c->n; i++)
		mh_offload_add(c->offload, c->wanted[i].id.pid, "cmdline");
	mh_offload_run(c->offload, c->deadline_ns);
	c->at = 0;
}

static void note_failure(struct mh_cmdlines *c, int rc, struct mh_cmdline *ret)
{
	ret->len = rc;
	switch (rc) {
	case -EAGAIN:
		ret->due = MH_CMDLINE_DUE;
		return;
	case -EMFILE:
	case -ENFILE:
	case -ENOMEM:
		ret->due = MH_CMDLINE_DUE;
		break;
	case -ETIMEDOUT:
	case -EBUSY:
		ret->due = MH_CMDLINE_STUCK;
	}
	mh_scan_count(c->stats, rc);
}

/* What does not wait for the process. Not to be known is no failure: others' programs are secret.
 */
static void read_paths(struct mh_cmdlines *c, uint32_t pid, struct mh_cmdline *ret)
{
	int n = mh_pidfile_exe(c->root, pid, c->exe);

	ret->exe = c->exe;
	ret->exe_len = n > 0 ? (size_t)n : 0;
	n = mh_pidfile_cgroup(c->root, pid, c->cgroup, &ret->cgroup);
	ret->cgroup_len = n > 0 ? (size_t)n : 0;
}

bool mh_cmdlines_next(struct mh_cmdlines *c, const struct mh_table *table, struct mh_cmdline *ret)
{
	while (c->at < c->n) {
		uint32_t i = c->at++;
		struct mh_process *p = mh_table_at(table, c->wanted[i].slot);
		int n;

		if (!p || !mh_identity_same(&p->id, &c->wanted[i].id))
			continue;
		*ret = (struct mh_cmdline){.process = p};
		n = mh_offload_answer(c->offload, i, &ret->bytes);
		if (n < 0)
			note_failure(c, n, ret);
		else
			ret->len = (int)mh_parse_cmdline(ret->bytes, (size_t)n);
		read_paths(c, p->id.pid, ret);
		return true;
	}
	c->n = c->at = 0;
	return false;
}

void mh_cmdlines_give(struct mh_cmdlines *c, struct mh_table *table, const struct mh_cmdline *line)
{
	struct mh_names names;
	int rc;

	mh_names_of(line->process, &names);
	names.cmdline = line->bytes;
	names.cmdline_len = (size_t)line->len;
	names.exe = line->exe;
	names.exe_len = line->exe_len;
	names.cgroup = line->cgroup;
	names.cgroup_len = line->cgroup_len;
	rc = mh_table_rename(table, line->process, &names);
	if (rc < 0)
		mh_scan_count(c->stats, rc);
}
