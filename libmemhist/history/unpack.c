/* Decompression and unpacking. Sizes that the bytes claim are checked before anything is
 * allocated for them. */
#include "libmemhist/history/unpack.h"

#include "libmemhist/history/unknown.h"

#include <errno.h>
#include <string.h>
#include <zstd.h>

enum {
	/*
	 * What a message may take when it is unpacked: a varint of one byte becomes at most 8 bytes
	 * of array, and a frame may be full of these. An element that is a message or a string of
	 * its own takes two bytes and becomes over 100 (a note of protobuf-c's, a pointer, a
	 * struct): no more than a million or two of those are unpacked, where 16 could be said.
	 * Writers make some thousands.
	 */
	UNPACKED_MAX = 8 * MH_FRAME_RAW_MAX + (1 << 20),
	ZSTD_HEAD_MIN = 6, /* magic, descriptor, window or size */
};

int mh_unpacker_init(struct mh_unpacker *u)
{
	*u = (struct mh_unpacker){
		.message = MH_ARENA_INIT(UNPACKED_MAX),
		.raw = MH_BUF_INIT(MH_FRAME_RAW_MAX),
		.zstd = ZSTD_createDCtx(),
	};
	if (!u->zstd)
		return -ENOMEM;
	return 0;
}

void mh_unpacker_done(struct mh_unpacker *u)
{
	mh_arena_done(&u->message);
	mh_buf_done(&u->raw);
	ZSTD_freeDCtx(u->zstd);
	u->zstd = NULL;
}

/* protobuf-c does not tell a message that it cannot hold from one that is none. */
static void *arena_alloc(void *unpacker, size_t size)
{
	struct mh_unpacker *u = unpacker;
	void *p = mh_arena_alloc(&u->message, size);

	u->has_no_memory |= !p && mh_arena_has_room(&u->message, size);
	return p;
}

static void arena_free(void *unpacker, void *pointer)
{
	(void)unpacker;
	(void)pointer;
}

/*
 * P1: a zstd frame with a window of at most 2^25 bytes. Read from the frame's own header (RFC 8878,
 * 3.1.1.1), since libzstd limits the window only where it streams. A frame of a single segment has
 * no window; its content is as large.
 */
static bool window_is_allowed(const uint8_t *bytes, size_t len)
{
	static const uint8_t magic[] = {0x28, 0xb5, 0x2f, 0xfd};
	const uint8_t single_segment = 1 << 5, window_max = (25 - 10) << 3;

	return len >= ZSTD_HEAD_MIN && !memcmp(bytes, magic, sizeof(magic)) &&
	       (bytes[4] & single_segment || bytes[5] <= window_max);
}

static int decompress(struct mh_unpacker *u, const uint8_t **bytes, size_t *len)
{
	unsigned long long size = ZSTD_getFrameContentSize(*bytes, *len);
	char *to;

	if (size == ZSTD_CONTENTSIZE_ERROR || size == ZSTD_CONTENTSIZE_UNKNOWN ||
	    size > MH_FRAME_RAW_MAX || !window_is_allowed(*bytes, *len))
		return -EBADMSG; /* P1 */
	mh_buf_clear(&u->raw);
	to = mh_buf_reserve(&u->raw, (size_t)size);
	if (!to)
		return u->raw.error;
	*len = ZSTD_decompressDCtx(u->zstd, to, (size_t)size, *bytes, *len);
	*bytes = (const uint8_t *)to;
	return ZSTD_isError(*len) ? -EBADMSG : 0;
}

int mh_unpack(struct mh_unpacker *u, const struct mh_frame *frame,
	      const ProtobufCMessageDescriptor *type, ProtobufCMessage **ret)
{
	ProtobufCAllocator allocator = {arena_alloc, arena_free, u};
	const uint8_t *bytes = frame->payload;
	size_t len = frame->len;

	mh_arena_reset(&u->message);
	u->has_no_memory = false;
	if (frame->flags & MH_FRAME_ZSTD) {
		int rc = decompress(u, &bytes, &len);

		if (rc)
			return rc;
	}
	*ret = protobuf_c_message_unpack(type, &allocator, len, bytes);
	if (!*ret)
		return u->has_no_memory ? -ENOMEM : -EBADMSG;
	return u->is_strict && mh_message_has_unknown(*ret) ? -EPROTO : 0;
}
