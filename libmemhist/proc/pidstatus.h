/*
 * What status says of a process, as values of the fields. One text gives them all, so they belong
 * to one instant and ANON + FILE + SHMEM is RSS.
 *
 * When the first thread of a process has exited while others live, the kernel says of the process
 * that it has no memory. The memory is there: status of one of the others tells.
 *
 * Between vfork(2) (posix_spawn(3) uses it) and exec, a process uses the memory of its parent, and
 * the kernel shows it for both. It is the parent's; here the child has none. kcmp(2) tells, where
 * it may: it wants the rights of a debugger.
 */
#ifndef MEMHIST_PROC_PIDSTATUS_H
#define MEMHIST_PROC_PIDSTATUS_H

#include "libmemhist/model/table.h"
#include "libmemhist/proc/pidfile.h"

/* Whose memory it is, when it is not that of the first thread alone. */
struct mh_memory {
	uint32_t thread; /* of this one; 0: of the first, as a rule */
	uint32_t parent; /* of this process; 0: its own, as a rule */
};

/* Embedded by its owner; status.name points into `text`. */
struct mh_pidstatus {
	const struct mh_root *root;
	mh_fields_t fields; /* that the kernel has: what RSS consists of since Linux 4.5 */
	bool can_compare;   /* pids of this procfs are those of system calls */

	/* as read last */
	struct mh_status status; /* names are the process', memory its thread's */
	uint64_t value[MH_FIELD_COUNT];
	struct mh_memory memory;
	char text[MH_STATUS_TEXT_MAX];
};

/* `root` outlives it. */
void mh_pidstatus_init(struct mh_pidstatus *s, const struct mh_root *root);

/*
 * Read status of a process. `hint` is what the last reading of it found; of a new one the parent
 * may be its owner. Returns 0 or -errno as pidfile.h has them; then what was read is void.
 */
int mh_pidstatus_read(struct mh_pidstatus *s, uint32_t pid, const struct mh_memory *hint);

/* Give the process the values read; of one that has ended, what was its most stays true. */
void mh_pidstatus_book(struct mh_pidstatus *s, struct mh_table *table, struct mh_process *p);

#endif
