/*
 * A frame's payload to a protobuf message, in bounded memory: decompressed when it is compressed,
 * then unpacked into an arena. Embedded by the decoder.
 */
#ifndef MEMHIST_HISTORY_UNPACK_H
#define MEMHIST_HISTORY_UNPACK_H

#include "libmemhist/base/arena.h"
#include "libmemhist/base/buf.h"
#include "libmemhist/history/frame.h"

#include <protobuf-c/protobuf-c.h>
#include <stdbool.h>

struct mh_unpacker {
	struct mh_arena message;
	struct mh_buf raw;
	struct ZSTD_DCtx_s *zstd;
	bool has_no_memory; /* the last message met that, not a limit */
	bool is_strict;     /* messages that say what is not known here (unknown.h) are refused */
};

int mh_unpacker_init(struct mh_unpacker *u);
/* Also of one that is all zeros. */
void mh_unpacker_done(struct mh_unpacker *u);

/*
 * The payload as a message of `type`, valid until the next call; nothing of it needs to be freed.
 * Returns 0, -ENOMEM, or -EBADMSG: it does not decompress, is larger than MH_FRAME_RAW_MAX, or is
 * no such message; or -EPROTO, when it is to be strict.
 */
int mh_unpack(struct mh_unpacker *u, const struct mh_frame *frame,
	      const ProtobufCMessageDescriptor *type, ProtobufCMessage **ret);

#endif
