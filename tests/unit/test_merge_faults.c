/*
 * Merging among damaged segments, removed ones, and what was left by one that was killed: nothing
 * is removed that is not in another one whole.
 */
#include "libmemhist/history/frame.h"
#include "libmemhist/history/merge.h"
#include "libmemhist/history/sealed.h"
#include "libmemhist/history/upkeep/tidy.h"
#include "tests/unit/merging.h"

#include <endian.h>
#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <string.h>
#include <unistd.h>
#include <cmocka.h>

/*
 * What somebody does to a segment after all have been looked at and before they are read.
 */
static void (*meanwhile)(int dir_fd, const struct mh_segment_file *file);
static const struct mh_segment_file *victim;

int __real_mh_sealed_new(struct mh_sealed **ret, int dir_fd, const char *name);
int __wrap_mh_sealed_new(struct mh_sealed **ret, int dir_fd, const char *name);

int __wrap_mh_sealed_new(struct mh_sealed **ret, int dir_fd, const char *name)
{
	if (meanwhile)
		meanwhile(dir_fd, victim);
	return __real_mh_sealed_new(ret, dir_fd, name);
}

static void copy_file(int dir_fd, const char *from, const char *to)
{
	int in = openat(dir_fd, from, O_RDONLY), out = openat(dir_fd, to, O_WRONLY | O_CREAT, 0640);
	char piece[4096];
	ssize_t n;

	assert_true(in >= 0 && out >= 0);
	while ((n = read(in, piece, sizeof(piece))) > 0)
		assert_int_equal(write(out, piece, (size_t)n), n);
	close(in);
	close(out);
}

static void flip(int dir_fd, const char *name, off_t at)
{
	int fd = openat(dir_fd, name, O_RDWR);
	uint8_t byte;

	assert_true(fd >= 0);
	assert_int_equal(pread(fd, &byte, 1, at), 1);
	byte ^= 0x10;
	assert_int_equal(pwrite(fd, &byte, 1, at), 1);
	close(fd);
}

/* Killed between putting the merged one in place and removing the others. */
static void superseded_ones_are_not_read(void **state)
{
	struct mh_segment_file was[4];
	struct mh_tidied tidied;
	struct rig r;

	(void)state;
	rig_begin(&r, 11, 4000, 600000);
	rig_write(&r, 16);
	seal_each(r.dir, 1);
	assert_int_equal(rig_list(&r)->n, 4);
	for (size_t i = 0; i < 4; i++) {
		char copy[MH_SEGMENT_NAME_MAX + 8];

		was[i] = r.list.file[i];
		snprintf(copy, sizeof(copy), "copy-%zu", i);
		copy_file(r.dir_fd, was[i].name, copy);
	}
	assert_int_equal(rig_merge(&r, true), 1);
	for (size_t i = 0; i < 4; i++) {
		char copy[MH_SEGMENT_NAME_MAX + 8];

		snprintf(copy, sizeof(copy), "copy-%zu", i);
		renameat(r.dir_fd, copy, r.dir_fd, was[i].name);
	}
	copy_file(r.dir_fd, was[0].name, ".0000000009-20261120T202848Z-01234567.mh.sealing");
	copy_file(r.dir_fd, was[0].name, ".0000000009-20261120T202848Z-01234567.sealing");
	rig_list(&r);
	assert_int_equal(r.list.n, 1);
	assert_int_equal(r.list.n_superseded, 4);
	assert_int_equal(r.list.n_temporary, 1);
	read_all_back(r.dir, &r.log);
	/* nothing goes while the merged one is not whole */
	flip(r.dir_fd, r.list.file[0].name, (off_t)r.list.file[0].bytes / 2);
	assert_int_equal(mh_tidy(r.dir_fd, &tidied), 0);
	assert_int_equal(tidied.kept, 4);
	assert_int_equal(tidied.superseded, 0);
	assert_int_equal(rig_list(&r)->n_superseded, 4);
	flip(r.dir_fd, r.list.file[0].name, (off_t)r.list.file[0].bytes / 2);
	assert_int_equal(mh_tidy(r.dir_fd, &tidied), 0);
	assert_int_equal(tidied.superseded, 4);
	assert_int_equal(tidied.kept, 0);
	assert_int_equal(rig_list(&r)->n_superseded + r.list.n_temporary, 0);
	assert_int_equal(
		faccessat(r.dir_fd, ".0000000009-20261120T202848Z-01234567.sealing", F_OK, 0),
		0); /* not ours */
	read_all_back(r.dir, &r.log);
	rig_end(&r);
}

/* Whichever byte of an input is wrong: it stays, and all of it that can be read is read. */
static void damaged_ones_stay(void **state)
{
	struct mh_merge_result result;
	struct mh_segment_file file[3];
	struct mh_err err;
	struct rig r;

	(void)state;
	rig_begin(&r, 13, 3000, 600000);
	r.world.max_pid = 6;
	r.world.target = 3;
	rig_write(&r, 9);
	seal_each(r.dir, 1);
	assert_int_equal(rig_list(&r)->n, 3);
	memcpy(file, r.list.file, sizeof(file));
	for (off_t at = 0; at < (off_t)file[1].bytes; at++) {
		flip(r.dir_fd, file[1].name, at);
		assert_int_equal(mh_merge(r.dir_fd, file, 3, &result, &err), -EBADMSG);
		assert_int_equal(result.bad, 1);
		assert_non_null(strstr(err.text, file[1].name));
		flip(r.dir_fd, file[1].name, at);
	}
	for (off_t size = (off_t)file[1].bytes - 1; size >= 0; size -= 7) {
		copy_file(r.dir_fd, file[1].name, "whole");
		unlinkat(r.dir_fd, file[1].name, 0);
		copy_file(r.dir_fd, "whole", file[1].name);
		{
			int fd = openat(r.dir_fd, file[1].name, O_RDWR);

			assert_int_equal(ftruncate(fd, size), 0);
			close(fd);
		}
		assert_int_equal(mh_merge(r.dir_fd, file, 3, &result, &err), -EBADMSG);
		unlinkat(r.dir_fd, file[1].name, 0);
		renameat(r.dir_fd, "whole", r.dir_fd, file[1].name);
	}
	rig_list(&r);
	assert_int_equal(r.list.n, 3);
	assert_int_equal(r.list.n_temporary, 0);
	read_all_back(r.dir, &r.log);
	rig_end(&r);
}

static void set_size(int dir_fd, const char *name, off_t size)
{
	int fd = openat(dir_fd, name, O_RDWR);

	assert_true(fd >= 0);
	assert_int_equal(ftruncate(fd, size), 0);
	close(fd);
}

static void a_bit_flips(int dir_fd, const struct mh_segment_file *file)
{
	flip(dir_fd, file->name, (off_t)file->bytes / 2);
}

/* Where the index begins, the last frame. */
static off_t index_at(int dir_fd, const struct mh_segment_file *file)
{
	int fd = openat(dir_fd, file->name, O_RDONLY);
	off_t at = 0, next = 0;

	assert_true(fd >= 0);
	while (next < (off_t)file->bytes) {
		uint32_t length;

		at = next;
		assert_int_equal(pread(fd, &length, sizeof(length), at + 4), sizeof(length));
		next = at + MH_FRAME_HEAD + le32toh(length);
	}
	close(fd);
	return at;
}

static void the_index_goes(int dir_fd, const struct mh_segment_file *file)
{
	set_size(dir_fd, file->name, index_at(dir_fd, file));
}

static void the_end_is_cut(int dir_fd, const struct mh_segment_file *file)
{
	set_size(dir_fd, file->name, (off_t)file->bytes - 1);
}

static void a_tail_grows(int dir_fd, const struct mh_segment_file *file)
{
	int fd = openat(dir_fd, file->name, O_WRONLY | O_APPEND);

	assert_int_equal(write(fd, "tail", 4), 4);
	close(fd);
}

static void it_becomes_empty(int dir_fd, const struct mh_segment_file *file)
{
	set_size(dir_fd, file->name, 0);
}

static void nothing_but_the_index_stays(int dir_fd, const struct mh_segment_file *file)
{
	off_t at = index_at(dir_fd, file);
	int in = openat(dir_fd, file->name, O_RDONLY);
	char index[4096];
	ssize_t n = pread(in, index, sizeof(index), at);
	int out;

	assert_true(n > 0);
	close(in);
	set_size(dir_fd, file->name, 0);
	out = openat(dir_fd, file->name, O_WRONLY);
	assert_int_equal(write(out, index, (size_t)n), n);
	close(out);
}

static void it_is_removed(int dir_fd, const struct mh_segment_file *file)
{
	assert_int_equal(unlinkat(dir_fd, file->name, 0), 0);
}

/* The first look found all of them whole; what is read is looked at again. */
static void what_changes_meanwhile_is_not_merged(void **state)
{
	static const struct {
		void (*what)(int dir_fd, const struct mh_segment_file *file);
		int rc;
	} changes[] = {
		{a_bit_flips, -EBADMSG},      {the_index_goes, -EBADMSG},
		{the_end_is_cut, -EBADMSG},   {a_tail_grows, -EBADMSG},
		{it_becomes_empty, -EBADMSG}, {nothing_but_the_index_stays, -EBADMSG},
		{it_is_removed, -ESTALE},
	};
	struct mh_merge_result result;
	struct mh_segment_file file[3];
	struct mh_err err;
	struct rig r;

	(void)state;
	rig_begin(&r, 13, 3000, 600000);
	rig_write(&r, 9);
	seal_each(r.dir, 1);
	assert_int_equal(rig_list(&r)->n, 3);
	memcpy(file, r.list.file, sizeof(file));
	for (size_t i = 0; i < sizeof(changes) / sizeof(changes[0]); i++) {
		/* also the last one: nobody comes behind it who would miss it */
		for (size_t which = 0; which < 3; which++) {
			copy_file(r.dir_fd, file[which].name, "whole");
			meanwhile = changes[i].what;
			victim = &file[which];
			assert_int_equal(mh_merge(r.dir_fd, file, 3, &result, &err), changes[i].rc);
			meanwhile = NULL;
			assert_int_equal(result.bad, which);
			assert_true(err.text[0]);
			assert_int_equal(renameat(r.dir_fd, "whole", r.dir_fd, file[which].name),
					 0);
			assert_int_equal(rig_list(&r)->n, 3);
			assert_int_equal(r.list.n_temporary, 0);
		}
	}
	read_all_back(r.dir, &r.log);
	rig_end(&r);
}

/* A copy of an older segment under a newer number: time would go back in the merged one. */
static void what_does_not_go_on_is_not_merged(void **state)
{
	struct mh_merge_result result;
	char again[MH_SEGMENT_NAME_MAX];
	struct mh_err err;
	struct rig r;

	(void)state;
	rig_begin(&r, 15, 3000, 600000);
	rig_write(&r, 6);
	seal_each(r.dir, 1);
	assert_int_equal(rig_list(&r)->n, 2);
	snprintf(again, sizeof(again), "0000000003%s", r.list.file[0].name + 10);
	copy_file(r.dir_fd, r.list.file[0].name, again);
	assert_int_equal(rig_list(&r)->n, 3);
	assert_int_equal(mh_merge(r.dir_fd, r.list.file, 3, &result, &err), -EILSEQ);
	assert_int_equal(result.bad, 2);
	assert_int_equal(mh_merge(r.dir_fd, r.list.file, 2, &result, &err), 0);
	assert_int_equal(rig_list(&r)->n, 2);
	unlinkat(r.dir_fd, again, 0);
	read_all_back(r.dir, &r.log);
	rig_end(&r);
}

/* What was removed while it was merged is not wanted back. */
static void removed_ones_do_not_come_back(void **state)
{
	struct mh_merge_result result;
	struct mh_err err;
	struct rig r;

	(void)state;
	rig_begin(&r, 17, 3000, 600000);
	rig_write(&r, 9);
	seal_each(r.dir, 1);
	assert_int_equal(rig_list(&r)->n, 3);
	unlinkat(r.dir_fd, r.list.file[0].name, 0);
	assert_int_equal(mh_merge(r.dir_fd, r.list.file, 3, &result, &err), -ESTALE);
	assert_int_equal(rig_list(&r)->n, 2);
	assert_int_equal(r.list.n_temporary, 0);
	rig_end(&r);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(superseded_ones_are_not_read),
		cmocka_unit_test(damaged_ones_stay),
		cmocka_unit_test(what_changes_meanwhile_is_not_merged),
		cmocka_unit_test(what_does_not_go_on_is_not_merged),
		cmocka_unit_test(removed_ones_do_not_come_back),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
