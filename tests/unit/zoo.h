/*
 * More than a thousand real processes of different kinds, for readings to be compared on. They die
 * with the process that started them.
 */
#ifndef MEMHIST_TESTS_UNIT_ZOO_H
#define MEMHIST_TESTS_UNIT_ZOO_H

#include <stdint.h>
#include <sys/types.h>

enum zoo_kind {
	ZOO_IDLE,     /* some pages of its own */
	ZOO_GROWING,  /* touches another page all the time */
	ZOO_THREADED, /* six threads with pages of their own */
	ZOO_SHARED,   /* pages of a mapping shared by all of this kind; some locked, some given back
		       */
	ZOO_FIRST_GONE, /* the first thread has exited, another one lives */
	ZOO_HOST,       /* shares its memory with the one below */
	ZOO_SHARER,     /* made by clone(CLONE_VM); not a child of its host */
	ZOO_PARENT,     /* waits in vfork() */
	ZOO_VFORKED,    /* its child, which has not called exec */
	ZOO_ZOMBIE,     /* has exited, nobody has waited for it */
	ZOO_KINDS,
};

struct zoo_animal {
	enum zoo_kind kind;
	pid_t pid;
};

struct zoo {
	struct zoo_animal *animal;
	uint32_t n;
	pid_t storm; /* forks children that exit at once */
};

/* Start them and wait until each is what its kind says. Ends the program when it cannot. */
void zoo_start(struct zoo *ret);
void zoo_end(struct zoo *zoo);

#endif
