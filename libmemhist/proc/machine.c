/*
 * Reading the machine's files. Descriptors of the kernel's own are kept, since reading meminfo
 * costs half as much without opening it; files of a tree that only looks like a procfs may be
 * replaced by others, and are opened each time.
 */
#include "libmemhist/proc/machine.h"

#include "libmemhist/proc/parse.h"

#include <unistd.h>

enum { MEMINFO, VMSTAT, PRESSURE };
enum { TEXT_BYTES_MAX = 64 * 1024 }; /* the kernel gives 1.6, 4 and 0.1 KiB */

static const char *const names[MH_MACHINE_FILES] = {
	[MEMINFO] = "meminfo",
	[VMSTAT] = "vmstat",
	[PRESSURE] = "pressure/memory",
};

void mh_machine_init(struct mh_machine *m)
{
	m->text = (struct mh_buf)MH_BUF_INIT(TEXT_BYTES_MAX);
	for (int i = 0; i < MH_MACHINE_FILES; i++)
		m->fd[i] = -1;
}

void mh_machine_done(struct mh_machine *m)
{
	mh_buf_done(&m->text);
	for (int i = 0; i < MH_MACHINE_FILES; i++)
		if (m->fd[i] >= 0)
			close(m->fd[i]);
}

/* The file's text into m->text; false when it cannot be read. */
static bool read_text(struct mh_machine *m, const struct mh_root *root, int i)
{
	if (m->fd[i] < 0 && !mh_root_is_procfs(root))
		return mh_root_read(root, names[i], &m->text) >= 0;
	if (m->fd[i] < 0)
		m->fd[i] = mh_root_open_file(root, names[i]);
	return m->fd[i] >= 0 && mh_root_read_file(m->fd[i], &m->text) >= 0;
}

void mh_machine_read(struct mh_machine *m, const struct mh_root *root, struct mh_meminfo *ret)
{
	struct mh_counter_values counters = {0};

	ret->n = 0;
	if (read_text(m, root, MEMINFO))
		mh_parse_meminfo(m->text.data, m->text.len, ret);
	if (read_text(m, root, VMSTAT))
		mh_parse_vmstat(m->text.data, m->text.len, &counters);
	if (read_text(m, root, PRESSURE))
		mh_parse_pressure(m->text.data, m->text.len, &counters);
	mh_counters_add(ret, &counters);
}
