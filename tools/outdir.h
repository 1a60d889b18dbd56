/*
 * A new directory that is there in full or not at all.
 *
 *     rc = outdir_open(&dir, "history", NULL, &err);     // refuses one that holds something
 *     …make files in dir.temp…
 *     rc = outdir_commit(&dir, &err);              // now it is called "history"
 *     outdir_done(&dir);                           // without commit: everything is removed again
 *
 * What somebody who was killed in between has left is removed by the next outdir_open() there.
 */
#ifndef MEMHIST_TOOLS_OUTDIR_H
#define MEMHIST_TOOLS_OUTDIR_H

#include "libmemhist/base/err.h"

#include <limits.h>

struct outdir {
	char *path; /* the name it shall have, without a slash at its end */
	char *temp; /* the path it has until then, absolute; NULL after commit */
	int fd;     /* of the new directory */
	int parent_fd;
	char name[NAME_MAX + 1]; /* in there, at the end */
};

/*
 * The target may be missing or an empty directory, whose owner and mode are taken over; a missing
 * one gets mode 0750. Returns 0, -ENOTEMPTY, -ENOTDIR, -EPERM (a place that base/places.h refuses),
 * … with a sentence. `spare` is the directory of the history that is read, or NULL: a directory in
 * it is refused with -EDOM. So is "-" with -EINVAL, which means standard output everywhere else.
 */
int outdir_open(struct outdir *d, const char *path, const char *spare, struct mh_err *err);
int outdir_commit(struct outdir *d, struct mh_err *err);
void outdir_done(struct outdir *d);

#endif
