/* What the files that read a web configuration share. */
#ifndef MEMHIST_CONFIG_WEB_INNER_H
#define MEMHIST_CONFIG_WEB_INNER_H

#include "libmemhist/config/document.h"

/* Takes the value of a key over; `into` is what the map is read into. */
typedef int mh_web_take_fn(void *into, const struct mh_node *node, struct mh_err *err);

struct mh_web_key {
	const char *name; /* NULL ends a table */
	mh_web_take_fn *take;
};

/* Each key of a map, which may be missing. Returns 0, -EBADMSG and a sentence, or -ENOMEM. */
int mh_web_take_map(void *into, const struct mh_node *map, const struct mh_web_key *table,
		    struct mh_err *err);
/* A value that is one text; nothing at all is "". Returns 0, or -EBADMSG and a sentence. */
int mh_web_text(const struct mh_node *node, const char **ret, struct mh_err *err);
/* A list, which may be missing, of texts that are there. */
int mh_web_list(const struct mh_node *node, struct mh_err *err);
int mh_web_bool(const struct mh_node *node, bool *ret, struct mh_err *err);
/* -EBADMSG: "unknown WHAT “TEXT”", with the nearest of `known`. */
int mh_web_unknown(struct mh_mark at, const char *what, const char *text, const char *const *known,
		   struct mh_err *err);

#endif
