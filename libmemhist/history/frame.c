/* Frame headers to bytes and back, explicit little-endian. */
#include "libmemhist/history/frame.h"

#include "libmemhist/base/crc32c.h"
#include "libmemhist/base/writeall.h"

#include <endian.h>
#include <errno.h>
#include <stdbool.h>
#include <string.h>

enum { OFF_LEN = 4, OFF_SEGMENT = MH_FRAME_SEGMENT_AT, OFF_SEQ = 12, OFF_WALL = 16, OFF_BOOT = 24 };
enum { OFF_TYPE = 32, OFF_FLAGS = 33, OFF_VERSION = 34, OFF_CRC = 36, MAGIC_BYTES = 4 };

/* A fuzzer's changes must get past the checksum, to what comes behind it. */
#ifdef FUZZING
static const bool is_fuzzed = true;
#else
static const bool is_fuzzed;
#endif

static const uint8_t magic[MAGIC_BYTES] = {'M', 'H', 'F', '1'};

static void put16(uint8_t *to, uint16_t v)
{
	v = htole16(v);
	memcpy(to, &v, sizeof(v));
}

static void put32(uint8_t *to, uint32_t v)
{
	v = htole32(v);
	memcpy(to, &v, sizeof(v));
}

static void put64(uint8_t *to, uint64_t v)
{
	v = htole64(v);
	memcpy(to, &v, sizeof(v));
}

static uint16_t get16(const uint8_t *from)
{
	uint16_t v;

	memcpy(&v, from, sizeof(v));
	return le16toh(v);
}

static uint32_t get32(const uint8_t *from)
{
	uint32_t v;

	memcpy(&v, from, sizeof(v));
	return le32toh(v);
}

static uint64_t get64(const uint8_t *from)
{
	uint64_t v;

	memcpy(&v, from, sizeof(v));
	return le64toh(v);
}

static uint32_t checksum(const uint8_t *head, const uint8_t *payload, size_t len)
{
	return mh_crc32c(mh_crc32c(0, head, OFF_CRC), payload, len);
}

void mh_frame_seal(const struct mh_frame *frame, uint8_t head[MH_FRAME_HEAD])
{
	memcpy(head, magic, MAGIC_BYTES);
	put32(head + OFF_LEN, frame->len);
	put32(head + OFF_SEGMENT, frame->segment);
	put32(head + OFF_SEQ, frame->seq);
	put64(head + OFF_WALL, (uint64_t)frame->at.wall_ms);
	put64(head + OFF_BOOT, frame->at.boot_ns);
	head[OFF_TYPE] = frame->type;
	head[OFF_FLAGS] = frame->flags;
	put16(head + OFF_VERSION, frame->version);
	put32(head + OFF_CRC, checksum(head, frame->payload, frame->len));
}

int mh_frame_peek(const uint8_t head[MH_FRAME_HEAD], struct mh_frame *ret)
{
	uint32_t len = get32(head + OFF_LEN);

	if (memcmp(head, magic, MAGIC_BYTES) != 0 || !len || len > MH_FRAME_PAYLOAD_MAX)
		return -EBADMSG;
	*ret = (struct mh_frame){
		.segment = get32(head + OFF_SEGMENT),
		.seq = get32(head + OFF_SEQ),
		.at = {(mh_ms_t)get64(head + OFF_WALL), get64(head + OFF_BOOT)},
		.type = head[OFF_TYPE],
		.flags = head[OFF_FLAGS],
		.version = get16(head + OFF_VERSION),
		.len = len,
	};
	return 0;
}

int mh_frame_read(const uint8_t *bytes, size_t len, struct mh_frame *ret, size_t *ret_need)
{
	uint32_t payload_len;

	if (memcmp(bytes, magic, len < MAGIC_BYTES ? len : MAGIC_BYTES) != 0)
		return -EBADMSG; /* F1 */
	if (len < MH_FRAME_HEAD) {
		*ret_need = MH_FRAME_HEAD;
		return 0;
	}
	payload_len = get32(bytes + OFF_LEN);
	/* F2: an empty payload would let a header of zeros vouch for itself: CRC-32C of nothing is
	 * 0 */
	if (payload_len == 0 || payload_len > MH_FRAME_PAYLOAD_MAX)
		return -EBADMSG;
	if (len - MH_FRAME_HEAD < payload_len) {
		*ret_need = MH_FRAME_HEAD + (size_t)payload_len;
		return 0;
	}
	if (get32(bytes + OFF_CRC) != checksum(bytes, bytes + MH_FRAME_HEAD, payload_len) &&
	    !is_fuzzed)
		return -EBADMSG; /* F3 */
	mh_frame_peek(bytes, ret);
	ret->payload = bytes + MH_FRAME_HEAD;
	return (int)(MH_FRAME_HEAD + payload_len);
}

int mh_frame_write(int fd, const uint8_t head[MH_FRAME_HEAD], const struct mh_frame *frame)
{
	struct iovec iov[] = {{(void *)head, MH_FRAME_HEAD}, {(void *)frame->payload, frame->len}};

	return mh_write_all(fd, iov, 2);
}
