/*
 * Whether a message says anything that this memhist does not know, and would lose where it writes
 * the message's meaning anew (P3 of docs/FORMAT.md).
 */
#ifndef MEMHIST_HISTORY_UNKNOWN_H
#define MEMHIST_HISTORY_UNKNOWN_H

#include "libmemhist/base/err.h"

#include <protobuf-c/protobuf-c.h>
#include <stdbool.h>

/* Fields of it or of those in it, or columns of a Segment. */
bool mh_message_has_unknown(const ProtobufCMessage *m);

/* The sentence for it, to stand behind "FILE is not …: "; returns -EPROTO. */
int mh_refuse_unknown(struct mh_err *err);

#endif
