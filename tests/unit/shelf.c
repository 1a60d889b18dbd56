/* Files that look like segments. */
#include "tests/unit/shelf.h"

#include "tests/unit/disk.h"
#include "tests/unit/world.h"

#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

int shelf_note(void *arg, const struct mh_segment_file *file, enum mh_deletion by)
{
	struct shelf *f = arg;
	size_t len = strlen(f->gone);

	snprintf(f->gone + len, sizeof(f->gone) - len, "%s%s %d", len ? ", " : "",
		 mh_deletion_name(by), (int)file->seq);
	return 0;
}

void shelf_put(const struct shelf *f, const char *name, off_t bytes)
{
	int fd = openat(f->dir_fd, name, O_WRONLY | O_CREAT | O_CLOEXEC, 0640);

	assert_true(fd >= 0);
	assert_int_equal(ftruncate(fd, bytes), 0);
	close(fd);
}

void shelf_name(char ret[MH_SEGMENT_NAME_MAX], uint64_t seq)
{
	const struct mh_boot_id boot = {{1}};

	mh_segment_name(ret, seq, SHELF_START_MS + (mh_ms_t)seq * SHELF_HOUR_MS, &boot);
}

void shelf_fill(struct shelf *f, unsigned n)
{
	struct mh_err err = {""};

	disk_reset();
	disk.free_bytes = INT64_C(1) << 39;
	disk.free_files = 500000;
	*f = (struct shelf){.dir = temp_dir()};
	f->dir_fd = mh_dir_open(f->dir, &err);
	assert_true(f->dir_fd >= 0);
	f->job = (struct mh_retention_job){
		.limits = &f->limits,
		.newest_ms = MH_MS_MIN,
		.most_by_age = 1000,
		.told = shelf_note,
		.arg = f,
	};
	for (unsigned seq = 1; seq <= n; seq++) {
		char name[MH_SEGMENT_NAME_MAX];

		shelf_name(name, seq);
		shelf_put(f, name, SHELF_BYTES);
	}
}

void shelf_remove(struct shelf *f)
{
	mh_stock_done(&f->result.stock);
	close(f->dir_fd);
	remove_dir(f->dir);
}

int shelf_apply(struct shelf *f)
{
	f->gone[0] = '\0';
	return mh_retention_apply(f->dir_fd, f->dir, &f->job, &f->result, &f->err);
}

void shelf_goes(struct shelf *f, const char *gone)
{
	struct mh_segment_list list = {0};
	struct mh_stock stock = {0};

	if (shelf_apply(f))
		fail_msg("%s", f->err.text);
	assert_string_equal(f->gone, gone);
	assert_int_equal(mh_dir_list(f->dir_fd, &list), 0);
	assert_int_equal(list.n, f->result.stock.files.n);
	if (list.n)
		assert_string_equal(list.file[0].name, f->result.stock.files.file[0].name);
	assert_int_equal(mh_stock_take(f->dir_fd, &stock), 0);
	assert_int_equal(stock.bytes, f->result.stock.bytes);
	mh_stock_done(&stock);
	mh_dir_list_done(&list);
}

uint64_t shelf_taken(const struct shelf *f)
{
	struct mh_stock stock = {0};
	uint64_t bytes;

	assert_int_equal(mh_stock_take(f->dir_fd, &stock), 0);
	bytes = stock.bytes;
	mh_stock_done(&stock);
	return bytes;
}
