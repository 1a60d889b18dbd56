/*
 * Secrets in files: passwords, tokens. Read when they are needed, wiped when they are done with.
 */
#ifndef MEMHIST_NET_SECRET_H
#define MEMHIST_NET_SECRET_H

#include "libmemhist/base/err.h"

#include <stddef.h>

enum { MH_SECRET_MAX = 64 << 10 };

/*
 * The text of a file, without white space at either end, ended by NUL. Returns 0 and *ret, to be
 * given to mh_secret_free(); -EINVAL and a sentence (it is not there, no regular file, of another
 * user than root and ourselves, for others to read or change (mode & 0027), empty, too long, or has
 * control characters in it); or -ENOMEM.
 */
int mh_secret_read(const char *path, char **ret, struct mh_err *err);
/* Also for texts that were made of one. NULL is allowed. */
void mh_secret_free(char *secret);

#endif
