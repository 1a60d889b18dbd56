/*
 * The file that says how far an endpoint has taken the history: a line of text for each position,
 * two of them, written in turn, so that one is whole whenever the machine stops. The one with the
 * higher number counts.
 *
 *     memhist-remote 1 number=… boot=… boot_ns=… wall_ms=… sent_ms=… booted_ms=… ended=… crc=…
 *
 * Writing is one pwrite(2) of a fixed size: it survives the death of the process at once, takes no
 * space after the first time, and is brought to the disk some seconds later. One process at a time
 * has the file: it is locked.
 */
#ifndef MEMHIST_EXPORTER_REMOTE_CURSOR_H
#define MEMHIST_EXPORTER_REMOTE_CURSOR_H

#include "libmemhist/base/err.h"
#include "libmemhist/base/places.h"
#include "libmemhist/base/timespec.h"
#include "libmemhist/model/process.h"

/* A snapshot, and what was sent of it. */
struct remote_position {
	struct mh_boot_id boot_id;
	struct mh_instant at;
	mh_ms_t sent_ms;   /* the highest time sent */
	mh_ms_t booted_ms; /* wall time of the boot, as labels say it */
	bool is_ended;     /* stale markers were sent of everything */
};

struct remote_cursor;

/*
 * Open the file, or make it with mode 0640; `places` as in base/places.h. Returns 0; -EBUSY:
 * another process has it; -EINVAL: it is no regular file; or another -errno; and a sentence.
 */
int remote_cursor_open(struct remote_cursor **ret, const char *path, const struct mh_places *places,
		       struct mh_err *err);
/* Bring it to the disk, and let it go. NULL is allowed. */
void remote_cursor_close(struct remote_cursor *c);

/* 1 and the position; 0: there is none yet; -EBADMSG and a sentence: no line is whole. */
int remote_cursor_read(struct remote_cursor *c, struct remote_position *ret, struct mh_err *err);

/*
 * Write a position; at most once in SYNC_MS it is waited for the disk. Returns 0 or -errno and a
 * sentence.
 */
int remote_cursor_write(struct remote_cursor *c, const struct remote_position *position,
			struct mh_instant now, struct mh_err *err);

#endif
