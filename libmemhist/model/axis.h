/*
 * What processes are told apart by, where no rule says more: the program, its file, the user, the
 * cgroup, the unit of systemd, the class. Each process has one place on each axis.
 *
 *     program   mh_process_program(): "postgres"
 *     exe       the file that runs: "/usr/lib/postgresql/15/bin/postgres"
 *     user      the effective user's name, or number where it has none in /etc/passwd
 *     cgroup    the path of the cgroup: "/system.slice/cron.service"
 *     unit      of that path, what systemd calls a unit: "cron.service", "session-2.scope",
 *               "user@1000.service"; the last slice of who is in no unit; "(none)" elsewhere
 *     class     "system": root's, or the program is one of the system's (below /usr/bin, /usr/sbin,
 *               /usr/lib, /usr/libexec, /lib, /bin, /sbin) or calls itself daemon or server;
 *               "user": all others. (Kernel threads are left out of everything.)
 *
 * What is not known, for want of permission or since a history does not have it, is "(unknown)".
 */
#ifndef MEMHIST_MODEL_AXIS_H
#define MEMHIST_MODEL_AXIS_H

#include "libmemhist/base/buf.h"
#include "libmemhist/base/users.h"
#include "libmemhist/model/process.h"

enum mh_axis {
	MH_BY_PROGRAM,
	MH_BY_EXE,
	MH_BY_USER,
	MH_BY_CGROUP,
	MH_BY_UNIT,
	MH_BY_CLASS,
	MH_AXES,
};

/* "program", "exe", … */
const char *mh_axis_name(enum mh_axis axis);
/* The axis of that name, or -1. */
int mh_axis_parse(const char *name);

/*
 * Append the place of a process on an axis: bytes that may be anything. `users` is asked for
 * MH_BY_USER alone.
 */
void mh_axis_add(struct mh_buf *out, enum mh_axis axis, const struct mh_process *p,
		 const struct mh_users *users);

/* The unit of a cgroup's path, as above. Returns its length; *ret points into the path, or to a
 * text that stays. */
size_t mh_cgroup_unit(const char *path, size_t len, const char **ret);

#endif
