/*
 * The exporter as a service: what its manager hears of it, and when (notify.h says how).
 *
 * V1  READY=1 when the first sample is there, so that who is started after it finds figures. But
 *     after ten seconds in any case: an exporter that has no figures (a history to follow without
 *     news, a disk that does not answer) serves, and says why; to start it again is no remedy.
 * V2  STATUS= whenever readiness changes, with the reason; what is foreign in it cannot become
 *     another line.
 * V3  WATCHDOG=1 as long as the threads get on. One that has been at the same piece of work for
 * half of the watchdog's time, or has not begun the next when it should, is stuck, and it is not
 * said any more: the manager kills the exporter and starts it again. V4  Not so while the kernel
 * holds that thread: neither a signal nor another start reaches a thread that waits for a disk, and
 * what is there is served meanwhile. V5  RELOADING=1 before the configuration is read again for
 * SIGHUP, READY=1 after, good or not. STOPPING=1 at the end.
 *
 * All of it is called by the main thread, which is watched with that.
 */
#ifndef MEMHIST_EXPORTER_SERVICE_H
#define MEMHIST_EXPORTER_SERVICE_H

#include "exporter/notify.h"
#include "exporter/pulse.h"
#include "exporter/view.h"

enum { SERVICE_STATUS_MAX = 1024 };

struct service_thread {
	const char *name;
	struct pulse *pulse;
	bool told; /* private: what is wrong with it was logged */
};

struct service {
	struct notify notify;
	struct view *view;
	struct service_thread thread[2];

	/* private */
	bool ready;
	bool deaf; /* it could not be told, which was logged */
	uint64_t begun_ms, fed_ms;
	char status[SERVICE_STATUS_MAX];
};

/* To be called first, before there are threads. `view` and `thread` are for service_begin(). */
void service_open(struct service *s);
/* The threads are there, and s->view and s->thread set. */
void service_begin(struct service *s);
/* Look, and say what is to be said; again after at most so many ms. */
void service_tick(struct service *s);
int service_wait_ms(const struct service *s);

void service_reloading(struct service *s);
void service_reloaded(struct service *s);
/* It ends, and why: for a signal, or since it could not start. */
void service_ending(struct service *s, const char *why);
void service_close(struct service *s);

#endif
