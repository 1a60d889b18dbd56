/*
 * One process at one instant.
 *
 * A process is named by its **identity**: boot id, pid and start time. A pid alone names nothing,
 * since pids are reused. Its comm, command line, program, cgroup, ppid and uid are versions: they
 * may change (exec, prctl, setproctitle, reparenting) without making it another process.
 */
#ifndef MEMHIST_MODEL_PROCESS_H
#define MEMHIST_MODEL_PROCESS_H

#include "libmemhist/base/strpool.h"
#include "libmemhist/model/field.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum {
	MH_PID_MAX = 4194304,       /* PID_MAX_LIMIT of 64-bit Linux: pids are 1 … this */
	MH_PROCESSES_MAX = 1 << 20, /* live at once: the largest table, the largest keyframe */
	MH_COMM_MAX = 63,           /* bytes; the kernel gives 15, kernel threads up to 63 */
	MH_CMDLINE_MAX = 4096,      /* bytes kept of a command line; a longer one is cut */
	MH_PATH_MAX = 4096,         /* bytes kept of the path of a program or cgroup: PATH_MAX */
	MH_BOOT_ID_BYTES = 16,      /* /proc/sys/kernel/random/boot_id as bytes */
};

struct mh_boot_id {
	uint8_t bytes[MH_BOOT_ID_BYTES];
};

struct mh_identity {
	uint32_t pid;
	/*
	 * 0, except for a process that got a reused pid within the same clock tick as its
	 * predecessor and so has the same start time: the second is 1, and so on.
	 */
	uint32_t twin;
	uint64_t start_ticks; /* stat field 22: clock ticks after boot */
};

static inline bool mh_identity_same(const struct mh_identity *a, const struct mh_identity *b)
{
	return a->pid == b->pid && a->start_ticks == b->start_ticks && a->twin == b->twin;
}

struct mh_process {
	struct mh_identity id;          /* id.pid == 0: nobody here (a free slot) */
	uint64_t value[MH_FIELD_COUNT]; /* pages; only the snapshot's `fields` mean something */
	uint32_t ppid;
	uint32_t uid; /* effective uid */
	uint32_t comm_len;
	uint32_t cmdline_len;
	char comm[MH_COMM_MAX + 1]; /* bytes, NUL-terminated; may hold anything but NUL */
	/*
	 * Arguments separated by NUL bytes, no NUL at the end; not NUL-terminated. Empty for
	 * kernel threads, zombies and processes that erased it; then NULL.
	 */
	char *cmdline;
	/*
	 * The program's file as /proc/PID/exe points to it, and the path of the cgroup v2 within
	 * the hierarchy as /proc/PID/cgroup has it: "/system.slice/cron.service". NULL: not known.
	 * Shared by all who have the same.
	 */
	const struct mh_pooled *exe;
	const struct mh_pooled *cgroup;
};

/* Free what a process owns; its shared strings are `pool`'s. */
void mh_process_done(struct mh_process *p, struct mh_strpool *pool);

/*
 * The program's name, as people know it: comm, or the base name of argv[0] when the kernel cut
 * comm at 15 bytes and argv[0] begins with it. Returns the length; *ret points into `p`.
 */
size_t mh_process_program(const struct mh_process *p, const char **ret);

#endif
