/*
 * Remote write: all endpoints of the configuration. See memhist.yaml(5).
 */
#ifndef MEMHIST_EXPORTER_REMOTE_REMOTE_H
#define MEMHIST_EXPORTER_REMOTE_REMOTE_H

#include "exporter/families.h"
#include "exporter/remote/endpoint.h"

struct remote;

enum { REMOTE_END_MS = 3000 }; /* for the last try, of all endpoints together */

struct remote_config {
	const struct mh_remote_write *write; /* `n` endpoints, which outlive it */
	size_t n;
	const char *history_dir;        /* the queue of all of them */
	const struct mh_places *places; /* where may be written; NULL: not limited */
	uint32_t interval_ms;           /* of sampling */
	/* Those of the endpoints, `n` of them, NULL where one has none. Taken over, also on
	 * failure. */
	struct mh_groups **groups;
};

/* Start them all. Returns 0, or -errno and a sentence; of none endpoints is NULL. */
int remote_start(struct remote **ret, const struct remote_config *config, struct mh_err *err);

/*
 * What was recorded and stale markers are sent, for REMOTE_END_MS at most; then they are gone. NULL
 * is allowed.
 */
void remote_stop(struct remote *r);

/* From any thread: other groups, as in the configuration. NULL is allowed. */
void remote_regroup(struct remote *r, struct mh_groups **groups);

/* Add the metrics of all endpoints. From any thread. NULL is allowed. */
void remote_expose(struct remote *r, struct families *out);

#endif
