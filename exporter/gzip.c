/* zlib, at its fastest: pages repeat themselves so much that more effort makes them little smaller,
 * and clients of the same machine take in a second more than is saved. */
#include "exporter/gzip.h"

#include <errno.h>
#include <stdlib.h>
#include <zlib.h>

enum {
	LEVEL = 1,
	WINDOW_BITS = 15 + 16, /* + 16: gzip's header and trailer */
	MEMORY_LEVEL = 8,
	ROOM_BYTES = 16 * 1024,
};

struct gzip {
	z_stream stream;
	struct mh_buf *out;
};

int gzip_new(struct gzip **ret)
{
	struct gzip *g = calloc(1, sizeof(*g));

	if (!g || deflateInit2(&g->stream, LEVEL, Z_DEFLATED, WINDOW_BITS, MEMORY_LEVEL,
			       Z_DEFAULT_STRATEGY) != Z_OK) {
		free(g);
		return -ENOMEM;
	}
	*ret = g;
	return 0;
}

void gzip_free(struct gzip *g)
{
	if (!g)
		return;
	deflateEnd(&g->stream);
	free(g);
}

void gzip_begin(struct gzip *g, struct mh_buf *out)
{
	deflateReset(&g->stream);
	g->out = out;
}

/* With `flush` as zlib has it, until all of it is out. */
static int run(struct gzip *g, const char *bytes, size_t len, int flush)
{
	z_stream *z = &g->stream;

	/* its parameter lacks only the const */
	z->next_in = (Bytef *)(uintptr_t)bytes;
	z->avail_in = (uInt)len;
	do {
		char *to = mh_buf_reserve(g->out, ROOM_BYTES);

		if (!to)
			return g->out->error;
		z->next_out = (Bytef *)to;
		z->avail_out = ROOM_BYTES;
		deflate(z, flush);
		g->out->len += ROOM_BYTES - z->avail_out;
	} while (!z->avail_out);
	return 0;
}

int gzip_add(struct gzip *g, const char *bytes, size_t len)
{
	return run(g, bytes, len, Z_NO_FLUSH);
}

int gzip_end(struct gzip *g)
{
	return run(g, "", 0, Z_FINISH);
}
