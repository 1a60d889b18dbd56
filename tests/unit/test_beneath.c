/*
 * What is beneath a directory opens, what leads elsewhere or is no file does not: by openat2(2),
 * and where a sandbox takes that away.
 */
#include "libmemhist/base/beneath.h"
#include "tests/unit/tree.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/inotify.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <cmocka.h>

struct fixture {
	struct tree tree;
	int fd;
};

static void make_link(const struct tree *tree, const char *name, const char *to)
{
	char path[512];

	assert_int_equal(symlink(to, tree_path(tree, name, path)), 0);
}

static void set_up(struct fixture *f)
{
	char path[512];

	tree_make(&f->tree);
	tree_write(&f->tree, "file", "inside", 6);
	tree_write(&f->tree, "a/b/file", "deep", 4);
	make_link(&f->tree, "link", "file");
	make_link(&f->tree, "dangling", "nothing");
	make_link(&f->tree, "out", "/etc/passwd");
	make_link(&f->tree, "dir", "a");
	make_link(&f->tree, "up", "..");
	make_link(&f->tree, "a/back", "../file");
	assert_int_equal(mkfifo(tree_path(&f->tree, "fifo", path), 0600), 0);
	f->fd = open(f->tree.path, O_RDONLY | O_DIRECTORY);
	assert_true(f->fd >= 0);
}

static void tear_down(struct fixture *f)
{
	close(f->fd);
	tree_remove(&f->tree);
}

static int file(const struct fixture *f, const char *path, int flags)
{
	int fd = mh_beneath_file(f->fd, path, flags, 0640);

	if (fd < 0)
		return fd;
	assert_true(fcntl(fd, F_GETFD) & FD_CLOEXEC);
	close(fd);
	return 0;
}

static void test_ways(void **state)
{
	static const struct {
		const char *path;
		int expected;
	} ways[] = {
		{"file", 0},
		{"./file", 0},
		{"a/b/file", 0},
		{"a//b/./file", 0},
		{"", -ENOENT},
		{"nothing", -ENOENT},
		{"a/nothing/file", -ENOENT},
		{"file/below", -ENOTDIR},
		{"/etc/passwd", -EXDEV},
		{"..", -EXDEV},
		{"../x", -EXDEV},
		{"a/../file", -EXDEV},
		{"a/b/..", -EXDEV},
		{"...", -ENOENT},
		{"..a", -ENOENT},
		{"link", -ELOOP},
		{"dangling", -ELOOP},
		{"out", -ELOOP},
		{"dir/b/file", -ELOOP},
		{"up/x", -ELOOP},
		{"a/back", -ELOOP},
		{"fifo", -EINVAL},
		{".", -EINVAL},
		{"a", -EINVAL},
		{"a/b/", -EINVAL},
	};
	struct fixture f;

	(void)state;
	set_up(&f);
	alarm(60); /* a FIFO that blocks ends the test */
	for (size_t i = 0; i < sizeof(ways) / sizeof(ways[0]); i++) {
		int rc = file(&f, ways[i].path, O_RDONLY);

		if (rc != ways[i].expected)
			fail_msg("%s: %d, not %d", ways[i].path, rc, ways[i].expected);
		rc = file(&f, ways[i].path, O_RDWR);
		if (rc != ways[i].expected)
			fail_msg("%s for writing: %d, not %d", ways[i].path, rc, ways[i].expected);
	}
	/* O_EXCL leaves the look away: as if the file had been exchanged right behind it */
	assert_int_equal(file(&f, "fifo", O_RDONLY | O_EXCL), -EINVAL);
	alarm(0);
	tear_down(&f);
}

static void test_long_names(void **state)
{
	char name[NAME_MAX + 2], path[2 * NAME_MAX];
	struct fixture f;

	(void)state;
	set_up(&f);
	memset(name, 'x', sizeof(name));
	name[NAME_MAX] = '\0';
	assert_int_equal(file(&f, name, O_RDONLY), -ENOENT);
	name[NAME_MAX] = 'x';
	name[NAME_MAX + 1] = '\0';
	assert_int_equal(file(&f, name, O_RDONLY), -ENAMETOOLONG);
	snprintf(path, sizeof(path), "a/%s/file", name);
	assert_int_equal(file(&f, path, O_RDONLY), -ENAMETOOLONG);
	tear_down(&f);
}

static void test_creating(void **state)
{
	const mode_t before = umask(022);
	struct fixture f;
	struct stat st;
	char path[512];

	(void)state;
	set_up(&f);
	assert_int_equal(file(&f, "a/new", O_WRONLY | O_CREAT | O_EXCL), 0);
	assert_int_equal(stat(tree_path(&f.tree, "a/new", path), &st), 0);
	assert_int_equal(st.st_mode, S_IFREG | 0640);
	assert_int_equal(file(&f, "a/new", O_WRONLY | O_CREAT | O_EXCL), -EEXIST);
	assert_int_equal(file(&f, "a/new", O_WRONLY | O_CREAT), 0);
	assert_int_equal(file(&f, "dangling", O_WRONLY | O_CREAT), -ELOOP);
	assert_int_equal(file(&f, "dangling", O_WRONLY | O_CREAT | O_EXCL), -EEXIST);
	assert_int_equal(file(&f, "dir/new", O_WRONLY | O_CREAT | O_EXCL), -ELOOP);
	assert_int_equal(file(&f, "../new", O_WRONLY | O_CREAT | O_EXCL), -EXDEV);
	assert_int_equal(file(&f, "fifo", O_WRONLY | O_CREAT), -EINVAL);
	assert_int_equal(stat(tree_path(&f.tree, "nothing", path), &st), -1);
	umask(before);
	tear_down(&f);
}

/* Devices and the links of /proc, which lead to what no path leads to. */
static void test_devices_and_magic(void **state)
{
	int dev = open("/dev", O_PATH | O_DIRECTORY), self = open("/proc/self", O_PATH);
	struct fixture f;
	char path[32];

	(void)state;
	set_up(&f);
	assert_true(dev >= 0 && self >= 0);
	assert_int_equal(mh_beneath_file(dev, "null", O_WRONLY, 0), -EINVAL);
	snprintf(path, sizeof(path), "fd/%d", f.fd);
	assert_int_equal(mh_beneath_open(self, path, O_RDONLY, 0), -ELOOP);
	snprintf(path, sizeof(path), "fd/%d/file", f.fd);
	assert_int_equal(mh_beneath_file(self, path, O_RDONLY, 0), -ELOOP);
	assert_int_equal(mh_beneath_file(self, "root/etc/passwd", O_RDONLY, 0), -ELOOP);
	close(dev);
	close(self);
	tear_down(&f);
}

/* What is no regular file is looked at and not opened: a device may act upon that. */
static void test_not_even_opened(void **state)
{
	static const char *const names[] = {"fifo", "a"};
	char path[512], event[4096];
	struct fixture f;
	int fd, watch = inotify_init1(IN_NONBLOCK | IN_CLOEXEC);

	(void)state;
	set_up(&f);
	assert_true(watch >= 0);
	for (size_t i = 0; i < 2; i++)
		assert_true(inotify_add_watch(watch, tree_path(&f.tree, names[i], path), IN_OPEN) >=
			    0);
	for (size_t i = 0; i < 2; i++)
		assert_int_equal(file(&f, names[i], O_RDONLY), -EINVAL);
	assert_int_equal(read(watch, event, sizeof(event)), -1);
	assert_int_equal(errno, EAGAIN);
	fd = open(tree_path(&f.tree, "fifo", path), O_RDONLY | O_NONBLOCK);
	assert_true(read(watch, event, sizeof(event)) > 0); /* else it proves nothing */
	close(fd);
	close(watch);
	tear_down(&f);
}

static void test_directories(void **state)
{
	struct fixture f;
	int fd, inner;

	(void)state;
	set_up(&f);
	fd = mh_beneath_open(f.fd, "a/b/", O_RDONLY | O_DIRECTORY, 0);
	assert_true(fd >= 0);
	inner = mh_beneath_file(fd, "file", O_RDONLY, 0);
	assert_true(inner >= 0);
	close(inner);
	close(fd);
	assert_int_equal(mh_beneath_open(f.fd, "file/", O_RDONLY, 0), -ENOTDIR);
	assert_int_equal(mh_beneath_open(f.fd, "dir", O_PATH | O_DIRECTORY, 0), -ELOOP);
	assert_int_equal(mh_beneath_open(f.fd, "dir", O_PATH, 0), -ELOOP);
	tear_down(&f);
}

/* From now on openat2(2) answers with `error`. Filters add up; the last one's error counts. */
static void forbid_openat2(int error)
{
	struct sock_filter filter[] = {
		BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr)),
		BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_openat2, 0, 1),
		BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ERRNO | (unsigned)error),
		BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
	};
	const struct sock_fprog program = {sizeof(filter) / sizeof(filter[0]), filter};

	if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) ||
	    prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &program))
		skip(); /* a sandbox of its own that allows none inside */
	assert_int_equal(syscall(SYS_openat2, -1, "x", NULL, 0), -1);
	if (errno != error && errno == ENOSYS)
		skip(); /* valgrind, which knows no such call, stands before the kernel */
	assert_int_equal(errno, error);
}

static void test_without_openat2(void **state)
{
	forbid_openat2(ENOSYS);
	test_ways(state);
	test_long_names(state);
	test_creating(state);
	test_devices_and_magic(state);
	test_directories(state);
}

static void test_with_openat2_forbidden(void **state)
{
	forbid_openat2(EPERM);
	test_ways(state);
	test_creating(state);
	test_devices_and_magic(state);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_ways),
		cmocka_unit_test(test_long_names),
		cmocka_unit_test(test_creating),
		cmocka_unit_test(test_devices_and_magic),
		cmocka_unit_test(test_directories),
		cmocka_unit_test(test_not_even_opened),
		/* last: what these take away does not come back, and that it is missing is not
		 * asked a second time */
		cmocka_unit_test(test_with_openat2_forbidden),
		cmocka_unit_test(test_without_openat2),
	};

	return cmocka_run_group_tests_name("beneath", tests, NULL, NULL);
}
