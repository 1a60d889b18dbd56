/*
 * A YAML document as a tree that remembers where everything stood, for sentences like
 * "12:3: unknown key “histroy”: did you mean “history”?". Read by libyaml; what it makes of the
 * bytes is checked and copied here, and nobody else sees libyaml.
 *
 * A subset of YAML, on purpose: no anchors and aliases (of which few bytes become many), no tags,
 * one document, keys that are text and stand there once. Of everything a limit.
 */
#ifndef MEMHIST_CONFIG_DOCUMENT_H
#define MEMHIST_CONFIG_DOCUMENT_H

#include "libmemhist/base/arena.h"
#include "libmemhist/base/err.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum {
	MH_DOCUMENT_MAX = 1 << 20, /* bytes */
	MH_DOCUMENT_DEPTH = 16,    /* lists and maps in one another */
	MH_DOCUMENT_NODES = 100000,
	MH_DOCUMENT_KEYS = 1000, /* of one map */
};

enum mh_node_kind { MH_NODE_TEXT, MH_NODE_LIST, MH_NODE_MAP };

/* Where something begins, from 1; columns count characters. */
struct mh_mark {
	uint32_t line, column;
};

struct mh_node {
	enum mh_node_kind kind;
	struct mh_mark at;
	bool is_nothing;  /* MH_NODE_TEXT: no value, ~ or null, without quotes */
	const char *text; /* MH_NODE_TEXT: UTF-8 without NUL, which ends it */
	const char *key;  /* in a map; else NULL … */
	struct mh_mark key_at;
	const struct mh_node *first; /* MH_NODE_LIST, MH_NODE_MAP: what is in it, in its order … */
	const struct mh_node *next;  /* … one behind the other */
	uint32_t n;                  /* how many there are */
};

/* Everything in it lives until mh_document_done(). */
struct mh_document {
	struct mh_arena arena;
	const struct mh_node *root; /* NULL: the document is empty, or only comments */
};

/*
 * Returns 0; -EBADMSG and a sentence that begins with "LINE:COLUMN: "; or -ENOMEM. Done with only
 * after success.
 */
int mh_document_read(struct mh_document *ret, const char *bytes, size_t len, struct mh_err *err);
void mh_document_done(struct mh_document *d);

/* "LINE:COLUMN: …"; returns -EBADMSG. */
int mh_document_wrong(struct mh_mark at, struct mh_err *err, const char *fmt, ...)
	__attribute__((format(printf, 3, 4)));

#endif
