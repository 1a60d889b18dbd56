/* What the files share that read `remote_write`; for nobody else. */
#ifndef MEMHIST_CONFIG_REMOTE_INNER_H
#define MEMHIST_CONFIG_REMOTE_INNER_H

#include "libmemhist/config/remote_write.h"

struct mh_remote_reading {
	struct mh_remote_write *c;
	struct mh_document *d;
	const char *dir;
	struct mh_err *err;
};

/* A table of them ends with zeros. */
struct mh_remote_key {
	const char *name;
	int (*take)(struct mh_remote_reading *r, const struct mh_node *node);
};

bool mh_remote_is_word(const struct mh_node *node);

/* These return 0, or -EBADMSG with the sentence in r->err. */
int mh_remote_number(const struct mh_remote_reading *r, const struct mh_node *node, uint32_t least,
		     uint32_t most, uint32_t *ret);
int mh_remote_bool(const struct mh_remote_reading *r, const struct mh_node *node, bool *ret);
int mh_remote_unknown(const struct mh_remote_reading *r, const struct mh_node *node,
		      const char *const *known);
int mh_remote_map(struct mh_remote_reading *r, const struct mh_node *map,
		  const struct mh_remote_key *table);

/* The key `send`. */
int mh_remote_send(struct mh_remote_reading *r, const struct mh_node *node);

#endif
