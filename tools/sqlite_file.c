/*
 * A virtual file system of SQLite with one file: ours. What SQLite opens besides (temporary files)
 * goes to its own file system.
 */
#include "tools/sqlite_file.h"

#include "tools/tool.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

enum { PATH_BYTES = 512, SECTOR_BYTES = 4096, STEPS_BETWEEN_LOOKS = 20000 };

struct sqlite_file {
	sqlite3_vfs vfs; /* first: SQLite hands us its address */
	sqlite3_vfs *base;
	char vfs_name[48];
	int fd;
	int error; /* -errno of the first read or write that failed */
	const char *name;
	sqlite3 *db;
};

/* What SQLite keeps of our file. */
struct handle {
	sqlite3_file file; /* first, as above */
	struct sqlite_file *owner;
};

static struct sqlite_file *owner_of(sqlite3_file *file)
{
	return ((struct handle *)file)->owner;
}

/* --- the file ---------------------------------------------------------------------------- */

static int failed(struct sqlite_file *f, int code)
{
	if (!f->error)
		f->error = -errno;
	return errno == ENOSPC || errno == EDQUOT || errno == EFBIG ? SQLITE_FULL : code;
}

static int file_close(sqlite3_file *file)
{
	(void)file;
	return SQLITE_OK;
}

static int file_read(sqlite3_file *file, void *to, int len, sqlite3_int64 offset)
{
	struct sqlite_file *f = owner_of(file);
	int done = 0;

	while (done < len) {
		ssize_t n = pread(f->fd, (char *)to + done, (size_t)(len - done), offset + done);

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return failed(f, SQLITE_IOERR_READ);
		if (!n) {
			memset((char *)to + done, 0, (size_t)(len - done));
			return SQLITE_IOERR_SHORT_READ;
		}
		done += (int)n;
	}
	return SQLITE_OK;
}

static int file_write(sqlite3_file *file, const void *from, int len, sqlite3_int64 offset)
{
	struct sqlite_file *f = owner_of(file);
	int done = 0;

	while (done < len) {
		ssize_t n = pwrite(f->fd, (const char *)from + done, (size_t)(len - done),
				   offset + done);

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return failed(f, SQLITE_IOERR_WRITE);
		done += (int)n;
	}
	return SQLITE_OK;
}

static int file_truncate(sqlite3_file *file, sqlite3_int64 size)
{
	struct sqlite_file *f = owner_of(file);

	return ftruncate(f->fd, size) ? failed(f, SQLITE_IOERR_TRUNCATE) : SQLITE_OK;
}

/* The caller brings the whole file to the disk before it gets its name. */
static int file_sync(sqlite3_file *file, int flags)
{
	(void)file;
	(void)flags;
	return SQLITE_OK;
}

static int file_size(sqlite3_file *file, sqlite3_int64 *ret)
{
	struct sqlite_file *f = owner_of(file);
	struct stat st;

	if (fstat(f->fd, &st))
		return failed(f, SQLITE_IOERR_FSTAT);
	*ret = st.st_size;
	return SQLITE_OK;
}

/* Nobody else can open a file that has no name. */
static int file_lock(sqlite3_file *file, int level)
{
	(void)file;
	(void)level;
	return SQLITE_OK;
}

static int file_is_reserved(sqlite3_file *file, int *ret)
{
	(void)file;
	*ret = 0;
	return SQLITE_OK;
}

static int file_control(sqlite3_file *file, int op, void *arg)
{
	(void)file;
	(void)op;
	(void)arg;
	return SQLITE_NOTFOUND;
}

static int file_sector(sqlite3_file *file)
{
	(void)file;
	return SECTOR_BYTES;
}

static int file_traits(sqlite3_file *file)
{
	(void)file;
	return 0;
}

static const sqlite3_io_methods methods = {
	.iVersion = 1,
	.xClose = file_close,
	.xRead = file_read,
	.xWrite = file_write,
	.xTruncate = file_truncate,
	.xSync = file_sync,
	.xFileSize = file_size,
	.xLock = file_lock,
	.xUnlock = file_lock,
	.xCheckReservedLock = file_is_reserved,
	.xFileControl = file_control,
	.xSectorSize = file_sector,
	.xDeviceCharacteristics = file_traits,
};

/* --- the file system --------------------------------------------------------------------- */

static int vfs_open(sqlite3_vfs *vfs, const char *name, sqlite3_file *file, int flags,
		    int *ret_flags)
{
	struct sqlite_file *f = (struct sqlite_file *)vfs;
	struct handle *handle = (struct handle *)file;

	if (!(flags & SQLITE_OPEN_MAIN_DB))
		return f->base->xOpen(f->base, name, file, flags, ret_flags);
	handle->owner = f;
	handle->file.pMethods = &methods;
	if (ret_flags)
		*ret_flags = flags;
	return SQLITE_OK;
}

static int vfs_delete(sqlite3_vfs *vfs, const char *name, int sync)
{
	(void)vfs;
	(void)name;
	(void)sync;
	return SQLITE_OK;
}

/* Beside ours there is nothing: no journal, no log. */
static int vfs_access(sqlite3_vfs *vfs, const char *name, int flags, int *ret)
{
	(void)vfs;
	(void)name;
	(void)flags;
	*ret = 0;
	return SQLITE_OK;
}

static int vfs_full_path(sqlite3_vfs *vfs, const char *name, int size, char *ret)
{
	(void)vfs;
	snprintf(ret, (size_t)size, "%s", name);
	return SQLITE_OK;
}

static void make_vfs(struct sqlite_file *f)
{
	/* random numbers, clocks and the like stay the base's, with the base's data */
	f->vfs = *f->base;
	f->vfs.pNext = NULL;
	f->vfs.szOsFile = f->base->szOsFile > (int)sizeof(struct handle)
				  ? f->base->szOsFile
				  : (int)sizeof(struct handle);
	f->vfs.mxPathname = PATH_BYTES;
	snprintf(f->vfs_name, sizeof(f->vfs_name), "memhist-%p", (void *)f);
	f->vfs.zName = f->vfs_name;
	f->vfs.xOpen = vfs_open;
	f->vfs.xDelete = vfs_delete;
	f->vfs.xAccess = vfs_access;
	f->vfs.xFullPathname = vfs_full_path;
}

static int is_interrupted(void *arg)
{
	(void)arg;
	return tool_interrupted() != 0;
}

int sqlite_file_open(struct sqlite_file **ret, int fd, const char *name, struct mh_err *err)
{
	static const char setup[] = "PRAGMA journal_mode=OFF; PRAGMA synchronous=OFF;"
				    "PRAGMA locking_mode=EXCLUSIVE; PRAGMA cache_size=-16384;";
	struct sqlite_file *f = calloc(1, sizeof(*f));
	int rc;

	if (!f)
		return mh_err_sys(err, -ENOMEM, "cannot write %s", name);
	f->fd = fd;
	f->name = name;
	f->base = sqlite3_vfs_find(NULL);
	if (!f->base) {
		free(f);
		return mh_errf(err, -ENOSYS, "SQLite knows no file system");
	}
	make_vfs(f);
	rc = sqlite3_vfs_register(&f->vfs, 0);
	if (!rc)
		rc = sqlite3_open_v2("export", &f->db, SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE,
				     f->vfs_name);
	if (rc) {
		rc = sqlite_file_fail(f, err);
	} else {
		sqlite3_progress_handler(f->db, STEPS_BETWEEN_LOOKS, is_interrupted, NULL);
		rc = sqlite_file_exec(f, setup, err);
	}
	if (rc)
		sqlite_file_close(f);
	else
		*ret = f;
	return rc;
}

void sqlite_file_close(struct sqlite_file *f)
{
	if (!f)
		return;
	sqlite3_close_v2(f->db);
	sqlite3_vfs_unregister(&f->vfs);
	free(f);
}

sqlite3 *sqlite_file_db(struct sqlite_file *f)
{
	return f->db;
}

int sqlite_file_fail(struct sqlite_file *f, struct mh_err *err)
{
	if (tool_interrupted())
		return -EINTR;
	if (f->error)
		return mh_err_sys(err, f->error, "cannot write %s", f->name);
	return mh_errf(err, -EIO, "cannot write %s: %s", f->name,
		       f->db ? sqlite3_errmsg(f->db) : "no memory");
}

int sqlite_file_exec(struct sqlite_file *f, const char *sql, struct mh_err *err)
{
	return sqlite3_exec(f->db, sql, NULL, NULL, NULL) ? sqlite_file_fail(f, err) : 0;
}

int sqlite_file_step(struct sqlite_file *f, sqlite3_stmt *statement, struct mh_err *err)
{
	int rc = sqlite3_step(statement);

	sqlite3_reset(statement);
	return rc == SQLITE_DONE || rc == SQLITE_ROW ? 0 : sqlite_file_fail(f, err);
}
