/* What a service manager hears, through real datagram sockets: V1 … of service.h. */
#include "exporter/log.h"
#include "exporter/service.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>
#include <cmocka.h>

static int manager = -1; /* its socket */
static char address[108];

/* A manager listens, by path or, with '@' in front, in the abstract namespace. */
static void manage(const char *name)
{
	struct sockaddr_un sa = {.sun_family = AF_UNIX};
	size_t len = strlen(name);

	snprintf(address, sizeof(address), "%s", name);
	memcpy(sa.sun_path, name, len);
	if (name[0] == '@')
		sa.sun_path[0] = '\0';
	manager = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	assert_int_equal(bind(manager, (struct sockaddr *)&sa,
			      (socklen_t)(offsetof(struct sockaddr_un, sun_path) + len)),
			 0);
	setenv("NOTIFY_SOCKET", name, 1);
}

static void manage_abstract(void)
{
	char name[64];

	snprintf(name, sizeof(name), "@memhist-test-%d", (int)getpid());
	manage(name);
}

static int tear_down(void **state)
{
	(void)state;
	if (manager >= 0) {
		close(manager);
		if (address[0] == '/')
			unlink(address);
	}
	manager = -1;
	unsetenv("NOTIFY_SOCKET");
	unsetenv("WATCHDOG_USEC");
	unsetenv("WATCHDOG_PID");
	return 0;
}

/* Sending to a local socket is done when sendto() returns: what is not there will not come. */
static void expect_silence(void)
{
	struct pollfd p = {.fd = manager, .events = POLLIN};

	assert_int_equal(poll(&p, 1, 0), 0);
}

static void hear(char *text, size_t size)
{
	ssize_t n = recv(manager, text, size - 1, MSG_DONTWAIT);

	if (n < 0)
		fail_msg("nothing was said");
	text[n] = '\0';
}

static void expect(const char *lines)
{
	char text[4096];

	hear(text, sizeof(text));
	assert_string_equal(text, lines);
}

static void expect_start(const char *lines)
{
	char text[4096];

	hear(text, sizeof(text));
	assert_memory_equal(text, lines, strlen(lines));
}

static struct view *view;
static struct pulse pulse[2];

/* A service whose threads wait, and whose figures are current or not. */
static void begin(struct service *s, bool up)
{
	log_set_level(LEVEL_ERROR + 1);
	memset(pulse, 0, sizeof(pulse));
	*s = (struct service){.thread = {{.name = "one", .pulse = &pulse[0]},
					 {.name = "two", .pulse = &pulse[1]}}};
	assert_int_equal(view_new(&view, 1, 1), 0);
	view->is_config_good = true;
	view->up = up;
	view->updated_ns = mh_now().boot_ns;
	view->source.stale_after_ms = 86400000; /* not late in this test */
	s->view = view;
	service_open(s);
	service_begin(s);
}

static void end(struct service *s)
{
	expect_silence();
	service_close(s);
	view_free(view);
}

static void a_manager_is_found_by_path_and_in_the_abstract_namespace(void **state)
{
	const char *folder = getenv("TMPDIR");
	struct notify n;
	struct mh_err err;
	char path[108];

	(void)state;
	snprintf(path, sizeof(path), "%s/notify-%d", folder ? folder : "/tmp", (int)getpid());
	for (int i = 0; i < 2; i++) {
		if (i)
			manage_abstract();
		else
			manage(path);
		setenv("WATCHDOG_USEC", "30000000", 1);
		assert_int_equal(notify_open(&n, &err), 0);
		assert_int_equal(n.watchdog_ms, 30000);
		/* nobody inherits it */
		assert_null(getenv("NOTIFY_SOCKET"));
		assert_null(getenv("WATCHDOG_USEC"));
		assert_int_equal(notify_send(&n, "READY=1\nSTATUS=x"), 0);
		expect("READY=1\nSTATUS=x");
		notify_close(&n);
		tear_down(NULL);
	}
}

static void without_a_manager_nothing_is_said(void **state)
{
	struct notify n;
	struct mh_err err;

	(void)state;
	setenv("WATCHDOG_USEC", "30000000", 1);
	assert_int_equal(notify_open(&n, &err), 0);
	assert_int_equal(n.fd, -1);
	assert_int_equal(n.watchdog_ms, 0);
	assert_int_equal(notify_send(&n, "READY=1"), 0);
	notify_close(&n);
}

static void addresses_that_are_none_are_refused(void **state)
{
	static const char *const bad[] = {"relative", "@", "/", "vsock:2:1234"};
	char long_one[200];
	struct notify n;
	struct mh_err err;

	(void)state;
	memset(long_one, '/', sizeof(long_one) - 1);
	long_one[sizeof(long_one) - 1] = '\0';
	for (size_t i = 0; i <= sizeof(bad) / sizeof(bad[0]); i++) {
		setenv("NOTIFY_SOCKET", i < sizeof(bad) / sizeof(bad[0]) ? bad[i] : long_one, 1);
		err.text[0] = '\0';
		assert_int_equal(notify_open(&n, &err), -EINVAL);
		assert_true(err.text[0]);
		assert_int_equal(n.fd, -1);
		assert_null(getenv("NOTIFY_SOCKET"));
	}
	setenv("NOTIFY_SOCKET", "/nowhere/at/all", 1); /* gone, or not there yet */
	assert_int_equal(notify_open(&n, &err), 0);
	assert_int_equal(notify_send(&n, "READY=1"), -ENOENT);
	notify_close(&n);
}

static void watchdogs_of_others_do_not_count(void **state)
{
	static const char *const bad[] = {"", "-1", "0", "soon", "1 ", "99999999999999999999"};
	struct notify n;
	struct mh_err err;
	char pid[16];

	(void)state;
	manage_abstract();
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		setenv("NOTIFY_SOCKET", address, 1);
		setenv("WATCHDOG_USEC", bad[i], 1);
		assert_int_equal(notify_open(&n, &err), 0);
		assert_int_equal(n.watchdog_ms, 0);
		notify_close(&n);
	}
	for (int other = 0; other < 2; other++) {
		snprintf(pid, sizeof(pid), "%d", (int)getpid() + other);
		setenv("NOTIFY_SOCKET", address, 1);
		setenv("WATCHDOG_USEC", "5000000", 1);
		setenv("WATCHDOG_PID", pid, 1);
		assert_int_equal(notify_open(&n, &err), 0);
		assert_int_equal(n.watchdog_ms, other ? 0 : 5000);
		notify_close(&n);
	}
}

/* V1, V2 */
static void it_is_ready_with_the_first_figures(void **state)
{
	struct service s;

	(void)state;
	manage_abstract();
	begin(&s, false);
	mh_errf(&view->reason, -EIO, "no sample was taken\nREADY=1");
	service_tick(&s);
	expect("STATUS=not ready: no sample was taken?READY=1"); /* one line */
	service_tick(&s);
	expect_silence(); /* nothing new */
	view->up = true;
	service_tick(&s);
	expect("READY=1");
	expect("STATUS=the figures are current");
	view->up = false;
	mh_errf(&view->reason, -EIO, "/proc is gone");
	service_tick(&s);
	expect("STATUS=not ready: /proc is gone"); /* and it stays started */
	view->up = true;
	view->is_config_good = false;
	service_tick(&s);
	expect("STATUS=the figures are current; the configuration has a mistake, see the log");
	end(&s);
}

/* V1 */
static void without_figures_it_is_ready_after_a_while(void **state)
{
	struct service s;

	(void)state;
	manage_abstract();
	begin(&s, false);
	service_tick(&s);
	expect_start("STATUS=not ready");
	s.begun_ms -= 10000;
	service_tick(&s);
	expect("READY=1");
	end(&s);
}

/* V5 */
static void reloading_and_ending_are_announced(void **state)
{
	struct service s;
	char text[256];

	(void)state;
	manage_abstract();
	begin(&s, true);
	service_reloading(&s); /* before it is ready: it is starting, still */
	service_reloaded(&s);
	expect_silence();
	service_tick(&s);
	expect("READY=1");
	expect_start("STATUS=");
	service_reloading(&s);
	hear(text, sizeof(text));
	assert_memory_equal(text, "RELOADING=1\nMONOTONIC_USEC=", 27);
	assert_true(strtoull(text + 27, NULL, 10) > 0);
	service_reloaded(&s);
	expect("READY=1");
	service_ending(&s, "ending for\nSIGTERM");
	expect("STOPPING=1\nSTATUS=ending for\\x0aSIGTERM");
	end(&s);
}

static void begin_watched(struct service *s, const char *usec)
{
	manage_abstract();
	setenv("WATCHDOG_USEC", usec, 1);
	begin(s, true);
	service_tick(s);
	expect("READY=1");
	expect_start("STATUS=");
	expect("WATCHDOG=1");
}

/* As if it had begun so long ago. */
static void age(struct pulse *p, uint64_t ms)
{
	atomic_fetch_sub(&p->due_ns, ms * 1000000);
}

/* V3 */
static void a_thread_that_is_stuck_starves_the_watchdog(void **state)
{
	struct service s;

	(void)state;
	for (int i = 0; i < 2; i++) {
		begin_watched(&s, "120000000");
		service_tick(&s);
		expect_silence(); /* not each time */
		s.fed_ms -= 30000;
		pulse_begin(&pulse[i]);
		service_tick(&s);
		expect("WATCHDOG=1"); /* it works, and has time */
		s.fed_ms -= 30000;
		age(&pulse[i], 60000);
		service_tick(&s);
		expect_silence();
		pulse_end(&pulse[i], 1000);
		service_tick(&s);
		expect("WATCHDOG=1"); /* it has woken up after all */
		s.fed_ms -= 30000;
		age(&pulse[i], 61000); /* it did not begin when it should */
		service_tick(&s);
		expect_silence();
		pulse_end(&pulse[i], -1); /* nobody knows when there is work */
		service_tick(&s);
		expect("WATCHDOG=1");
		end(&s);
		tear_down(NULL);
	}
}

static int waiting[2]; /* a pipe: the child ends when its other end is closed */

static atomic_bool went_on; /* while the child was there: valgrind makes a fork(2) of it */

/* The kernel holds who has called vfork(2) until the child is gone. */
static void *be_held(void *unused)
{
	pid_t child;
	char c;

	pulse_begin(&pulse[0]);
	child = vfork();
	if (!child) {
		close(waiting[1]); /* its own copy */
		if (read(waiting[0], &c, 1))
			_exit(1);
		_exit(0);
	}
	atomic_store(&went_on, true);
	waitpid(child, NULL, 0);
	pulse_end(&pulse[0], -1);
	return unused;
}

/* V4 */
static void a_thread_that_the_kernel_holds_does_not(void **state)
{
	struct service s;
	pthread_t thread;

	(void)state;
	begin_watched(&s, "120000000");
	assert_false(pulse_is_held(&pulse[0])); /* there is no such thread */
	assert_int_equal(pipe2(waiting, O_CLOEXEC), 0);
	assert_int_equal(pthread_create(&thread, NULL, be_held, NULL), 0);
	while (!pulse_is_held(&pulse[0]) && !atomic_load(&went_on))
		poll(NULL, 0, 1);
	if (!atomic_load(&went_on)) {
		s.fed_ms -= 30000;
		age(&pulse[0], 60000);
		service_tick(&s);
		expect("WATCHDOG=1");
	}
	close(waiting[1]);
	pthread_join(thread, NULL);
	close(waiting[0]);
	pulse_begin(&pulse[1]);
	atomic_store(&pulse[1].tid, getpid()); /* somebody who runs */
	assert_false(pulse_is_held(&pulse[1]));
	pulse_end(&pulse[1], -1);
	end(&s);
}

static void it_looks_as_often_as_the_watchdog_wants(void **state)
{
	struct service s = {.notify.fd = -1};

	(void)state;
	assert_int_equal(service_wait_ms(&s), 1000);
	service_tick(&s); /* nobody wants to know */
	s.notify.fd = 0;
	assert_int_equal(service_wait_ms(&s), 100); /* it starts */
	s.ready = true;
	assert_int_equal(service_wait_ms(&s), 1000);
	s.notify.watchdog_ms = 60000;
	assert_int_equal(service_wait_ms(&s), 1000);
	s.notify.watchdog_ms = 2000;
	assert_int_equal(service_wait_ms(&s), 500);
	s.notify.watchdog_ms = 1;
	assert_int_equal(service_wait_ms(&s), 1);
}

#define TEST(f) cmocka_unit_test_teardown(f, tear_down)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(a_manager_is_found_by_path_and_in_the_abstract_namespace),
		TEST(without_a_manager_nothing_is_said),
		TEST(addresses_that_are_none_are_refused),
		TEST(watchdogs_of_others_do_not_count),
		TEST(it_is_ready_with_the_first_figures),
		TEST(without_figures_it_is_ready_after_a_while),
		TEST(reloading_and_ending_are_announced),
		TEST(a_thread_that_is_stuck_starves_the_watchdog),
		TEST(a_thread_that_the_kernel_holds_does_not),
		TEST(it_looks_as_often_as_the_watchdog_wants),
	};

	return cmocka_run_group_tests_name("service", tests, NULL, NULL);
}
