/* What is said to a service manager, and when: V1 … in service.h. */
#include "exporter/service.h"

#include "exporter/log.h"
#include "libmemhist/base/escape.h"

#include <errno.h>
#include <stdarg.h>

enum { READY_WITHIN_MS = 10000, TICK_MS = 1000, STARTING_TICK_MS = 100 };

static uint64_t monotonic_us(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (uint64_t)now.tv_sec * 1000000 + (uint64_t)now.tv_nsec / 1000;
}

static uint64_t monotonic_ms(void)
{
	return monotonic_us() / 1000;
}

static void say(struct service *s, const char *fmt, ...) __attribute__((format(printf, 2, 3)));

static void say(struct service *s, const char *fmt, ...)
{
	char lines[SERVICE_STATUS_MAX + 128];
	struct mh_err err;
	va_list ap;
	int rc;

	va_start(ap, fmt);
	vsnprintf(lines, sizeof(lines), fmt, ap);
	va_end(ap);
	rc = notify_send(&s->notify, lines);
	if (rc && !s->deaf) {
		mh_err_sys(&err, rc, "cannot tell the service manager");
		log_warn("%s", err.text);
	}
	s->deaf = rc != 0;
}

/* One line, whatever is in it. */
static void make_line(char *ret, size_t size, const char *text)
{
	struct mh_buf line = MH_BUF_INIT(16 * 1024);

	mh_escape_terminal(&line, text, strlen(text));
	snprintf(ret, size, "%s", mh_buf_str(&line));
	mh_buf_done(&line);
}

void service_open(struct service *s)
{
	struct mh_err err;

	if (notify_open(&s->notify, &err))
		log_warn("%s", err.text);
}

void service_begin(struct service *s)
{
	s->begun_ms = monotonic_ms();
}

static bool look(struct service *s, char status[SERVICE_STATUS_MAX])
{
	char text[sizeof(struct mh_err) + 128];
	struct view *v = s->view;
	bool up;

	view_lock(v);
	if (view_expire(v, mh_now().boot_ns))
		log_error("%s", v->reason.text);
	up = v->up;
	snprintf(text, sizeof(text), "%s%s%s",
		 up ? "the figures are current" : "not ready: ", up ? "" : v->reason.text,
		 v->is_config_good ? "" : "; the configuration has a mistake, see the log");
	view_unlock(v);
	make_line(status, SERVICE_STATUS_MAX, text);
	return up;
}

static void say_state(struct service *s)
{
	char status[SERVICE_STATUS_MAX];
	bool up = look(s, status);

	if (!s->ready && (up || monotonic_ms() >= s->begun_ms + READY_WITHIN_MS)) {
		s->ready = true;
		say(s, "READY=1");
	}
	if (strcmp(status, s->status) != 0) {
		memcpy(s->status, status, sizeof(status));
		say(s, "STATUS=%s", status);
	}
}

/* V3, V4 */
static bool gets_on(struct service_thread *t, uint64_t limit_ms)
{
	uint64_t late_ms = pulse_late_ms(t->pulse);
	bool stuck = late_ms >= limit_ms, held = stuck && pulse_is_held(t->pulse);

	if (stuck && !t->told)
		log_error("the %s thread does not get on, for %u s now: %s", t->name,
			  (unsigned int)(late_ms / 1000),
			  held ? "the kernel holds it, so that a new start would not help"
			       : "the service manager may end this");
	t->told = stuck;
	return !stuck || held;
}

static void feed_watchdog(struct service *s)
{
	const uint64_t now = monotonic_ms();
	bool well = true;

	if (!s->notify.watchdog_ms)
		return;
	for (size_t i = 0; i < sizeof(s->thread) / sizeof(s->thread[0]); i++)
		well &= gets_on(&s->thread[i], s->notify.watchdog_ms / 2);
	if (well && now >= s->fed_ms + s->notify.watchdog_ms / 4) {
		s->fed_ms = now;
		say(s, "WATCHDOG=1");
	}
}

void service_tick(struct service *s)
{
	if (s->notify.fd < 0)
		return;
	say_state(s);
	feed_watchdog(s);
}

int service_wait_ms(const struct service *s)
{
	uint64_t ms = s->notify.fd >= 0 && !s->ready ? STARTING_TICK_MS : TICK_MS;

	/* when it is fed every so often, a tick is never late by more than as much again */
	if (s->notify.watchdog_ms && s->notify.watchdog_ms / 4 < ms)
		ms = s->notify.watchdog_ms / 4;
	return (int)(ms ? ms : 1);
}

void service_reloading(struct service *s)
{
	if (s->ready)
		say(s, "RELOADING=1\nMONOTONIC_USEC=%llu", (unsigned long long)monotonic_us());
}

void service_reloaded(struct service *s)
{
	if (s->ready)
		say(s, "READY=1");
}

void service_ending(struct service *s, const char *why)
{
	char line[SERVICE_STATUS_MAX];

	make_line(line, sizeof(line), why);
	say(s, "STOPPING=1\nSTATUS=%s", line);
}

void service_close(struct service *s)
{
	notify_close(&s->notify);
}
