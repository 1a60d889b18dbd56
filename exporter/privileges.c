/* The user and the capabilities, through libcap-ng. */
#include "exporter/privileges.h"

#include <cap-ng.h>
#include <errno.h>
#include <linux/bpf.h>
#include <pwd.h>
#include <stdio.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <unistd.h>

/* Sets of capabilities: bit CAP_… */
typedef uint64_t caps_t;
#define CAP(name) ((caps_t)1 << CAP_##name)

/* CAP_SYS_RESOURCE: before Linux 5.11, BPF maps count as locked memory, whose limit is low. */
static const caps_t to_load_bpf = CAP(BPF) | CAP(PERFMON) | CAP(SYS_RESOURCE);
static const caps_t to_use_files = CAP(DAC_OVERRIDE) | CAP(DAC_READ_SEARCH);

int privileges_find(struct user *ret, const char *name, struct mh_err *err)
{
	const struct passwd *user;

	errno = 0;
	user = getpwnam(name);
	if (!user && errno && errno != ENOENT && errno != ESRCH)
		return mh_err_sys(err, -errno, "user '%s' cannot be looked up", name);
	if (!user)
		return mh_errf(err, -ENOENT, "there is no user '%s'", name);
	*ret = (struct user){.uid = user->pw_uid, .gid = user->pw_gid};
	snprintf(ret->name, sizeof(ret->name), "%s", name);
	return 0;
}

/*
 * Make libcap-ng's own state what this thread has. Returns 0 or -EPERM and a sentence: who cannot
 * tell what it holds must not go on as if it held nothing.
 */
static int look(struct mh_err *err)
{
	if (capng_get_caps_process())
		return mh_errf(err, -EPERM,
			       "cannot ask for the capabilities of this process: a sandbox must "
			       "allow capget(2)");
	return 0;
}

/* What this thread holds in the set `which`, after look(). */
static caps_t held(capng_type_t which)
{
	caps_t caps = 0;

	for (unsigned int cap = 0; cap <= CAP_LAST_CAP; cap++)
		if (capng_have_capability(which, cap))
			caps |= (caps_t)1 << cap;
	return caps;
}

/* Fill libcap-ng's state: these capabilities, nothing inheritable, ambient or in the bounding set.
 */
static void prepare(caps_t permitted, caps_t effective)
{
	capng_clear(CAPNG_SELECT_ALL);
	for (unsigned int cap = 0; cap <= CAP_LAST_CAP; cap++) {
		if (permitted & (caps_t)1 << cap)
			capng_update(CAPNG_ADD, CAPNG_PERMITTED, cap);
		if (effective & (caps_t)1 << cap)
			capng_update(CAPNG_ADD, CAPNG_EFFECTIVE, cap);
	}
}

int privileges_become(const struct user *user, bool keep_ptrace, struct mh_err *err)
{
	const caps_t wanted = to_load_bpf | (keep_ptrace ? CAP(SYS_PTRACE) : 0);
	const caps_t needed = CAP(SETUID) | CAP(SETGID);
	capng_flags_t flags = CAPNG_INIT_SUPP_GRP | CAPNG_CLEAR_AMBIENT;
	caps_t have;
	int rc;

	if (geteuid() == user->uid && getuid() == user->uid)
		return 0;
	rc = look(err);
	if (rc)
		return rc;
	have = held(CAPNG_EFFECTIVE);
	if ((have & needed) != needed)
		return mh_errf(err, -EPERM,
			       "cannot become user %s: start as root, or as %s without --user",
			       user->name, user->name);
	if (have & CAP(SETPCAP))
		flags |= CAPNG_CLEAR_BOUNDING;
	prepare(have & wanted, have & wanted);
	errno = 0;
	rc = capng_change_id((int)user->uid, (int)user->gid, flags);
	if (rc)
		return mh_err_sys(err, errno ? -errno : -EPERM,
				  "cannot become user %s (step %d of libcap-ng)", user->name, -rc);
	return 0;
}

/* Whether this kernel runs BPF programs only for who has CAP_BPF just now: it looks at that before
 * it sees that there is no such program. */
static bool bpf_is_refused(void)
{
	union bpf_attr attr = {.iter_create = {.link_fd = UINT32_MAX}};

	return syscall(SYS_bpf, BPF_ITER_CREATE, &attr, sizeof(attr)) < 0 && errno == EPERM;
}

static void name_all(caps_t caps, char ret[PRIVILEGES_NAMES_MAX])
{
	size_t len = 0;

	snprintf(ret, PRIVILEGES_NAMES_MAX, "none");
	for (unsigned int cap = 0; cap <= CAP_LAST_CAP; cap++)
		if (caps & (caps_t)1 << cap && len < PRIVILEGES_NAMES_MAX)
			len += (size_t)snprintf(ret + len, PRIVILEGES_NAMES_MAX - len, "%s%s",
						len ? ", " : "", capng_capability_to_name(cap));
}

int privileges_drop(const struct privileges_kept *kept, char ret_names[PRIVILEGES_NAMES_MAX],
		    struct mh_err *err)
{
	capng_select_t sets = CAPNG_SELECT_CAPS;
	caps_t wanted = to_use_files | CAP(SYS_PTRACE);
	int rc = look(err);
	caps_t have;

	if (rc)
		return rc;
	have = held(CAPNG_PERMITTED);
	if (kept->user)
		wanted = kept->ptrace ? CAP(SYS_PTRACE) : 0;
	wanted &= have;
	name_all(wanted, ret_names);
	if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0))
		return mh_err_sys(err, -errno, "cannot set no_new_privs");
	/* a sandbox without capabilities need not allow the call that drops them */
	if (have == wanted && !(have & CAP(SETPCAP)) && !held(CAPNG_INHERITABLE))
		return 0;
	if (kept->uses_bpf && have & CAP(BPF)) {
		prepare(have, have & ~CAP(BPF));
		if (capng_apply(CAPNG_SELECT_CAPS))
			return mh_errf(err, -EPERM, "cannot drop capabilities");
		if (bpf_is_refused())
			wanted |= CAP(BPF);
	}
	if (have & CAP(SETPCAP))
		sets = CAPNG_SELECT_BOTH;
	prepare(wanted, wanted);
	if (capng_apply(sets))
		return mh_errf(err, -EPERM, "cannot drop capabilities");
	name_all(wanted, ret_names);
	return 0;
}
