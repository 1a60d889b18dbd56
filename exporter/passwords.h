/*
 * Whether a password is right. bcrypt takes 60 ms, or half a second, by design: so it is run by a
 * thread of its own, which at most a few requests wait for, and its answers are remembered.
 *
 *     switch (passwords_ask(p, user, hash, password, &ticket, connection)) {
 *     case PASSWORD_RIGHT: case PASSWORD_WRONG:   now, out of memory
 *     case PASSWORD_BUSY:                         too many wait; nothing was begun
 *     case PASSWORD_WAIT:                         resume(connection) will be called, and then
 *             …passwords_verdict(ticket)…
 *     }
 *     passwords_forget(ticket);
 *
 * What is remembered is a keyed hash of user, hash and password, with a key of this run: neither
 * can be read from it, nor can two of them be moved against one another. Right answers have places
 * of their own, which no number of wrong ones takes away: who was let in before is let in during a
 * flood of guesses too.
 *
 * To be used by one thread; `resume` is called by another one.
 */
#ifndef MEMHIST_EXPORTER_PASSWORDS_H
#define MEMHIST_EXPORTER_PASSWORDS_H

#include "libmemhist/base/err.h"

#include <stdbool.h>
#include <stdint.h>

enum {
	PASSWORDS_WAITING = 4, /* besides the one that is looked at */
	PASSWORDS_KEPT = 32,   /* right ones, and as many wrong ones */
};

enum password_verdict { PASSWORD_RIGHT, PASSWORD_WRONG, PASSWORD_BUSY, PASSWORD_WAIT };

struct passwords;
struct password_ticket;

struct passwords_config {
	void (*suspend)(void *waiter); /* before its question is asked */
	void (*resume)(void *waiter);  /* when it was answered; by the other thread */
};

/* Returns 0, or -errno and a sentence. The thread begins with the first question. */
int passwords_new(struct passwords **ret, const struct passwords_config *config,
		  struct mh_err *err);
/* Answer all that wait by PASSWORD_BUSY, and every question from now on. NULL is allowed. */
void passwords_stop(struct passwords *p);
/* After that, when no ticket is out any more. NULL is allowed. */
void passwords_free(struct passwords *p);

/*
 * `hash` is a checked one of bcrypt. NULL: there is no such user, which takes the same work as a
 * wrong password for a hash of cost `cost`, and is never right. For PASSWORD_WAIT alone, *ret is a
 * ticket.
 */
enum password_verdict passwords_ask(struct passwords *p, const char *user, const char *hash,
				    unsigned int cost, const char *password, void *waiter,
				    struct password_ticket **ret);
/* PASSWORD_WAIT until it was answered. */
enum password_verdict passwords_verdict(struct passwords *p, const struct password_ticket *ticket);
/* After it was answered. NULL is allowed. */
void passwords_forget(struct password_ticket *ticket);

#endif
