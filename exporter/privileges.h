/*
 * Least privilege: who the exporter is while it runs, and what it may do besides. Two steps, both
 * before the first thread, since capabilities are a thread's own:
 *
 *     privileges_become(&user, …);   first: files are opened as that user, so that what cannot be
 *                                    written later is not opened now either
 *     …open and load everything…
 *     privileges_drop(…);            then: what is open stays open, nothing else can be had
 *
 * See capabilities(7). Only the exporter does this: collectd's privileges are its own business.
 */
#ifndef MEMHIST_EXPORTER_PRIVILEGES_H
#define MEMHIST_EXPORTER_PRIVILEGES_H

#include "libmemhist/base/err.h"

#include <stdbool.h>
#include <sys/types.h>

struct user {
	uid_t uid;
	gid_t gid;
	char name[64];
};

/* Look a user up by name. Returns 0, or -ENOENT (no such user) or another -errno and a sentence. */
int privileges_find(struct user *ret, const char *name, struct mh_err *err);

/*
 * Become `user` with its groups, and keep of the capabilities held only those that it takes to load
 * BPF programs, and CAP_SYS_PTRACE when `keep_ptrace`. Nothing to do for who is that user already.
 * Returns 0, or -EPERM and a sentence for who may not.
 */
int privileges_become(const struct user *user, bool keep_ptrace, struct mh_err *err);

struct privileges_kept {
	bool user;   /* --user was given: capabilities to use files and processes go as well … */
	bool ptrace; /* … but for CAP_SYS_PTRACE */
	bool uses_bpf; /* BPF programs are run */
};

enum { PRIVILEGES_NAMES_MAX = 128 };

/*
 * Give up for good what reading processes and writing a history does not take: every capability but
 * CAP_SYS_PTRACE, CAP_DAC_OVERRIDE and CAP_DAC_READ_SEARCH, as far as `kept` lets these be; and the
 * way to new ones (no_new_privs, the bounding set where that may be changed). CAP_BPF stays where
 * the kernel wants to see it each time a program is run (before Linux 5.19, with
 * kernel.unprivileged_bpf_disabled). Returns 0 and the names of what is left ("none",
 * "sys_ptrace, bpf"), or -errno and a sentence.
 */
int privileges_drop(const struct privileges_kept *kept, char ret_names[PRIVILEGES_NAMES_MAX],
		    struct mh_err *err);

#endif
