/*
 * What each path answers: the table of pages, what they contain and which headers they have. Who
 * may ask, how long and how often is decided before, in server.c.
 *
 * Everything here runs in the web thread.
 */
#ifndef MEMHIST_EXPORTER_ANSWERS_H
#define MEMHIST_EXPORTER_ANSWERS_H

#include "exporter/view.h"

#include <microhttpd.h>

struct answers;

struct answers_config {
	const char *telemetry_path; /* outlives the answers */
	struct view *view;          /* outlives the answers */
	struct recent *recent;      /* likewise */
	const char *history_dir;    /* likewise; NULL: there is none */
	/* Read the configuration again: 0, or a sentence. NULL: nobody may ask for it here. */
	int (*reload)(void *arg, struct mh_err *err);
	void *reload_arg;
	uint32_t max_series;
	/* From another thread: an answer is there, and the daemon is to be run. */
	void (*wake)(void *arg);
	void *wake_arg;
};

/* Returns 0 or -errno. */
int answers_new(struct answers **ret, const struct answers_config *config);
/* Before a daemon is stopped: connections that wait for another thread do not wait for it longer.
 */
void answers_release(struct answers *a);
/* Before the last one is stopped: the same for good. */
void answers_stop(struct answers *a);
/* Whether the request of this connection waited for another thread, and its answer is there. */
bool answers_has(struct answers *a, const struct MHD_Connection *connection);
/* A request was answered or given up. */
void answers_completed(struct answers *a, const struct MHD_Connection *connection);
/* When no answer has a page any more, that is after MHD_stop_daemon(). NULL is allowed. */
void answers_free(struct answers *a);

/* Queues the answer to a request without a body. MHD_NO closes the connection. */
typedef enum MHD_Result answer_fn(struct answers *a, struct MHD_Connection *connection,
				  const char *path);
/* NULL: there is no such page. */
answer_fn *answers_find(const struct answers *a, const char *path);

/*
 * A line of text as the answer, which needs no struct answers. `allowed` are the methods that a 405
 * names. A 400 or 405 closes the connection.
 */
enum MHD_Result answer_text_or(struct MHD_Connection *connection, unsigned int status,
			       const char *allowed, const char *text);
/* The same with a header of its own. */
enum MHD_Result answer_text_with(struct MHD_Connection *connection, unsigned int status,
				 const char *name, const char *value, const char *text);
/* The same where GET and HEAD are allowed. */
enum MHD_Result answer_text(struct MHD_Connection *connection, unsigned int status,
			    const char *text);

/* The headers of an answer. */
struct answer_head {
	const char *type;          /* Content-Type */
	const char *policy;        /* Content-Security-Policy; NULL: nothing may be loaded */
	const char *cache_control; /* NULL: not said */
	const char *etag;          /* NULL: none */
	const char *retry_after;   /* seconds; NULL: not said */
	bool lives_on;             /* the bytes do, and need not be copied */
};
/* An answer of any bytes. */
enum MHD_Result answer_bytes(struct MHD_Connection *connection, unsigned int status,
			     const struct answer_head *head, const void *bytes, size_t len);

#endif
