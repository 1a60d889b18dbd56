/*
 * What the exporter says while it runs: one line each on standard error, logfmt as Prometheus'
 * own programs write it:
 *
 *     ts=2026-03-01T12:00:00.250Z level=info msg="listening on 127.0.0.1:19256"
 *
 * Every message goes through the escapers, so that a foreign byte in it can neither break the
 * line nor move a terminal's cursor.
 */
#ifndef MEMHIST_EXPORTER_LOG_H
#define MEMHIST_EXPORTER_LOG_H

#include "libmemhist/base/timespec.h"

enum log_level { LEVEL_DEBUG, LEVEL_INFO, LEVEL_WARN, LEVEL_ERROR };

/* The level called `name` (debug, info, warn, error), or -1. */
int log_level_by_name(const char *name);
/* Leave out what is below `level`. Called once, before the first thread starts; at first: info. */
void log_set_level(enum log_level level);

/* Write one line, in one write(2), so that lines of several threads do not mix. */
void log_write(enum log_level level, const char *fmt, ...) __attribute__((format(printf, 2, 3)));

#define log_debug(...) log_write(LEVEL_DEBUG, __VA_ARGS__)
#define log_info(...)  log_write(LEVEL_INFO, __VA_ARGS__)
#define log_warn(...)  log_write(LEVEL_WARN, __VA_ARGS__)
#define log_error(...) log_write(LEVEL_ERROR, __VA_ARGS__)

/* The line itself, appended to `line`: what log_write() writes. */
void log_format(struct mh_buf *line, mh_ms_t wall_ms, enum log_level level, const char *message,
		size_t len);

#endif
