/*
 * Groups in configurations: what is read of good ones, and the sentence for each mistake in bad
 * ones. A new mistake is a new row.
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
	{"process_name: []\n", "1:1: unknown key “process_name”: did you mean “process_names”?"},
	{"group: {}\n", "1:1: unknown key “group”: did you mean “groups”?"},
	{"process_names: bash\n", "1:16: “process_names” takes a list of rules (“- comm: [bash]”)"},
	{"process_names: {comm: [a]}\n",
	 "1:16: “process_names” takes a list of rules (“- comm: [bash]”)"},
	{"process_names: [bash]\n", "1:17: a rule is keys and their values (“comm: [bash]”)"},
	{"process_names:\n  - [bash]\n", "2:5: a rule is keys and their values (“comm: [bash]”)"},
	{"process_names:\n  -\n", "2:4: a rule is keys and their values (“comm: [bash]”)"},
	{"process_names:\n  - com: [bash]\n", "2:5: unknown key “com”: did you mean “comm”?"},
	{"process_names:\n  - comm: [bash]\n    cmdlines: [x]\n",
	 "3:5: unknown key “cmdlines”: did you mean “cmdline”?"},
	{"process_names:\n  - comm: [bash]\n    names: x\n",
	 "3:5: unknown key “names”: did you mean “name”?"},
	{"process_names:\n  - xyzzy: [bash]\n", "2:5: unknown key “xyzzy”: see memhist.yaml(5)"},
	{"process_names:\n  - name: x\n",
	 "2:11: a rule says whom it takes: by comm, exe, cmdline, program, user, cgroup, unit or "
	 "class"},
	{"process_names:\n  - {}\n",
	 "2:5: a rule says whom it takes: by comm, exe, cmdline, program, user, cgroup, unit or "
	 "class"},
	{"process_names:\n  - comm:\n", "2:10: “comm” is a list of words"},
	{"process_names:\n  - comm: {a: b}\n", "2:11: “comm” is a list of words"},
	{"process_names:\n  - comm: [a, [b]]\n", "2:15: “comm” is a list of words"},
	{"process_names:\n  - comm: [a, ~]\n", "2:15: “comm” is a list of words"},
	{"process_names:\n  - comm: [a, '']\n", "2:15: “comm”: an empty word"},
	{"process_names:\n  - cmdline:\n    - a\n    - 'b('\n",
	 "4:7: “cmdline”: regular expression “b(”: missing closing parenthesis (at offset 2)"},
	{"process_names:\n  - cgroup: [system.slice]\n",
	 "2:14: “cgroup”: “system.slice” is no path of a cgroup, such as /system.slice"},
	{"process_names:\n  - comm: [a]\n    name: [b]\n", "3:11: “name” is one text"},
	{"process_names:\n  - comm: [a]\n    name: '{{.Com}}'\n",
	 "3:11: “name”: “{{.Com}}”, at character 1, is no variable: did you mean {{.Comm}}?"},
	{"process_names:\n  - comm: [a]\n    name: 'a {{printf \"%s\" .Comm}}'\n",
	 "3:11: “name”: “{{printf \"%s\" .Comm}}”, at character 3, is not understood: only "
	 "variables such as {{.Comm}} are"},
	{"process_names:\n  - comm: [a]\n    name: '{{.Comm | len}}'\n",
	 "3:11: “name”: “{{.Comm | len}}”, at character 1, is not understood: only variables such "
	 "as {{.Comm}} are"},
	{"process_names:\n  - name: '{{.Matches.x}}'\n    cmdline: ['(?P<y>a)']\n",
	 "2:11: {{.Matches.x}} is there, and no (?P<x>...) in “cmdline”"},
	{"process_names:\n  - comm: [a]\n    name: b\n    by: user\n",
	 "4:9: “by”: “name” and “by” both say how the group is called"},
	{"process_names:\n  - comm: [a]\n    by: usr\n",
	 "3:9: “by”: “usr” is not known: did you mean “user”?"},
	{"process_names:\n  - comm: [a]\n    by: other\n",
	 "3:9: “by”: “other” is for the rest, below “groups”: a rule makes groups"},
	{"process_names:\n  - comm: [a]\n    by: [user]\n",
	 "3:9: “by”: it takes one of program, exe, user, cgroup, unit and class"},
	{"process_names:\n  - comm: [a]\n    tree: maybe\n",
	 "3:11: “tree”: “maybe” is neither true nor false"},
	{"process_names:\n  - comm: [a]\n    tree:\n", "3:10: “tree”: it is true or false"},
	{"process_names: []\nprocess_names: []\n",
	 "2:1: “process_names” stands here a second time: see line 1"},
	{"process_names:\n  - comm: &a [a]\n  - comm: *a\n",
	 "2:11: anchors (&a) are not taken: write it out where it is needed"},
	{"export_process: []\n",
	 "1:1: unknown key “export_process”: did you mean “export_processes”?"},
	{"export_processes: bash\n",
	 "1:19: “export_processes” takes a list of rules (“- comm: [bash]”)"},
	{"export_processes: [bash]\n", "1:20: a rule is keys and their values (“comm: [bash]”)"},
	{"export_processes:\n  - {}\n", "2:5: a rule says whom it takes: by comm, exe, cmdline, "
					"program, user, cgroup, unit, class "
					"or min_rss"},
	{"export_processes:\n  - comm: []\n",
	 "2:11: “comm” is an empty list, which takes nobody: leave it out, or say whom"},
	{"export_processes:\n  - {min_rss: 1M, user: []}\n",
	 "2:25: “user” is an empty list, which takes nobody: leave it out, or say whom"},
	{"export_processes:\n  - com: [bash]\n", "2:5: unknown key “com”: did you mean “comm”?"},
	{"export_processes:\n  - comm: [bash]\n    minrss: 1M\n",
	 "3:5: unknown key “minrss”: did you mean “min_rss”?"},
	{"export_processes:\n  - comm: [bash]\n    name: x\n",
	 "3:5: unknown key “name”: see memhist.yaml(5)"},
	{"export_processes:\n  - min_rss: 1 meg\n",
	 "2:14: “min_rss”: “1 meg” is no size: digits and K, M, G or T (powers of 1024)"},
	{"export_processes:\n  - min_rss: [1M]\n", "2:14: “min_rss”: it is one size, such as 100M"},
	{"export_processes:\n  - min_rss:\n", "2:13: “min_rss”: it is one size, such as 100M"},
	{"export_processes:\n  - cmdline: ['b(']\n",
	 "2:15: “cmdline”: regular expression “b(”: missing closing parenthesis (at offset 2)"},
	{"process_names:\n  - comm: [a]\n    min_rss: 1M\n",
	 "3:5: unknown key “min_rss”: see memhist.yaml(5)"},
	{"groups: [by]\n", "1:9: “groups” takes keys and their values (“by: …”)"},
	{"groups: {byy: user}\n", "1:10: unknown key “byy”: did you mean “by”?"},
	{"groups: {by: programm}\n",
	 "1:14: “by”: “programm” is not known: did you mean “program”?"},
	{"groups: {by: xyzzy}\n",
	 "1:14: “by”: “xyzzy” is none of program, exe, user, cgroup, unit, "
	 "class, other and none"},
	{"groups: {by: }\n", "1:14: “by” has no value: give it one, or leave it out"},
	{"groups: {by: [user]}\n", "1:14: “by” takes one value, not several"},
	{"groups: {tree: 1}\n", "1:16: “tree”: “1” is neither true nor false"},
	{"groups: {min_rss: 10 megs}\n",
	 "1:19: “min_rss”: “10 megs” is no size: digits and K, M, G or T (powers of 1024)"},
	{"groups: {min_rss: -1}\n",
	 "1:19: “min_rss”: “-1” is no size: digits and K, M, G or T (powers of 1024)"},
	{"groups: {top: 0}\n", "1:15: “top”: “0” is no number from 1 to 10000"},
	{"groups: {max: 10001}\n", "1:15: “max”: “10001” is no number from 1 to 10000"},
	{"groups: {max: 99999999999999999999}\n",
	 "1:15: “max”: “99999999999999999999” is no number from 1 to 10000"},
	{"groups: {max: 1e3}\n", "1:15: “max”: “1e3” is no number from 1 to 10000"},
};

static void mistakes_are_told(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		struct mh_err err = {""};
		struct mh_config c;

		if (mh_config_parse(&c, bad[i].bytes, strlen(bad[i].bytes), &err) != -EBADMSG)
			fail_msg("%s is taken", bad[i].bytes);
		assert_string_equal(err.text, bad[i].sentence);
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

static void expect(struct mh_rules *r, const char *comm, const char *cmdline, const char *name)
{
	struct mh_process p = {.id.pid = 7, .cmdline_len = (uint32_t)strlen(cmdline)};
	struct mh_named named;
	bool undecided;
	int rule;

	p.comm_len = (uint32_t)snprintf(p.comm, sizeof(p.comm), "%s", comm);
	p.cmdline = (char *)(uintptr_t)cmdline;
	rule = mh_rules_classify(r, &p, &named, &undecided);
	if (!name) {
		assert_int_equal(rule, -1);
		return;
	}
	assert_true(rule >= 0);
	assert_int_equal(named.len, strlen(name));
	assert_memory_equal(named.name, name, named.len);
}

/* In the form of process-exporter's documentation: all ways to write it that YAML has. */
static void a_configuration_of_process_exporter_is_taken_as_it_is(void **state)
{
	struct mh_config c = parse("process_names:\n"
				   "  # comments\n"
				   "  - comm:\n"
				   "    - bash\n"
				   "    - 'vi m'\n"
				   "\n"
				   "  - exe:\n"
				   "    - postgres\n"
				   "    - /usr/local/bin/prometheus\n"
				   "\n"
				   "  - name: \"{{.ExeFull}}:{{.Matches.Cfgfile}}\"\n"
				   "    exe:\n"
				   "    - /usr/local/bin/process-exporter\n"
				   "    cmdline:\n"
				   "    - -config.path\\s+(?P<Cfgfile>\\S+)\n"
				   "  - {comm: [123, true], name: 'a number'}\n"
				   "  - cmdline: ['.+']\n"
				   "    name: \"{{.Comm}}\"\n"
				   "  - comm: []\n"
				   "    name: nobody\n"
				   "  - cmdline: []\n"
				   "    name:\n");
	struct mh_groups_config groups = {.rest = MH_BY_USER};

	(void)state;
	mh_config_groups(&c, 4096, &groups);
	assert_null(c.rules);
	assert_int_equal(groups.rest, MH_REST_OTHER);
	assert_true(mh_rules_have_tree(groups.rules));
	assert_int_equal(mh_rules_count(groups.rules), 7);
	expect(groups.rules, "bash", "-bash", "-bash");
	expect(groups.rules, "x", "/opt/postgres", "postgres");
	expect(groups.rules, "x", "/usr/local/bin/prometheus", "prometheus");
	expect(groups.rules, "123", "x", "a number");
	expect(groups.rules, "true", "x", "a number");
	expect(groups.rules, "x", "y", "x");
	expect(groups.rules, "x", "", "x");
	mh_config_done(&c);
	mh_rules_free(groups.rules);
}

static void groups_have_values(void **state)
{
	struct mh_groups_config groups = {.max_groups = 7};
	struct mh_config c = parse("");

	(void)state;
	mh_config_groups(&c, 4096, &groups);
	assert_int_equal(groups.rest, MH_BY_PROGRAM);
	assert_null(groups.rules);
	assert_int_equal(groups.max_groups, 7);
	mh_config_done(&c);
	c = parse("groups: {by: none, min_rss: 10001, top: 3, max: 77}\n"
		  "process_names: [{comm: a}]\n");
	mh_config_groups(&c, 4096, &groups);
	assert_int_equal(groups.rest, MH_REST_NOWHERE);
	assert_int_equal(groups.min_rss_pages, 3);
	assert_int_equal(groups.top, 3);
	assert_int_equal(groups.max_groups, 77);
	mh_rules_free(groups.rules);
	mh_config_done(&c);
}

/* Rules do as is said below `groups`, wherever that stands, unless they say so themselves. */
static void trees_are_said_for_all_or_for_one(void **state)
{
	static const struct {
		const char *bytes;
		bool tree;
	} rows[] = {
		{"process_names: [{comm: a}]\n", true},
		{"process_names: [{comm: a}]\ngroups: {tree: false}\n", false},
		{"groups: {tree: no}\nprocess_names: [{comm: a}]\n", false},
		{"groups: {tree: off}\nprocess_names: [{comm: a, tree: on}]\n", true},
		{"groups: {tree: yes}\nprocess_names: [{comm: a, tree: false}]\n", false},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct mh_config c = parse(rows[i].bytes);

		assert_int_equal(mh_rules_have_tree(c.rules), rows[i].tree);
		mh_config_done(&c);
	}
}

static void rules_are_shown_by_their_names(void **state)
{
	struct mh_config c = parse("process_names:\n  - comm: a\n  - {comm: a, by: unit}\n"
				   "  - {comm: a, name: 'b {{.PID}}'}\n  - {comm: a, name: ''}\n");
	struct mh_config_item item;

	(void)state;
	mh_config_item(&c, MH_CONFIG_PROCESS_NAMES, &item);
	assert_true(item.is_set && item.is_list && item.n == 4);
	assert_int_equal(item.from.line, 2);
	assert_string_equal(item.value[0], "{{.ExeBase}}");
	assert_string_equal(item.value[1], "unit");
	assert_string_equal(item.value[2], "b {{.PID}}");
	assert_string_equal(item.value[3], "{{.ExeBase}}");
	mh_config_done(&c);
	c = parse("process_names:\n");
	assert_null(c.rules);
	mh_config_done(&c);
	c = parse("process_names: []\n");
	assert_int_equal(mh_rules_count(c.rules), 0);
	mh_config_done(&c);
}

static void processes_are_chosen(void **state)
{
	struct mh_config c = parse("export_processes:\n  - comm: [a, \"b c\"]\n    min_rss: 1M\n"
				   "  - {user: root}\n  - min_rss: 2G\n  - {exe: /x}\n");
	struct mh_process p = {.id.pid = 7, .uid = 4000000000, .comm = "b c", .comm_len = 3};
	struct mh_config_item item;
	bool undecided;

	(void)state;
	mh_config_item(&c, MH_CONFIG_EXPORT_PROCESSES, &item);
	assert_true(item.is_set && item.is_list && item.n == 4);
	assert_string_equal(item.key, "export_processes");
	assert_int_equal(item.from.line, 2);
	assert_string_equal(item.value[0], "comm: a, b c; min_rss: 1M");
	assert_string_equal(item.value[1], "user: root");
	assert_string_equal(item.value[2], "min_rss: 2G");
	assert_string_equal(item.value[3], "exe: /x");
	assert_null(c.rules); /* these are another list */
	mh_rules_tick(c.choice, (struct mh_instant){0});
	assert_true(mh_rules_choose(c.choice, &p, &undecided) == 1 << 20);
	p.comm_len = 2;
	assert_true(mh_rules_choose(c.choice, &p, &undecided) == UINT64_C(2) << 30);
	mh_config_done(&c);
	c = parse("export_processes:\n");
	assert_null(c.choice);
	mh_config_done(&c);
	c = parse("export_processes: []\n");
	assert_int_equal(mh_rules_count(c.choice), 0);
	mh_config_done(&c);
}

static void there_are_limits_of(const char *key)
{
	static const char rule[] = "- comm: [a]\n";
	struct mh_err err = {""};
	struct mh_config c;
	char *bytes = malloc(100 + sizeof(rule) * (MH_RULES_MAX + 1));
	char sentence[100];
	size_t len;

	assert_non_null(bytes);
	len = (size_t)snprintf(bytes, 100, "%s:\n", key);
	for (int i = 0; i <= MH_RULES_MAX; i++, len += sizeof(rule) - 1)
		memcpy(bytes + len, rule, sizeof(rule));
	assert_int_equal(mh_config_parse(&c, bytes, len, &err), -EBADMSG);
	snprintf(sentence, sizeof(sentence), "1002:3: “%s”: more than 1000 rules", key);
	assert_string_equal(err.text, sentence);
	len -= sizeof(rule) - 1;
	assert_int_equal(mh_config_parse(&c, bytes, len, &err), 0);
	mh_config_done(&c);
	free(bytes);
}

static void there_are_limits(void **state)
{
	(void)state;
	there_are_limits_of("process_names");
	there_are_limits_of("export_processes");
}

static int parse_and_free(const char *bytes, size_t len, struct mh_err *err)
{
	struct mh_config c;
	int rc = mh_config_parse(&c, bytes, len, err);

	if (!rc)
		mh_config_done(&c);
	return rc;
}

static void mistakes_anywhere_are_answered(void **state)
{
	(void)state;
	mutations_are_answered("groups: {by: unit, tree: no, min_rss: 10M, top: 5}\n"
			       "process_names:\n"
			       "  - comm: [bash, 'vim']\n"
			       "    name: \"{{.Comm}}: {{ .Username }}\"\n"
			       "  - exe: [postgres, /usr/bin/x]\n"
			       "    tree: false\n"
			       "    cmdline: ['-D (?P<dir>\\S+)', '^a|b$']\n"
			       "    name: \"{{.ExeBase}} {{.Matches.dir}}\"\n"
			       "  - {by: user, class: user, unit: ['/x$/'], cgroup: [/a]}\n"
			       "export_processes:\n  - comm: [b]\n    min_rss: 1M\n",
			       parse_and_free);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(mistakes_are_told),
		cmocka_unit_test(a_configuration_of_process_exporter_is_taken_as_it_is),
		cmocka_unit_test(groups_have_values),
		cmocka_unit_test(trees_are_said_for_all_or_for_one),
		cmocka_unit_test(rules_are_shown_by_their_names),
		cmocka_unit_test(processes_are_chosen),
		cmocka_unit_test(there_are_limits),
		cmocka_unit_test(mistakes_anywhere_are_answered),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
