/*
 * Frames: the unit in which history is written, checked and lost. docs/FORMAT.md section 3 is
 * normative; the layout is repeated here for the eye:
 *
 *     OFFSET SIZE MEANING (little-endian)
 *          0    4 magic "MHF1"
 *          4    4 length of the payload, 1 … 16 MiB
 *          8    4 segment: a random number, the same in all frames of a file
 *         12    4 sequence: 0 for the first frame of a file, then one more each
 *         16    8 wall clock, milliseconds since 1970-01-01T00:00:00Z, signed
 *         24    8 boot clock, nanoseconds
 *         32    1 type: see enum mh_frame_type
 *         33    1 flags: 1 keyframe, 2 payload compressed by zstd
 *         34    2 version of the payload's meaning: 1
 *         36    4 CRC-32C of bytes 0 … 35 and the payload
 *         40    … payload
 *
 * Pure functions on bytes.
 */
#ifndef MEMHIST_HISTORY_FRAME_H
#define MEMHIST_HISTORY_FRAME_H

#include "libmemhist/base/timespec.h"

#include <stddef.h>
#include <stdint.h>

enum {
	MH_FRAME_HEAD = 40,
	MH_FRAME_SEGMENT_AT = 8,         /* where in it `segment` is, in 4 bytes */
	MH_FRAME_PAYLOAD_MAX = 16 << 20, /* stored bytes */
	MH_FRAME_RAW_MAX = 32 << 20,     /* bytes after decompression */
	MH_FRAME_VERSION = 1,
};

enum mh_frame_type {
	MH_FRAME_SNAPSHOT = 1,
	MH_FRAME_GAP = 2,
	/* in sealed segments */
	MH_FRAME_PART = 3,    /* the head of a part: it is a keyframe */
	MH_FRAME_SERIES = 4,  /* who lived in it, a chunk of them */
	MH_FRAME_CANDLES = 5, /* candles of one field of these */
	MH_FRAME_VALUES = 6,  /* values of one field of these */
	MH_FRAME_END = 7,     /* the last frame: where the parts are */
	MH_FRAME_STARTS = 8,  /* first values of one field of these */
	MH_FRAME_NAMES = 9,   /* names of these, by number */
	MH_FRAME_MEMINFO = 10,
	MH_FRAME_TUPLES = 11,  /* names that go together, as numbers of strings */
	MH_FRAME_STRINGS = 12, /* some of the strings */
};
enum mh_frame_flag { MH_FRAME_KEY = 1, MH_FRAME_ZSTD = 2 };

struct mh_frame {
	uint32_t segment;
	uint32_t seq;
	struct mh_instant at;
	uint8_t type;
	uint8_t flags;
	uint16_t version;
	uint32_t len;
	const uint8_t *payload; /* len bytes */
};

/* Write the header of `frame` with its CRC into `head`. */
void mh_frame_seal(const struct mh_frame *frame, uint8_t head[MH_FRAME_HEAD]);

/*
 * Hand a sealed frame to the kernel, in one call (R1); when that falls short, as it does for lack
 * of space and for a limit on the size of files, the rest by another, to learn why. Returns 0 or
 * -errno, when some of it may be there.
 */
int mh_frame_write(int fd, const uint8_t head[MH_FRAME_HEAD], const struct mh_frame *frame);

/*
 * Read the header alone, MH_FRAME_HEAD bytes, unchecked but for F1 and F2; no payload. Returns 0 or
 * -EBADMSG.
 */
int mh_frame_peek(const uint8_t head[MH_FRAME_HEAD], struct mh_frame *ret);

/*
 * Read the frame at the beginning of `bytes`. Returns its size (header and payload) when it is
 * valid; 0 when `len` bytes are too few to tell, and *ret_need is how many are needed; -EBADMSG
 * when no valid frame begins here. The payload points into `bytes`.
 */
int mh_frame_read(const uint8_t *bytes, size_t len, struct mh_frame *ret, size_t *ret_need);

#endif
