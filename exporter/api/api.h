/*
 * The API: JSON behind /api/v1/, as docs/API.md describes it. Each answer about the last sample is
 * written once per sample and set of parameters, and given to all who ask.
 *
 * Everything here runs in the web thread, but for api_stop() and api_free().
 */
#ifndef MEMHIST_EXPORTER_API_API_H
#define MEMHIST_EXPORTER_API_API_H

#include "exporter/api/recent.h"
#include "exporter/view.h"

#include <microhttpd.h>

struct api;

struct api_config {
	struct view *view;       /* these outlive the API */
	struct recent *recent;   /* … */
	const char *history_dir; /* NULL: candles are made of what is in memory */
	/* From another thread: a connection was resumed, and the daemon is to be run. */
	void (*wake)(void *arg);
	void *wake_arg;
};

/* Returns 0 or -errno. */
int api_new(struct api **ret, const struct api_config *config);
/* Before a daemon is stopped: connections that wait for the history go on without it. */
void api_release(struct api *a);
/* Before the last daemon is stopped: the same for good. */
void api_stop(struct api *a);
/* When no request is answered any more, after api_stop(). NULL is allowed. */
void api_free(struct api *a);

/*
 * Answers a request for a path that begins with EXPORTER_API_PATH, or suspends its connection, and
 * answers when it is called again for it. MHD_NO closes the connection.
 */
enum MHD_Result api_answer(struct api *a, struct MHD_Connection *connection, const char *path);

/* Whether its connection was suspended, and goes on. */
bool api_has(struct api *a, const struct MHD_Connection *connection);
/* A request was answered or given up, whatever its path. */
void api_completed(struct api *a, const struct MHD_Connection *connection);

#endif
