/*
 * Scrapers for benchmarks that are scripts: CONNECTIONS kept open, each of which asks for PATH once
 * a round, all at the same moment.
 *
 *     scrapers PORT PATH CONNECTIONS ROUNDS INTERVAL_MS [HEADER ...]
 *
 * Prints, for each answer, the nanoseconds from the moment of the round to its last byte and the
 * bytes of its body. Whatever is not an answer 200 with a Content-Length, or chunked, within a
 * minute ends the program with status 1.
 */
#include <arpa/inet.h>
#include <poll.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

enum { HEAD_BYTES = 4096, PATIENCE_MS = 60000, READ_BYTES = 256 * 1024 };

struct scraper {
	int fd;
	char head[HEAD_BYTES + 1]; /* of the answer; when that is over, its last bytes */
	size_t head_len;
	bool in_body, is_chunked;
	uint64_t body, left; /* bytes; left: as Content-Length says */
	bool done;
};

static char request[HEAD_BYTES];

static uint64_t now_ns(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (uint64_t)t.tv_sec * 1000000000 + (uint64_t)t.tv_nsec;
}

static void fail(const char *what)
{
	fprintf(stderr, "scrapers: %s\n", what);
	exit(1);
}

static int connect_to(uint16_t port)
{
	struct sockaddr_in to = {.sin_family = AF_INET,
				 .sin_port = htons(port),
				 .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

	if (fd < 0 || connect(fd, (struct sockaddr *)&to, sizeof(to)))
		fail("cannot connect");
	return fd;
}

static void ask(struct scraper *s)
{
	size_t len = strlen(request);

	s->head_len = 0;
	s->in_body = s->is_chunked = s->done = false;
	s->body = 0;
	if (write(s->fd, request, len) != (ssize_t)len)
		fail("cannot send a request");
}

/* The head is whole. */
static void read_head(struct scraper *s)
{
	const char *length = strcasestr(s->head, "\r\nContent-Length:");

	if (strncmp(s->head, "HTTP/1.1 200 ", 13) != 0)
		fail("an answer is not 200");
	s->in_body = true;
	s->is_chunked = strcasestr(s->head, "\r\nTransfer-Encoding: chunked") != NULL;
	if (!length && !s->is_chunked)
		fail("an answer does not say how long it is");
	s->left = length ? strtoull(length + strlen("\r\nContent-Length:"), NULL, 10) : 0;
	s->head_len = 0;
}

/* Of a chunked body its end is looked for, and its bytes are counted with what is between them. */
static void read_body(struct scraper *s, const char *bytes, size_t len)
{
	static const char end[] = "\r\n0\r\n\r\n";
	size_t keep = len < sizeof(end) - 1 ? len : sizeof(end) - 1;

	s->body += len;
	if (!s->is_chunked) {
		if (s->body > s->left)
			fail("an answer is longer than it says");
		s->done = s->body == s->left;
		return;
	}
	if (s->head_len + keep > sizeof(end) - 1) {
		size_t drop = s->head_len + keep - (sizeof(end) - 1);

		memmove(s->head, s->head + drop, s->head_len - drop);
		s->head_len -= drop;
	}
	memcpy(s->head + s->head_len, bytes + len - keep, keep);
	s->head_len += keep;
	s->done = s->head_len == sizeof(end) - 1 && !memcmp(s->head, end, sizeof(end) - 1);
}

static void take(struct scraper *s, const char *bytes, size_t len)
{
	size_t n;
	char *end;

	if (s->in_body) {
		read_body(s, bytes, len);
		return;
	}
	n = len < HEAD_BYTES - s->head_len ? len : HEAD_BYTES - s->head_len;
	memcpy(s->head + s->head_len, bytes, n);
	s->head[s->head_len + n] = '\0';
	end = strstr(s->head, "\r\n\r\n");
	if (!end && s->head_len + n == HEAD_BYTES)
		fail("an answer has too long a head");
	if (end) {
		/* what is behind it is of the body */
		n = (size_t)(end + 4 - s->head) - s->head_len;
		end[2] = '\0';
		read_head(s);
		if (n < len)
			read_body(s, bytes + n, len - n);
		else
			s->done = !s->is_chunked && !s->left;
	} else {
		s->head_len += n;
	}
}

static void run_round(struct scraper *list, struct pollfd *fds, size_t n)
{
	static char bytes[READ_BYTES];
	uint64_t begin = now_ns();
	size_t open = n;

	for (size_t i = 0; i < n; i++) {
		ask(&list[i]);
		fds[i] = (struct pollfd){.fd = list[i].fd, .events = POLLIN};
	}
	while (open) {
		if (poll(fds, n, PATIENCE_MS) <= 0)
			fail("no answer for a minute");
		for (size_t i = 0; i < n; i++) {
			ssize_t len;

			if (!fds[i].revents)
				continue;
			len = read(list[i].fd, bytes, sizeof(bytes));
			if (len <= 0)
				fail("a connection was closed");
			take(&list[i], bytes, (size_t)len);
			if (!list[i].done)
				continue;
			printf("%llu %llu\n", (unsigned long long)(now_ns() - begin),
			       (unsigned long long)list[i].body);
			fds[i].fd = -1;
			open--;
		}
	}
}

static void sleep_until(uint64_t ns)
{
	struct timespec t = {.tv_sec = (time_t)(ns / 1000000000),
			     .tv_nsec = (long)(ns % 1000000000)};

	while (clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &t, NULL))
		;
}

int main(int argc, char **argv)
{
	struct scraper *list;
	struct pollfd *fds;
	size_t n, len;
	uint64_t next;

	if (argc < 6) {
		fprintf(stderr, "usage: scrapers PORT PATH CONNECTIONS ROUNDS INTERVAL_MS "
				"[HEADER ...]\n");
		return 2;
	}
	len = (size_t)snprintf(request, sizeof(request), "GET %s HTTP/1.1\r\nHost: 127.0.0.1\r\n",
			       argv[2]);
	for (int i = 6; i < argc && len < sizeof(request); i++)
		len += (size_t)snprintf(request + len, sizeof(request) - len, "%s\r\n", argv[i]);
	if (len + 2 >= sizeof(request))
		fail("too many headers");
	memcpy(request + len, "\r\n", 3);
	n = strtoul(argv[3], NULL, 10);
	list = calloc(n, sizeof(*list));
	fds = calloc(n, sizeof(*fds));
	if (!n || !list || !fds)
		fail("so many connections cannot be had");
	for (size_t i = 0; i < n; i++)
		list[i].fd = connect_to((uint16_t)strtoul(argv[1], NULL, 10));
	next = now_ns();
	for (unsigned long left = strtoul(argv[4], NULL, 10); left; left--) {
		run_round(list, fds, n);
		next += strtoul(argv[5], NULL, 10) * UINT64_C(1000000);
		if (left > 1)
			sleep_until(next);
	}
	for (size_t i = 0; i < n; i++)
		close(list[i].fd);
	free(list);
	free(fds);
	return 0;
}
