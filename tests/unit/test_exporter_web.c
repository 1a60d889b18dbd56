/* The exporter's addresses, connection clocks, log lines and landing page. */
#include "exporter/deadline.h"
#include "exporter/landing.h"
#include "exporter/listen.h"
#include "exporter/log.h"

#include <errno.h>
#include <poll.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>
#include <cmocka.h>

static void addresses_are_taken_apart(void **state)
{
	static const struct {
		const char *text, *host, *port;
	} good[] = {
		{"127.0.0.1:19256", "127.0.0.1", "19256"},
		{":19256", "", "19256"},
		{"[::1]:9100", "::1", "9100"},
		{"[::]:0", "::", "0"},
		{"localhost:65535", "localhost", "65535"},
		{"[]:00080", "", "80"},
	};
	static const char *const bad[] = {"",
					  "19256",
					  "host",
					  "host:",
					  "host:x",
					  "host:+1",
					  "host:65536",
					  "host:1234567890123",
					  "::1:80",
					  "[::1]",
					  "[::1:80",
					  "::1]:80",
					  "host: 1",
					  "a]:80",
					  "1.2.3.4:80 ",
					  ":-1",
					  "vsock://2:9100"};
	struct listen_address address;
	struct mh_err err;

	(void)state;
	for (size_t i = 0; i < sizeof(good) / sizeof(good[0]); i++) {
		assert_int_equal(listen_parse(&address, good[i].text, &err), 0);
		assert_string_equal(address.host, good[i].host);
		assert_string_equal(address.port, good[i].port);
	}
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		err.text[0] = '\0';
		if (!listen_parse(&address, bad[i], &err))
			fail_msg("'%s' was taken", bad[i]);
		assert_true(err.text[0]);
	}
}

static void a_host_that_is_too_long_is_refused(void **state)
{
	struct listen_address address;
	struct mh_err err;
	char text[300];

	(void)state;
	memset(text, 'h', sizeof(text));
	memcpy(text + 255, ":80", 4);
	assert_int_equal(listen_parse(&address, text, &err), 0);
	memset(text, 'h', sizeof(text));
	memcpy(text + 256, ":80", 4);
	assert_int_equal(listen_parse(&address, text, &err), -EINVAL);
}

static void the_real_port_is_told_and_a_taken_one_refused(void **state)
{
	struct listen_address address;
	char name[LISTEN_NAME_MAX], again[LISTEN_NAME_MAX];
	struct mh_err err;
	int fd, second = -1;

	(void)state;
	assert_int_equal(listen_parse(&address, "127.0.0.1:0", &err), 0);
	assert_int_equal(listen_open(&address, &fd, name, &err), 0);
	assert_memory_equal(name, "127.0.0.1:", 10);
	assert_string_not_equal(name, "127.0.0.1:0");

	assert_int_equal(listen_parse(&address, name, &err), 0);
	assert_int_equal(listen_open(&address, &second, again, &err), -EADDRINUSE);
	assert_int_equal(second, -1);
	assert_non_null(strstr(err.text, name));
	close(fd);
}

static void all_addresses_are_opened_or_none(void **state)
{
	struct listen_addresses addresses = {.n = 2};
	struct mh_buf names = MH_BUF_INIT(1024);
	struct listeners listeners = {0};
	char first[LISTEN_NAME_MAX], second[LISTEN_NAME_MAX], both[2 * LISTEN_NAME_MAX + 2];
	struct mh_err err;

	(void)state;
	assert_int_equal(listen_parse(&addresses.address[0], "127.0.0.1:0", &err), 0);
	assert_int_equal(listen_parse(&addresses.address[1], "127.0.0.1:0", &err), 0);
	assert_int_equal(listen_open_all(&addresses, &listeners, &names, &err), 0);
	assert_int_equal(listeners.n, 2);
	listen_name(listeners.fd[0], first);
	listen_name(listeners.fd[1], second);
	snprintf(both, sizeof(both), "%s, %s", first, second);
	assert_string_equal(mh_buf_str(&names), both);
	listeners_close(&listeners);
	assert_int_equal(listeners.n, 0);

	assert_int_equal(listen_parse(&addresses.address[1], "192.0.2.1:0", &err), 0);
	assert_int_equal(listen_open_all(&addresses, &listeners, &names, &err), -EADDRNOTAVAIL);
	assert_non_null(strstr(err.text, "192.0.2.1:0"));
	assert_int_equal(listeners.n, 0);
	mh_buf_done(&names);
}

static void expect_unix_name(const char *path, size_t len, const char *name)
{
	struct sockaddr_un address = {.sun_family = AF_UNIX};
	char told[LISTEN_NAME_MAX];
	int fd = socket(AF_UNIX, SOCK_STREAM, 0);

	memcpy(address.sun_path, path, len);
	assert_int_equal(bind(fd, (struct sockaddr *)&address,
			      (socklen_t)(offsetof(struct sockaddr_un, sun_path) + len)),
			 0);
	listen_name(fd, told);
	assert_string_equal(told, name);
	close(fd);
}

static void unix_sockets_have_names(void **state)
{
	char name[64], path[108], expected[LISTEN_NAME_MAX];
	const char *folder = getenv("TMPDIR");
	int n = snprintf(name, sizeof(name), "%cmemhist-%d", 0, (int)getpid());

	(void)state;
	snprintf(expected, sizeof(expected), "unix:@%s", name + 1);
	expect_unix_name(name, (size_t)n, expected);

	n = snprintf(path, sizeof(path), "%s/s-%d", folder ? folder : "/tmp", (int)getpid());
	assert_in_range(n, 1, sizeof(path) - 1);
	snprintf(expected, sizeof(expected), "unix:%s", path);
	expect_unix_name(path, (size_t)n, expected);
	unlink(path);

	listen_name(-1, expected);
	assert_string_equal(expected, "an unknown address");
}

static void an_address_of_another_machine_is_refused(void **state)
{
	struct listen_address address;
	char name[LISTEN_NAME_MAX];
	struct mh_err err;
	int fd = -1;

	(void)state;
	assert_int_equal(listen_parse(&address, "192.0.2.1:0", &err), 0);
	assert_int_equal(listen_open(&address, &fd, name, &err), -EADDRNOTAVAIL);
	assert_int_equal(fd, -1);
	assert_non_null(strstr(err.text, "192.0.2.1:0"));
}

/* Whether the other end sees that the connection was shut down. */
static bool is_shut(int peer)
{
	struct pollfd p = {.fd = peer, .events = POLLIN};
	char c;

	return poll(&p, 1, 0) == 1 && read(peer, &c, 1) == 0;
}

static void connections_are_shut_when_their_step_takes_too_long(void **state)
{
	struct deadlines *d;
	struct deadline *a, *b;
	int x[2], y[2];

	(void)state;
	assert_int_equal(deadlines_new(&d, 2, 100), 0);
	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM, 0, x), 0);
	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM, 0, y), 0);
	a = deadlines_open(d, x[0], 1000);
	b = deadlines_open(d, y[0], 1050);
	assert_non_null(a);
	assert_non_null(b);
	assert_null(deadlines_open(d, 99, 1050)); /* two is the limit */

	assert_int_equal(deadlines_expire(d, 900), 0); /* a clock read before they began */
	assert_int_equal(deadlines_expire(d, 1099), 0);
	deadlines_restart(d, b, 1090);
	assert_int_equal(deadlines_expire(d, 1189), 1);
	assert_true(is_shut(x[1]));
	assert_false(is_shut(y[1]));
	assert_int_equal(deadlines_expire(d, 1189), 0); /* once is enough */
	assert_int_equal(deadlines_expire(d, 1190), 1);
	assert_true(is_shut(y[1]));

	deadlines_close(d, a);
	deadlines_restart(d, NULL, 5);
	deadlines_close(d, NULL);
	assert_ptr_equal(deadlines_open(d, x[0], 2000), a); /* its place is free again */
	deadlines_close(d, a);
	assert_int_equal(deadlines_expire(d, 9000), 0); /* gone: nobody to shut down */
	deadlines_free(d);
	for (int i = 0; i < 2; i++) {
		close(x[i]);
		close(y[i]);
	}
}

static void a_log_line_is_one_line_whatever_is_in_it(void **state)
{
	static const char hostile[] = "a\"b\\c\nd\x1b[31m\xff\xe2\x80\xae";
	struct mh_buf line = MH_BUF_INIT(1 << 16);

	(void)state;
	log_format(&line, 1795206528502, LEVEL_WARN, hostile, sizeof(hostile) - 1);
	assert_string_equal(mh_buf_str(&line),
			    "ts=2026-11-20T20:28:48.502Z level=warn "
			    "msg=\"a\\\"b\\\\c\\\\x0ad\\\\x1b[31m\\\\xff\\\\u{202e}\"\n");
	mh_buf_clear(&line);
	log_format(&line, 7, LEVEL_ERROR, "", 0);
	assert_string_equal(mh_buf_str(&line),
			    "ts=1970-01-01T00:00:00.007Z level=error msg=\"\"\n");
	mh_buf_done(&line);
}

static void levels_have_names(void **state)
{
	(void)state;
	assert_int_equal(log_level_by_name("debug"), LEVEL_DEBUG);
	assert_int_equal(log_level_by_name("error"), LEVEL_ERROR);
	assert_int_equal(log_level_by_name("Error"), -1);
	assert_int_equal(log_level_by_name(""), -1);
}

static void the_landing_page_links_to_the_metrics(void **state)
{
	struct mh_buf out = MH_BUF_INIT(1 << 16);

	(void)state;
	landing_write(&out, "/my/metrics\"<");
	assert_non_null(strstr(mh_buf_str(&out), "href=\"/my/metrics&quot;&lt;\""));
	mh_buf_done(&out);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(addresses_are_taken_apart),
		cmocka_unit_test(a_host_that_is_too_long_is_refused),
		cmocka_unit_test(the_real_port_is_told_and_a_taken_one_refused),
		cmocka_unit_test(all_addresses_are_opened_or_none),
		cmocka_unit_test(unix_sockets_have_names),
		cmocka_unit_test(an_address_of_another_machine_is_refused),
		cmocka_unit_test(connections_are_shut_when_their_step_takes_too_long),
		cmocka_unit_test(a_log_line_is_one_line_whatever_is_in_it),
		cmocka_unit_test(levels_have_names),
		cmocka_unit_test(the_landing_page_links_to_the_metrics),
	};

	return cmocka_run_group_tests_name("exporter_web", tests, NULL, NULL);
}
