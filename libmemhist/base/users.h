/*
 * Names of users by number, from a file like /etc/passwd (passwd(5)). Not by getpwuid(3), which may
 * ask a server and wait for it: users that are not in the file have no name here.
 *
 * Embedded by its owner; zero-initialise.
 */
#ifndef MEMHIST_BASE_USERS_H
#define MEMHIST_BASE_USERS_H

#include <stddef.h>
#include <stdint.h>
#include <sys/stat.h>

struct mh_users {
	struct mh_user {
		uint32_t uid;
		char *name; /* points into `text` */
	} * user;           /* by uid; the first of a file wins */
	size_t n;
	char *text;
	struct stat file; /* as it was when it was read */
};

void mh_users_done(struct mh_users *u);

/*
 * Read the file, unless it is the one that was read last and did not change. Returns 0, or -errno
 * (-EFBIG: larger than 16 MiB); then the names stay as they were.
 */
int mh_users_read(struct mh_users *u, const char *path);

/* NULL: no name is known. Valid until the next _read. */
const char *mh_users_name(const struct mh_users *u, uint32_t uid);

enum { MH_USER_WORDS_MAX = 64 };

/* For a sentence, by /etc/passwd, which is read for it: "user daemon", "user 1234". */
void mh_user_words(uint32_t uid, char ret[MH_USER_WORDS_MAX]);

#endif
