/*
 * Who is there: the numeric names of a procfs directory, read whole before anything else is, so
 * that a listing that fails half-way changes nothing.
 *
 *     rc = mh_listing_read(&listing, root->fd);
 *     for (uint32_t i = 0; i < listing.n; i++)
 *             …listing.entry[i].pid…
 *
 * An entry that its reader marked as `left_out` comes marked again in the next listing as long as
 * it is the same process: procfs gives the folder of a new process another inode number, also when
 * the pid is an old one. Kernel threads cost nothing this way.
 */
#ifndef MEMHIST_PROC_LISTING_H
#define MEMHIST_PROC_LISTING_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct mh_listing_entry {
	uint64_t inode; /* of the folder */
	uint32_t pid;
	bool left_out; /* the reader's mark */
};

/* Embedded by its owner; zero-initialise. Keeps its memory from listing to listing. */
struct mh_listing {
	struct mh_listing_entry *entry; /* n of them, in the kernel's order: by pid */
	uint32_t n;
	uint32_t cap;
	struct mh_listing_entry *before; /* the listing before this one, for its marks */
	uint32_t n_before;
	uint32_t before_cap;
	char *dirents;
};

/*
 * List the processes in the directory `fd`, from its beginning. Returns 0, or -errno of
 * getdents64(2) or -ENOMEM; then entry and n are those of the listing before.
 */
int mh_listing_read(struct mh_listing *l, int fd);
void mh_listing_done(struct mh_listing *l);

/*
 * The first `max` numeric names in the directory `fd`, which was just opened, as far as one small
 * buffer holds them; nothing is allocated. Returns how many or -errno.
 */
int mh_listing_first(int fd, uint32_t max, uint32_t ret[]);

#endif
