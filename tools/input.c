/* Reading with or without decompression. Memory is bounded by the zstd window allowed. */
#include "tools/input.h"

#include "tools/tool.h"

#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include <zstd.h>

/* The window of zstd -19; --ultra and --long may ask for gigabytes. */
enum { RAW_BYTES = 128 << 10, WINDOW_LOG_MAX = 27, MAGIC_BYTES = 4 };

struct input {
	const char *name;
	int fd;
	uint64_t done, size;
	ZSTD_DStream *zstd;    /* NULL: not compressed */
	bool is_inside;        /* zstd: in the middle of a frame */
	ZSTD_inBuffer pending; /* of `raw`: read, not yet handed out */
	char raw[RAW_BYTES];
};

static int open_file(struct input *in, struct mh_err *err)
{
	struct stat st;

	if (!strcmp(in->name, "-")) {
		in->name = "standard input";
		in->fd = fcntl(STDIN_FILENO, F_DUPFD_CLOEXEC, 0);
		return in->fd < 0 ? mh_err_sys(err, -errno, "cannot read standard input") : 0;
	}
	in->fd = open(in->name, O_RDONLY | O_NONBLOCK | O_NOCTTY | O_CLOEXEC);
	if (in->fd < 0 || fstat(in->fd, &st))
		return mh_err_sys(err, -errno, "cannot read %s", in->name);
	if (!S_ISREG(st.st_mode))
		return mh_errf(err, -EINVAL,
			       "%s is no regular file: use - and a pipe for other sources",
			       in->name);
	in->size = (uint64_t)st.st_size;
	return 0;
}

/* As read(2) into `raw` from `have` on; -EINTR only when a signal asks us to end. */
static long read_raw(struct input *in, size_t have, struct mh_err *err)
{
	ssize_t n;

	do
		n = read(in->fd, in->raw + have, sizeof(in->raw) - have);
	while (n < 0 && errno == EINTR && !tool_interrupted());
	if (n < 0 && errno == EBADF)
		return mh_errf(err, -EBADF, "cannot read %s: it is closed", in->name);
	return n < 0 ? mh_err_sys(err, -errno, "cannot read %s", in->name) : n;
}

/* Fill `raw` when it is used up: bytes there now, 0 at the end, or -errno. */
static long refill(struct input *in, struct mh_err *err)
{
	long n;

	if (in->pending.pos < in->pending.size)
		return (long)(in->pending.size - in->pending.pos);
	n = read_raw(in, 0, err);
	if (n < 0)
		return n;
	in->pending = (ZSTD_inBuffer){.src = in->raw, .size = (size_t)n};
	in->done += (uint64_t)n;
	return n;
}

/* Look at the first bytes: is it zstd? They may come one by one through a pipe. */
static int detect(struct input *in, struct mh_err *err)
{
	static const unsigned char magic[MAGIC_BYTES] = {0x28, 0xb5, 0x2f, 0xfd};
	size_t have = 0;

	while (have < MAGIC_BYTES) {
		long n = read_raw(in, have, err);

		if (n < 0)
			return (int)n;
		if (!n)
			break;
		have += (size_t)n;
	}
	in->pending = (ZSTD_inBuffer){.src = in->raw, .size = have};
	in->done = have;
	if (have < MAGIC_BYTES || memcmp(in->raw, magic, MAGIC_BYTES))
		return 0;
	in->zstd = ZSTD_createDStream();
	if (!in->zstd)
		return mh_err_sys(err, -ENOMEM, "cannot read %s", in->name);
	ZSTD_DCtx_setParameter(in->zstd, ZSTD_d_windowLogMax, WINDOW_LOG_MAX);
	return 0;
}

int input_open(struct input **ret, const char *name, struct mh_err *err)
{
	struct input *in = calloc(1, sizeof(*in));
	int rc;

	if (!in)
		return mh_err_sys(err, -ENOMEM, "cannot read %s", name);
	in->name = name;
	in->fd = -1;
	rc = open_file(in, err);
	if (!rc)
		rc = detect(in, err);
	if (rc) {
		input_close(in);
		return rc;
	}
	*ret = in;
	return 0;
}

void input_close(struct input *in)
{
	if (!in)
		return;
	ZSTD_freeDStream(in->zstd);
	if (in->fd >= 0)
		close(in->fd);
	free(in);
}

static long decompress(struct input *in, char *to, size_t len, struct mh_err *err)
{
	ZSTD_outBuffer out = {.dst = to, .size = len};

	while (!out.pos) {
		long n = refill(in, err);
		size_t rc;

		if (n < 0)
			return n;
		if (!n && in->is_inside)
			return mh_errf(err, -EIO, "%s ends in the middle of its zstd data",
				       in->name);
		if (!n)
			return 0;
		rc = ZSTD_decompressStream(in->zstd, &out, &in->pending);
		if (ZSTD_isError(rc))
			return mh_errf(err, -EIO, "%s is broken zstd data: %s", in->name,
				       ZSTD_getErrorName(rc));
		in->is_inside = rc != 0;
	}
	return (long)out.pos;
}

long input_read(struct input *in, char *to, size_t len, struct mh_err *err)
{
	long n;

	if (in->zstd)
		return decompress(in, to, len, err);
	n = refill(in, err);
	if (n <= 0)
		return n;
	if ((size_t)n > len)
		n = (long)len;
	memcpy(to, in->raw + in->pending.pos, (size_t)n);
	in->pending.pos += (size_t)n;
	return n;
}

const char *input_name(const struct input *in)
{
	return in->name;
}

uint64_t input_done(const struct input *in)
{
	return in->done;
}

uint64_t input_size(const struct input *in)
{
	return in->size;
}
