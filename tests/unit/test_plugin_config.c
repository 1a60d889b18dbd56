/* <Plugin memhist>: what each option sets, and the sentence for each way to get it wrong. */
#include "plugin/config.h"

#include "tests/unit/mock_collectd.h"
#include "tests/unit/tree.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#define ITEM(name, ...)                                                                          \
	{                                                                                        \
		.key = (char *)(name), .values = (oconfig_value_t[]){__VA_ARGS__},               \
		.values_num = sizeof((oconfig_value_t[]){__VA_ARGS__}) / sizeof(oconfig_value_t) \
	}

static int read_items(struct config *c, oconfig_item_t *items, int n, struct mh_err *err)
{
	oconfig_item_t block = {.key = (char *)"Plugin", .children = items, .children_num = n};

	return config_read(c, &block, err);
}

/* `item` alone is refused with a sentence that holds `sentence`. */
static void refused(oconfig_item_t item, const char *sentence)
{
	struct mh_err err = {""};
	struct config c;

	config_init(&c);
	assert_int_equal(read_items(&c, &item, 1, &err), -EINVAL);
	if (!strstr(err.text, sentence))
		fail_msg("\"%s\" does not say \"%s\"", err.text, sentence);
	config_done(&c);
}

static void defaults(void **state)
{
	struct config c;

	(void)state;
	config_init(&c);
	assert_string_equal(c.history_dir, "/var/lib/memhist");
	assert_string_equal(c.procfs, "/proc");
	assert_int_equal(c.backend, MH_SCAN_AUTO);
	assert_int_equal(c.max_open_files, 0);
	assert_true(c.report_processes);
	assert_true(c.report_meminfo);
	assert_int_equal(c.max_instances, 100);
	assert_false(c.select.invert);
	assert_true(mh_select_name(&c.select, "anything", 8));
	assert_int_equal(read_items(&c, NULL, 0, NULL), 0);
	config_done(&c);
}

static void every_option_is_taken(void **state)
{
	oconfig_item_t items[] = {
		ITEM("HistoryDir", MOCK_STRING("/srv/history")),
		ITEM("Procfs", MOCK_STRING("/host/proc")),
		ITEM("ConfigFile", MOCK_STRING("/srv/memhist.yaml")),
		ITEM("Backend", MOCK_STRING("bpf-seq")),
		ITEM("OpenFiles", MOCK_NUMBER(5000)),
		ITEM("ExactCPUs", MOCK_NUMBER(256)),
		ITEM("ReportProcesses", MOCK_BOOLEAN(0)),
		ITEM("ReportMeminfo", MOCK_BOOLEAN(0)),
		ITEM("MaxInstances", MOCK_NUMBER(10000)),
		ITEM("Select", MOCK_STRING("nginx")),
		ITEM("Select", MOCK_STRING("/^post/")),
		ITEM("IgnoreSelected", MOCK_BOOLEAN(1)),
	};
	struct mh_err err;
	struct config c;

	(void)state;
	config_init(&c);
	assert_int_equal(read_items(&c, items, sizeof(items) / sizeof(items[0]), &err), 0);
	assert_string_equal(c.history_dir, "/srv/history");
	assert_string_equal(c.procfs, "/host/proc");
	assert_string_equal(c.config_file, "/srv/memhist.yaml");
	assert_int_equal(c.backend, MH_SCAN_BPF_SEQ);
	assert_int_equal(c.max_open_files, 5000);
	assert_false(c.report_processes);
	assert_false(c.report_meminfo);
	assert_int_equal(c.max_instances, 10000);
	assert_int_equal(c.exact_cpus, 256);
	assert_false(mh_select_name(&c.select, "nginx", 5));
	assert_false(mh_select_name(&c.select, "postgres", 8));
	assert_true(mh_select_name(&c.select, "nginx2", 6));
	config_done(&c);
}

static void names_have_no_case_as_everywhere_in_collectd(void **state)
{
	oconfig_item_t item = ITEM("REPORTmeminfo", MOCK_BOOLEAN(0));
	struct config c;

	(void)state;
	config_init(&c);
	assert_int_equal(read_items(&c, &item, 1, NULL), 0);
	assert_false(c.report_meminfo);
	config_done(&c);
}

static void blocks_add_up_and_later_options_win(void **state)
{
	oconfig_item_t first[] = {ITEM("Select", MOCK_STRING("a")),
				  ITEM("MaxInstances", MOCK_NUMBER(1))};
	oconfig_item_t second[] = {ITEM("Select", MOCK_STRING("b")),
				   ITEM("MaxInstances", MOCK_NUMBER(2))};
	struct config c;

	(void)state;
	config_init(&c);
	assert_int_equal(read_items(&c, first, 2, NULL), 0);
	assert_int_equal(read_items(&c, second, 2, NULL), 0);
	assert_int_equal(c.max_instances, 2);
	assert_true(mh_select_name(&c.select, "a", 1));
	assert_true(mh_select_name(&c.select, "b", 1));
	assert_false(mh_select_name(&c.select, "c", 1));
	config_done(&c);
}

static void open_files_may_be_none(void **state)
{
	oconfig_item_t none = ITEM("OpenFiles", MOCK_NUMBER(0));
	oconfig_item_t some = ITEM("OpenFiles", MOCK_STRING("Auto"));
	struct config c;

	(void)state;
	config_init(&c);
	assert_int_equal(read_items(&c, &none, 1, NULL), 0);
	assert_int_equal(c.max_open_files, MH_SCAN_NO_FILES);
	assert_int_equal(read_items(&c, &some, 1, NULL), 0);
	assert_int_equal(c.max_open_files, 0);
	config_done(&c);
	refused((oconfig_item_t)ITEM("OpenFiles", MOCK_STRING("10")),
		"OpenFiles takes \"auto\" or a whole number, 0 to 1000000, without quotes");
	refused((oconfig_item_t)ITEM("OpenFiles", MOCK_NUMBER(1.5)), "OpenFiles takes");
	refused((oconfig_item_t)ITEM("OpenFiles", MOCK_NUMBER(-1)), "OpenFiles takes");
	refused((oconfig_item_t)ITEM("OpenFiles", MOCK_NUMBER(1000001)), "OpenFiles takes");
	refused((oconfig_item_t)ITEM("OpenFiles", MOCK_BOOLEAN(1)), "OpenFiles takes");
}

static void none_switches_the_history_off(void **state)
{
	oconfig_item_t item = ITEM("HistoryDir", MOCK_STRING("none"));
	struct config c;

	(void)state;
	config_init(&c);
	assert_int_equal(read_items(&c, &item, 1, NULL), 0);
	assert_string_equal(c.history_dir, "");
	config_done(&c);
}

static void unknown_options_are_named_with_the_nearest(void **state)
{
	(void)state;
	refused((oconfig_item_t)ITEM("HistroyDir", MOCK_STRING("/x")),
		"unknown option \"HistroyDir\": did you mean HistoryDir?");
	refused((oconfig_item_t)ITEM("Ignoreselect", MOCK_BOOLEAN(1)),
		"did you mean IgnoreSelected?");
	refused((oconfig_item_t)ITEM("Verbosity", MOCK_NUMBER(1)),
		"unknown option \"Verbosity\": see collectd-memhist(5)");
	refused((oconfig_item_t)ITEM("Interval", MOCK_NUMBER(1)),
		"belongs into <LoadPlugin memhist>");
	refused((oconfig_item_t)ITEM("", MOCK_NUMBER(1)), "unknown option \"\"");
}

static void wrong_values_are_refused(void **state)
{
	static const char whole[] = "MaxInstances takes a whole number, 1 to 10000";
	static char longest[PATH_MAX + 1];

	(void)state;
	memset(longest, 'x', PATH_MAX);
	longest[0] = '/';
	refused((oconfig_item_t)ITEM("HistoryDir", MOCK_STRING("")),
		"an absolute path, or \"none\"");
	refused((oconfig_item_t)ITEM("HistoryDir", MOCK_STRING("x/y")),
		"HistoryDir takes an absolute");
	refused((oconfig_item_t)ITEM("HistoryDir", MOCK_BOOLEAN(0)),
		"HistoryDir takes an absolute");
	refused((oconfig_item_t)ITEM("HistoryDir", MOCK_STRING(longest)), "longer than a path");
	refused((oconfig_item_t)ITEM("Procfs", MOCK_STRING("none")),
		"Procfs takes an absolute path");
	refused((oconfig_item_t)ITEM("Backend", MOCK_STRING("bfp")),
		"Backend: 'bfp' is no backend: did you mean bpf?");
	refused((oconfig_item_t)ITEM("Backend", MOCK_STRING("")),
		"Backend: '' is none of auto, bpf, bpf-seq, procfs");
	refused((oconfig_item_t)ITEM("Backend", MOCK_BOOLEAN(1)),
		"Backend takes \"auto\", \"bpf\", \"bpf-seq\" or \"procfs\"");
	refused((oconfig_item_t)ITEM("ReportMeminfo", MOCK_STRING("true")),
		"ReportMeminfo takes true");
	refused((oconfig_item_t)ITEM("IgnoreSelected", MOCK_NUMBER(1)),
		"IgnoreSelected takes true");
	refused((oconfig_item_t)ITEM("ExactCPUs", MOCK_NUMBER(0)),
		"ExactCPUs takes a whole number, 1 to 256, without quotes");
	refused((oconfig_item_t)ITEM("ExactCPUs", MOCK_NUMBER(257)), "ExactCPUs takes");
	refused((oconfig_item_t)ITEM("MaxInstances", MOCK_NUMBER(0)), whole);
	refused((oconfig_item_t)ITEM("MaxInstances", MOCK_NUMBER(-1)), whole);
	refused((oconfig_item_t)ITEM("MaxInstances", MOCK_NUMBER(1.5)), whole);
	refused((oconfig_item_t)ITEM("MaxInstances", MOCK_NUMBER(10001)), whole);
	refused((oconfig_item_t)ITEM("MaxInstances", MOCK_NUMBER(1e300)), whole);
	refused((oconfig_item_t)ITEM("MaxInstances", MOCK_NUMBER(NAN)), whole);
	refused((oconfig_item_t)ITEM("MaxInstances", MOCK_STRING("100")), whole);
	refused((oconfig_item_t)ITEM("Select", MOCK_NUMBER(7)), "Select takes a program name");
	refused((oconfig_item_t)ITEM("Select", MOCK_STRING("")), "Select: ");
	refused((oconfig_item_t)ITEM("Select", MOCK_STRING("/(/")), "Select: pattern \"/(/\"");
}

static void one_value_and_no_block(void **state)
{
	oconfig_item_t inner = ITEM("Name", MOCK_STRING("x"));
	oconfig_item_t nested = ITEM("Select", MOCK_STRING("x"));
	oconfig_item_t bare = {.key = (char *)"Select"};

	(void)state;
	nested.children = &inner;
	nested.children_num = 1;
	refused(nested, "Select takes one value");
	refused(bare, "Select takes one value");
	refused((oconfig_item_t)ITEM("Select", MOCK_STRING("x"), MOCK_STRING("y")),
		"Select takes one value");
}

/* What the file says counts where no option says anything else. */
static void the_file_stands_behind_the_options(void **state)
{
	oconfig_item_t items[] = {ITEM("ConfigFile", MOCK_STRING("none")),
				  ITEM("HistoryDir", MOCK_STRING("/srv/other")),
				  ITEM("HistoryMaxSize", MOCK_STRING("none")),
				  ITEM("HistoryMaxAge", MOCK_STRING("2d")),
				  ITEM("HistoryMinFree", MOCK_STRING("1G")),
				  ITEM("HistorySyncInterval", MOCK_STRING("0"))};
	struct mh_err err = {""};
	char path[512], text[] = "history: {dir: /srv/history, max_size: 3G, max_age: 9d, "
				 "min_free: 7%, sync_interval: 7s}\n";
	struct tree tree;
	struct config c;

	(void)state;
	tree_make(&tree);
	tree_write(&tree, "memhist.yaml", text, sizeof(text) - 1);
	tree_path(&tree, "memhist.yaml", path);
	assert_int_equal(chmod(path, 0640), 0);
	for (int options = 0; options <= 2; options++) {
		items[0].values[0].value.string = options ? path : (char *)"none";
		config_init(&c);
		assert_int_equal(read_items(&c, items, options == 2 ? 6 : 1, &err), 0);
		assert_int_equal(config_complete(&c, &err), 0);
		assert_string_equal(c.history_dir, options == 0   ? "/var/lib/memhist"
						   : options == 1 ? "/srv/history"
								  : "/srv/other");
		if (options == 1) {
			assert_true(c.upkeep.limits.max_bytes == UINT64_C(3) << 30);
			assert_int_equal(c.upkeep.limits.max_age_ms, 9 * 86400 * 1000);
			assert_int_equal(c.upkeep.limits.min_free_percent, 7);
			assert_int_equal(c.upkeep.sync_ms, 7000);
		} else if (options == 2) {
			assert_true(c.upkeep.limits.max_bytes == 0);
			assert_int_equal(c.upkeep.limits.max_age_ms, 2 * 86400 * 1000);
			assert_true(c.upkeep.limits.min_free_bytes == 1 << 30);
			assert_int_equal(c.upkeep.limits.min_free_percent, 0);
			assert_int_equal(c.upkeep.sync_ms, 0);
		}
		config_done(&c);
	}
	assert_int_equal(chmod(path, 0644), 0);
	config_init(&c);
	assert_int_equal(read_items(&c, items, 1, &err), 0);
	assert_int_equal(config_complete(&c, &err), -EPERM);
	assert_non_null(strstr(err.text, "chmod 0640"));
	config_done(&c);
	tree_remove(&tree);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(defaults),
		cmocka_unit_test(every_option_is_taken),
		cmocka_unit_test(names_have_no_case_as_everywhere_in_collectd),
		cmocka_unit_test(blocks_add_up_and_later_options_win),
		cmocka_unit_test(open_files_may_be_none),
		cmocka_unit_test(none_switches_the_history_off),
		cmocka_unit_test(unknown_options_are_named_with_the_nearest),
		cmocka_unit_test(wrong_values_are_refused),
		cmocka_unit_test(one_value_and_no_block),
		cmocka_unit_test(the_file_stands_behind_the_options),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
