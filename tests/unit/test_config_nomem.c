/* Each allocation of reading a configuration, and of opening places, fails in turn. */
#include "libmemhist/base/places.h"
#include "libmemhist/config/config.h"
#include "tests/unit/nomem.h"
#include "tests/unit/tree.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

static const char text[] = "allowed_output_paths:\n  - /srv/a\n  - /srv/b\n  - /srv/c\n"
			   "history: {dir: /srv/a/history}\n"
			   "groups: {by: unit}\n"
			   "export_processes: [{comm: [a, b], min_rss: 1M}, {user: x}]\n"
			   "process_names:\n"
			   "  - {comm: [b, a, c], name: \"{{.Comm}}-\"}\n"
			   "  - {cmdline: ['-c (?P<x>y)'], name: \"{{.Matches.x}}\"}\n"
			   "remote_write:\n"
			   "  - {url: http://a/w, send: {programs: [bash, /java/]}}\n"
			   "  - {url: http://b/w, basic_auth: {username: u, password_file: p},\n"
			   "     external_labels: {a: b}, headers: {X-A: b}}\n";

/* Texts that take several blocks of the arena. */
static void a_large_document(void **state)
{
	static char bytes[200 * 1000];
	size_t len = (size_t)snprintf(bytes, sizeof(bytes), "a: [");

	(void)state;
	while (len < sizeof(bytes) - 100)
		len += (size_t)snprintf(bytes + len, 100, "%060zu,", len);
	len += (size_t)snprintf(bytes + len, 100, "]\n");
	for (nomem_begin(); nomem_next();) {
		struct mh_document d;
		struct mh_err err = {""};
		int rc = mh_document_read(&d, bytes, len, &err);

		assert_int_equal(rc, nomem_failed() ? -ENOMEM : 0);
		if (rc)
			assert_non_null(strstr(err.text, "Cannot allocate memory"));
		else
			mh_document_done(&d);
	}
}

static void a_file(void **state)
{
	struct tree tree;
	char path[512];

	(void)state;
	tree_make(&tree);
	tree_write(&tree, "memhist.yaml", text, sizeof(text) - 1);
	tree_path(&tree, "memhist.yaml", path);
	assert_int_equal(chmod(path, 0640), 0);
	for (nomem_begin(); nomem_next();) {
		struct mh_config c = {.file = (char *)"untouched"};
		struct mh_err err = {""};
		int rc = mh_config_read(&c, path, &err);

		assert_int_equal(rc, nomem_failed() ? -ENOMEM : 0);
		if (rc) {
			assert_non_null(strstr(err.text, "Cannot allocate memory"));
			assert_string_equal(c.file, "untouched");
		} else {
			assert_int_equal(c.places.n, 3);
			mh_config_done(&c);
		}
	}
	nomem_pause();
	tree_remove(&tree);
}

static void a_history(void **state)
{
	struct tree tree;
	char path[512];

	(void)state;
	tree_make(&tree);
	tree_path(&tree, "history", path);
	for (nomem_begin(); nomem_next();) {
		struct mh_err err = {""};
		int fd = mh_places_open_history(NULL, path, true, &err);

		if (nomem_failed()) {
			assert_int_equal(fd, -ENOMEM);
			assert_int_equal(access(path, F_OK), -1);
			continue;
		}
		assert_true(fd >= 0);
		close(fd);
	}
	nomem_pause();
	tree_remove(&tree);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_large_document),
		cmocka_unit_test(a_file),
		cmocka_unit_test(a_history),
	};

	return cmocka_run_group_tests_name("config_nomem", tests, NULL, NULL);
}
