/*
 * The walk through a file that grows at the worst moment: between the look that found a frame cut
 * short and the next one. pread(2) is wrapped, so that the moment can be chosen.
 */
#include "libmemhist/history/dir.h"
#include "libmemhist/history/walk.h"
#include "tests/unit/recording.h"
#include "tests/unit/thrift.h"

#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

/* What the writer still has to say, said when a reader meets the end of the file. */
static struct {
	int fd; /* -1: nothing any more */
	const char *bytes;
	size_t len;
} rest = {.fd = -1};

ssize_t __real_pread(int fd, void *to, size_t len, off_t at);
ssize_t __wrap_pread(int fd, void *to, size_t len, off_t at);

ssize_t __wrap_pread(int fd, void *to, size_t len, off_t at)
{
	ssize_t n = __real_pread(fd, to, len, at);

	if (!n && rest.fd >= 0) {
		assert_int_equal(write(rest.fd, rest.bytes, rest.len), rest.len);
		rest.fd = -1;
	}
	return n;
}

/* A history in one segment, its bytes, and its file opened for appending. */
static char *make_segment(const char *dir, char name[MH_SEGMENT_NAME_MAX], size_t *ret_len)
{
	struct mh_writer_config config = config_for(dir);
	struct mh_segment_list list = {0};
	struct mh_err err = {""};
	struct written log = {0};
	struct world world;
	struct mh_writer *w;
	int dir_fd, fd;
	char *bytes;

	world_init(&world, 99);
	w = open_writer(&config);
	record(w, &world, &log, 12);
	mh_writer_close(w);
	world_done(&world);
	forget(&log);
	dir_fd = mh_dir_open(dir, &err);
	assert_int_equal(mh_dir_list(dir_fd, &list), 0);
	memcpy(name, list.file[0].name, MH_SEGMENT_NAME_MAX);
	*ret_len = list.file[0].bytes;
	bytes = malloc(*ret_len);
	fd = openat(dir_fd, name, O_RDONLY);
	assert_int_equal(read(fd, bytes, *ret_len), *ret_len);
	close(fd);
	close(dir_fd);
	mh_dir_list_done(&list);
	return bytes;
}

static void test_growing_while_looked_at(void **state)
{
	const char *dir = temp_dir();
	char name[MH_SEGMENT_NAME_MAX];
	struct mh_err err = {""};
	size_t len, n_frames = 0;
	char *bytes = make_segment(dir, name, &len);
	int dir_fd = mh_dir_open(dir, &err);

	(void)state;
	for (size_t cut = 1; cut < len; cut += thrift()) {
		struct mh_walk *walk;
		struct mh_step step;
		size_t n = 0;
		int fd = openat(dir_fd, name, O_WRONLY | O_APPEND), rc;

		assert_int_equal(ftruncate(fd, (off_t)cut), 0);
		rest.bytes = bytes + cut;
		rest.len = len - cut;
		rest.fd = fd;
		assert_int_equal(mh_walk_open(&walk, dir_fd, name), 0);
		/* 0 may come once: then the file has grown, and the next call goes on */
		for (int ends = 0; ends < 2;) {
			rc = mh_walk_next(walk, &step);
			assert_true(rc >= 0);
			ends += !rc;
			n += (size_t)rc;
			if (rc)
				assert_int_equal(step.skipped, 0);
		}
		n_frames = n_frames ? n_frames : n;
		assert_int_equal(n, n_frames);
		mh_walk_close(walk);
		close(fd);
	}
	assert_int_equal(n_frames, 12);
	free(bytes);
	close(dir_fd);
	remove_dir(dir);
}

/* A FIFO in the place of LOCK or of a segment: an answer, not a wait for somebody who writes. */
static void test_fifo_does_not_hang(void **state)
{
	const char *dir = temp_dir();
	struct mh_err err = {""};
	int dir_fd = mh_dir_open(dir, &err);
	struct mh_walk *walk;
	int32_t pid;

	(void)state;
	assert_int_equal(mkfifoat(dir_fd, "LOCK", 0600), 0);
	alarm(60);
	assert_false(mh_dir_is_locked(dir_fd, &pid));
	assert_int_equal(mh_walk_open(&walk, dir_fd, "LOCK"), -EINVAL);
	alarm(0);
	close(dir_fd);
	remove_dir(dir);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_growing_while_looked_at),
		cmocka_unit_test(test_fifo_does_not_hang),
	};

	return cmocka_run_group_tests_name("walk", tests, NULL, NULL);
}
