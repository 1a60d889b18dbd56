/* Places of processes, by what the process table knows of them. */
#include "libmemhist/model/axis.h"

#include <string.h>

static const char UNKNOWN[] = "(unknown)";
static const char DELETED[] = " (deleted)"; /* behind the path of a file that was replaced */

static const char *const names[MH_AXES] = {
	[MH_BY_PROGRAM] = "program", [MH_BY_EXE] = "exe",   [MH_BY_USER] = "user",
	[MH_BY_CGROUP] = "cgroup",   [MH_BY_UNIT] = "unit", [MH_BY_CLASS] = "class",
};

const char *mh_axis_name(enum mh_axis axis)
{
	return names[axis];
}

int mh_axis_parse(const char *name)
{
	for (int axis = 0; axis < MH_AXES; axis++)
		if (!strcmp(names[axis], name))
			return axis;
	return -1;
}

static bool ends_with(const char *text, size_t len, const char *end)
{
	size_t n = strlen(end);

	return len >= n && !memcmp(text + len - n, end, n);
}

/* Of systemd.unit(5), those that have processes. */
static bool is_unit(const char *name, size_t len)
{
	static const char *const kinds[] = {".service", ".scope", ".socket", ".mount", ".swap"};

	for (size_t i = 0; i < sizeof(kinds) / sizeof(kinds[0]); i++)
		if (len > strlen(kinds[i]) && ends_with(name, len, kinds[i]))
			return true;
	return false;
}

size_t mh_cgroup_unit(const char *path, size_t len, const char **ret)
{
	static const char none[] = "(none)", root[] = "-.slice";
	const char *slice = root, *end = path + len;
	size_t slice_len = strlen(root);

	/* slices may be in slices; what is in a unit is the unit's own business */
	for (const char *p = path; p < end;) {
		const char *slash = memchr(p, '/', (size_t)(end - p));
		size_t n = (size_t)((slash ? slash : end) - p);

		if (is_unit(p, n)) {
			*ret = p;
			return n;
		}
		if (n && !ends_with(p, n, ".slice")) {
			*ret = none;
			return strlen(none);
		}
		if (n) {
			slice = p;
			slice_len = n;
		}
		p += n + 1;
	}
	*ret = slice;
	return slice_len;
}

/* The path of the file that runs, also when another one has its name by now. */
static size_t exe_path(const struct mh_process *p)
{
	size_t len = p->exe ? p->exe->len : 0;

	return ends_with(len ? p->exe->bytes : "", len, DELETED) ? len - strlen(DELETED) : len;
}

static bool is_below(const char *path, size_t len, const char *dir)
{
	size_t n = strlen(dir);

	return len > n && !memcmp(path, dir, n) && path[n] == '/';
}

static bool is_of_system(const struct mh_process *p)
{
	static const char *const dirs[] = {"/usr/bin", "/usr/sbin", "/usr/lib", "/usr/libexec",
					   "/lib",     "/bin",      "/sbin"};
	size_t len = exe_path(p);
	const char *program;

	if (!p->uid)
		return true;
	for (size_t i = 0; len && i < sizeof(dirs) / sizeof(dirs[0]); i++)
		if (is_below(p->exe->bytes, len, dirs[i]))
			return true;
	len = mh_process_program(p, &program);
	return memmem(program, len, "daemon", 6) || memmem(program, len, "server", 6);
}

static void add_user(struct mh_buf *out, uint32_t uid, const struct mh_users *users)
{
	const char *name = mh_users_name(users, uid);

	if (name)
		mh_buf_adds(out, name);
	else
		mh_buf_addu(out, uid);
}

static void add_known(struct mh_buf *out, const char *bytes, size_t len)
{
	if (len)
		mh_buf_add(out, bytes, len);
	else
		mh_buf_adds(out, UNKNOWN);
}

void mh_axis_add(struct mh_buf *out, enum mh_axis axis, const struct mh_process *p,
		 const struct mh_users *users)
{
	const char *text = NULL;
	size_t len = 0;

	switch (axis) {
	case MH_BY_PROGRAM:
		len = mh_process_program(p, &text);
		mh_buf_add(out, text, len);
		return;
	case MH_BY_EXE:
		len = exe_path(p);
		add_known(out, len ? p->exe->bytes : NULL, len);
		return;
	case MH_BY_USER:
		add_user(out, p->uid, users);
		return;
	case MH_BY_CGROUP:
		add_known(out, p->cgroup ? p->cgroup->bytes : NULL, p->cgroup ? p->cgroup->len : 0);
		return;
	case MH_BY_UNIT:
		if (p->cgroup && p->cgroup->len)
			len = mh_cgroup_unit(p->cgroup->bytes, p->cgroup->len, &text);
		add_known(out, text, len);
		return;
	default:
		mh_buf_adds(out, is_of_system(p) ? "system" : "user");
	}
}
