/* The PID map: order, which command counts, and more labels than there is room for. */
#include "tools/pidmap.h"

#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <cmocka.h>

enum { LONG_COMMAND = 4000 };

struct rig {
	struct mh_labels *labels;
	struct pidmap *map;
	struct mh_err err;
	char folder[64];
	int dir_fd;
};

static void begin(struct rig *r)
{
	*r = (struct rig){.folder = "/tmp/memhist-pidmap-XXXXXX"};
	assert_non_null(mkdtemp(r->folder));
	r->dir_fd = open(r->folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	assert_true(r->dir_fd >= 0);
	assert_int_equal(mh_labels_new(&r->labels, MH_LABEL_BY_IDENTITY), 0);
	assert_int_equal(pidmap_new(&r->map, r->dir_fd, &r->err), 0);
}

static int add(struct rig *r, uint32_t pid, uint32_t nth, bool has_cmdline, const char *command,
	       size_t len)
{
	const struct mh_forgotten label = {
		.pid = pid,
		.nth = nth,
		.command = mh_labels_text(r->labels, command, len),
		.has_cmdline = has_cmdline,
	};

	assert_non_null(label.command);
	return pidmap_add(r->map, r->labels, &label, &r->err);
}

/* The map as it was written; to be freed. */
static char *written(struct rig *r, size_t *ret_len)
{
	struct outfile out = {.buf = MH_BUF_INIT(1 << 20), .name = "the map"};
	FILE *file = tmpfile();
	char *text;
	long len;

	assert_non_null(file);
	out.fd = fileno(file);
	assert_int_equal(pidmap_write(r->map, r->labels, &out, &r->err), 0);
	assert_int_equal(write(out.fd, out.buf.data, out.buf.len), out.buf.len);
	mh_buf_done(&out.buf);
	len = lseek(out.fd, 0, SEEK_CUR);
	text = malloc((size_t)len + 1);
	assert_non_null(text);
	assert_int_equal(pread(out.fd, text, (size_t)len, 0), len);
	text[len] = '\0';
	fclose(file);
	*ret_len = (size_t)len;
	return text;
}

static void end(struct rig *r)
{
	pidmap_free(r->map);
	mh_labels_free(r->labels);
	close(r->dir_fd);
	assert_int_equal(rmdir(r->folder), 0); /* nothing is left in it */
}

static void rows_are_in_order_of_pid_and_appearance(void **state)
{
	struct rig r;
	size_t len;
	char *text;

	(void)state;
	begin(&r);
	add(&r, 4194304, 1, true, "last", 4);
	add(&r, 7, 2, true, "b\0c\td", 5);
	add(&r, 7, 10, true, "d", 1);
	add(&r, 7, 1, false, "[a]", 3);
	add(&r, 1, 1, true, "init", 4);
	text = written(&r, &len);
	assert_string_equal(text, "PID\tCOMMAND\n1\tinit\n7\t[a]\n7(2)\tb c\\td\n7(10)\td\n"
				  "4194304\tlast\n");
	free(text);
	end(&r);
}

static void an_empty_map_has_a_header(void **state)
{
	struct rig r;
	size_t len;
	char *text;

	(void)state;
	begin(&r);
	text = written(&r, &len);
	assert_string_equal(text, "PID\tCOMMAND\n");
	free(text);
	end(&r);
	pidmap_free(NULL);
}

/* A label's commands in order of arrival, and the one that counts. */
static const struct {
	const char *command[3];
	const char *counts;
} stories[] = {
	{{"old", "new"}, "new"},          {{"run", "[run]"}, "run"},
	{{"[a]", "[b]"}, "[b]"},          {{"[a]", "run", "[b]"}, "run"},
	{{"run", "[a]", "walk"}, "walk"}, {{"same", "same", "same"}, "same"},
};
#define N_STORIES (sizeof(stories) / sizeof(stories[0]))

static void tell_stories(struct rig *r, int chapter)
{
	for (size_t i = 0; i < N_STORIES; i++) {
		const char *command = stories[i].command[chapter];

		if (command)
			assert_int_equal(add(r, 10 + (uint32_t)i, 2, command[0] != '[', command,
					     strlen(command)),
					 0);
	}
}

static void expect_stories(const char *text)
{
	for (size_t i = 0; i < N_STORIES; i++) {
		char row[64];
		const char *at;

		snprintf(row, sizeof(row), "\n%zu(2)\t%s\n", 10 + i, stories[i].counts);
		at = strstr(text, row);
		assert_non_null(at);
		snprintf(row, sizeof(row), "\n%zu(2)\t", 10 + i);
		assert_ptr_equal(strstr(text, row), at);
		assert_null(strstr(at + 1, row)); /* once */
	}
}

static void the_latest_command_line_counts(void **state)
{
	struct rig r;
	size_t len;
	char *text;

	(void)state;
	begin(&r);
	for (int chapter = 0; chapter < 3; chapter++)
		tell_stories(&r, chapter);
	text = written(&r, &len);
	expect_stories(text);
	free(text);
	end(&r);
}

/* A long command that no other label has. */
static void name(char command[LONG_COMMAND], uint32_t i)
{
	memset(command, 'x', LONG_COMMAND);
	snprintf(command, LONG_COMMAND, "%u ", i);
	command[strlen(command)] = '-';
}

static void more_than_memory_holds(void **state)
{
	enum { N = 10000, PIDS = 3000 }; /* 40 MB of commands: three pieces */
	char command[LONG_COMMAND];
	struct rig r;
	size_t len, at;
	char *text;

	(void)state;
	begin(&r);
	for (uint32_t i = 0; i < N; i++) {
		if (i % (N / 3) == 1)
			tell_stories(&r, (int)(i / (N / 3)));
		name(command, i);
		assert_int_equal(
			add(&r, 100 + i * 7 % PIDS, 1 + i / PIDS, true, command, LONG_COMMAND), 0);
	}
	text = written(&r, &len);
	expect_stories(text);
	at = strlen("PID\tCOMMAND\n");
	for (size_t i = 0; i < N_STORIES; i++)
		at = (size_t)(strchr(text + at, '\n') + 1 - text);
	for (uint32_t pid = 100; pid < 100 + PIDS; pid++)
		for (uint32_t nth = 1; nth <= 1 + (N - 1) / PIDS; nth++) {
			char label[32];
			uint32_t i = (nth - 1) * PIDS, n = 0;

			while (n < PIDS && 100 + i * 7 % PIDS != pid)
				i++, n++;
			if (i >= N)
				continue;
			n = (uint32_t)snprintf(label, sizeof(label), nth > 1 ? "%u(%u)\t" : "%u\t",
					       pid, nth);
			name(command, i);
			assert_true(at + n + LONG_COMMAND < len);
			assert_memory_equal(text + at, label, n);
			assert_memory_equal(text + at + n, command, LONG_COMMAND);
			assert_int_equal(text[at + n + LONG_COMMAND], '\n');
			at += n + LONG_COMMAND + 1;
		}
	assert_int_equal(at, len);
	free(text);
	end(&r);
}

static void no_place_for_a_file_is_said(void **state)
{
	char command[LONG_COMMAND];
	struct rig r;
	int rc = 0;

	(void)state;
	begin(&r);
	pidmap_free(r.map);
	assert_int_equal(pidmap_new(&r.map, STDIN_FILENO, &r.err), 0);
	for (uint32_t i = 0; i < 10000 && !rc; i++) {
		name(command, i);
		rc = add(&r, 1 + i, 1, true, command, LONG_COMMAND);
	}
	assert_true(rc < 0);
	assert_non_null(strstr(r.err.text, "cannot make a temporary file to sort the PID map in"));
	end(&r);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(rows_are_in_order_of_pid_and_appearance),
		cmocka_unit_test(an_empty_map_has_a_header),
		cmocka_unit_test(the_latest_command_line_counts),
		cmocka_unit_test(more_than_memory_holds),
		cmocka_unit_test(no_place_for_a_file_is_said),
	};
	int null = open("/dev/null", O_RDONLY | O_CLOEXEC);

	/* standard input stands for no directory */
	if (null < 0 || dup2(null, STDIN_FILENO) < 0)
		return 1;
	close(null);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
