/*
 * Candles of a process out of a history, read by a thread of its own, one request at a time. A
 * request waits in a short queue, its connection suspended, so that the web thread, and with it all
 * scrapers, never waits for a disk.
 *
 *     struct candles_job *job = candles_find(c, connection);
 *
 *     if (!job)
 *             return candles_ask(c, connection, &wish) ? …503… : MHD_YES;   // suspended now
 *     …answer by job->status and job->out…                                  // it was resumed
 *     candles_forget(c, connection);                                        // also when it is
 * closed
 *
 * Limits: CANDLES_QUEUE requests at once; from when a request came, CANDLES_MS for its answer,
 * looked at between one stretch of the history and the next.
 */
#ifndef MEMHIST_EXPORTER_API_CANDLES_H
#define MEMHIST_EXPORTER_API_CANDLES_H

#include "libmemhist/base/buf.h"
#include "libmemhist/base/err.h"
#include "libmemhist/base/timespec.h"
#include "libmemhist/model/process.h"

#include <microhttpd.h>

enum {
	CANDLES_QUEUE = 4,
	CANDLES_MS = 5000, /* less than a client may take for a step of its connection */
	CANDLES_OUT_BYTES = 1 << 20,
};

struct candles;

struct candles_wish {
	struct mh_identity id;
	bool is_exact; /* else the last process that had the pid */
	int field;
	const char *interval; /* "1m" */
	mh_ms_t interval_ms;
	mh_ms_t since_ms;
};

/* How a request ended. */
enum candles_end { CANDLES_READ, CANDLES_NOBODY, CANDLES_LATE, CANDLES_FAILED };

struct candles_job {
	struct candles_wish wish;
	enum candles_end end;
	struct mh_buf out; /* CANDLES_READ: the answer in JSON */

	/* private */
	struct MHD_Connection *connection; /* NULL: nobody's */
	enum { CANDLES_WAITING, CANDLES_READING, CANDLES_DONE } state;
	uint64_t number; /* the order that they came in */
	uint64_t until_ns;
};

struct candles_config {
	const char *dir; /* outlives the thread */
	/* Called by the thread: a connection was resumed, and the daemon is to be run. */
	void (*wake)(void *arg);
	void *arg;
};

/* Starts the thread. Returns 0 or -errno. */
int candles_new(struct candles **ret, const struct candles_config *config);
/*
 * No connection is suspended when this returns: those that were go on, and get CANDLES_LATE. To be
 * called before a daemon is stopped, by the web thread or after it.
 */
void candles_release(struct candles *c);
/* Release, and end the thread. From then on nothing can be asked. NULL is allowed. */
void candles_stop(struct candles *c);
/* After candles_stop(). NULL is allowed. */
void candles_free(struct candles *c);

/* The job of a connection that was resumed; NULL: it has none. */
const struct candles_job *candles_find(struct candles *c, const struct MHD_Connection *connection);
/* Suspends the connection: 0. -EBUSY: the queue is full; -ESHUTDOWN: stopped. */
int candles_ask(struct candles *c, struct MHD_Connection *connection,
		const struct candles_wish *wish);
/* The connection has its answer, or is closed. No job is all right. */
void candles_forget(struct candles *c, const struct MHD_Connection *connection);

/*
 * The reading itself, without a thread: fills in `out` and returns how it ended. It ends when
 * CLOCK_MONOTONIC passes *until_ns, which another thread may change meanwhile.
 */
enum candles_end candles_read(struct mh_buf *out, const char *dir, const struct candles_wish *wish,
			      const _Atomic uint64_t *until_ns, struct mh_err *err);

#endif
