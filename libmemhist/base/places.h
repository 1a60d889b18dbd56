/*
 * Where may be written, and where never.
 *
 * The rules, in the order in which they are applied to the place that a path leads to
 * (base/resolve.h), so that neither ".." nor a symbolic link gets around one:
 *
 *   Q1  Symbolic links of others than root and ourselves are not followed.
 *   Q2  Nothing is written in a directory of the system: /bin /boot /dev /efi /etc /lib… /proc
 *       /sbin /sys /usr, nor in those below /run and /var that belong to the system's own services
 *       (see places.c). /dev/shm, /usr/src and /usr/local/src are free, as are /tmp, /home, /root,
 *       /srv, /opt, /mnt, /var/lib/memhist, /run/memhist…
 *   Q3  No file is put directly into / or /home, /run, /var, /var/cache, /var/lib, /var/spool, and
 *       none of these is a history: what is written gets a directory of its own there.
 *   Q4  Where allowed_output_paths is set, what is written is beneath one of its directories.
 *   Q5  A history is no symbolic link itself.
 *   Q6  Root keeps no history in a directory that belongs to another user, who could exchange what
 *       is there while root works on it; that user can.
 *   Q7  Others may not write to the directory of a history.
 *
 * Q6 and Q7 are for histories alone: they are written for years, file by file under names that
 * anybody can guess. A single file of output gets its name in one step.
 *
 * Standard output, pipes, terminals and devices like /dev/null are no places: nothing is made
 * there.
 */
#ifndef MEMHIST_BASE_PLACES_H
#define MEMHIST_BASE_PLACES_H

#include "libmemhist/base/err.h"
#include "libmemhist/base/resolve.h"

#include <stddef.h>

enum { MH_PLACES_MAX = 100 };

/* allowed_output_paths. Zero-initialised: not set, so that Q4 allows everything. */
struct mh_places {
	bool is_set; /* with none, nothing may be written */
	size_t n;
	char **dir; /* absolute paths as they were given */
};

/*
 * Add a directory, which need not exist; sets is_set. Returns 0, or -errno and a sentence: -EINVAL
 * no absolute path, or one that Q2 refuses; -EOVERFLOW more than MH_PLACES_MAX.
 */
int mh_places_add(struct mh_places *p, const char *dir, struct mh_err *err);
void mh_places_done(struct mh_places *p);

enum mh_place_use {
	MH_PLACE_FILE,    /* a file there, or a new directory that is filled at once */
	MH_PLACE_HISTORY, /* a directory there, which is kept and written */
};

/* What a path leads to, and what the rules say of it. */
struct mh_verdict {
	int rule;         /* 0: allowed; 1 … 7: refused by Q1 … Q7; -1: leads nowhere */
	int rc;           /* 0: allowed; else as returned */
	const char *list; /* allowed by this of allowed_output_paths; NULL: it is not set */
	struct mh_resolved at;
	struct mh_err why; /* a sentence, with the remedy when it is refused */
};

/*
 * Judge a path. `places` may be NULL: not set. Returns 0, or -errno with a sentence in ret->why:
 * -EPERM refused, -ELOOP refused by Q5, -ENOTDIR, -ENOENT, -EACCES… nobody can write there.
 */
int mh_places_judge(const struct mh_places *places, const char *path, enum mh_place_use use,
		    struct mh_verdict *ret);

/*
 * Open the directory of a history to write there, and judge what was opened. When `create`, it is
 * made with mode 0750 where it is missing. Returns a descriptor, or -errno and a sentence.
 */
int mh_places_open_history(const struct mh_places *places, const char *path, bool create,
			   struct mh_err *err);

/*
 * Open the directory that a file is in or shall be in, to give it its name there. Returns a
 * descriptor (O_PATH), and where the file is: its name begins behind the last slash; or -errno and
 * a sentence.
 */
int mh_places_open_parent(const struct mh_places *places, const char *path, struct mh_resolved *ret,
			  struct mh_err *err);

#endif
