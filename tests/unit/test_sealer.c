/*
 * The program that seals beside a writer: what it gets, when it is started, and what becomes of one
 * that fails, hangs, talks too much or is not there.
 */
#include "libmemhist/history/upkeep/sealer.h"

#include "tests/unit/world.h"

#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>
#include <cmocka.h>

static const uint64_t S = 1000000000;

struct rig {
	const char *dir;
	char program[128], note[128];
	struct mh_sealer *sealer;
	struct mh_sealer_status status;
	uint64_t now_ns; /* what it is told */
};

/* A sealer whose program is this script; $NOTE is a file for it. */
static void begin_at(struct rig *r, const char *script, const struct mh_places *places)
{
	struct mh_sealer_config config = {.program = r->program,
					  .dir_path = "/the history",
					  .places = places,
					  .timeout_ms = 600 * 1000};
	struct mh_err err;
	FILE *f;

	*r = (struct rig){.dir = temp_dir(), .now_ns = 5 * S};
	snprintf(r->program, sizeof(r->program), "%s/memhist", r->dir);
	snprintf(r->note, sizeof(r->note), "%s/note", r->dir);
	if (script) {
		f = fopen(r->program, "w");
		assert_non_null(f);
		fprintf(f, "#!/bin/sh\nNOTE=%s\n%s\n", r->note, script);
		assert_int_equal(fclose(f), 0);
		assert_int_equal(chmod(r->program, 0755), 0);
	}
	if (mh_sealer_new(&r->sealer, &config, &err))
		fail_msg("%s", err.text);
}

static void begin(struct rig *r, const char *script)
{
	begin_at(r, script, NULL);
}

static void end(struct rig *r)
{
	mh_sealer_free(r->sealer);
	assert_int_equal(waitpid(-1, NULL, WNOHANG), -1); /* no zombie */
	assert_int_equal(errno, ECHILD);
	remove_dir(r->dir);
}

static uint64_t tend(struct rig *r)
{
	uint64_t due_ns = mh_sealer_tend(r->sealer, r->now_ns, 12345);

	mh_sealer_status(r->sealer, &r->status);
	return due_ns;
}

/* Until it has ended; time stands still for the sealer. */
static uint64_t finish(struct rig *r)
{
	uint64_t due_ns = tend(r);

	for (int left = 60 * 1000; r->status.is_running && left--; usleep(1000))
		due_ns = tend(r);
	assert_false(r->status.is_running);
	return due_ns;
}

static const char *noted(const struct rig *r)
{
	static char text[4096];
	int fd = open(r->note, O_RDONLY);
	ssize_t n = fd < 0 ? 0 : read(fd, text, sizeof(text) - 1);

	text[n > 0 ? n : 0] = '\0';
	if (fd >= 0)
		close(fd);
	return text;
}

static void it_gets_what_it_needs_and_no_more(void **state)
{
	sigset_t blocked, before;
	const char *ignored, *descriptors;
	char *numbers;
	long pid;
	int inherited;
	struct rig r;

	(void)state;
	/* what a careless part of a daemon leaves open, blocked and ignored */
	inherited = open("/dev/null", O_RDONLY);
	assert_int_equal(dup2(inherited, 77), 77);
	sigemptyset(&blocked);
	sigaddset(&blocked, SIGUSR1);
	assert_int_equal(sigprocmask(SIG_BLOCK, &blocked, &before), 0);
	signal(SIGUSR2, SIG_IGN);
	setenv("SECRET", "of the daemon", 1);
	begin(&r, "{ printf '<%s>' \"$@\"; echo; echo \"secret $SECRET\"; grep -E 'Sig(Blk|Ign)' "
		  "/proc/self/status; ls /proc/$$/fd | sort -n | tr '\\n' ' '; echo; "
		  "cut -d' ' -f 1,5 /proc/$$/stat; } > $NOTE");
	mh_sealer_ask(r.sealer);
	assert_true(finish(&r) == UINT64_MAX);
	unsetenv("SECRET");
	signal(SIGUSR2, SIG_DFL);
	sigprocmask(SIG_SETMASK, &before, NULL);
	close(77);
	close(inherited);
	assert_non_null(strstr(noted(&r), "<seal><--merge><--background><--quiet>"
					  "<--max-temporary=12345><--history></the history>\n"));
	assert_non_null(strstr(noted(&r), "secret \n"));
	assert_non_null(strstr(noted(&r), "SigBlk:\t0000000000000000\n"));
	ignored = strstr(noted(&r), "SigIgn:");
	assert_non_null(ignored);
	/* libc has two of its own */
	assert_int_equal(strtoull(ignored + 7, NULL, 16) & ~UINT64_C(0x180000000), 0);
	descriptors = strstr(ignored, "\n0 ");
	assert_non_null(descriptors);
	assert_null(strstr(descriptors, " 77 "));
	numbers = strchr(descriptors + 1, '\n') + 1;
	pid = strtol(numbers, &numbers, 10);
	assert_true(pid > 1);
	assert_int_equal(strtol(numbers, NULL, 10), pid); /* its process group */
	assert_int_equal(r.status.runs, 1);
	assert_int_equal(r.status.failures, 0);
	assert_int_equal(r.status.troubles, 0);
	end(&r);
}

static void it_is_told_where_it_may_write(void **state)
{
	struct mh_places places = {0};
	struct mh_err err;
	char dir[32];
	struct rig r;

	(void)state;
	for (int i = 1; i <= MH_PLACES_MAX; i++) {
		snprintf(dir, sizeof(dir), "/the place/%d", i);
		assert_int_equal(mh_places_add(&places, dir, &err), 0);
	}
	begin_at(&r, "printf '<%s>' \"$@\" > $NOTE", &places);
	mh_places_done(&places); /* it has its own */
	for (int run = 1; run <= 2; run++, r.now_ns += 60 * S) {
		mh_sealer_ask(r.sealer);
		finish(&r);
		assert_int_equal(r.status.runs, run);
		assert_non_null(strstr(noted(&r), "<--history></the history>"
						  "<--allowed-output-path=/the place/1>"
						  "<--allowed-output-path=/the place/2>"));
		assert_non_null(strstr(noted(&r), "<--allowed-output-path=/the place/100>"));
	}
	end(&r);
}

static void once_a_minute_when_asked(void **state)
{
	struct rig r;

	(void)state;
	begin(&r, "echo x >> $NOTE");
	assert_true(tend(&r) == UINT64_MAX); /* nobody has asked */
	mh_sealer_ask(r.sealer);
	mh_sealer_ask(r.sealer);
	assert_true(finish(&r) == UINT64_MAX);
	assert_string_equal(noted(&r), "x\n");
	mh_sealer_ask(r.sealer);
	assert_true(tend(&r) == 65 * S); /* when it may again */
	r.now_ns = 65 * S - 1;
	assert_true(tend(&r) == 65 * S);
	assert_int_equal(r.status.runs, 1);
	r.now_ns = 65 * S;
	assert_true(finish(&r) == UINT64_MAX);
	assert_string_equal(noted(&r), "x\nx\n");
	assert_int_equal(r.status.runs, 2);
	end(&r);
}

static void one_that_is_asked_for_while_it_runs_comes_after(void **state)
{
	struct rig r;

	(void)state;
	begin(&r, "echo x >> $NOTE; read line < $NOTE.go");
	{
		char go[160];

		snprintf(go, sizeof(go), "%s.go", r.note);
		assert_int_equal(mkfifo(go, 0600), 0);
		mh_sealer_ask(r.sealer);
		tend(&r);
		assert_true(r.status.is_running);
		mh_sealer_ask(r.sealer);
		r.now_ns += 30 * S;
		tend(&r);
		assert_true(r.status.is_running);
		{
			int fd = open(go, O_WRONLY);

			assert_true(fd >= 0);
			assert_int_equal(write(fd, "\n", 1), 1);
			close(fd);
		}
	}
	assert_true(finish(&r) == 65 * S); /* a minute from its beginning */
	assert_int_equal(r.status.runs, 1);
	end(&r);
}

static void a_failure_is_said_once_and_tried_later(void **state)
{
	uint64_t wait_s = 60;
	struct rig r;

	(void)state;
	begin(&r, "echo 'memhist seal: no space' >&2; exit 4");
	mh_sealer_ask(r.sealer);
	for (uint64_t run = 1; run <= 10; run++) {
		uint64_t due_ns = finish(&r);

		wait_s = wait_s * 2 < 3600 ? wait_s * 2 : 3600;
		assert_int_equal(r.status.runs, run);
		assert_int_equal(r.status.failures, run);
		assert_int_equal(r.status.troubles, 1);
		assert_string_equal(r.status.trouble.text, "memhist seal: no space");
		assert_true(due_ns == r.now_ns + wait_s * S);
		r.now_ns = due_ns;
	}
	assert_int_equal(wait_s, 3600);
	end(&r);
}

static void damage_is_no_failure_of_it(void **state)
{
	struct rig r;

	(void)state;
	begin(&r, "printf 'memhist seal: one\\nmemhist seal: t\\033o\\n' >&2; exit 5");
	mh_sealer_ask(r.sealer);
	assert_true(finish(&r) == UINT64_MAX);
	assert_int_equal(r.status.failures, 0);
	assert_int_equal(r.status.troubles, 1);
	assert_non_null(strstr(r.status.trouble.text, "memhist seal: one; memhist seal: t"));
	assert_null(strchr(r.status.trouble.text, '\033'));
	end(&r);
}

static void one_that_dies_or_says_nothing_is_said(void **state)
{
	struct rig r;

	(void)state;
	begin(&r, "kill -SEGV $$");
	mh_sealer_ask(r.sealer);
	finish(&r);
	assert_non_null(strstr(r.status.trouble.text, "signal 11"));
	end(&r);
	begin(&r, "exit 1");
	mh_sealer_ask(r.sealer);
	finish(&r);
	assert_non_null(strstr(r.status.trouble.text, "exit status 1"));
	assert_int_equal(r.status.failures, 1);
	end(&r);
}

static void one_that_is_not_there_is_looked_for_again(void **state)
{
	struct rig r;
	uint64_t due_ns;

	(void)state;
	begin(&r, NULL);
	mh_sealer_ask(r.sealer);
	due_ns = tend(&r);
	assert_int_equal(r.status.failures, 1);
	assert_int_equal(r.status.troubles, 1);
	assert_non_null(strstr(r.status.trouble.text, r.program));
	assert_non_null(strstr(r.status.trouble.text, "No such file"));
	assert_true(due_ns > r.now_ns && due_ns < UINT64_MAX);
	r.now_ns = due_ns;
	tend(&r);
	assert_int_equal(r.status.failures, 2);
	assert_int_equal(r.status.troubles, 1);
	end(&r);
}

static void one_that_hangs_is_ended(void **state)
{
	struct rig r;

	(void)state;
	begin(&r, "trap '' TERM; echo x > $NOTE; exec sleep 1000");
	mh_sealer_ask(r.sealer);
	tend(&r);
	r.now_ns += 600 * S;
	tend(&r);
	assert_true(r.status.is_running);
	r.now_ns++;
	finish(&r);
	assert_int_equal(r.status.failures, 1);
	assert_non_null(strstr(r.status.trouble.text, "longer than 600 s"));
	end(&r);
	/* and with us, if it must be */
	begin(&r, "trap '' TERM; echo x > $NOTE; exec sleep 1000");
	mh_sealer_ask(r.sealer);
	tend(&r);
	for (int left = 60 * 1000; !*noted(&r) && left--;)
		usleep(1000);
	assert_string_equal(noted(&r), "x\n");
	end(&r);
}

static void one_that_talks_is_listened_to(void **state)
{
	struct rig r;

	(void)state;
	begin(&r,
	      "i=0; while [ $i -lt 4000 ]; do echo 'a line of quite some length, to fill pipes' "
	      ">&2; i=$((i + 1)); done; exit 4");
	mh_sealer_ask(r.sealer);
	finish(&r);
	assert_int_equal(r.status.failures, 1);
	assert_int_equal(strncmp(r.status.trouble.text, "a line of quite some length", 27), 0);
	end(&r);
}

/* Somebody else has waited for it, or nobody needs to. */
static void an_end_that_is_lost_is_an_end(void **state)
{
	struct rig r;

	(void)state;
	signal(SIGCHLD, SIG_IGN);
	begin(&r, "echo 'memhist seal: something' >&2; exit 4");
	mh_sealer_ask(r.sealer);
	finish(&r);
	signal(SIGCHLD, SIG_DFL);
	assert_int_equal(r.status.runs, 1);
	assert_int_equal(r.status.troubles, 1);
	end(&r);
}

static void only_an_absolute_path_will_do(void **state)
{
	struct mh_sealer_config config = {.program = "memhist", .dir_path = "history"};
	struct mh_sealer *sealer;
	struct mh_err err;

	(void)state;
	assert_int_equal(mh_sealer_new(&sealer, &config, &err), -EINVAL);
	assert_non_null(strstr(err.text, "absolute"));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(it_gets_what_it_needs_and_no_more),
		cmocka_unit_test(it_is_told_where_it_may_write),
		cmocka_unit_test(once_a_minute_when_asked),
		cmocka_unit_test(one_that_is_asked_for_while_it_runs_comes_after),
		cmocka_unit_test(a_failure_is_said_once_and_tried_later),
		cmocka_unit_test(damage_is_no_failure_of_it),
		cmocka_unit_test(one_that_dies_or_says_nothing_is_said),
		cmocka_unit_test(one_that_is_not_there_is_looked_for_again),
		cmocka_unit_test(one_that_hangs_is_ended),
		cmocka_unit_test(one_that_talks_is_listened_to),
		cmocka_unit_test(an_end_that_is_lost_is_an_end),
		cmocka_unit_test(only_an_absolute_path_will_do),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
