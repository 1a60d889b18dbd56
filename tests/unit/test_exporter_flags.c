/* The exporter's command line: defaults, both spellings, and a sentence for everything wrong. */
#include "exporter/flags.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#define PARSE(...) parse((const char *[]){"memhist-exporter", ##__VA_ARGS__, NULL})

static struct settings settings;
static enum flags_answer answer;
static struct mh_err err;
static const struct mh_config *config; /* read, or NULL */

static int parse(const char *const *words)
{
	char *argv[40];
	int argc = 0;

	while (words[argc])
		argc++;
	memcpy(argv, words, ((size_t)argc + 1) * sizeof(argv[0]));
	memset(&settings, 0xee, sizeof(settings));
	err.text[0] = '\0';
	return flags_parse(&settings, &answer, argc, argv, config, &err);
}

static void defaults_are_those_of_the_manual(void **state)
{
	(void)state;
	assert_int_equal(PARSE(), 0);
	assert_int_equal(answer, FLAGS_RUN);
	assert_int_equal(settings.n_listen_addresses, 1);
	assert_string_equal(settings.listen_address[0], "127.0.0.1:19256");
	assert_true(settings.listen_by_default);
	assert_false(settings.systemd_socket);
	assert_string_equal(settings.telemetry_path, "/metrics");
	assert_int_equal(settings.max_series, 250000);
	assert_string_equal(settings.procfs, "/proc");
	assert_int_equal(settings.backend, MH_SCAN_AUTO);
	assert_null(settings.history_dir);
	assert_int_equal(settings.interval_ms, 1000);
	assert_int_equal(settings.process_top, 20);
	assert_int_equal(settings.groups_max, 0); /* as configured */
	assert_null(settings.groups_file);
	assert_false(settings.check_config);
	assert_false(settings.lifecycle);
	assert_int_equal(settings.log_level, LEVEL_INFO);
	assert_null(settings.user);
	assert_false(settings.keep_ptrace);
}

static void values_come_after_an_equals_sign_or_as_the_next_word(void **state)
{
	(void)state;
	assert_int_equal(PARSE("--interval=250ms", "--process.top", "7", "--groups.max=1",
			       "--history.dir", "/h", "--log.level=debug", "--path.procfs=/p",
			       "--web.telemetry-path", "/m/x", "--web.listen-address=:1",
			       "--collector.backend", "bpf-seq", "--collector.open-files=77",
			       "--collector.exact-cpus=64", "--user=memhist", "--user.capabilities",
			       "sys_ptrace"),
			 0);
	assert_int_equal(settings.max_open_files, 77);
	assert_int_equal(settings.exact_cpus, 64);
	assert_string_equal(settings.user, "memhist");
	assert_true(settings.keep_ptrace);
	assert_int_equal(settings.backend, MH_SCAN_BPF_SEQ);
	assert_int_equal(settings.interval_ms, 250);
	assert_int_equal(settings.process_top, 7);
	assert_int_equal(settings.groups_max, 1);
	assert_string_equal(settings.history_dir, "/h");
	assert_int_equal(settings.log_level, LEVEL_DEBUG);
	assert_string_equal(settings.procfs, "/p");
	assert_string_equal(settings.telemetry_path, "/m/x");
	assert_int_equal(settings.n_listen_addresses, 1);
	assert_string_equal(settings.listen_address[0], ":1");
	assert_false(settings.listen_by_default);
}

static void bare_intervals_are_seconds(void **state)
{
	(void)state;
	assert_int_equal(PARSE("--interval=15"), 0);
	assert_int_equal(settings.interval_ms, 15000);
}

static void the_last_of_two_counts(void **state)
{
	(void)state;
	assert_int_equal(
		PARSE("--process.top=1", "--process.top=2", "--history.dir=/h", "--history.dir="),
		0);
	assert_int_equal(settings.process_top, 2);
	assert_null(settings.history_dir);
}

static void addresses_add_up(void **state)
{
	const char *words[LISTENERS_MAX + 3] = {"memhist-exporter"};
	const char *address = "--web.listen-address=127.0.0.1:19256"; /* the default, typed */

	(void)state;
	assert_int_equal(PARSE("--web.listen-address=:1", "--web.systemd-socket",
			       "--web.listen-address", "[::1]:2", "--web.listen-address=:1"),
			 0);
	assert_int_equal(settings.n_listen_addresses, 3);
	assert_string_equal(settings.listen_address[0], ":1");
	assert_string_equal(settings.listen_address[1], "[::1]:2");
	assert_string_equal(settings.listen_address[2], ":1");
	assert_true(settings.systemd_socket);
	for (int i = 0; i < LISTENERS_MAX; i++)
		words[1 + i] = address;
	assert_int_equal(parse(words), 0);
	assert_int_equal(settings.n_listen_addresses, LISTENERS_MAX);
	words[1 + LISTENERS_MAX] = address;
	assert_int_equal(parse(words), -EINVAL);
	assert_string_equal(err.text, "--web.listen-address: it is given more than 16 times");
}

static void help_and_version_answer_at_once(void **state)
{
	(void)state;
	assert_int_equal(PARSE("--help", "--nonsense"), 0);
	assert_int_equal(answer, FLAGS_HELP);
	assert_int_equal(PARSE("-h"), 0);
	assert_int_equal(answer, FLAGS_HELP);
	assert_int_equal(PARSE("--interval=1s", "--version"), 0);
	assert_int_equal(answer, FLAGS_VERSION);
}

static void expect_refusal(const char *argument, const char *sentence)
{
	assert_int_equal(PARSE(argument), -EINVAL);
	assert_string_equal(err.text, sentence);
}

static void wrong_words_are_named(void **state)
{
	(void)state;
	expect_refusal("--histroy.dir=/x", "unknown flag --histroy.dir: did you mean "
					   "--history.dir?");
	expect_refusal("--web.listen-adress", "unknown flag --web.listen-adress: did you mean "
					      "--web.listen-address?");
	expect_refusal("--frobnicate", "unknown flag --frobnicate: see --help");
	expect_refusal("-x", "unknown flag -x: see --help");
	expect_refusal("start", "unexpected argument 'start': see --help");
	expect_refusal("", "unexpected argument '': see --help");
	expect_refusal("--interval", "--interval needs a value (TIME)");
	expect_refusal("--help=yes", "--help takes no value");
	expect_refusal("--config.check=yes", "--config.check takes no value");
}

static void open_files_may_be_none(void **state)
{
	(void)state;
	assert_int_equal(PARSE("--collector.open-files=0"), 0);
	assert_int_equal(settings.max_open_files, MH_SCAN_NO_FILES);
	assert_int_equal(PARSE("--collector.open-files=5", "--collector.open-files=auto"), 0);
	assert_int_equal(settings.max_open_files, 0);
}

static void wrong_values_are_named(void **state)
{
	(void)state;
	expect_refusal("--interval=soon", "--interval: 'soon' is no duration such as 1s, 500ms "
					  "or 1m");
	expect_refusal("--interval=99ms", "--interval: 99ms is outside of 100ms to 1d");
	expect_refusal("--interval=2d", "--interval: 2d is outside of 100ms to 1d");
	expect_refusal("--process.top=1001", "--process.top: '1001' is no number from 0 to 1000");
	expect_refusal("--process.top=-1", "--process.top: '-1' is no number from 0 to 1000");
	expect_refusal("--process.top=99999999999999999999",
		       "--process.top: '99999999999999999999' is no number from 0 to 1000");
	expect_refusal("--groups.max=0", "--groups.max: '0' is no number from 1 to 10000");
	expect_refusal("--groups.max=", "--groups.max: '' is no number from 1 to 10000");
	expect_refusal("--collector.backend=bfp",
		       "--collector.backend: 'bfp' is no backend: did you mean bpf?");
	expect_refusal("--collector.backend=",
		       "--collector.backend: '' is none of auto, bpf, bpf-seq, procfs");
	expect_refusal(
		"--collector.open-files=many",
		"--collector.open-files: 'many' is neither auto nor a number from 0 to 1000000");
	expect_refusal("--collector.open-files=1000001",
		       "--collector.open-files: '1000001' is neither auto nor a number from 0 to "
		       "1000000");
	expect_refusal("--collector.exact-cpus=0",
		       "--collector.exact-cpus: '0' is no number from 1 to 256");
	expect_refusal("--user.capabilities=sys_admin",
		       "--user.capabilities: 'sys_admin' is not sys_ptrace, the only capability "
		       "of use here");
	expect_refusal("--user.capabilities=sys_ptrace",
		       "--user.capabilities needs --user: without it, sys_ptrace is kept where "
		       "it is there");
	expect_refusal("--log.level=loud",
		       "--log.level: 'loud' is none of debug, info, warn, error");
	expect_refusal("--path.procfs=", "--path.procfs: an empty path is no directory; leave the "
					 "flag out for /proc");
	expect_refusal("--web.telemetry-path=metrics",
		       "--web.telemetry-path: 'metrics' is no path such as /metrics (letters, "
		       "digits and -._~/)");
	expect_refusal("--web.telemetry-path=/a?b",
		       "--web.telemetry-path: '/a?b' is no path such as /metrics (letters, "
		       "digits and -._~/)");
	expect_refusal("--web.telemetry-path=/api/v1/a",
		       "--web.telemetry-path: /api/v1/a is taken: another page of the exporter is "
		       "there");
	expect_refusal("--web.telemetry-path=/", "--web.telemetry-path: / is taken: another page "
						 "of the exporter is there");
	expect_refusal("--web.telemetry-path=/-/ready",
		       "--web.telemetry-path: /-/ready is taken: another page of the exporter is "
		       "there");
}

static void help_is_narrow_and_names_every_flag(void **state)
{
	static const char *const names[] = {"--config.file=FILE",
					    "--web.listen-address=ADDR",
					    "--web.telemetry-path=PATH",
					    "--web.max-series=N",
					    "--path.procfs=DIR",
					    "--collector.backend=NAME",
					    "--collector.open-files=N",
					    "--collector.exact-cpus=N",
					    "--history.dir=DIR",
					    "--interval=TIME",
					    "--process.top=N",
					    "--groups.max=N",
					    "--log.level=LEVEL",
					    "--version",
					    "--help"};
	struct mh_buf out = MH_BUF_INIT(1 << 16);
	const char *line, *end;
	int lines = 0;

	(void)state;
	flags_help(&out);
	line = mh_buf_str(&out);
	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++)
		assert_non_null(strstr(line, names[i]));
	for (; (end = strchr(line, '\n')); line = end + 1, lines++)
		assert_in_range(end - line, 0, 80);
	assert_string_equal(line, "");
	assert_in_range(lines, 10, 48);
	mh_buf_done(&out);
}

/* Defaults, then the file, then what was typed. */
static void flags_win_over_the_configuration(void **state)
{
	static const char text[] =
		"history: {dir: /srv/history, max_size: 3G, max_age: 9d, sync_interval: 7s}\n";
	struct mh_config c;

	(void)state;
	assert_int_equal(PARSE(), 0);
	assert_null(settings.config_file);
	assert_int_equal(PARSE("--config.file="), 0);
	assert_string_equal(settings.config_file, "");
	assert_int_equal(mh_config_parse(&c, text, sizeof(text) - 1, &err), 0);
	config = &c;
	assert_int_equal(PARSE("--config.file=/x.yaml"), 0);
	assert_string_equal(settings.config_file, "/x.yaml");
	assert_string_equal(settings.history_dir, "/srv/history");
	assert_true(settings.upkeep.limits.max_bytes == UINT64_C(3) << 30);
	assert_int_equal(settings.upkeep.limits.min_free_percent, 5);
	assert_int_equal(settings.upkeep.sync_ms, 7000);
	assert_int_equal(PARSE("--history.max-size=none", "--history.sync-interval=0"), 0);
	assert_int_equal(settings.upkeep.limits.max_bytes, 0);
	assert_int_equal(settings.upkeep.limits.max_age_ms, 9 * 86400 * 1000);
	assert_int_equal(settings.upkeep.sync_ms, 0);
	assert_int_equal(PARSE("--history.dir=/other"), 0);
	assert_string_equal(settings.history_dir, "/other");
	assert_int_equal(PARSE("--history.dir="), 0);
	assert_null(settings.history_dir);
	config = NULL;
	mh_config_done(&c);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(defaults_are_those_of_the_manual),
		cmocka_unit_test(values_come_after_an_equals_sign_or_as_the_next_word),
		cmocka_unit_test(bare_intervals_are_seconds),
		cmocka_unit_test(the_last_of_two_counts),
		cmocka_unit_test(addresses_add_up),
		cmocka_unit_test(help_and_version_answer_at_once),
		cmocka_unit_test(wrong_words_are_named),
		cmocka_unit_test(open_files_may_be_none),
		cmocka_unit_test(wrong_values_are_named),
		cmocka_unit_test(flags_win_over_the_configuration),
		cmocka_unit_test(help_is_narrow_and_names_every_flag),
	};

	return cmocka_run_group_tests_name("exporter_flags", tests, NULL, NULL);
}
