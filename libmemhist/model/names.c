/* The names of a process: compared with those it has, and copied when they are others. */
#include "libmemhist/model/names.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

static bool same_bytes(const char *a, size_t a_len, const char *b, size_t b_len)
{
	return a_len == b_len && (!a_len || !memcmp(a, b, a_len));
}

static bool is_pooled(const struct mh_pooled *pooled, const char *bytes, size_t len)
{
	return same_bytes(pooled ? pooled->bytes : NULL, pooled ? pooled->len : 0, bytes, len);
}

static size_t at_most(size_t len, size_t max)
{
	return len < max ? len : max;
}

/* Copies of strings that are not the process' yet. */
struct new_strings {
	char *cmdline;
	const struct mh_pooled *exe, *cgroup;
};

static bool copy_strings(struct mh_strpool *pool, const struct mh_names *n, struct new_strings *ret)
{
	*ret = (struct new_strings){0};
	if (n->cmdline_len) {
		ret->cmdline = malloc(n->cmdline_len);
		if (ret->cmdline)
			memcpy(ret->cmdline, n->cmdline, n->cmdline_len);
	}
	if (n->exe_len)
		ret->exe = mh_strpool_get(pool, n->exe, n->exe_len);
	if (n->cgroup_len)
		ret->cgroup = mh_strpool_get(pool, n->cgroup, n->cgroup_len);
	if ((n->cmdline_len && !ret->cmdline) || (n->exe_len && !ret->exe) ||
	    (n->cgroup_len && !ret->cgroup)) {
		free(ret->cmdline);
		mh_strpool_put(pool, ret->exe);
		mh_strpool_put(pool, ret->cgroup);
		return false;
	}
	return true;
}

/* Give p the names, which are cut already. Returns -ENOMEM; then p is as it was. */
static int give(struct mh_process *p, const struct mh_names *n, struct mh_strpool *pool)
{
	struct new_strings strings;

	if (!copy_strings(pool, n, &strings))
		return -ENOMEM;
	mh_process_done(p, pool);
	p->cmdline = strings.cmdline;
	p->cmdline_len = (uint32_t)n->cmdline_len;
	p->exe = strings.exe;
	p->cgroup = strings.cgroup;
	p->ppid = n->ppid;
	p->uid = n->uid;
	memmove(p->comm, n->comm, n->comm_len); /* may be its own */
	p->comm[n->comm_len] = '\0';
	p->comm_len = (uint32_t)n->comm_len;
	return 0;
}

static struct mh_names cut(const struct mh_names *names)
{
	struct mh_names n = *names;

	n.comm_len = strnlen(n.comm, at_most(n.comm_len, MH_COMM_MAX));
	n.cmdline_len = at_most(n.cmdline_len, MH_CMDLINE_MAX);
	n.exe_len = at_most(n.exe_len, MH_PATH_MAX);
	n.cgroup_len = at_most(n.cgroup_len, MH_PATH_MAX);
	return n;
}

static bool has(const struct mh_process *p, const struct mh_names *n)
{
	return p->ppid == n->ppid && p->uid == n->uid &&
	       same_bytes(p->comm, p->comm_len, n->comm, n->comm_len) &&
	       same_bytes(p->cmdline, p->cmdline_len, n->cmdline, n->cmdline_len) &&
	       is_pooled(p->exe, n->exe, n->exe_len) &&
	       is_pooled(p->cgroup, n->cgroup, n->cgroup_len);
}

int mh_names_give(const struct mh_names *names, struct mh_process *p, struct mh_strpool *pool)
{
	const struct mh_names n = cut(names);

	if (has(p, &n))
		return 0;
	return give(p, &n, pool) ? -ENOMEM : 1;
}

void mh_names_of(const struct mh_process *p, struct mh_names *ret)
{
	*ret = (struct mh_names){
		.ppid = p->ppid,
		.uid = p->uid,
		.comm = p->comm,
		.comm_len = p->comm_len,
		.cmdline = p->cmdline,
		.cmdline_len = p->cmdline_len,
		.exe = p->exe ? p->exe->bytes : NULL,
		.exe_len = p->exe ? p->exe->len : 0,
		.cgroup = p->cgroup ? p->cgroup->bytes : NULL,
		.cgroup_len = p->cgroup ? p->cgroup->len : 0,
	};
}
