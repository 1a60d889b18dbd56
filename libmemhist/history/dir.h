/*
 * The directory of a history: which files are segments, in which order, and who may write.
 *
 * A segment's name is `<seq>-<start>-<boot>.open`: ten decimal digits that order the segments even
 * when the clock was wrong, the UTC time of its first frame (20261120T202848Z), and the first
 * eight hexadecimal digits of the boot id. A sealed one is called `.mh`, and `<seq>+<more>-…` when
 * it holds what several did that had the numbers seq … seq + more. Everything else in the directory
 * is foreign and left alone, except LOCK and what sealing leaves when it is killed.
 *
 * All files are opened beneath the descriptor of the directory (base/beneath.h), and only when they
 * are regular ones.
 */
#ifndef MEMHIST_HISTORY_DIR_H
#define MEMHIST_HISTORY_DIR_H

#include "libmemhist/base/err.h"
#include "libmemhist/base/places.h"
#include "libmemhist/base/timespec.h"
#include "libmemhist/model/process.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum { MH_SEGMENT_NAME_MAX = 64 };
/* How many numbers a merged segment can hold behind its first: five digits (D1). */
enum { MH_MERGED_MORE_MAX = 99999 };

#define MH_OPEN_SUFFIX   ".open"
#define MH_SEALED_SUFFIX ".mh"
/* a directory there: segments that were damaged, kept when they were repaired */
#define MH_DAMAGED_DIR "damaged"
/* behind a dot and the name of what it will be */
#define MH_TEMPORARY_SUFFIX ".sealing"

struct mh_segment_file {
	char name[MH_SEGMENT_NAME_MAX];
	uint64_t seq;
	uint64_t last_seq; /* of a merged one the last of its numbers; else seq */
	mh_ms_t start_ms;  /* from the name, whole seconds */
	char boot[9];      /* from the name, hexadecimal */
	bool is_sealed;
	uint64_t bytes;      /* size when listed */
	uint64_t disk_bytes; /* what it takes: its size, or its blocks where they are more */
};

/*
 * file[0 … n-1] are the segments to read, by ascending number, no number twice. Behind them stand
 * the n_superseded segments whose content is in one of the others too (D5), and the n_temporary
 * files of which only names and sizes are given: both are left where sealing or merging was killed,
 * or are there for the moment that it takes.
 */
struct mh_segment_list {
	struct mh_segment_file *file;
	size_t n;
	size_t n_superseded;
	size_t n_temporary;
	size_t n_foreign;     /* other files, LOCK and dot files not counted */
	uint64_t other_bytes; /* what all that is none of the above takes, LOCK too */
};

/*
 * Open a history directory for reading; who writes there opens it by mh_places_open_history()
 * instead. Reading may go through anybody's symbolic links: what is read is checked, and nothing is
 * put anywhere. Returns a descriptor or -errno with a sentence.
 */
int mh_dir_open(const char *path, struct mh_err *err);

/*
 * List the segments. Sealing and merging put one file in the place of others: each number that is
 * there all the time is in the list, whatever happens while it is made. Returns 0, -ENOMEM or
 * -errno of reading the directory. `list` is replaced; zero-initialise it before the first call and
 * free it with mh_dir_list_done().
 */
int mh_dir_list(int dir_fd, struct mh_segment_list *list);
void mh_dir_list_done(struct mh_segment_list *list);
/* The sentence for a directory without one; returns -ENODATA. */
int mh_dir_no_history(const char *path, struct mh_err *err);

/* Compose a segment's name. */
void mh_segment_name(char ret[MH_SEGMENT_NAME_MAX], uint64_t seq, mh_ms_t start_ms,
		     const struct mh_boot_id *boot_id);
/* The name that a segment has when it is sealed. */
void mh_sealed_name(char ret[MH_SEGMENT_NAME_MAX], const struct mh_segment_file *file);
/* The name of the merged segment that holds what the segments `first` … `last` do. */
void mh_merged_name(char ret[MH_SEGMENT_NAME_MAX], const struct mh_segment_file *first,
		    const struct mh_segment_file *last);

/*
 * Lock the file LOCK (fcntl(2) F_OFD_SETLK: the lock belongs to the descriptor and goes with it,
 * also at kill -9) and put our pid in it. Returns its descriptor, to be kept open as long as
 * the lock is wanted, or -EBUSY when somebody else holds it, with *ret_pid as they wrote it
 * (0 = unknown), or -errno: -EINVAL, -ELOOP, -EMLINK: it is no regular file, a symbolic link, one
 * that has other names too.
 */
int mh_dir_lock(int dir_fd, int32_t *ret_pid);
/*
 * Have more said in LOCK, behind the pid: lines for people and for mh_dir_told(). It is no failure
 * when that cannot be written.
 */
void mh_dir_tell(int lock_fd, const char *lines);
/* What LOCK says now, at most size - 1 bytes and a NUL; "" when it cannot be read. */
void mh_dir_told(int dir_fd, char *ret, size_t size);
/* Whether somebody holds LOCK now, and who. Takes nothing. */
bool mh_dir_is_locked(int dir_fd, int32_t *ret_pid);

/*
 * Open the directory of a history to write there, made when it is missing, and lock it. Returns 0,
 * or -errno and a sentence: -EBUSY somebody else writes it (also where we may not); or as
 * mh_places_open_history() and mh_dir_lock().
 */
int mh_dir_own(const char *path, const struct mh_places *places, int *ret_dir_fd, int *ret_lock_fd,
	       struct mh_err *err);

#endif
