/*
 * What does not fit into memory: a temporary file without a name, gone when we are. It is made when
 * something is written.
 */
#ifndef MEMHIST_TOOLS_SPILL_H
#define MEMHIST_TOOLS_SPILL_H

#include "libmemhist/base/err.h"

#include <stddef.h>
#include <stdint.h>

/* Embedded by its owner. */
struct spill {
	const char *what; /* is in it, for messages: "samples" */
	int dir_fd;       /* where it is made; -1: in the directory of TMPDIR, else /var/tmp */
	int fd;           /* -1: there is none */
	uint64_t bytes;   /* written */
};

#define SPILL_INIT(of_what, directory_fd)                              \
	{                                                              \
		.what = (of_what), .dir_fd = (directory_fd), .fd = -1, \
	}

void spill_done(struct spill *s);
/* Behind what is there. Returns 0, -EINTR after a signal, or -errno and a sentence. */
int spill_write(struct spill *s, const void *bytes, size_t len, struct mh_err *err);
/* Bytes that were written, from `at` on. Returns 0, or -errno and a sentence. */
int spill_read(const struct spill *s, uint64_t at, void *bytes, size_t len, struct mh_err *err);

#endif
