/*
 * Lines of a header, of which few are looked at, and pieces of a body. Both are bounded: a server
 * may be anybody.
 */
#include "libmemhist/net/answer.h"

#include <string.h>
#include <strings.h>

void mh_answering_begin(struct mh_answering *a, struct mh_answer *answer,
			int (*sink)(void *arg, const void *bytes, size_t len), void *arg)
{
	*a = (struct mh_answering){.answer = answer, .sink = sink, .arg = arg};
	*answer = (struct mh_answer){.retry_after_s = -1,
				     .written_samples = -1,
				     .written_histograms = -1,
				     .written_exemplars = -1};
}

/* The value of a line, when it is of this header. */
static const char *value_of(const char *line, size_t len, const char *name, size_t *ret_len)
{
	size_t n = strlen(name);

	if (len <= n || line[n] != ':' || strncasecmp(line, name, n) != 0)
		return NULL;
	for (n++; n < len && (line[n] == ' ' || line[n] == '\t'); n++)
		;
	while (len > n && strchr(" \t\r\n", line[len - 1]))
		len--;
	*ret_len = len - n;
	return line + n;
}

/* Digits alone; else the number stays as it is. */
static void take_number(const char *text, size_t len, int64_t *to)
{
	int64_t n = 0;

	if (!len || len > 18)
		return;
	for (size_t i = 0; i < len; i++) {
		if (text[i] < '0' || text[i] > '9')
			return;
		n = n * 10 + (text[i] - '0');
	}
	*to = n;
}

static void take_word(const char *text, size_t len, char to[MH_ANSWER_WORD_MAX + 1])
{
	if (len > MH_ANSWER_WORD_MAX)
		len = MH_ANSWER_WORD_MAX;
	for (size_t i = 0; i < len; i++)
		to[i] = '?';
	for (size_t i = 0; i < len; i++)
		if (text[i] >= 0x20 && text[i] < 0x7f)
			to[i] = text[i];
	to[len] = '\0';
}

static void take_line(struct mh_answer *answer, const char *line, size_t len)
{
	const struct {
		const char *name;
		int64_t *to;
	} numbers[] = {
		{"X-Prometheus-Remote-Write-Samples-Written", &answer->written_samples},
		{"X-Prometheus-Remote-Write-Histograms-Written", &answer->written_histograms},
		{"X-Prometheus-Remote-Write-Exemplars-Written", &answer->written_exemplars},
	};
	const char *value = value_of(line, len, "Content-Type", &len);

	if (value) {
		take_word(value, len, answer->content_type);
		return;
	}
	for (size_t i = 0; i < sizeof(numbers) / sizeof(numbers[0]); i++) {
		size_t value_len = 0;

		value = value_of(line, len, numbers[i].name, &value_len);
		if (value)
			take_number(value, value_len, numbers[i].to);
	}
}

/* The status of “HTTP/1.1 204 …”. */
static int status_of(const char *line, size_t len)
{
	const char *p = memchr(line, ' ', len);

	if (!p || len - (size_t)(p - line) < 4)
		return 0;
	return (p[1] - '0') * 100 + (p[2] - '0') * 10 + (p[3] - '0');
}

size_t mh_answering_header(char *bytes, size_t size, size_t n, void *arg)
{
	struct mh_answering *a = arg;
	const size_t len = size * n;

	a->header_bytes += len;
	if (a->header_bytes > MH_ANSWER_HEADERS_MAX) {
		a->is_refused = true;
		return 0;
	}
	/* another answer than before: 100, that of a proxy */
	if (len > 5 && !memcmp(bytes, "HTTP/", 5))
		a->status = status_of(bytes, len);
	else if (a->status >= 200)
		take_line(a->answer, bytes, len);
	return len;
}

static size_t keep(struct mh_answering *a, const char *bytes, size_t len)
{
	struct mh_answer *answer = a->answer;
	const size_t room = MH_ANSWER_MAX - answer->body_len;
	const size_t kept = len < room ? len : room;

	if (kept)
		memcpy(answer->body + answer->body_len, bytes, kept);
	answer->body_len += kept;
	a->dropped_bytes += len - kept;
	answer->is_cut = a->dropped_bytes;
	/* a little more is read, so that the connection can be kept */
	a->is_enough = a->dropped_bytes > MH_ANSWER_DRAINED_MAX;
	return a->is_enough ? 0 : len;
}

size_t mh_answering_body(char *bytes, size_t size, size_t n, void *arg)
{
	struct mh_answering *a = arg;
	const size_t len = size * n;

	if (!a->sink || a->status / 100 != 2)
		return keep(a, bytes, len);
	a->sink_rc = a->sink(a->arg, bytes, len);
	return a->sink_rc ? 0 : len;
}
