/*
 * The questions that wait are a chain; the first of it is the one that is being answered. Whoever
 * asks has its ticket, and frees it after the answer.
 */
#include "exporter/passwords.h"

#include "exporter/basic_auth.h"
#include "exporter/log.h"
#include "libmemhist/config/web.h"

#include <crypt.h>
#include <errno.h>
#include <gnutls/crypto.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>

enum { DIGEST = 32 /* of SHA-256 */, SETTING = 29 /* $2b$10$ and the salt */ };

struct digest {
	unsigned char byte[DIGEST];
};

/* The newest first. */
struct memory {
	struct digest kept[PASSWORDS_KEPT];
	unsigned int n;
};

struct password_ticket {
	enum password_verdict verdict;
	char hash[MH_WEB_HASH_LEN + 1];
	char password[BASIC_PASSWORD_MAX + 1];
	bool is_known;
	bool counts; /* nobody asked the same before it */
	struct digest digest;
	void *waiter;
	struct password_ticket *next;
};

struct passwords {
	struct passwords_config config;
	unsigned char key[DIGEST];
	pthread_t thread;
	bool running; /* the thread; of who asks */
	pthread_mutex_t lock;
	pthread_cond_t asked;
	/* guarded by the lock: */
	bool stopping;
	struct password_ticket *first, *last;
	unsigned int n; /* of them, that count */
	struct memory right, wrong;
	/* of the thread, since it is large */
	struct crypt_data crypt;
};

int passwords_new(struct passwords **ret, const struct passwords_config *config, struct mh_err *err)
{
	struct passwords *p = calloc(1, sizeof(*p));
	int rc = p ? gnutls_rnd(GNUTLS_RND_KEY, p->key, sizeof(p->key)) : 0;

	if (!p || rc) {
		free(p);
		return mh_errf(err, p ? -EIO : -ENOMEM, "cannot look at passwords: %s",
			       p ? gnutls_strerror(rc) : "out of memory");
	}
	p->config = *config;
	pthread_mutex_init(&p->lock, NULL);
	pthread_cond_init(&p->asked, NULL);
	*ret = p;
	return 0;
}

void passwords_free(struct passwords *p)
{
	if (!p)
		return;
	pthread_cond_destroy(&p->asked);
	pthread_mutex_destroy(&p->lock);
	explicit_bzero(p, sizeof(*p));
	free(p);
}

/* One of those that are kept is the newest now. Returns whether it is there. */
static bool recall(struct memory *m, const struct digest *digest)
{
	const struct digest found = *digest;

	for (unsigned int i = 0; i < m->n; i++) {
		if (gnutls_memcmp(m->kept[i].byte, found.byte, DIGEST))
			continue;
		memmove(&m->kept[1], &m->kept[0], i * sizeof(m->kept[0]));
		m->kept[0] = found;
		return true;
	}
	return false;
}

static void keep(struct memory *m, const struct digest *digest)
{
	if (recall(m, digest))
		return;
	if (m->n < PASSWORDS_KEPT)
		m->n++;
	memmove(&m->kept[1], &m->kept[0], (m->n - 1) * sizeof(m->kept[0]));
	m->kept[0] = *digest;
}

/* Appends a length and the text: "ab", "c" is something else than "a", "bc". */
static size_t add_field(unsigned char *at, const char *text)
{
	const uint32_t len = (uint32_t)strlen(text);

	memcpy(at, &len, sizeof(len));
	memcpy(at + sizeof(len), text, len);
	return sizeof(len) + len;
}

static int make_digest(const struct passwords *p, const char *user, const struct password_ticket *t,
		       struct digest *ret)
{
	unsigned char fields[1 + 3 * sizeof(uint32_t) + BASIC_USER_MAX + MH_WEB_HASH_LEN +
			     BASIC_PASSWORD_MAX];
	size_t len = 0;
	int rc;

	fields[len++] = t->is_known;
	len += add_field(fields + len, user);
	len += add_field(fields + len, t->hash);
	len += add_field(fields + len, t->password);
	rc = gnutls_hmac_fast(GNUTLS_MAC_SHA256, p->key, sizeof(p->key), fields, len, ret->byte);
	explicit_bzero(fields, sizeof(fields));
	return rc;
}

/* One run of bcrypt, whether there is such a user or not. */
static bool is_right(struct passwords *p, const struct password_ticket *t)
{
	char setting[SETTING + 1];
	const char *made;
	bool same;

	snprintf(setting, sizeof(setting), "%.*s", SETTING, t->hash);
	made = crypt_rn(t->password, setting, &p->crypt, (int)sizeof(p->crypt));
	same = made && strlen(made) == MH_WEB_HASH_LEN &&
	       !gnutls_memcmp(made, t->hash, MH_WEB_HASH_LEN);
	explicit_bzero(&p->crypt, sizeof(p->crypt));
	return same && t->is_known;
}

/* The first question is answered. Called with the lock, which it gives up meanwhile. */
static void answer(struct passwords *p, enum password_verdict verdict)
{
	struct password_ticket *t = p->first;
	void *waiter = t->waiter;

	p->first = t->next;
	if (!p->first)
		p->last = NULL;
	p->n -= t->counts;
	if (verdict != PASSWORD_BUSY)
		keep(verdict == PASSWORD_RIGHT ? &p->right : &p->wrong, &t->digest);
	explicit_bzero(t->password, sizeof(t->password));
	t->verdict = verdict;
	pthread_mutex_unlock(&p->lock);
	/* the ticket may be gone from here on */
	p->config.resume(waiter);
	pthread_mutex_lock(&p->lock);
}

static void *work(void *arg)
{
	struct passwords *p = arg;

	pthread_mutex_lock(&p->lock);
	for (;;) {
		bool right;

		while (!p->first && !p->stopping)
			pthread_cond_wait(&p->asked, &p->lock);
		if (!p->first)
			break;
		if (p->stopping) {
			answer(p, PASSWORD_BUSY);
			continue;
		}
		right = recall(&p->right, &p->first->digest);
		if (!right && !recall(&p->wrong, &p->first->digest)) {
			pthread_mutex_unlock(&p->lock);
			right = is_right(p, p->first); /* which only this thread takes away */
			pthread_mutex_lock(&p->lock);
		}
		answer(p, right ? PASSWORD_RIGHT : PASSWORD_WRONG);
	}
	pthread_mutex_unlock(&p->lock);
	return NULL;
}

void passwords_stop(struct passwords *p)
{
	if (!p)
		return;
	pthread_mutex_lock(&p->lock);
	p->stopping = true;
	pthread_cond_signal(&p->asked);
	pthread_mutex_unlock(&p->lock);
	if (p->running)
		pthread_join(p->thread, NULL);
	p->running = false;
}

/* Whether the same is asked already, so that this costs nothing. */
static bool is_waiting(const struct passwords *p, const struct digest *digest)
{
	const struct password_ticket *t = p->first;

	while (t && gnutls_memcmp(t->digest.byte, digest->byte, DIGEST))
		t = t->next;
	return t;
}

static bool begin(struct passwords *p)
{
	int rc = p->running ? 0 : pthread_create(&p->thread, NULL, work, p);

	if (rc)
		log_error("cannot look at a password: no thread can be started");
	else
		p->running = true;
	return !rc;
}

/* A question, not yet asked, or NULL. */
static struct password_ticket *make_ticket(const char *hash, unsigned int cost,
					   const char *password, void *waiter)
{
	struct password_ticket *t = calloc(1, sizeof(*t));

	if (!t)
		return NULL;
	*t = (struct password_ticket){
		.verdict = PASSWORD_WAIT, .is_known = hash != NULL, .waiter = waiter};
	if (hash)
		snprintf(t->hash, sizeof(t->hash), "%s", hash);
	else
		snprintf(t->hash, sizeof(t->hash),
			 "$2b$%02u$nobodyhasthishashnever.nobodyhasthishashnever.nobodyX", cost);
	snprintf(t->password, sizeof(t->password), "%s", password);
	return t;
}

enum password_verdict passwords_ask(struct passwords *p, const char *user, const char *hash,
				    unsigned int cost, const char *password, void *waiter,
				    struct password_ticket **ret)
{
	struct password_ticket *t = make_ticket(hash, cost, password, waiter);
	enum password_verdict verdict = PASSWORD_BUSY;
	bool same;

	if (!t || make_digest(p, user, t, &t->digest)) {
		passwords_forget(t);
		return verdict;
	}
	pthread_mutex_lock(&p->lock);
	if (recall(&p->right, &t->digest))
		verdict = PASSWORD_RIGHT;
	else if (recall(&p->wrong, &t->digest))
		verdict = PASSWORD_WRONG;
	else if (!p->stopping && begin(p) &&
		 ((same = is_waiting(p, &t->digest)) || p->n <= PASSWORDS_WAITING)) {
		verdict = PASSWORD_WAIT;
		t->counts = !same;
		/* before the thread can see the question, and resume who does not wait yet */
		p->config.suspend(waiter);
		if (p->last)
			p->last->next = t;
		else
			p->first = t;
		p->last = t;
		p->n += t->counts;
		*ret = t;
		pthread_cond_signal(&p->asked);
	}
	pthread_mutex_unlock(&p->lock);
	if (verdict != PASSWORD_WAIT)
		passwords_forget(t);
	return verdict;
}

enum password_verdict passwords_verdict(struct passwords *p, const struct password_ticket *ticket)
{
	enum password_verdict verdict;

	pthread_mutex_lock(&p->lock);
	verdict = ticket->verdict;
	pthread_mutex_unlock(&p->lock);
	return verdict;
}

void passwords_forget(struct password_ticket *ticket)
{
	if (!ticket)
		return;
	explicit_bzero(ticket, sizeof(*ticket));
	free(ticket);
}
