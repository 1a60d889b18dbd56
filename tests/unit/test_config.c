/*
 * Configurations with one mistake each, and the sentence for it; good ones, and what is read of
 * them. The table is the list of what people get wrong: a new mistake is a new row.
 */
#include "libmemhist/config/config.h"
#include "tests/unit/mutations.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static const struct {
	const char *bytes;
	const char *sentence;
} bad[] = {
	{"history", "1:1: a configuration is keys and their values (“allowed_output_paths: …”)"},
	{"- a\n- b\n", "1:1: a configuration is keys and their values (“allowed_output_paths: …”)"},
	{"42", "1:1: a configuration is keys and their values (“allowed_output_paths: …”)"},
	{"histroy:\n  dir: /x\n", "1:1: unknown key “histroy”: did you mean “history”?"},
	{"history:\n  dri: /x\n", "2:3: unknown key “dri”: did you mean “dir”?"},
	{"history:\n  directory: /x\n", "2:3: unknown key “directory”: see memhist.yaml(5)"},
	{"History:\n  dir: /x\n", "1:1: unknown key “History”: did you mean “history”?"},
	{"allowed_output_path: []\n",
	 "1:1: unknown key “allowed_output_path”: did you mean “allowed_output_paths”?"},
	{"allowed-output-paths: []\n",
	 "1:1: unknown key “allowed-output-paths”: did you mean “allowed_output_paths”?"},
	{"xyzzy: 1\n", "1:1: unknown key “xyzzy”: see memhist.yaml(5)"},
	{"history:\n  xyzzy: 1\n", "2:3: unknown key “xyzzy”: see memhist.yaml(5)"},
	{"history: /var/lib/memhist\n", "1:10: “history” takes keys and their values (“dir: …”)"},
	{"history: [dir]\n", "1:10: “history” takes keys and their values (“dir: …”)"},
	{"history:\n- dir\n", "2:1: “history” takes keys and their values (“dir: …”)"},
	{"history:\n  dir:\n", "2:7: “dir” has no value: give it one, or leave it out"},
	{"history:\n  dir: ~\n", "2:8: “dir” has no value: give it one, or leave it out"},
	{"history:\n  dir: null\n", "2:8: “dir” has no value: give it one, or leave it out"},
	{"history:\n  dir: ''\n", "2:8: “dir” takes an absolute path, not “”"},
	{"history:\n  dir: relative/path\n",
	 "2:8: “dir” takes an absolute path, not “relative/path”"},
	{"history:\n  dir: ./here\n", "2:8: “dir” takes an absolute path, not “./here”"},
	{"history:\n  dir: ~/history\n", "2:8: “dir” takes an absolute path, not “~/history”"},
	{"history:\n  dir: [/a]\n", "2:8: “dir” takes one value, not several"},
	{"history:\n  dir: {a: b}\n", "2:8: “dir” takes one value, not several"},
	{"history:\n  dir: /a\n  dir: /b\n", "3:3: “dir” stands here a second time: see line 2"},
	{"history:\n  dir: /a\nhistory:\n  dir: /b\n",
	 "3:1: “history” stands here a second time: see line 1"},
	{"history:\n  dir: /a\n\"history\":\n  dir: /b\n",
	 "3:1: “history” stands here a second time: see line 1"},
	{"allowed_output_paths:\n",
	 "1:22: “allowed_output_paths” takes a list of directories: [] for none, or leave it out "
	 "to allow all but those of the system"},
	{"allowed_output_paths: ~\n",
	 "1:23: “allowed_output_paths” takes a list of directories: [] for none, or leave it out "
	 "to allow all but those of the system"},
	{"allowed_output_paths: /tmp\n",
	 "1:23: “allowed_output_paths” takes a list of directories: [] for none, or leave it out "
	 "to allow all but those of the system"},
	{"allowed_output_paths: {/tmp: yes}\n",
	 "1:23: “allowed_output_paths” takes a list of directories: [] for none, or leave it out "
	 "to allow all but those of the system"},
	{"allowed_output_paths:\n  - /tmp\n  - relative\n", "3:5: “relative” is no absolute path"},
	{"allowed_output_paths: [/tmp, '']\n", "1:30: “” is no absolute path"},
	{"allowed_output_paths: [/tmp, ~]\n", "1:30: a directory is an absolute path"},
	{"allowed_output_paths: [/tmp, ]]\n",
	 "1:31: did not find expected key, while parsing a block mapping"},
	{"allowed_output_paths: [/tmp, [/a]]\n", "1:30: a directory is an absolute path"},
	{"allowed_output_paths: [/tmp, {a: b}]\n", "1:30: a directory is an absolute path"},
	{"allowed_output_paths: [/]\n", "1:24: / is everything: leave allowed_output_paths out to "
					"allow all but directories of the system"},
	{"allowed_output_paths: [///]\n", "1:24: / is everything: leave allowed_output_paths out "
					  "to allow all but directories of the system"},
	{"allowed_output_paths: [/etc]\n",
	 "1:24: /etc is a directory of the system (/etc), where nothing is written"},
	{"allowed_output_paths:\n- /srv\n- /usr/lib/x\n",
	 "3:3: /usr/lib/x is a directory of the system (/usr), where nothing is written"},
	{"allowed_output_paths: [/proc/self]\n",
	 "1:24: /proc/self is a directory of the system (/proc), where nothing is written"},
	{"history:\n\tdir: /x\n", "2:1: a tab, where YAML is indented by blanks"},
	{"history:\n  dir: /x\n   y: z\n", "3:5: mapping values are not allowed in this context"},
	{"history:\n  dir: /x\n y: z\n",
	 "3:2: did not find expected key, while parsing a block mapping that begins in line 1"},
	{"history:\n dir: \"/x\n", "3:1: found unexpected end of stream, while scanning a quoted "
				   "scalar that begins in line 2"},
	{"history:\n dir: '/x\n", "3:1: found unexpected end of stream, while scanning a quoted "
				  "scalar that begins in line 2"},
	{"history: {dir: /x\n", "2:1: did not find expected ',' or '}', while parsing a flow "
				"mapping that begins in line 1"},
	{"history: {dir: /x]\n",
	 "1:18: did not find expected ',' or '}', while parsing a flow mapping"},
	{"history: dir: /x\n", "1:13: mapping values are not allowed in this context"},
	{"history:\n  dir: &a /x\n",
	 "2:8: anchors (&a) are not taken: write it out where it is needed"},
	{"history: &a\n  dir: /x\n",
	 "1:10: anchors (&a) are not taken: write it out where it is needed"},
	{"allowed_output_paths: &a [/x]\n",
	 "1:23: anchors (&a) are not taken: write it out where it is needed"},
	{"history:\n  dir: *a\n", "2:8: aliases (*a) are not taken: write it out here"},
	{"*a : /x\n", "1:1: aliases (*a) are not taken: write it out here"},
	{"allowed_output_paths: [/a, *a]\n", "1:28: aliases (*a) are not taken: write it out here"},
	{"history:\n  dir: !!str /x\n",
	 "2:8: tags (tag:yaml.org,2002:str) are not taken: leave it out"},
	{"history: !foo {dir: /x}\n", "1:10: tags (!foo) are not taken: leave it out"},
	{"allowed_output_paths: !!seq [/a]\n",
	 "1:23: tags (tag:yaml.org,2002:seq) are not taken: leave it out"},
	{"history:\n  dir: /x\n---\nhistory:\n  dir: /y\n", "3:1: a second document begins here"},
	{"history:\n  dir: /x\n...\nmore\n", "4:1: did not find expected <document start>"},
	{"? [a, b]\n: c\n", "1:3: a key is text, not a list or a map"},
	{"? {a: b}\n: c\n", "1:3: a key is text, not a list or a map"},
	{"history:\n  dir: \"/a\\0b\"\n", "2:8: there is a NUL byte in this text"},
	{"history:\n  dir: /a\001b\n", "2:10: control characters are not allowed"},
	{"%YAML 3.0\n---\nhistory: {}\n", "1:1: found incompatible YAML document"},
	{"%FOO\n%YAML 1.1\n%YAML 1.1\n---\na: b\n",
	 "1:5: found unknown directive name, while scanning a directive"},
	{"history:\n  dir: \"/a\\qb\"\n",
	 "2:11: found unknown escape character, while parsing a quoted scalar"},
	{"history:\n  dir: @x\n",
	 "2:8: found character that cannot start any token, while scanning for the next token"},
	{"history:\n  dir: `x`\n",
	 "2:8: found character that cannot start any token, while scanning for the next token"},
	{"]\n", "1:1: did not find expected node content, while parsing a block node"},
	{"a: b: c\n", "1:5: mapping values are not allowed in this context"},
	{"history:\n  <<: {dir: /x}\n", "2:3: unknown key “<<”: see memhist.yaml(5)"},
	{"history:\n  dir: |\n", "2:8: “dir” takes an absolute path, not “”"},
	{"history:\n  dir: >\n    relative\n",
	 "2:8: “dir” takes an absolute path, not “relative?”"},
	{"\303\274berhaupt: 1\n", "1:1: unknown key “überhaupt”: see memhist.yaml(5)"},
	{"history:\n  dir: /\303\274\n  d\303\274r: 1\n",
	 "3:3: unknown key “dür”: see memhist.yaml(5)"},
	{"history:\n  dir: |\n    /a\n", "2:8: “dir” has a line break or control character in it"},
	{"history:\n  dir: \"/a\\x07\"\n",
	 "2:8: “dir” has a line break or control character in it"},
	{"\303\274: [*a]\n", "1:5: aliases (*a) are not taken: write it out here"},
	{"\thistory: {}\n", "1:1: a tab, where YAML is indented by blanks"},
	{"history:\n  dir: /\377\n", "2:9: invalid leading UTF-8 octet"},
	{"\377\376h", "1:1: invalid leading UTF-8 octet"},
	{"history:\n  max_size: 2Q\n", "2:13: “max_size”: \"2Q\" is no size: digits and K, M, G or "
				       "T (powers of 1024), \"none\" for no "
				       "limit"},
	{"history:\n  max_size: 1K\n",
	 "2:13: “max_size”: \"1K\" is too small: it is 1 MiB at least"},
	{"history:\n  max_size: 9999999999999999999G\n",
	 "2:13: “max_size”: \"9999999999999999999G\" is more than any disk holds"},
	{"history: {max_age: 30}\n",
	 "1:20: “max_age”: \"30\" is no duration: digits and s, m, h, d, w or y, as in \"90s\" or "
	 "\"1y\""},
	{"history: {max_age: 1s}\n",
	 "1:20: “max_age”: \"1s\" is too short: it is a minute at least"},
	{"history: {max_age: 999y}\n", "1:20: “max_age”: \"999y\" is longer than 100 years"},
	{"history: {max_age: [1d]}\n", "1:20: “max_age” takes one value, not several"},
	{"history: {min_free: 100%}\n", "1:21: “min_free”: \"100%\" is not within 1% … 99%"},
	{"history: {min_free: much}\n",
	 "1:21: “min_free”: \"much\" is neither a size (digits and K, M, G or T) nor a percentage "
	 "(\"5%\") nor \"none\""},
	{"history: {sync_interval: 2h}\n",
	 "1:26: “sync_interval”: \"2h\" is too long: it is an hour at most"},
	{"history:\n  sync_interval:\n",
	 "2:17: “sync_interval” has no value: give it one, or leave it out"},
	{"history: {maxsize: 1G}\n", "1:11: unknown key “maxsize”: did you mean “max_size”?"},
};

static void test_bad(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		struct mh_config c = {.file = (char *)"untouched"};
		struct mh_err err = {""};

		assert_int_equal(mh_config_parse(&c, bad[i].bytes, strlen(bad[i].bytes), &err),
				 -EBADMSG);
		assert_string_equal(err.text, bad[i].sentence);
		assert_string_equal(c.file, "untouched");
	}
}

static struct mh_config parse(const char *bytes)
{
	struct mh_config c;
	struct mh_err err = {""};

	if (mh_config_parse(&c, bytes, strlen(bytes), &err))
		fail_msg("%s: %s", bytes, err.text);
	return c;
}

static int parse_and_free(const char *bytes, size_t len, struct mh_err *err)
{
	struct mh_config c;
	int rc = mh_config_parse(&c, bytes, len, err);

	if (!rc)
		mh_config_done(&c);
	return rc;
}

static void test_mutations(void **state)
{
	(void)state;
	mutations_are_answered("# memhist\nallowed_output_paths:\n  - /srv/a\n  - '/tmp'\n"
			       "history: {dir: \"/srv/a\\u00e9\"}\n",
			       parse_and_free);
}

static void test_good(void **state)
{
	struct mh_config_item item;
	struct mh_config c = parse("# first\nhistory:\n  dir: /srv/history # there\n"
				   "allowed_output_paths:\n  - /srv\n  - \"/tmp/x y\"\n");

	(void)state;
	assert_string_equal(c.text[MH_CONFIG_HISTORY_DIR], "/srv/history");
	assert_true(c.places.is_set);
	assert_int_equal(c.places.n, 2);
	assert_string_equal(c.places.dir[1], "/tmp/x y");
	mh_config_item(&c, MH_CONFIG_HISTORY_DIR, &item);
	assert_string_equal(item.key, "history.dir");
	assert_true(item.is_set && !item.is_list && item.n == 1);
	assert_string_equal(item.value[0], "/srv/history");
	assert_int_equal(item.from.line, 3);
	assert_int_equal(item.from.column, 8);
	mh_config_item(&c, MH_CONFIG_ALLOWED_OUTPUT_PATHS, &item);
	assert_string_equal(item.key, "allowed_output_paths");
	assert_true(item.is_set && item.is_list && item.n == 2);
	assert_string_equal(item.value[0], "/srv");
	assert_int_equal(item.from.line, 5);
	mh_config_done(&c);
	assert_null(c.text[MH_CONFIG_HISTORY_DIR]);
}

static void test_empty(void **state)
{
	static const char *const empty[] = {
		"",
		"\n",
		"# nothing\n",
		"---\n",
		"--- ~\n...\n",
		"{}",
		"history:\n",
		"history:\n  # dir: /x\n",
		"history: {}\n",
		"\xef\xbb\xbfhistory: {}\n",
	};

	(void)state;
	for (size_t i = 0; i < sizeof(empty) / sizeof(empty[0]); i++) {
		struct mh_config c = parse(empty[i]);
		struct mh_config_item item;

		for (int key = 0; key < MH_CONFIG_KEYS; key++) {
			mh_config_item(&c, (enum mh_config_key)key, &item);
			assert_false(item.is_set);
			assert_int_equal(item.n, 0);
		}
		assert_false(c.places.is_set);
		mh_config_done(&c);
	}
}

/* Only what is set is changed. */
static void test_limits_of_the_history(void **state)
{
	const struct mh_limits before = MH_LIMITS_DEFAULTS;
	struct mh_limits limits = before;
	uint32_t sync_ms = 7;
	struct mh_config c = parse("history: {max_size: none, sync_interval: 0}\n");

	(void)state;
	mh_config_limits(&c, &limits, &sync_ms);
	assert_int_equal(limits.max_bytes, 0);
	assert_int_equal(limits.min_free_bytes, before.min_free_bytes);
	assert_int_equal(limits.min_free_percent, before.min_free_percent);
	assert_int_equal(limits.max_age_ms, before.max_age_ms);
	assert_int_equal(sync_ms, 0);
	mh_config_done(&c);
	c = parse("history:\n  max_size: 512M\n  max_age: 30d\n  min_free: 7%\n"
		  "  sync_interval: 5m\n");
	mh_config_limits(&c, &limits, &sync_ms);
	assert_int_equal(limits.max_bytes, 512 << 20);
	assert_int_equal(limits.max_age_ms, INT64_C(30) * 86400 * 1000);
	assert_int_equal(limits.min_free_bytes, 0);
	assert_int_equal(limits.min_free_percent, 7);
	assert_int_equal(sync_ms, 300000);
	mh_config_done(&c);
	c = parse("");
	mh_config_limits(&c, &limits, &sync_ms);
	assert_int_equal(limits.max_bytes, 512 << 20);
	assert_int_equal(sync_ms, 300000);
	mh_config_done(&c);
}

static void test_nothing_allowed(void **state)
{
	struct mh_config c = parse("allowed_output_paths: []\n");

	(void)state;
	assert_true(c.places.is_set);
	assert_int_equal(c.places.n, 0);
	mh_config_done(&c);
}

/* `n` times `piece` between `before` and `after`. */
static void refuse_many(const char *before, const char *piece, size_t n, const char *after,
			const char *sentence)
{
	const size_t room = strlen(before) + n * strlen(piece) + strlen(after) + 1;
	char *bytes = malloc(room), *end = bytes;
	struct mh_err err = {""};
	struct mh_config c;

	end += snprintf(end, room, "%s", before);
	for (size_t i = 0; i < n; i++, end += strlen(piece))
		memcpy(end, piece, strlen(piece));
	memcpy(end, after, strlen(after) + 1);
	assert_int_equal(mh_config_parse(&c, bytes, strlen(bytes), &err), -EBADMSG);
	assert_string_equal(err.text, sentence);
	free(bytes);
}

static void test_limits(void **state)
{
	char keys[20 * 1100] = "", *p = keys;
	struct mh_err err = {""};
	struct mh_config c;

	(void)state;
	refuse_many("", "[", 17, "", "1:17: more than 16 lists and maps in one another");
	refuse_many("", "[", 500000, "", "1:17: more than 16 lists and maps in one another");
	refuse_many("", "{a: ", 100000, "", "1:65: more than 16 lists and maps in one another");
	refuse_many("", "- ", 100000, "x", "1:33: more than 16 lists and maps in one another");
	refuse_many("", "#", MH_DOCUMENT_MAX + 1, "",
		    "1:1: larger than a configuration may be (1024 KiB)");
	refuse_many("a: [", "x,", 100100, "]", "1:199995: there is too much in this document");
	refuse_many("allowed_output_paths: [", "/a,", 101, "]",
		    "1:324: there are more than 100 directories");
	refuse_many("history: {dir: /", "x", 5000, "}", "1:16: “dir” is longer than a path can be");
	for (int i = 0; i < 1001; i++)
		p += snprintf(p, 20, "k%d: 1\n", i);
	assert_int_equal(mh_config_parse(&c, keys, strlen(keys), &err), -EBADMSG);
	assert_string_equal(err.text, "1001:1: more than 1000 keys in one map");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_bad),
		cmocka_unit_test(test_mutations),
		cmocka_unit_test(test_good),
		cmocka_unit_test(test_empty),
		cmocka_unit_test(test_nothing_allowed),
		cmocka_unit_test(test_limits_of_the_history),
		cmocka_unit_test(test_limits),
	};

	return cmocka_run_group_tests_name("config", tests, NULL, NULL);
}
