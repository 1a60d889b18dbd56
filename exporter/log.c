/* The exporter's log. Holds the exporter's only global: the level, fixed before threads start. */
#include "exporter/log.h"

#include "libmemhist/base/escape.h"

#include <stdarg.h>
#include <unistd.h>

enum { MESSAGE_MAX = 2048, LINE_MAX_BYTES = 16 * 1024 };

static const char *const level_names[] = {"debug", "info", "warn", "error"};
static enum log_level threshold = LEVEL_INFO;

int log_level_by_name(const char *name)
{
	for (int i = LEVEL_DEBUG; i <= LEVEL_ERROR; i++)
		if (!strcmp(name, level_names[i]))
			return i;
	return -1;
}

void log_set_level(enum log_level level)
{
	threshold = level;
}

static void add_time(struct mh_buf *line, mh_ms_t wall_ms)
{
	size_t start = line->len;
	char *blank;

	mh_time_format(line, wall_ms, true);
	if (line->error)
		return;
	blank = memchr(line->data + start, ' ', line->len - start);
	if (blank)
		*blank = 'T';
	mh_buf_printf(line, ".%03dZ", (int)(wall_ms % 1000));
}

void log_format(struct mh_buf *line, mh_ms_t wall_ms, enum log_level level, const char *message,
		size_t len)
{
	struct mh_buf visible = MH_BUF_INIT(LINE_MAX_BYTES);

	/* first what a terminal could obey, then what could end the quotes */
	mh_escape_terminal(&visible, message, len);
	mh_buf_adds(line, "ts=");
	add_time(line, wall_ms);
	mh_buf_printf(line, " level=%s msg=\"", level_names[level]);
	mh_escape_json(line, visible.data, visible.len);
	mh_buf_adds(line, "\"\n");
	mh_buf_done(&visible);
}

void log_write(enum log_level level, const char *fmt, ...)
{
	struct mh_buf line = MH_BUF_INIT(LINE_MAX_BYTES);
	char message[MESSAGE_MAX];
	ssize_t written = 0;
	va_list ap;

	if (level < threshold)
		return;
	va_start(ap, fmt);
	vsnprintf(message, sizeof(message), fmt, ap);
	va_end(ap);
	log_format(&line, mh_now().wall_ms, level, message, strlen(message));
	if (!line.error)
		written = write(STDERR_FILENO, line.data, line.len);
	(void)written; /* of a log that cannot be written nobody can be told */
	mh_buf_done(&line);
}
