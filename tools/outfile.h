/*
 * Output files that are there in full or not at all.
 *
 *     struct outfile out;
 *
 *     rc = outfile_open(&out, "candles.tsv", history, &err);
 *     while (rows) {
 *             mh_buf_adds(&out.buf, "…\n");
 *             rc = outfile_pump(&out, &err);       // writes when enough has come together
 *     }
 *     rc = outfile_commit(&out, &err);             // now the name means the new content
 *     outfile_done(&out);                          // without commit: nothing has happened
 *
 * A regular file is written without a name beside the old one, which it replaces at the end; a
 * process that dies in between leaves nothing behind. "-" and /dev/stdout are standard output;
 * pipes, terminals, /dev/null and /dev/full are written as they are; everything else (directories,
 * disks, sockets) is refused, as is every place that libmemhist/base/places.h refuses. A new file
 * is for its owner and group (0640); one that is replaced passes its mode on.
 */
#ifndef MEMHIST_TOOLS_OUTFILE_H
#define MEMHIST_TOOLS_OUTFILE_H

#include "libmemhist/base/buf.h"
#include "libmemhist/base/err.h"

#include <limits.h>

struct outfile {
	struct mh_buf buf; /* what is still to be written */
	const char *name;  /* for messages; the caller's */
	const char *spare; /* no file of this directory is replaced; NULL = none; the caller's */
	int fd;
	uint64_t written; /* bytes */
	uint64_t passed;  /* of the buffers that follow, what is written */
	/* unless it is written in place: */
	bool has_dir;
	int dir_fd;              /* where the file is made */
	char file[NAME_MAX + 1]; /* its name there at the end … */
	char temp[48];           /* … and until then; "": it has none */
};

/*
 * Returns 0, or -errno and a sentence; then there is nothing to be done with it. `spare` is the
 * directory of the history that is read, or NULL: a file in it is refused with -EDOM, however its
 * name is spelled, since it could be what the output is made from.
 */
int outfile_open(struct outfile *o, const char *name, const char *spare, struct mh_err *err);

/* Write the buffer out when it has filled, but for what is no whole block of a file. -EPIPE: nobody
 * reads any more; -EINTR: a signal came. */
int outfile_pump(struct outfile *o, struct mh_err *err);

/*
 * All is composed once more, and begins with the bytes that were written already: these are not
 * written again. The buffer is emptied.
 */
void outfile_again(struct outfile *o);

/* Everything is with the kernel and, for a regular file, on the disk; not yet under its name. */
int outfile_finish(struct outfile *o, struct mh_err *err);
/* After _finish: give it its name. */
int outfile_publish(struct outfile *o, struct mh_err *err);
/* Both. */
int outfile_commit(struct outfile *o, struct mh_err *err);

/* Release everything; what was not published is gone. A zeroed outfile with fd -1 is allowed. */
void outfile_done(struct outfile *o);

#endif
