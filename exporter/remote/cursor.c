/* The file of a position. A line is whole when writing what it says gives the same bytes. */
#include "exporter/remote/cursor.h"

#include "libmemhist/base/beneath.h"
#include "libmemhist/base/crc32c.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

enum {
	LINE_BYTES = 256, /* its newline included */
	LINES = 2,
	CRC_BYTES = 8,
	SYNC_MS = 5000,
	FILE_MODE = 0640,
};

struct remote_cursor {
	int fd;
	char *path;
	uint64_t number; /* of the line written last */
	bool is_dirty;
	mh_boot_ns_t synced_ns;
};

/* All of the same length. */
static void spell(char ret[LINE_BYTES], uint64_t number, const struct remote_position *p)
{
	char boot[2 * MH_BOOT_ID_BYTES + 1], head[LINE_BYTES];
	int len;

	for (int i = 0; i < MH_BOOT_ID_BYTES; i++)
		snprintf(boot + 2 * i, 3, "%02x", p->boot_id.bytes[i]);
	len = snprintf(head, sizeof(head),
		       "memhist-remote 1 number=%020llu boot=%s boot_ns=%020llu wall_ms=%020lld "
		       "sent_ms=%020lld booted_ms=%020lld ended=%d crc=",
		       (unsigned long long)number, boot, (unsigned long long)p->at.boot_ns,
		       (long long)p->at.wall_ms, (long long)p->sent_ms, (long long)p->booted_ms,
		       p->is_ended);
	memset(ret, ' ', LINE_BYTES);
	memcpy(ret, head, (size_t)len);
	snprintf(head, sizeof(head), "%08x", mh_crc32c(0, ret, (size_t)len));
	memcpy(ret + len, head, CRC_BYTES);
	ret[LINE_BYTES - 1] = '\n';
}

/* What stands behind `key` in the line; "" when it is not there. */
static const char *find(const char *line, const char *key)
{
	const char *at = strstr(line, key);

	return at ? at + strlen(key) : "";
}

static void find_boot(struct mh_boot_id *ret, const char *hex)
{
	for (int i = 0; i < MH_BOOT_ID_BYTES && hex[0] && hex[1]; i++, hex += 2) {
		const char pair[] = {hex[0], hex[1], '\0'};

		ret->bytes[i] = (uint8_t)strtoul(pair, NULL, 16);
	}
}

/* Whether the line is whole; then what it says. */
static bool take_line(const char line[LINE_BYTES], uint64_t *ret_number,
		      struct remote_position *ret)
{
	struct remote_position p = {.sent_ms = 0};
	char text[LINE_BYTES + 1], again[LINE_BYTES];
	uint64_t number;

	memcpy(text, line, LINE_BYTES);
	text[LINE_BYTES] = '\0';
	number = strtoull(find(text, " number="), NULL, 10);
	find_boot(&p.boot_id, find(text, " boot="));
	p.at.boot_ns = strtoull(find(text, " boot_ns="), NULL, 10);
	p.at.wall_ms = strtoll(find(text, " wall_ms="), NULL, 10);
	p.sent_ms = strtoll(find(text, " sent_ms="), NULL, 10);
	p.booted_ms = strtoll(find(text, " booted_ms="), NULL, 10);
	p.is_ended = *find(text, " ended=") == '1';
	spell(again, number, &p);
	if (memcmp(line, again, LINE_BYTES) != 0)
		return false;
	*ret_number = number;
	*ret = p;
	return true;
}

static int lock(int fd)
{
	struct flock whole = {.l_type = F_WRLCK, .l_whence = SEEK_SET};

	if (!fcntl(fd, F_OFD_SETLK, &whole))
		return 0;
	return errno == EACCES || errno == EAGAIN ? -EBUSY : -errno;
}

/* The file, made when it is missing; in a directory that is resolved, so that nothing leads away
 * from it. */
static int open_file(const char *path, const struct mh_places *places, struct mh_err *err)
{
	struct mh_resolved at;
	struct stat st;
	int dir_fd = mh_places_open_parent(places, path, &at, err), fd, rc = 0;

	if (dir_fd < 0)
		return dir_fd;
	fd = openat(dir_fd, strrchr(at.path, '/') + 1,
		    O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK, FILE_MODE);
	if (fd < 0)
		rc = -errno;
	close(dir_fd);
	if (!rc && fstat(fd, &st))
		rc = -errno;
	if (rc)
		mh_err_sys(err, rc, "cannot open %s, where a position of remote write is kept",
			   path);
	else if (!S_ISREG(st.st_mode))
		rc = mh_errf(err, -EINVAL, "%s is no regular file: no position is kept there",
			     path);
	if (!rc && (rc = lock(fd)))
		mh_errf(err, rc, "%s, where the position is kept, is in use by another process",
			path);
	if (!rc)
		return fd;
	if (fd >= 0)
		close(fd);
	return rc;
}

int remote_cursor_open(struct remote_cursor **ret, const char *path, const struct mh_places *places,
		       struct mh_err *err)
{
	struct remote_cursor *c = calloc(1, sizeof(*c));
	int rc = -ENOMEM;

	if (c) {
		c->fd = -1;
		c->path = strdup(path);
	}
	if (!c || !c->path) {
		mh_err_sys(err, rc, "cannot open %s", path);
	} else {
		c->fd = open_file(path, places, err);
		rc = c->fd < 0 ? c->fd : 0;
	}
	if (rc) {
		remote_cursor_close(c);
		return rc;
	}
	*ret = c;
	return 0;
}

void remote_cursor_close(struct remote_cursor *c)
{
	if (!c)
		return;
	if (c->fd >= 0) {
		if (c->is_dirty)
			fdatasync(c->fd);
		close(c->fd);
	}
	free(c->path);
	free(c);
}

int remote_cursor_read(struct remote_cursor *c, struct remote_position *ret, struct mh_err *err)
{
	char line[LINES][LINE_BYTES];
	ssize_t n = pread(c->fd, line, sizeof(line), 0);
	uint64_t number;
	bool is_there = false;

	if (n < 0)
		return mh_err_sys(err, -errno, "cannot read %s", c->path);
	for (int i = 0; i < LINES && n >= (i + 1) * LINE_BYTES; i++) {
		struct remote_position p;

		if (!take_line(line[i], &number, &p) || (is_there && number < c->number))
			continue;
		is_there = true;
		c->number = number;
		*ret = p;
	}
	if (is_there || !n)
		return is_there;
	return mh_errf(err, -EBADMSG,
		       "%s holds no position: remote write goes on with what is recorded now",
		       c->path);
}

int remote_cursor_write(struct remote_cursor *c, const struct remote_position *position,
			struct mh_instant now, struct mh_err *err)
{
	char line[LINE_BYTES];
	uint64_t number = c->number + 1;
	ssize_t n;

	spell(line, number, position);
	n = pwrite(c->fd, line, sizeof(line), (off_t)(number % LINES) * LINE_BYTES);
	if (n != (ssize_t)sizeof(line))
		return mh_err_sys(err, n < 0 ? -errno : -EIO, "cannot write %s", c->path);
	c->number = number;
	c->is_dirty = true;
	if (now.boot_ns - c->synced_ns < SYNC_MS * UINT64_C(1000000))
		return 0;
	c->synced_ns = now.boot_ns;
	c->is_dirty = false;
	if (fdatasync(c->fd))
		return mh_err_sys(err, -errno, "cannot bring %s to the disk", c->path);
	return 0;
}
