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
/* D1; # digit, x hexadecimal digit */
#define PATTERN        "##########-########T######Z-xxxxxxxx"
#define MERGED_PATTERN "##########+#####-########T######Z-xxxxxxxx"

enum { FILE_MODE = 0640 };
/* places in PATTERN; in the other, what is behind the number of numbers stands further on */
enum { SEQ_DIGITS = 10, START_AT = 11, BOOT_AT = 28, BOOT_DIGITS = 8 };
enum { MORE_AT = 11, MORE_DIGITS = 5, MERGED_SHIFT = 6 };

enum {
	QUIET_MS = 1000, /* more than the grain of any file system's times, but for FAT's */
	LOOKS_MAX = 100,
};

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

/* What is behind the part of a name that matches; NULL when it does not. */
static const char *behind(const char *name, const char *pattern)
{
	for (; *pattern && *name; pattern++, name++) {
		bool ok = *pattern == '#'   ? isdigit((unsigned char)*name)
			  : *pattern == 'x' ? isxdigit((unsigned char)*name)
					    : *pattern == *name;
		if (!ok)
			return NULL;
	}
	return *pattern ? NULL : name;
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

enum kind { SEGMENT, TEMPORARY, FOREIGN };

/* What the name of a file says that it is. */
static enum kind kind_of(const char *name, struct mh_segment_file *ret)
{
	bool is_temporary = *name == '.';
	const char *stem = name + is_temporary, *plain = behind(stem, PATTERN);
	const char *suffix = plain ? plain : behind(stem, MERGED_PATTERN);
	size_t shift = plain ? 0 : MERGED_SHIFT;

	if (!suffix || strlen(name) >= sizeof(ret->name))
		return FOREIGN;
	ret->is_sealed = strcmp(suffix, MH_OPEN_SUFFIX) != 0;
	if (is_temporary ? strcmp(suffix, MH_SEALED_SUFFIX MH_TEMPORARY_SUFFIX) != 0
			 : ret->is_sealed && strcmp(suffix, MH_SEALED_SUFFIX) != 0)
		return FOREIGN;
	ret->seq = ret->last_seq = (uint64_t)digits(stem, SEQ_DIGITS);
	if (!plain)
		ret->last_seq += (uint64_t)digits(stem + MORE_AT, MORE_DIGITS);
	if (!ret->is_sealed && !plain)
		return FOREIGN; /* nobody merges into rows */
	ret->start_ms = start_of(stem + shift);
	memcpy(ret->boot, stem + shift + BOOT_AT, BOOT_DIGITS);
	memcpy(ret->name, name, strlen(name) + 1);
	return is_temporary ? TEMPORARY : SEGMENT;
}

/* Temporary files last; then by number, before each those that hold it and more. */
static int by_seq(const void *a, const void *b)
{
	const struct mh_segment_file *x = a, *y = b;

	if ((*x->name == '.') != (*y->name == '.'))
		return *x->name == '.' ? 1 : -1;
	if (x->seq != y->seq)
		return x->seq < y->seq ? -1 : 1;
	if (x->last_seq != y->last_seq)
		return x->last_seq > y->last_seq ? -1 : 1;
	if (x->is_sealed != y->is_sealed)
		return x->is_sealed ? -1 : 1;
	return strcmp(x->name, y->name);
}

static void swap_files(struct mh_segment_file *a, struct mh_segment_file *b)
{
	struct mh_segment_file was = *a;

	*a = *b;
	*b = was;
}

/*
 * D5: where there is a sealed segment of all its numbers, a segment goes behind the others: it is
 * about to be removed. Sorted, so that a wider one comes first.
 */
static void set_superseded_apart(struct mh_segment_list *list)
{
	const struct mh_segment_file *sealed = NULL;
	size_t n_segments = list->n, n = 0;

	for (size_t i = 0; i < n_segments; i++) {
		struct mh_segment_file *file = &list->file[i];

		if (sealed && file->last_seq <= sealed->last_seq)
			continue;
		swap_files(&list->file[n], file);
		if (list->file[n].is_sealed)
			sealed = &list->file[n];
		n++;
	}
	list->n = n;
	list->n_superseded = n_segments - n;
}

static int append(struct mh_segment_list *list, size_t n, const struct mh_segment_file *file)
{
	/* room for powers of two: n is one exactly when it is time to double */
	if (!(n & (n - 1))) {
		size_t cap = n ? n * 2 : 1;
		struct mh_segment_file *bigger = reallocarray(list->file, cap, sizeof(*bigger));

		if (!bigger)
			return -ENOMEM;
		list->file = bigger;
	}
	list->file[n] = *file;
	return 0;
}

static uint64_t space_of(const struct stat *st)
{
	const uint64_t blocks = (uint64_t)st->st_blocks * 512, size = (uint64_t)st->st_size;

	return blocks > size ? blocks : size;
}

static int add_entry(struct mh_segment_list *list, int dir_fd, const char *name)
{
	struct mh_segment_file file = {0};
	enum kind kind = kind_of(name, &file);
	bool is_there;
	struct stat st;
	int rc;

	if (!strcmp(name, ".") || !strcmp(name, ".."))
		return 0;
	is_there = !fstatat(dir_fd, name, &st, AT_SYMLINK_NOFOLLOW);
	if (is_there)
		file.disk_bytes = space_of(&st);
	if (kind == FOREIGN || !is_there || !S_ISREG(st.st_mode)) {
		list->n_foreign += *name != '.' && strcmp(name, LOCK_NAME) != 0 &&
				   strcmp(name, MH_DAMAGED_DIR) != 0;
		list->other_bytes += file.disk_bytes;
		return 0;
	}
	file.bytes = (uint64_t)st.st_size;
	rc = append(list, list->n + list->n_temporary, &file);
	if (!rc && kind == TEMPORARY)
		list->n_temporary++;
	else if (!rc)
		list->n++;
	return rc;
}

/* One look at the directory. */
static int look(int dir_fd, struct mh_segment_list *list)
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
	mh_dir_list_done(list);
	while (!rc && (errno = 0, entry = readdir(dir)))
		rc = add_entry(list, dir_fd, entry->d_name);
	if (!rc)
		rc = -errno;
	closedir(dir);
	if (list->n)
		qsort(list->file, list->n + list->n_temporary, sizeof(*list->file), by_seq);
	set_superseded_apart(list);
	return rc;
}

static bool same_files(const struct mh_segment_list *a, const struct mh_segment_list *b)
{
	size_t n = a->n + a->n_superseded;

	if (a->n != b->n || a->n_superseded != b->n_superseded)
		return false;
	for (size_t i = 0; i < n; i++)
		if (strcmp(a->file[i].name, b->file[i].name) != 0)
			return false;
	return true;
}

/* When the names in the directory were changed last; 0 = who knows. */
static int64_t changed_ns(int dir_fd)
{
	struct stat st;

	return fstat(dir_fd, &st) ? 0
				  : st.st_mtim.tv_sec * INT64_C(1000000000) + st.st_mtim.tv_nsec;
}

/* Whether the last change was so long ago that another one would show as another time. */
static bool is_quiet(int64_t change_ns)
{
	int64_t ago_ms = mh_now().wall_ms - change_ns / 1000000;

	return change_ns && ago_ms > QUIET_MS;
}

/*
 * readdir(3) may pass over a name that comes, and then not find the one that it takes the place of
 * any more. So there is a second look, until two of them agree, unless nothing was changed.
 */
int mh_dir_list(int dir_fd, struct mh_segment_list *list)
{
	struct mh_segment_list before = {0};
	int rc;

	for (int looks = 0;; looks++) {
		int64_t since_ns = changed_ns(dir_fd);
		bool was_quiet = is_quiet(since_ns);
		struct mh_segment_list was = before;

		rc = look(dir_fd, list);
		if (rc || looks == LOOKS_MAX || (looks && same_files(&before, list)) ||
		    (was_quiet && changed_ns(dir_fd) == since_ns))
			break;
		before = *list;
		*list = was;
	}
	mh_dir_list_done(&before);
	return rc;
}

void mh_dir_list_done(struct mh_segment_list *list)
{
	free(list->file);
	*list = (struct mh_segment_list){0};
}

int mh_dir_no_history(const char *path, struct mh_err *err)
{
	return mh_errf(err, -ENODATA,
		       "%s holds no memhist history: no file there has a segment's name", path);
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

void mh_sealed_name(char ret[MH_SEGMENT_NAME_MAX], const struct mh_segment_file *file)
{
	const char *suffix = strchr(file->name, '.');

	snprintf(ret, MH_SEGMENT_NAME_MAX, "%.*s" MH_SEALED_SUFFIX, (int)(suffix - file->name),
		 file->name);
}

void mh_merged_name(char ret[MH_SEGMENT_NAME_MAX], const struct mh_segment_file *first,
		    const struct mh_segment_file *last)
{
	/* the beginning is that of the first, also where that is a merged one itself */
	snprintf(ret, MH_SEGMENT_NAME_MAX, "%.*s+%05" PRIu64 "%s", SEQ_DIGITS, first->name,
		 last->last_seq - first->seq, strchr(first->name, '-'));
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

void mh_dir_tell(int lock_fd, const char *lines)
{
	if (!ftruncate(lock_fd, 0) && !lseek(lock_fd, 0, SEEK_SET))
		dprintf(lock_fd, "%d\n%s", (int)getpid(), lines);
}

void mh_dir_told(int dir_fd, char *ret, size_t size)
{
	int fd = mh_beneath_file(dir_fd, LOCK_NAME, O_RDONLY, 0);
	ssize_t n = fd < 0 ? 0 : pread(fd, ret, size - 1, 0);

	ret[n > 0 ? n : 0] = '\0';
	if (fd >= 0)
		close(fd);
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
