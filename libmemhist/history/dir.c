/* Names, listing and lock of a history directory. Everything goes through its descriptor. */
#include "libmemhist/history/dir.h"

#include "libmemhist/base/beneath.h"

#include <ctype.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#define LOCK_NAME "LOCK"
/* D1 */
#define PATTERN "##########-########T######Z-xxxxxxxx" /* # digit, x hexadecimal digit */

enum { FILE_MODE = 0640 };
enum { SEQ_DIGITS = 10, START_AT = 11, BOOT_AT = 28, BOOT_DIGITS = 8 }; /* places in PATTERN */

int mh_dir_open(const char *path, struct mh_err *err)
{
	int fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);

	if (fd >= 0)
		return fd;
	fd = -errno;
	if (fd == -ENOTDIR)
		return mh_errf(err, fd,
			       "%s is not a directory: a history is a directory of segments", path);
	return mh_err_sys(err, fd, "cannot open the history directory %s", path);
}

/* Whether this is the name of a segment, and of which kind. */
static bool matches(const char *name, bool *ret_sealed)
{
	const char *p = PATTERN;

	for (; *p && *name; p++, name++) {
		bool ok = *p == '#'   ? isdigit((unsigned char)*name)
			  : *p == 'x' ? isxdigit((unsigned char)*name)
				      : *p == *name;
		if (!ok)
			return false;
	}
	*ret_sealed = !strcmp(name, MH_SEALED_SUFFIX);
	return !*p && (*ret_sealed || !strcmp(name, MH_OPEN_SUFFIX));
}

static int64_t digits(const char *p, int n)
{
	int64_t value = 0;

	while (n--)
		value = value * 10 + (*p++ - '0');
	return value;
}

static mh_ms_t start_of(const char *name)
{
	const char *p = name + START_AT;
	struct tm tm = {
		.tm_year = (int)digits(p, 4) - 1900,
		.tm_mon = (int)digits(p + 4, 2) - 1,
		.tm_mday = (int)digits(p + 6, 2),
		.tm_hour = (int)digits(p + 9, 2),
		.tm_min = (int)digits(p + 11, 2),
		.tm_sec = (int)digits(p + 13, 2),
	};

	return (mh_ms_t)timegm(&tm) * 1000;
}

static int by_seq(const void *a, const void *b)
{
	const struct mh_segment_file *x = a, *y = b;

	if (x->seq != y->seq)
		return x->seq < y->seq ? -1 : 1;
	if (x->is_sealed != y->is_sealed)
		return x->is_sealed ? -1 : 1;
	return strcmp(x->name, y->name);
}

/* D5: where both are there, the sealed one stands for the other, which is about to be removed. */
static void leave_out_doubles(struct mh_segment_list *list)
{
	size_t n = 0;

	for (size_t i = 0; i < list->n; i++)
		if (!n || list->file[i].is_sealed || !list->file[n - 1].is_sealed ||
		    list->file[i].seq != list->file[n - 1].seq)
			list->file[n++] = list->file[i];
	list->n = n;
}

static int append(struct mh_segment_list *list, const char *name, bool is_sealed, uint64_t bytes)
{
	struct mh_segment_file *file;

	/* room for powers of two: n is one exactly when it is time to double */
	if (!(list->n & (list->n - 1))) {
		size_t cap = list->n ? list->n * 2 : 1;

		file = reallocarray(list->file, cap, sizeof(*file));
		if (!file)
			return -ENOMEM;
		list->file = file;
	}
	file = &list->file[list->n++];
	*file = (struct mh_segment_file){
		.seq = (uint64_t)digits(name, SEQ_DIGITS),
		.start_ms = start_of(name),
		.is_sealed = is_sealed,
		.bytes = bytes,
	};
	memcpy(file->name, name, strlen(name) + 1);
	memcpy(file->boot, name + BOOT_AT, BOOT_DIGITS);
	return 0;
}

int mh_dir_list(int dir_fd, struct mh_segment_list *list)
{
	/* a descriptor of its own: closedir() closes it, and the position is not shared */
	int fd = mh_beneath_open(dir_fd, ".", O_RDONLY | O_DIRECTORY, 0), rc = 0;
	DIR *dir = fd < 0 ? NULL : fdopendir(fd);
	struct dirent *entry;

	if (!dir) {
		rc = fd < 0 ? fd : -errno;
		if (fd >= 0)
			close(fd);
		return rc;
	}
	list->n = list->n_foreign = 0;
	free(list->file);
	list->file = NULL;
	while (!rc && (errno = 0, entry = readdir(dir))) {
		bool is_sealed;
		struct stat st;

		if (entry->d_name[0] == '.' || !strcmp(entry->d_name, LOCK_NAME))
			continue;
		if (!matches(entry->d_name, &is_sealed) ||
		    fstatat(dir_fd, entry->d_name, &st, AT_SYMLINK_NOFOLLOW) ||
		    !S_ISREG(st.st_mode))
			list->n_foreign++;
		else
			rc = append(list, entry->d_name, is_sealed, (uint64_t)st.st_size);
	}
	if (!rc)
		rc = -errno;
	closedir(dir);
	if (list->n)
		qsort(list->file, list->n, sizeof(*list->file), by_seq);
	leave_out_doubles(list);
	return rc;
}

void mh_dir_list_done(struct mh_segment_list *list)
{
	free(list->file);
	*list = (struct mh_segment_list){0};
}

void mh_segment_name(char ret[MH_SEGMENT_NAME_MAX], uint64_t seq, mh_ms_t start_ms,
		     const struct mh_boot_id *boot_id)
{
	time_t start = (time_t)(start_ms / 1000);
	char utc[32];
	struct tm tm;

	gmtime_r(&start, &tm);
	strftime(utc, sizeof(utc), "%Y%m%dT%H%M%SZ", &tm);
	snprintf(ret, MH_SEGMENT_NAME_MAX, "%010" PRIu64 "-%s-%02x%02x%02x%02x" MH_OPEN_SUFFIX, seq,
		 utc, boot_id->bytes[0], boot_id->bytes[1], boot_id->bytes[2], boot_id->bytes[3]);
}

static int32_t pid_in(int fd)
{
	char text[16] = "";
	ssize_t n = pread(fd, text, sizeof(text) - 1, 0);
	long pid = n > 0 ? strtol(text, NULL, 10) : 0;

	return pid > 0 && pid <= MH_PID_MAX ? (int32_t)pid : 0;
}

int mh_dir_lock(int dir_fd, int32_t *ret_pid)
{
	int fd = mh_beneath_file(dir_fd, LOCK_NAME, O_RDWR | O_CREAT, FILE_MODE); /* D3 */
	struct flock whole = {.l_type = F_WRLCK, .l_whence = SEEK_SET};
	struct stat st;
	int rc;

	/* who may not write here can still tell that somebody does */
	if (fd < 0)
		return mh_dir_is_locked(dir_fd, ret_pid) ? -EBUSY : fd;
	/* a hard link to a file that is worth more than this one: it would be emptied */
	if (fstat(fd, &st) || st.st_nlink > 1) {
		close(fd);
		return -EMLINK;
	}
	if (fcntl(fd, F_OFD_SETLK, &whole)) {
		rc = errno == EAGAIN || errno == EACCES ? -EBUSY : -errno;
		*ret_pid = pid_in(fd);
		close(fd);
		return rc;
	}
	/* for people and for status only; the lock is the kernel's, so a failure here is none */
	if (!ftruncate(fd, 0))
		dprintf(fd, "%d\n", (int)getpid());
	return fd;
}

bool mh_dir_is_locked(int dir_fd, int32_t *ret_pid)
{
	int fd = mh_beneath_file(dir_fd, LOCK_NAME, O_RDONLY, 0);
	struct flock whole = {.l_type = F_RDLCK, .l_whence = SEEK_SET};
	bool locked;

	*ret_pid = 0;
	if (fd < 0)
		return false;
	/* asks without taking, so that it never gets into the way of a writer that starts */
	locked = !fcntl(fd, F_OFD_GETLK, &whole) && whole.l_type != F_UNLCK;
	if (locked)
		*ret_pid = pid_in(fd);
	close(fd);
	return locked;
}

static int say_busy(const char *path, int32_t pid, struct mh_err *err)
{
	if (pid)
		return mh_errf(err, -EBUSY, "the history %s is written by process %d", path, pid);
	return mh_errf(err, -EBUSY, "the history %s is written by another process", path);
}

static int lock(const char *path, int dir_fd, struct mh_err *err)
{
	int32_t pid = 0;
	int fd = mh_dir_lock(dir_fd, &pid);

	if (fd >= 0)
		return fd;
	if (fd == -EBUSY)
		return say_busy(path, pid, err);
	if (fd == -EINVAL || fd == -ELOOP || fd == -EMLINK)
		return mh_errf(err, fd,
			       "%s/LOCK is not a plain file of its own: remove it, if no process "
			       "writes this history",
			       path);
	return mh_err_sys(err, fd, "cannot lock %s/LOCK for writing", path);
}

/* Where we may not write, another may do so: -EBUSY, and it can be followed. Else `rc`. */
static int busy_or(int rc, const char *path, struct mh_err *err)
{
	int fd = mh_dir_open(path, NULL);
	int32_t pid;

	if (fd >= 0 && mh_dir_is_locked(fd, &pid))
		rc = say_busy(path, pid, err);
	if (fd >= 0)
		close(fd);
	return rc;
}

int mh_dir_own(const char *path, const struct mh_places *places, int *ret_dir_fd, int *ret_lock_fd,
	       struct mh_err *err)
{
	int dir_fd = mh_places_open_history(places, path, true, err), lock_fd;

	if (dir_fd < 0)
		return dir_fd == -EPERM ? busy_or(dir_fd, path, err) : dir_fd;
	lock_fd = lock(path, dir_fd, err);
	if (lock_fd < 0) {
		close(dir_fd);
		return lock_fd;
	}
	*ret_dir_fd = dir_fd;
	*ret_lock_fd = lock_fd;
	return 0;
}
