/*
 * The web configuration: who may talk to a server of ours, and how. It is the file that all
 * exporters of Prometheus share (--web.config.file), key by key; see memhist-web.yaml(5).
 *
 *     struct mh_web web;
 *
 *     if (!mh_web_parse(&web, "/etc/memhist/web.yaml", bytes, len, &err)) {
 *             …web.tls.enabled, web.user[i].hash, web.header[MH_WEB_CSP]…
 *             mh_web_done(&web);
 *     }
 *
 * What is said here is only read; certificates and keys are opened by who uses them. Whatever is
 * accepted here is accepted by `promtool check web-config` too, as far as that knows the key, but
 * not the other way round: what cannot be done here and would be less safe when passed over is
 * refused, and so is what nobody can mean.
 *
 * No sentence has a secret in it.
 */
#ifndef MEMHIST_CONFIG_WEB_H
#define MEMHIST_CONFIG_WEB_H

#include "libmemhist/config/document.h"
#include "libmemhist/config/web_tls.h"

enum {
	MH_WEB_USER_MAX = 255, /* bytes of a name */
	MH_WEB_HEADER_MAX = 1024,
	MH_WEB_HASH_LEN = 60, /* of a bcrypt hash: $2b$10$, then 22 of salt and 31 of hash */
	MH_WEB_COST_MIN = 4,
	MH_WEB_COST_MAX = 12,  /* about half a second for each wrong password */
	MH_WEB_COST_WARN = 10, /* what is above is slow, and said so */
};

/* Headers that may be set. */
enum mh_web_header {
	MH_WEB_CSP, /* Content-Security-Policy */
	MH_WEB_FRAMES,
	MH_WEB_TYPES,
	MH_WEB_XSS,
	MH_WEB_STS,
	MH_WEB_HEADERS,
};

const char *mh_web_header_name(enum mh_web_header h);

struct mh_web_user {
	const char *name;
	const char *hash; /* MH_WEB_HASH_LEN bytes, checked */
};

/* Texts live as long as it does. */
struct mh_web {
	struct mh_web_tls tls;
	const char *header[MH_WEB_HEADERS]; /* NULL: ours, if we have one */
	struct mh_web_user *user;
	size_t n_users; /* 0: no password is asked for */
	unsigned int max_cost;
	uint64_t rate_ns; /* a request in that time on average; 0: as many as come … */
	uint32_t burst;   /* … and as many at once */
	struct mh_document document;
};

/*
 * `path` is where the bytes are from: files are named relative to its folder, and sentences begin
 * with it. Returns 0; -EBADMSG and a sentence that begins with "PATH:LINE:COLUMN: "; or -ENOMEM and
 * a sentence.
 */
int mh_web_parse(struct mh_web *ret, const char *path, const char *bytes, size_t len,
		 struct mh_err *err);
/* A zeroed one is allowed. */
void mh_web_done(struct mh_web *w);

#endif
