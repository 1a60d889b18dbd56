/* The acceptor with real sockets: several of them, the limit, daemons that change, no descriptor.
 */
#include "exporter/acceptor.h"

#include "exporter/log.h"
#include "libmemhist/base/timespec.h"

#include <dirent.h>
#include <errno.h>
#include <microhttpd.h>
#include <netinet/in.h>
#include <poll.h>
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>
#include <cmocka.h>

enum { PATIENCE_S = 60, LONG_MS = 3600000, WORD = 3 };

static atomic_int failing_with; /* accept4() fails with this errno; 0: it does not */
static atomic_int failed;       /* how often it did */

int __real_accept4(int fd, struct sockaddr *address, socklen_t *len, int flags);
int __wrap_accept4(int fd, struct sockaddr *address, socklen_t *len, int flags);

int __wrap_accept4(int fd, struct sockaddr *address, socklen_t *len, int flags)
{
	int error = atomic_load(&failing_with);

	if (!error)
		return __real_accept4(fd, address, len, flags);
	atomic_fetch_add(&failed, 1);
	errno = error;
	return -1;
}

static enum MHD_Result answer(void *word, struct MHD_Connection *connection, const char *path,
			      const char *method, const char *version, const char *upload,
			      size_t *upload_len, void **request)
{
	struct MHD_Response *r;
	enum MHD_Result queued;

	(void)path;
	(void)method;
	(void)version;
	(void)upload;
	(void)upload_len;
	if (!*request) {
		*request = word;
		return MHD_YES;
	}
	r = MHD_create_response_from_buffer(strlen(word), word, MHD_RESPMEM_PERSISTENT);
	queued = MHD_queue_response(connection, MHD_HTTP_OK, r);
	MHD_destroy_response(r);
	return queued;
}

/* A daemon that answers everything with a word. */
static struct MHD_Daemon *daemon_of(const char *word)
{
	struct MHD_Daemon *daemon = MHD_start_daemon(MHD_USE_EPOLL | MHD_USE_NO_LISTEN_SOCKET, 0,
						     NULL, NULL, answer, (void *)(uintptr_t)word,
						     MHD_OPTION_END);

	assert_non_null(daemon);
	return daemon;
}

static int listen_at(const void *address, socklen_t len)
{
	const struct sockaddr *sa = address;
	int fd = socket(sa->sa_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);

	assert_true(fd >= 0);
	assert_int_equal(bind(fd, sa, len), 0);
	assert_int_equal(listen(fd, 16), 0);
	return fd;
}

/* A socket that listens somewhere: an address that only the kernel chose. */
static int listen_at_unix(void)
{
	struct sockaddr_un any = {.sun_family = AF_UNIX};

	return listen_at(&any, sizeof(any.sun_family));
}

static int listen_at_ipv4(void)
{
	struct sockaddr_in any = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};

	return listen_at(&any, sizeof(any));
}

static int connect_to(int listen_fd)
{
	const struct timeval patience = {.tv_sec = PATIENCE_S};
	struct sockaddr_storage address;
	socklen_t len = sizeof(address);
	int fd;

	assert_int_equal(getsockname(listen_fd, (struct sockaddr *)&address, &len), 0);
	fd = socket(address.ss_family, SOCK_STREAM | SOCK_CLOEXEC, 0);
	assert_true(fd >= 0);
	assert_int_equal(setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof(patience)), 0);
	assert_int_equal(connect(fd, (struct sockaddr *)&address, len), 0);
	return fd;
}

static void ask(int fd)
{
	static const char request[] = "GET / HTTP/1.1\r\nHost: x\r\n\r\n";

	assert_int_equal(send(fd, request, sizeof(request) - 1, MSG_NOSIGNAL), sizeof(request) - 1);
}

/* The body of the answer that arrives; all words have WORD letters. */
static void read_answer(int fd, char ret[64])
{
	char text[1024] = "";
	size_t len = 0;
	const char *body;

	do {
		ssize_t n = recv(fd, text + len, sizeof(text) - 1 - len, 0);

		if (n <= 0)
			fail_msg("no answer: %s", n ? "nothing came" : "closed");
		len += (size_t)n;
		text[len] = '\0';
		body = strstr(text, "\r\n\r\n");
	} while (!body || strlen(body + 4) < WORD);
	snprintf(ret, 64, "%s", body + 4);
}

static void expect(int fd, const char *word)
{
	char answered[64];

	read_answer(fd, answered);
	assert_string_equal(answered, word);
}

static void expect_answer(int fd, const char *word)
{
	ask(fd);
	expect(fd, word);
}

static void expect_end(int fd)
{
	char c;

	assert_int_equal(recv(fd, &c, 1, 0), 0);
}

static bool has_news(int fd)
{
	struct pollfd p = {.fd = fd, .events = POLLIN};

	return poll(&p, 1, 0) == 1;
}

static void rest_ms(int ms)
{
	poll(NULL, 0, ms);
}

static int count_descriptors(void)
{
	DIR *dir = opendir("/proc/self/fd");
	int n = 0;

	assert_non_null(dir);
	while (readdir(dir))
		n++;
	closedir(dir);
	return n;
}

static int before; /* descriptors */

static struct acceptor *start(const int *fds, size_t n, unsigned int max, unsigned int retired_ms,
			      const char *word)
{
	struct listeners listeners = {.n = n};
	struct acceptor_config config = {.listeners = &listeners,
					 .max_connections = max,
					 .retired_ms = retired_ms,
					 .daemon = daemon_of(word)};
	struct acceptor *a;
	struct mh_err err;

	memcpy(listeners.fd, fds, n * sizeof(fds[0]));
	assert_int_equal(acceptor_start(&a, &config, &err), 0);
	assert_int_equal(listeners.n, 0); /* they are its own now */
	return a;
}

static int set_up(void **state)
{
	(void)state;
	log_set_level(LEVEL_ERROR);
	before = count_descriptors();
	return 0;
}

/* Whatever a test did: what it and the acceptor opened is closed. */
static int tear_down(void **state)
{
	(void)state;
	atomic_store(&failing_with, 0);
	atomic_store(&failed, 0);
	return count_descriptors() == before ? 0 : -1;
}

static void every_socket_is_served(void **state)
{
	const int fds[] = {listen_at_ipv4(), listen_at_unix(), listen_at_ipv4()};
	struct acceptor *a = start(fds, 3, 10, LONG_MS, "yes");
	int client[3];

	(void)state;
	for (int round = 0; round < 2; round++) {
		for (int i = 0; i < 3; i++)
			client[i] = connect_to(fds[i]);
		for (int i = 2; i >= 0; i--)
			expect_answer(client[i], "yes");
		for (int i = 0; i < 3; i++)
			expect_answer(client[i], "yes"); /* the connection goes on */
		for (int i = 0; i < 3; i++)
			close(client[i]);
	}
	acceptor_stop(a);
}

static void more_clients_than_the_limit_wait(void **state)
{
	const int fds[] = {listen_at_ipv4(), listen_at_unix()};
	struct acceptor *a = start(fds, 2, 2, LONG_MS, "yes");
	int client[4];

	(void)state;
	for (int i = 0; i < 4; i++) {
		client[i] = connect_to(fds[i % 2]);
		ask(client[i]);
		if (i < 2)
			expect(client[i], "yes");
	}
	expect_answer(client[0], "yes"); /* that may take as long as it wants */
	assert_false(has_news(client[2]));
	assert_false(has_news(client[3]));
	close(client[0]);
	expect(client[2], "yes");
	assert_false(has_news(client[3]));
	close(client[1]);
	expect(client[3], "yes");
	close(client[2]);
	close(client[3]);
	acceptor_stop(a);
}

static void new_connections_go_to_the_new_daemon(void **state)
{
	const int fds[] = {listen_at_ipv4()};
	struct acceptor *a = start(fds, 1, 10, LONG_MS, "one");
	int old = connect_to(fds[0]), new;
	char word[64];

	(void)state;
	expect_answer(old, "one");
	acceptor_change(a, daemon_of("two"));
	for (;;) { /* from the next turn on */
		new = connect_to(fds[0]);
		ask(new);
		read_answer(new, word);
		if (!strcmp(word, "two"))
			break;
		close(new);
	}
	expect_answer(old, "one"); /* served to its end by the one that has it */
	expect_answer(new, "two");
	expect_answer(old, "one");
	close(old);
	expect_answer(new, "two");
	acceptor_stop(a);
	expect_end(new); /* all connections end with the thread */
	close(new);
}

static void a_daemon_that_was_replaced_has_limited_time(void **state)
{
	const int fds[] = {listen_at_unix()};
	struct acceptor *a = start(fds, 1, 10, 50, "one");
	int old = connect_to(fds[0]), new;

	(void)state;
	expect_answer(old, "one");
	acceptor_change(a, daemon_of("two"));
	expect_end(old);
	new = connect_to(fds[0]);
	expect_answer(new, "two");
	close(old);
	close(new);
	acceptor_stop(a);
}

static void many_changes_keep_few_daemons(void **state)
{
	const int fds[] = {listen_at_unix()};
	struct acceptor *a = start(fds, 1, 10, LONG_MS, "one");
	int old = connect_to(fds[0]), held[20];
	char word[64];

	(void)state;
	expect_answer(old, "one");
	for (int i = 0; i < 20; i++) {
		acceptor_change(a, daemon_of("two"));
		held[i] = connect_to(fds[0]); /* so that it does not end by itself */
		ask(held[i]);
		read_answer(held[i], word);
	}
	expect_end(old); /* of the oldest, that is */
	expect_answer(held[19], "two");
	for (int i = 0; i < 20; i++)
		close(held[i]);
	close(old);
	acceptor_change(a, daemon_of("two"));
	acceptor_change(a, daemon_of("two"));
	acceptor_stop(a); /* with changes that may not have been taken up yet */
}

/* Clients wait, the thread as well, and all goes on when it can. */
static void lacking_descriptors_is_waited_for(void **state)
{
	const int fds[] = {listen_at_ipv4(), listen_at_unix()};
	struct acceptor *a = start(fds, 2, 10, LONG_MS, "yes");
	int there = connect_to(fds[0]), client[2], count;
	uint64_t begin, passed_ms;

	(void)state;
	expect_answer(there, "yes");
	atomic_store(&failing_with, EMFILE);
	for (int i = 0; i < 2; i++) {
		client[i] = connect_to(fds[i]);
		ask(client[i]);
	}
	while (!atomic_load(&failed))
		rest_ms(1);
	begin = mh_now().boot_ns;
	count = atomic_load(&failed);
	rest_ms(500);
	count = atomic_load(&failed) - count;
	passed_ms = (mh_now().boot_ns - begin) / 1000000;
	/* two sockets, each tried once in 200 ms at most */
	assert_true((uint64_t)count <= 2 * (passed_ms / 200 + 2));
	expect_answer(there, "yes"); /* who has a connection does not notice */
	assert_false(has_news(client[0]));
	atomic_store(&failing_with, 0);
	for (int i = 0; i < 2; i++) {
		expect(client[i], "yes");
		close(client[i]);
	}
	close(there);
	acceptor_stop(a);
}

static void a_connection_that_is_gone_already_is_passed_over(void **state)
{
	const int fds[] = {listen_at_ipv4()};
	struct acceptor *a = start(fds, 1, 10, LONG_MS, "yes");
	int client;

	(void)state;
	atomic_store(&failing_with, ECONNABORTED);
	client = connect_to(fds[0]);
	while (!atomic_load(&failed))
		rest_ms(1);
	atomic_store(&failing_with, 0);
	expect_answer(client, "yes");
	close(client);
	acceptor_stop(a);
}

static void a_failed_start_leaves_the_sockets_with_the_caller(void **state)
{
	struct listeners listeners = {.fd = {listen_at_unix(), -1}, .n = 2}; /* no such socket */
	struct acceptor_config config = {
		.listeners = &listeners, .max_connections = 1, .daemon = daemon_of("never")};
	struct acceptor *a = NULL;
	struct mh_err err;

	(void)state;
	assert_int_equal(acceptor_start(&a, &config, &err), -EBADF);
	assert_null(a);
	assert_non_null(strstr(err.text, "cannot start the web server"));
	assert_int_equal(listeners.n, 2);
	listeners.n = 1;
	listeners_close(&listeners);
	assert_int_equal(listeners.n, 0);
	acceptor_stop(NULL);
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, set_up, tear_down)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(every_socket_is_served),
		TEST(more_clients_than_the_limit_wait),
		TEST(new_connections_go_to_the_new_daemon),
		TEST(a_daemon_that_was_replaced_has_limited_time),
		TEST(many_changes_keep_few_daemons),
		TEST(lacking_descriptors_is_waited_for),
		TEST(a_connection_that_is_gone_already_is_passed_over),
		TEST(a_failed_start_leaves_the_sockets_with_the_caller),
	};

	return cmocka_run_group_tests_name("acceptor", tests, NULL, NULL);
}
