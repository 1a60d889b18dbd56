/*
 * A name and a password out of a request's Authorization header (RFC 7617).
 *
 *     struct basic_auth who;
 *
 *     if (basic_auth_parse(&who, header))
 *             …who.user, who.password, and when they are not needed any more:
 *     basic_auth_forget(&who);
 */
#ifndef MEMHIST_EXPORTER_BASIC_AUTH_H
#define MEMHIST_EXPORTER_BASIC_AUTH_H

#include <stdbool.h>

enum {
	BASIC_USER_MAX = 255,
	BASIC_PASSWORD_MAX = 511, /* crypt(3) takes no more */
};

struct basic_auth {
	char user[BASIC_USER_MAX + 1];
	char password[BASIC_PASSWORD_MAX + 1];
};

/*
 * Whether `header` (NULL is allowed) is "Basic", a blank and base64 of "NAME:PASSWORD" with its
 * padding. What is longer than above, or has a NUL byte in it, is none: a password could be right
 * up to there. The rest of *ret is untouched then, or cleared.
 */
bool basic_auth_parse(struct basic_auth *ret, const char *header);
void basic_auth_forget(struct basic_auth *who);

#endif
