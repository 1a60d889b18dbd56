/*
 * One reading of the web configuration and of the files that it names: what is in force for a
 * while. Connections hold on to the one that they began with, for their TLS.
 */
#ifndef MEMHIST_EXPORTER_WEBFILE_H
#define MEMHIST_EXPORTER_WEBFILE_H

#include "exporter/tls.h"
#include "libmemhist/config/web.h"

struct webfile {
	struct mh_web web;
	struct tls *tls; /* NULL: none */

	/* private */
	uint32_t references; /* of one thread */
	struct mh_buf bytes; /* of all the files, to see a change */
};

/*
 * Read it. `before` is the one in force, or NULL. Returns 1 and a reference to a new one; 0: it is
 * the same as `before`; or -errno and a sentence, also when there is TLS where `before` has none,
 * or the other way round: that takes another start.
 */
int webfile_read(struct webfile **ret, const char *path, const struct webfile *before,
		 struct mh_err *err);
struct webfile *webfile_hold(struct webfile *f);
/* NULL is allowed. */
void webfile_release(struct webfile *f);

#endif
