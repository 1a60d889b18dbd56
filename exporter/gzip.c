/*
 * A head that says nothing, DEFLATE, and at the end the CRC and the length of all.
 *
 * zlib packs anything well; what is packed here is lines like those before, with numbers. For that
 * deflate.c takes half the time of zlib at its fastest, and makes it no longer.
 */
#include "exporter/gzip.h"

#include "exporter/deflate.h"

#include <endian.h>
#include <errno.h>
#include <stdlib.h>
#include <zlib.h>

struct gzip {
	struct deflate *deflate;
	struct mh_buf *out;
	uint32_t crc, len; /* of what went in; len modulo 2^32 */
};

int gzip_new(struct gzip **ret)
{
	struct gzip *g = calloc(1, sizeof(*g));

	if (!g || deflate_new(&g->deflate)) {
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
	deflate_free(g->deflate);
	free(g);
}

void gzip_begin(struct gzip *g, struct mh_buf *out)
{
	/* magic number; DEFLATE; no name, no time; packed fast; by some system */
	static const unsigned char head[] = {0x1f, 0x8b, 8, 0, 0, 0, 0, 0, 4, 0xff};

	deflate_begin(g->deflate);
	g->out = out;
	g->crc = (uint32_t)crc32_z(0, NULL, 0);
	g->len = 0;
	mh_buf_add(out, head, sizeof(head));
}

int gzip_add(struct gzip *g, const char *bytes, size_t len)
{
	g->crc = (uint32_t)crc32_z(g->crc, (const Bytef *)bytes, len);
	g->len += (uint32_t)len;
	deflate_add(g->deflate, g->out, bytes, len);
	return g->out->error;
}

int gzip_end(struct gzip *g)
{
	const uint32_t tail[] = {htole32(g->crc), htole32(g->len)};

	deflate_end(g->deflate, g->out);
	mh_buf_add(g->out, tail, sizeof(tail));
	return g->out->error;
}
