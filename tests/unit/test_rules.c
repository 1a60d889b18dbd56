/* Rules: whom they take, how they call it, what is refused, and where the limits are. */
#include "libmemhist/model/rules.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

/* --- a set of rules, written in one line for each: "key=word key=word" -------------------------
 */

static int add(struct mh_rules *r, const char *key, const char *value, struct mh_err *err)
{
	if (!strcmp(key, "name"))
		return mh_rules_name(r, value, err);
	if (!strcmp(key, "by"))
		return mh_rules_by(r, (enum mh_axis)mh_axis_parse(value), err);
	if (!strcmp(key, "tree")) {
		mh_rules_tree(r, !strcmp(value, "yes"));
		return 0;
	}
	for (int s = 0; s < MH_SELECTORS; s++)
		if (!strcmp(mh_selector_name((enum mh_selector)s), key))
			return mh_rules_add(r, (enum mh_selector)s, value, err);
	abort();
}

/* Words end at a '|', since names have blanks in them. */
static int add_rule(struct mh_rules *r, const char *line, struct mh_err *err)
{
	char copy[512], *rest = copy, *word;
	int rc = mh_rules_begin(r, err);

	snprintf(copy, sizeof(copy), "%s", line);
	while (!rc && (word = strsep(&rest, "|"))) {
		char *value = strchr(word, '=');

		*value++ = '\0';
		rc = add(r, word, value, err);
	}
	return rc ? rc : mh_rules_end(r, err);
}

static struct mh_rules *rules(const char *const *lines)
{
	struct mh_err err = {""};
	struct mh_rules *r;

	assert_int_equal(mh_rules_new(&r), 0);
	for (; *lines; lines++)
		if (add_rule(r, *lines, &err))
			fail_msg("%s: %s", *lines, err.text);
	/* 2026-11-21 03:30:10.25 UTC, 1000.25 s after the boot */
	mh_rules_tick(r, (struct mh_instant){.wall_ms = 1795231810250, .boot_ns = 1000250000000});
	return r;
}

#define RULES(...) rules((const char *const[]){__VA_ARGS__, NULL})

/* --- processes -------------------------------------------------------------------------------- */

static struct mh_strpool pool;

static struct mh_process process(const char *comm, const char *cmdline, size_t len)
{
	struct mh_process p = {.id = {.pid = 4711, .start_ticks = 12345},
			       .uid = 4000000000,
			       .comm_len = (uint32_t)strlen(comm),
			       .cmdline_len = (uint32_t)len};

	memcpy(p.comm, comm, p.comm_len + 1);
	p.cmdline = (char *)(uintptr_t)cmdline;
	return p;
}

/* An array of chars as command line, without the NUL that ends the array. */
#define PROCESS(comm, cmdline) process(comm, cmdline, sizeof(cmdline) - 1)

static struct mh_process with_paths(struct mh_process p, const char *exe, const char *cgroup)
{
	p.exe = mh_strpool_get(&pool, exe, strlen(exe));
	p.cgroup = mh_strpool_get(&pool, cgroup, strlen(cgroup));
	return p;
}

static int close_pool(void **state)
{
	(void)state;
	mh_strpool_done(&pool);
	return 0;
}

/* The process gets this name; NULL: no rule takes it. */
static void expect(struct mh_rules *r, struct mh_process p, const char *name)
{
	struct mh_named named = {0};
	bool undecided;
	int rule = mh_rules_classify(r, &p, &named, &undecided);

	if (!name) {
		assert_int_equal(rule, -1);
		return;
	}
	assert_in_range(rule, 0, mh_rules_count(r) - 1);
	if (named.len != strlen(name) || memcmp(named.name, name, named.len) != 0)
		fail_msg("\"%.*s\" is not \"%s\"", (int)named.len, named.name, name);
}

/* --- whom they take --------------------------------------------------------------------------- */

static void comm_is_any_of_its_words(void **state)
{
	struct mh_rules *r = RULES("comm=vim|comm=bash|comm=systemd-journal");

	(void)state;
	expect(r, PROCESS("bash", "-bash"), "-bash");
	expect(r, PROCESS("vim", "/usr/bin/vim.basic\0x"), "vim.basic");
	expect(r, PROCESS("systemd-journal", "/lib/systemd/systemd-journald"), "systemd-journald");
	expect(r, PROCESS("bash", ""), "bash"); /* no command line: what there is */
	expect(r, PROCESS("bas", "bash"), NULL);
	expect(r, PROCESS("bashful", "bash"), NULL);
	expect(r, PROCESS("Bash", "bash"), NULL);
	expect(r, PROCESS("", ""), NULL);
	mh_rules_free(r);
}

static void exe_is_a_path_or_its_base(void **state)
{
	struct mh_rules *r = RULES("exe=postgres|exe=/usr/local/bin/prometheus|exe=./run");

	(void)state;
	expect(r, PROCESS("x", "/usr/lib/postgresql/15/bin/postgres\0-D\0/x"), "postgres");
	expect(r, PROCESS("x", "postgres"), "postgres");
	expect(r, PROCESS("x", "postgres/"), "postgres"); /* slashes at the end do not count */
	expect(r, PROCESS("x", "/usr/local/bin/prometheus\0--x"), "prometheus");
	expect(r, PROCESS("x", "/usr/bin/prometheus"), NULL);
	expect(r, PROCESS("x", "prometheus"), NULL);
	expect(r, PROCESS("x", "./run"), "run");
	expect(r, PROCESS("x", "run"), NULL);
	expect(r, PROCESS("x", "a\0postgres"), NULL); /* argv[0] alone */
	expect(r, PROCESS("postgres", ""), NULL);
	expect(r, PROCESS("x", "postgres: writer"), NULL);
	mh_rules_free(r);
	r = RULES("exe=postgres|exe=/opt/postgres"); /* either */
	expect(r, PROCESS("x", "/bin/postgres"), "postgres");
	expect(r, PROCESS("x", "/opt/postgres"), "postgres");
	mh_rules_free(r);
	r = RULES("exe=.|name={{.ExeBase}} {{.ExeFull}}", "exe=/|name=root");
	expect(r, PROCESS("x", "\0x"), ". "); /* an empty argv[0] */
	expect(r, PROCESS("x", "//"), "root");
	mh_rules_free(r);
}

static void cmdline_is_all_of_its_expressions(void **state)
{
	struct mh_rules *r = RULES("cmdline=^java |cmdline=-D(?P<key>\\w+)=(?P<value>\\S*)|"
				   "cmdline=\\.jar$|name={{.Matches.key}}: {{ .Matches.value }}");

	(void)state;
	expect(r, PROCESS("x", "java\0-Dport=80\0app.jar"), "port: 80");
	expect(r, PROCESS("x", "java\0-Dport=\0app.jar"), "port: ");
	expect(r, PROCESS("x", "java\0-Dport=80\0app.jar\0\0\0"), "port: 80"); /* as overwritten */
	expect(r, PROCESS("x", "java\0-Dport=80\0app.jar\0x"), NULL);
	expect(r, PROCESS("x", "/bin/java\0-Dport=80\0app.jar"), NULL);
	expect(r, PROCESS("x", "java\0app.jar"), NULL);
	expect(r, PROCESS("x", ""), NULL);
	mh_rules_free(r);
	r = RULES("cmdline=^$|name=empty", "cmdline=^a  b$|name=blanks",
		  "cmdline=^x.y$|name=replaced {{.Matches.m}}|cmdline=(?P<m>.y)");
	expect(r, PROCESS("x", ""), "empty");
	expect(r, PROCESS("x", "\0\0"), "empty");
	expect(r, PROCESS("x", "a\0\0b"), "blanks");
	/* one character, as in Go */
	expect(r, PROCESS("x", "x\xffy"), "replaced \xef\xbf\xbdy");
	mh_rules_free(r);
}

static void several_kinds_must_all_accept(void **state)
{
	struct mh_rules *r = RULES("comm=a|comm=b|exe=x|exe=y|cmdline=z|name=all");

	(void)state;
	expect(r, PROCESS("a", "x\0z"), "all");
	expect(r, PROCESS("b", "y\0z"), "all");
	expect(r, PROCESS("c", "y\0z"), NULL);
	expect(r, PROCESS("a", "w\0z"), NULL);
	expect(r, PROCESS("a", "x"), NULL);
	mh_rules_free(r);
}

static void the_first_rule_wins(void **state)
{
	struct mh_rules *r = RULES("comm=a|cmdline=1|name=first", "comm=a|name=second",
				   "cmdline=.|name=third");

	(void)state;
	expect(r, PROCESS("a", "1"), "first");
	expect(r, PROCESS("a", "2"), "second");
	expect(r, PROCESS("b", "1"), "third");
	expect(r, PROCESS("b", ""), NULL);
	mh_rules_free(r);
}

static void other_axes_take_words_and_expressions(void **state)
{
	struct mh_rules *r = RULES("cgroup=/user.slice/|name=people",
				   "unit=cron.service|unit=/^docker-.*\\.scope$/|by=unit",
				   "user=4000000000|program=long-program-name|name=both",
				   "class=user|program=/^x/|by=class", "cgroup=/|name=everything");
	struct mh_process p = PROCESS("long-program-na", "/opt/long-program-name\0-v");

	(void)state;
	expect(r, with_paths(p, "/opt/x", "/user.slice"), "people");
	expect(r, with_paths(p, "/opt/x", "/user.slice/user-1.slice"), "people");
	expect(r, with_paths(p, "/opt/x", "/user.slices/cron.service"), "both");
	expect(r, with_paths(p, "/opt/x", "/system.slice/cron.service"), "cron.service");
	expect(r, with_paths(p, "/opt/x", "/system.slice/docker-7.scope"), "docker-7.scope");
	expect(r, with_paths(p, "/opt/x", "/a.slice"), "both");
	p = PROCESS("xterm", "x");
	expect(r, with_paths(p, "/opt/x", "/a.slice"), "user");
	expect(r, with_paths(p, "/usr/bin/x", "/a.slice"), "everything");
	expect(r, p, "user"); /* no cgroup is known */
	p.uid = 0;
	expect(r, p, NULL);
	mh_rules_free(r);
}

/* --- names ------------------------------------------------------------------------------------ */

static void templates_have_their_variables(void **state)
{
	struct mh_process p = with_paths(PROCESS("comm", "/opt/exe base\0-x"), "/opt/real",
					 "/system.slice/a.service");
	static const struct {
		const char *name, *expected;
	} rows[] = {
		{"{{.Comm}}", "comm"},
		{"{{.ExeBase}}", "exe base"},
		{"{{.ExeFull}}", "/opt/exe base"},
		{"{{.Username}}", "4000000000"},
		{"{{.PID}}", "4711"},
		{"{{.StartTime}}", "2026-11-21 03:15:33.45 +0000 UTC"},
		{"{{.Cgroups}}", "[/system.slice/a.service]"},
		{"{{.Program}}", "comm"},
		{"{{.Exe}}", "/opt/real"},
		{"{{.Cgroup}}", "/system.slice/a.service"},
		{"{{.Unit}}", "a.service"},
		{"{{.Class}}", "user"},
		{"", "exe base"}, /* nothing is the default */
		{"plain text", "plain text"},
		{"{{ .Comm }}-{{\t.Comm\n}}{{.Comm}}}", "comm-commcomm}"},
		{"}} { {{.Comm}} ü", "}} { comm ü"},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		char line[100];
		struct mh_rules *r;

		snprintf(line, sizeof(line), "comm=comm|name=%s", rows[i].name);
		r = RULES(line);
		expect(r, p, rows[i].expected);
		mh_rules_free(r);
	}
}

static void start_times_are_written_as_go_does(void **state)
{
	struct mh_rules *r = RULES("comm=a|name={{.StartTime}}");
	struct mh_process p = PROCESS("a", "a");

	(void)state;
	p.id.start_ticks = 12340;
	expect(r, p, "2026-11-21 03:15:33.4 +0000 UTC");
	p.id.start_ticks = 12305;
	expect(r, p, "2026-11-21 03:15:33.05 +0000 UTC");
	p.id.start_ticks = 12300;
	expect(r, p, "2026-11-21 03:15:33 +0000 UTC");
	mh_rules_free(r);
}

/* The last expression that has it says what it is. */
static void a_match_may_be_in_two_expressions(void **state)
{
	struct mh_rules *r = RULES("cmdline=-a (?P<x>\\w+)|cmdline=-b (?P<x>\\w+)|"
				   "name={{.Matches.x}}");

	(void)state;
	expect(r, PROCESS("c", "c\0-a\0first\0-b\0last"), "last");
	mh_rules_free(r);
}

static void long_names_are_cut(void **state)
{
	static char line[MH_CMDLINE_MAX];
	struct mh_rules *r = RULES("cmdline=.|name={{.ExeFull}}{{.ExeFull}}!");
	struct mh_named named;
	bool undecided;
	struct mh_process p;

	(void)state;
	memset(line, 'x', sizeof(line));
	p = process("a", line, 3000);
	assert_int_equal(mh_rules_classify(r, &p, &named, &undecided), 0);
	assert_int_equal(named.len, 3000); /* the second has no room */
	mh_rules_free(r);
}

static void names_are_expected(void **state)
{
	struct mh_rules *r = RULES(
		"comm=b|comm=a|name=c {{.Comm}}", "exe=/x/y|exe=z|name={{.ExeBase}}",
		"exe=/x/y|exe=z|name={{.ExeFull}}", "comm=a|name=plain", "comm=a|name={{.PID}}",
		"comm=a|exe=b|name={{.Comm}}{{.ExeBase}}", "cmdline=a|name={{.Comm}}", "comm=q",
		"user=root|by=user");
	static const char *const expected[] = {"c a", "c b", "y", "z", "/x/y", "plain"};
	const char *const *names;

	(void)state;
	assert_int_equal(mh_rules_expected(r, &names), 6);
	for (size_t i = 0; i < 6; i++)
		assert_string_equal(names[i], expected[i]);
	mh_rules_free(r);
}

static void trees_are_had_unless_said_otherwise(void **state)
{
	struct mh_rules *r = RULES("comm=a|tree=no", "comm=b|tree=no");
	struct mh_process p = PROCESS("b", "b");
	struct mh_named named;
	bool undecided;

	(void)state;
	assert_false(mh_rules_have_tree(r));
	assert_int_equal(mh_rules_classify(r, &p, &named, &undecided), 1);
	assert_false(named.tree);
	mh_rules_free(r);
	r = RULES("comm=a|tree=no", "comm=b");
	assert_true(mh_rules_have_tree(r));
	assert_int_equal(mh_rules_classify(r, &p, &named, &undecided), 1);
	assert_true(named.tree);
	mh_rules_free(r);
}

/* --- what is refused -------------------------------------------------------------------------- */

static void mistakes_are_told(void **state)
{
	static const struct {
		const char *line, *sentence;
	} rows[] = {
		{"name=a",
		 "a rule says whom it takes: by comm, exe, cmdline, program, user, cgroup, "
		 "unit or class"},
		{"comm=", "an empty word"},
		{"cmdline=", "an empty word"},
		{"cmdline=(", "regular expression “(”: missing closing parenthesis (at offset 1)"},
		{"unit=/(/", "regular expression “(”: missing closing parenthesis (at offset 1)"},
		{"cgroup=user.slice", "“user.slice” is no path of a cgroup, such as /system.slice"},
		{"class=kernel", "“kernel” is no class: they are system and user"},
		{"comm=a|name={{.Matches.x}}",
		 "{{.Matches.x}} is there, and no (?P<x>...) in “cmdline”"},
		{"cmdline=(?P<xy>a)|name={{.Matches.x}}",
		 "{{.Matches.x}} is there, and no (?P<x>...) in “cmdline”"},
		{"name=a|by=exe", "“name” and “by” both say how the group is called"},
		{"name=ü{{.Com}}", "“{{.Com}}”, at character 2, is no variable: did you mean "
				   "{{.Comm}}?"},
		{"name={{.Cwd}}",
		 "“{{.Cwd}}”, at character 1, is no variable: see memhist.yaml(5)"},
		{"name={{.Matches}}",
		 "“{{.Matches}}”, at character 1, is all matches: name one, as "
		 "in {{.Matches.port}}"},
		{"name={{.Comm", "“{{.Comm”, at character 1, is not closed by }}"},
		{"name=a {{printf \"%s\" .Comm}}", "“{{printf \"%s\" .Comm}}”, at character 3, is "
						   "not understood: only variables such "
						   "as {{.Comm}} are"},
		{"name={{- .Comm}}", "“{{- .Comm}}”, at character 1, is not understood: only "
				     "variables such as {{.Comm}} are"},
		{"name={{.Comm .Exe}}", "“{{.Comm .Exe}}”, at character 1, is not understood: only "
					"variables such as {{.Comm}} are"},
		{"name={{/* x */}}", "“{{/* x */}}”, at character 1, is not understood: only "
				     "variables such as {{.Comm}} are"},
		{"name={{}}", "“{{}}”, at character 1, is not understood: only variables such as "
			      "{{.Comm}} are"},
		{"name={{.}}", "“{{.}}”, at character 1, is not understood: only variables such as "
			       "{{.Comm}} are"},
		{"name={{.Matches.1}}", "“{{.Matches.1}}”, at character 1, is not understood: only "
					"variables such as {{.Comm}} are"},
		{"name={{ }}", "“{{ }}”, at character 1, is not understood: only variables such as "
			       "{{.Comm}} are"},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct mh_err err = {""};
		struct mh_rules *r;

		assert_int_equal(mh_rules_new(&r), 0);
		assert_int_equal(add_rule(r, rows[i].line, &err), -EINVAL);
		assert_string_equal(err.text, rows[i].sentence);
		mh_rules_free(r);
	}
}

static void there_are_limits(void **state)
{
	static char text[MH_RULES_WORD_BYTES + 2];
	struct mh_err err = {""};
	struct mh_rules *r;

	(void)state;
	assert_int_equal(mh_rules_new(&r), 0);
	for (int i = 0; i < MH_RULES_MAX; i++)
		assert_int_equal(add_rule(r, "comm=a|name=x", &err), 0);
	assert_int_equal(add_rule(r, "comm=a", &err), -EOVERFLOW);
	assert_string_equal(err.text, "more than 1000 rules");
	mh_rules_free(r);

	assert_int_equal(mh_rules_new(&r), 0);
	assert_int_equal(mh_rules_begin(r, &err), 0);
	for (int i = 0; i < MH_RULES_REGEX_MAX; i++)
		assert_int_equal(mh_rules_add(r, MH_SELECT_CMDLINE, "a", &err), 0);
	assert_int_equal(mh_rules_add(r, MH_SELECT_CMDLINE, "a", &err), -EOVERFLOW);
	assert_string_equal(err.text, "more than 1000 regular expressions in all rules: join some "
				      "with |");
	for (int i = MH_RULES_REGEX_MAX; i < MH_RULES_WORDS_MAX; i++) {
		snprintf(text, sizeof(text), "c%d", i);
		assert_int_equal(mh_rules_add(r, MH_SELECT_COMM, text, &err), 0);
	}
	assert_int_equal(mh_rules_add(r, MH_SELECT_COMM, "a", &err), -EOVERFLOW);
	assert_string_equal(err.text, "more than 10000 words in all rules");
	assert_int_equal(mh_rules_name(r, "{{.Comm}}", &err), 0);
	assert_int_equal(mh_rules_end(r, &err), 0);
	assert_int_equal(mh_rules_expected(r, &(const char *const *){NULL}), MH_RULES_EXPECTED_MAX);
	expect(r, PROCESS("c9999", "a"), "c9999");
	expect(r, PROCESS("c10000", "a"), NULL);
	mh_rules_free(r);

	assert_int_equal(mh_rules_new(&r), 0);
	assert_int_equal(mh_rules_begin(r, &err), 0);
	memset(text, 'a', sizeof(text) - 1);
	assert_int_equal(mh_rules_add(r, MH_SELECT_EXE, text, &err), -EINVAL);
	assert_string_equal(err.text, "longer than 4096 bytes");
	text[MH_RULES_WORD_BYTES] = '\0';
	assert_int_equal(mh_rules_add(r, MH_SELECT_EXE, text, &err), 0);
	assert_int_equal(mh_rules_name(r, text, &err), -EINVAL);
	assert_string_equal(err.text, "longer than 1024 bytes");
	mh_rules_free(r);
}

/* A process that has its command line made to explode does not stall the others for long. */
static void explosions_are_bounded(void **state)
{
	static const char line[] = "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa!";
	struct mh_rules *r = RULES("cmdline=^(a+)+$|name=as", "comm=b|name=b");

	(void)state;
	for (int i = 0; i < 10000; i++)
		expect(r, PROCESS("b", line), "b");
	assert_int_equal(mh_rules_given_up(r), 10000);
	expect(r, PROCESS("b", "aaa"), "b"); /* the price of it, until … */
	mh_rules_tick(r, (struct mh_instant){0});
	expect(r, PROCESS("b", "aaa"), "as");
	mh_rules_free(r);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(comm_is_any_of_its_words),
		cmocka_unit_test(exe_is_a_path_or_its_base),
		cmocka_unit_test(cmdline_is_all_of_its_expressions),
		cmocka_unit_test(several_kinds_must_all_accept),
		cmocka_unit_test(the_first_rule_wins),
		cmocka_unit_test(other_axes_take_words_and_expressions),
		cmocka_unit_test(templates_have_their_variables),
		cmocka_unit_test(start_times_are_written_as_go_does),
		cmocka_unit_test(a_match_may_be_in_two_expressions),
		cmocka_unit_test(long_names_are_cut),
		cmocka_unit_test(names_are_expected),
		cmocka_unit_test(trees_are_had_unless_said_otherwise),
		cmocka_unit_test(mistakes_are_told),
		cmocka_unit_test(there_are_limits),
		cmocka_unit_test(explosions_are_bounded),
	};

	return cmocka_run_group_tests(tests, NULL, close_pool);
}
