#include "tests/unit/plugin_rig.h"

#include "libmemhist/history/reader.h"

#include <dirent.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>
#include <cmocka.h>

enum { ITEMS_MAX = 16, OWN_ITEMS = 5 };

static const char meminfo[] = "MemTotal:       2000 kB\n"
			      "MemFree:        1000 kB\n"
			      "MemAvailable:   1500 kB\n"
			      "SwapTotal:      4096 kB\n"
			      "Active(anon):    300 kB\n"
			      "Active_anon:       7 kB\n"
			      "HugePages_Total:   3\n";
static const char boot_id[] = "6b0b2b2e-3a0f-4b3f-9d5e-0123456789ab\n";

struct faults faults;

/* The four below are found before libc's, since they are in the program. */

int clock_gettime(clockid_t clock, struct timespec *ret)
{
	int rc = (int)syscall(SYS_clock_gettime, clock, ret);

	ret->tv_sec += (time_t)faults.later_s;
	return rc;
}

int fdatasync(int fd)
{
	(void)fd;
	faults.syncs++;
	faults.waiting++;
	while (faults.disk_hangs)
		usleep(1000);
	faults.waiting--;
	return 0;
}

int fsync(int fd)
{
	return fdatasync(fd);
}

off_t lseek(int fd, off_t offset, int whence)
{
	if (faults.listing_fails) {
		errno = EIO;
		return -1;
	}
	return (off_t)syscall(SYS_lseek, fd, offset, whence);
}

int rig_setup(void **state)
{
	struct rig *rig = calloc(1, sizeof(*rig));

	assert_non_null(rig);
	tree_make(&rig->proc);
	tree_make(&rig->dir);
	tree_path(&rig->dir, "history", rig->history);
	tree_write(&rig->proc, "meminfo", meminfo, sizeof(meminfo) - 1);
	tree_write(&rig->proc, "sys/kernel/random/boot_id", boot_id, sizeof(boot_id) - 1);
	rig_process(rig, 1, "init", 10);
	faults.listing_fails = false;
	faults.disk_hangs = false;
	faults.syncs = 0;
	faults.later_s = 0;
	mock_reset();
	module_register();
	*state = rig;
	return 0;
}

int rig_teardown(void **state)
{
	struct rig *rig = *state;

	tree_remove(&rig->proc);
	tree_remove(&rig->dir);
	free(rig);
	return 0;
}

void rig_configure(const struct rig *rig, const char *history, oconfig_item_t *items, int n)
{
	oconfig_item_t all[ITEMS_MAX] = {
		RIG_OPTION("Procfs", MOCK_STRING(rig->proc.path)),
		RIG_OPTION("Backend", MOCK_STRING("procfs")),
		RIG_OPTION("HistoryDir", MOCK_STRING(history ? history : "none")),
		RIG_OPTION("HistoryMinFree", MOCK_STRING("none")),
		RIG_OPTION("HistorySealer", MOCK_STRING("none")),
	};
	oconfig_item_t block = {
		.key = (char *)"Plugin", .children = all, .children_num = n + OWN_ITEMS};

	assert_true(n + OWN_ITEMS <= ITEMS_MAX);
	if (n)
		memcpy(all + OWN_ITEMS, items, (size_t)n * sizeof(*items));
	assert_int_equal(mock.config(&block), 0);
}

void rig_start(const struct rig *rig, const char *history)
{
	rig_configure(rig, history, NULL, 0);
	assert_int_equal(mock.init(), 0);
}

void rig_read(void)
{
	mock_forget_values();
	assert_non_null(mock.read);
	assert_int_equal(mock.read(NULL), 0);
}

void rig_stop(void)
{
	assert_int_equal(mock.flush(0, NULL, NULL), 0);
	assert_int_equal(mock.shutdown(), 0);
}

void rig_process(const struct rig *rig, uint32_t pid, const char *comm, uint64_t rss_pages)
{
	tree_process(&rig->proc, pid,
		     &(struct tree_process){.comm = comm,
					    .cmdline = comm,
					    .start_ticks = pid,
					    .vsz_pages = rss_pages * 10,
					    .rss_pages = rss_pages});
}

unsigned rig_threads(void)
{
	DIR *dir = opendir("/proc/self/task");
	unsigned n = 0;

	assert_non_null(dir);
	for (const struct dirent *entry; (entry = readdir(dir)) != NULL;)
		n += entry->d_name[0] != '.';
	closedir(dir);
	return n;
}

double rig_value(const char *identifier)
{
	const struct mock_value *value = mock_find(identifier);

	if (!value)
		fail_msg("%s was not dispatched", identifier);
	return value->value[0];
}

uint64_t rig_recorded(const char *history)
{
	struct mh_reader_options options = {.since_ms = MH_MS_MIN, .until_ms = MH_MS_MAX};
	const struct mh_snapshot *snapshot;
	struct mh_reader *reader;
	uint64_t n = 0;

	if (mh_reader_open(&reader, history, &options, NULL))
		return 0;
	while (mh_reader_next(reader, &snapshot, NULL) > 0)
		n++;
	mh_reader_close(reader);
	return n;
}
