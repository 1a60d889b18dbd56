/*
 * The files of one process below a root, read in one go each. Errors that tell of the process:
 * -ENOENT and -ESRCH (it has ended), -EACCES and -EPERM (hidepid), -EBADMSG (did not parse).
 */
#ifndef MEMHIST_PROC_PIDFILE_H
#define MEMHIST_PROC_PIDFILE_H

#include "libmemhist/model/process.h"
#include "libmemhist/proc/parse.h"
#include "libmemhist/proc/root.h"

enum {
	MH_STAT_TEXT_MAX = 2048,   /* 52 fields and comm take 1.2 KiB at most */
	MH_CGROUP_TEXT_MAX = 8192, /* a line for each of a dozen hierarchies */
	MH_STATUS_TEXT_MAX = 4096, /* 1.6 KiB as a rule, without the line of the groups */
};

/* Open PID/name for reading. Returns a descriptor or -errno. */
int mh_pidfile_open(const struct mh_root *root, uint32_t pid, const char *name);

/* Read the first `size` bytes of PID/name. Returns their number or -errno. */
int mh_pidfile_read(const struct mh_root *root, uint32_t pid, const char *name, char *buf,
		    size_t size);

/*
 * The program's file, as the link PID/exe has it. Returns its length, at most MH_PATH_MAX, or
 * -errno; -EACCES: of another user (needs CAP_SYS_PTRACE), -ENOENT: a kernel thread or zombie.
 */
int mh_pidfile_exe(const struct mh_root *root, uint32_t pid, char ret[MH_PATH_MAX]);

/*
 * The path of its cgroup, see mh_parse_cgroup(). Returns its length or -errno; -EBADMSG also where
 * PID/cgroup is longer than `text` has room for.
 */
int mh_pidfile_cgroup(const struct mh_root *root, uint32_t pid, char text[MH_CGROUP_TEXT_MAX],
		      const char **ret);

/* Read statm from its beginning through a descriptor of it. */
int mh_pidfile_statm(int fd, struct mh_statm *ret);

/* Read stat, which must be of `pid`; ret->comm points into `text`. */
int mh_pidfile_stat(const struct mh_root *root, uint32_t pid, char text[MH_STAT_TEXT_MAX],
		    struct mh_stat *ret);

/*
 * Read status, or that of a thread: `name` is "status" or "task/TID/status". ret->name points into
 * `text`. (The owner of /proc/PID is cheaper to ask for the uid, but is root for processes that are
 * not dumpable, see proc(5).)
 */
int mh_pidfile_status(const struct mh_root *root, uint32_t pid, const char *name,
		      char text[MH_STATUS_TEXT_MAX], struct mh_status *ret);

#endif
