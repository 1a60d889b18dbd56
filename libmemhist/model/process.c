/* What can be said of one process without looking anywhere else. */
#include "libmemhist/model/process.h"

#include <stdlib.h>
#include <string.h>

enum { KERNEL_COMM_MAX = 15 }; /* TASK_COMM_LEN - 1: where the kernel cuts comm */

size_t mh_process_program(const struct mh_process *p, const char **ret)
{
	const char *end, *slash, *name;
	size_t len;

	*ret = p->comm;
	if (p->comm_len != KERNEL_COMM_MAX || !p->cmdline_len)
		return p->comm_len;
	end = memchr(p->cmdline, '\0', p->cmdline_len);
	len = end ? (size_t)(end - p->cmdline) : p->cmdline_len;
	slash = memrchr(p->cmdline, '/', len);
	name = slash ? slash + 1 : p->cmdline;
	len -= (size_t)(name - p->cmdline);
	if (len <= KERNEL_COMM_MAX || len > MH_COMM_MAX || memcmp(name, p->comm, KERNEL_COMM_MAX))
		return p->comm_len;
	*ret = name;
	return len;
}

void mh_process_done(struct mh_process *p, struct mh_strpool *pool)
{
	free(p->cmdline);
	mh_strpool_put(pool, p->exe);
	mh_strpool_put(pool, p->cgroup);
}
