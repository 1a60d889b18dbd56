/* `remote_write` in configurations: one mistake each and the sentence for it; and what is read. */
#include "libmemhist/config/config.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#define URL "- url: http://a/w\n  "

/* What stands below remote_write; lines count from 2. */
static const struct {
	const char *bytes;
	const char *sentence;
} bad[] = {
	{" {}\n", "2:2: “remote_write” takes a list of endpoints (“- url: …”)"},
	{" http://a/w\n", "2:2: “remote_write” takes a list of endpoints (“- url: …”)"},
	{" [http://a/w]\n", "2:3: an endpoint is keys and their values (“url: …”)"},
	{"- name: x\n", "2:3: an endpoint wants a “url”"},
	{"- url: ftp://a/w\n", "2:8: “url”: "},
	{"- url: a/w\n", "2:8: “url”: "},
	{"- url: http://user:secret@a/w\n", "2:8: “url”: "},
	{"- ulr: http://a/w\n", "2:3: unknown key “ulr”: did you mean “url”?"},
	{URL "remote_timout: 1s\n",
	 "3:3: unknown key “remote_timout”: did you mean “remote_timeout”?"},
	{URL "queue: {}\n", "3:3: unknown key “queue”: see memhist.yaml(5)"},
	{URL "protobuf_mesage: auto\n",
	 "3:3: unknown key “protobuf_mesage”: did you mean “protobuf_message”?"},
	{URL "write_relabel_configs: []\n",
	 "3:3: unknown key “write_relabel_configs”: see memhist.yaml(5)"},
	{URL "protobuf_message: 2.0\n",
	 "3:21: “protobuf_message” is prometheus.WriteRequest, io.prometheus.write.v2.Request or "
	 "auto"},
	{URL "protobuf_message: prometheus.WriteRequst\n",
	 "3:21: “prometheus.WriteRequst” is not known: did you mean “prometheus.WriteRequest”?"},
	{URL "protobuf_message:\n",
	 "3:20: “protobuf_message” is prometheus.WriteRequest, io.prometheus.write.v2.Request or "
	 "auto"},
	{URL "name: []\n", "3:9: “name” is a text of up to 255 bytes"},
	{URL "name: ''\n", "3:9: “name” is a text of up to 255 bytes"},
	{URL "name: \"a\\nb\"\n", "3:9: “name” has a line break or control character in it"},
	{URL "external_labels: [a]\n",
	 "3:20: “external_labels” takes names and their values (“cluster: …”)"},
	{URL "external_labels: {1a: b}\n",
	 "3:21: a label's name is letters, digits and _, and does "
	 "not begin with a digit or __"},
	{URL "external_labels: {a-b: b}\n", "3:21: a label's name is letters, digits and _, and "
					    "does not begin with a digit or __"},
	{URL "external_labels: {__name__: b}\n", "3:21: a label's name is letters, digits and _, "
						 "and does not begin with a digit or __"},
	{URL "external_labels: {\303\274: b}\n", "3:21: a label's name is letters, digits and _, "
						 "and does not begin with a digit or __"},
	{URL "external_labels: {'': b}\n", "3:21: a label's name is letters, digits and _, and "
					   "does not begin with a digit or __"},
	{URL "external_labels: {pid: b}\n",
	 "3:21: “pid” cannot be chosen: memhist has a label of that name"},
	{URL "external_labels: {a: [b]}\n", "3:24: “a” takes one value; \"\" leaves the label out"},
	{URL "external_labels: {a: ~}\n", "3:24: “a” takes one value; \"\" leaves the label out"},
	{URL "external_labels: {a: b, a: c}\n", "3:27: “a” stands here a second time: see line 3"},
	{URL "backfill: 1\n", "3:13: “backfill” is a length of time: 30s (0 s to "},
	{URL "backfill: -1s\n", "3:13: “backfill” is a length of time: 30s (0 s to "},
	{URL "backfill: 101y\n", "3:13: “backfill” is a length of time: 30s (0 s to "},
	{URL "remote_timeout: 0s\n", "3:19: “remote_timeout” is a length of time"},
	{URL "queue_config: [a]\n",
	 "3:17: “queue_config” takes keys and their values (“max_samples_per_send: …”)"},
	{URL "queue_config: {capacity: 1}\n", "3:18: unknown key “capacity”: see memhist.yaml(5)"},
	{URL "queue_config: {min_bakoff: 1s}\n",
	 "3:18: unknown key “min_bakoff”: did you mean “min_backoff”?"},
	{URL "queue_config: {max_samples_per_send: 0}\n",
	 "3:40: “max_samples_per_send” is a number from 1 to 10000"},
	{URL "queue_config: {max_samples_per_send: 10001}\n",
	 "3:40: “max_samples_per_send” is a number from 1 to 10000"},
	{URL "queue_config: {max_samples_per_send: 99999999999999999999}\n",
	 "3:40: “max_samples_per_send” is a number from 1 to 10000"},
	{URL "queue_config: {max_samples_per_send: many}\n",
	 "3:40: “max_samples_per_send” is a number from 1 to 10000"},
	{URL "queue_config: {batch_send_deadline: 0s}\n",
	 "3:39: “batch_send_deadline” is a length of time: 30s (10 ms to 1 h)"},
	{URL "queue_config: {batch_send_deadline: 2h}\n",
	 "3:39: “batch_send_deadline” is a length of time: 30s (10 ms to 1 h)"},
	{URL "queue_config: {min_backoff: 0s}\n",
	 "3:31: “min_backoff” is a length of time: 30s (1 ms to 1 h)"},
	{URL "queue_config: {min_backoff: 6s}\n", "3:17: “min_backoff” is longer than "
						  "“max_backoff”"},
	{URL "queue_config: {max_backoff: 1ms}\n", "3:17: “min_backoff” is longer than "
						   "“max_backoff”"},
	{URL "queue_config: {sample_age_limit: long}\n",
	 "3:36: “sample_age_limit” is a length of time: 30s (0 s to "},
	{URL "send: all\n", "3:9: “send” takes keys and their values (“processes: …”)"},
	{URL "send: {process: 1}\n", "3:10: unknown key “process”: did you mean “processes”?"},
	{URL "send: {processes: -1}\n", "3:21: “processes” is a number, or all"},
	{URL "send: {processes: some}\n", "3:21: “processes” is a number, or all"},
	{URL "send: {processes: 100001}\n", "3:21: “processes” is a number from 0 to 100000"},
	{URL "send: {programs: bash}\n",
	 "3:20: “programs” takes a list of names and /expressions/"},
	{URL "send: {programs: [[bash]]}\n", "3:21: a program is a name, or an /expression/"},
	{URL "send: {programs: ['/(/']}\n", "3:21: “programs”: "},
	{URL "send: {process_fields: rss}\n",
	 "3:26: “process_fields” takes a list of fields: [rss, vsz]"},
	{URL "send: {process_fields: []}\n",
	 "3:26: “process_fields” takes a list of fields: [rss, vsz]"},
	{URL "send: {process_fields: [rrs]}\n", "3:27: “rrs” is no field: did you mean “rss”?"},
	{URL "send: {process_fields: [temperature]}\n", "3:27: “temperature” is no field"},
	{URL "send: {group_fields: [peak]}\n", "3:25: “peak” is no field of groups"},
	{URL "send: {groups: maybe}\n", "3:18: “groups”: “maybe” is neither true nor false"},
	{URL "send: {meminfo: [no]}\n", "3:19: “meminfo”: it is true or false"},
	{URL "send: {max_series: 0}\n", "3:22: “max_series” is a number from 1 to 100000"},
	{URL "basic_auth: {username: a, pasword: b}\n", "3:29: unknown key “pasword”"},
	{URL "headers: {Content-Type: text/plain}\n", "3:13: “Content-Type” cannot be chosen"},
	{URL "headers: {X-Prometheus-Remote-Write-Version: 9}\n",
	 "3:13: “X-Prometheus-Remote-Write-Version” cannot be chosen"},
	{URL "headers: {Content-Encoding: gzip}\n", "3:13: “Content-Encoding” cannot be chosen"},
	{"- url: http://a/w\n- url: http://a/w\n",
	 "3:3: two endpoints are called “a/w”: give one another “name”"},
	{"- url: http://a/w?x=1\n- url: https://a/w\n",
	 "3:3: two endpoints are called “a/w”: give one another “name”"},
	{"- url: http://a/1\n- url: http://a/2\n- url: http://a/3\n- url: http://a/4\n"
	 "- url: http://a/5\n- url: http://a/6\n- url: http://a/7\n- url: http://a/8\n"
	 "- url: http://a/9\n",
	 "2:1: more than 8 endpoints"},
};

static void sentences(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		char bytes[1000];
		struct mh_config c;
		struct mh_err err = {""};
		size_t len = (size_t)snprintf(bytes, sizeof(bytes), "remote_write:\n%s",
					      bad[i].bytes);

		if (mh_config_parse(&c, bytes, len, &err) != -EBADMSG ||
		    strncmp(err.text, bad[i].sentence, strlen(bad[i].sentence)) != 0)
			fail_msg("row %zu:\n%s\nsays: %s\nnot:  %s", i, bytes, err.text,
				 bad[i].sentence);
		assert_null(strstr(err.text, "secret"));
	}
}

static void read_good(struct mh_config *c, const char *bytes)
{
	struct mh_err err = {""};

	if (mh_config_parse(c, bytes, strlen(bytes), &err))
		fail_msg("%s", err.text);
}

static void everything_that_can_be_said(void **state)
{
	struct mh_config c;
	const struct mh_remote_write *w;

	(void)state;
	read_good(&c, "remote_write:\n"
		      "  - url: https://store.example:9090/api/v1/write?token=x\n"
		      "    remote_timeout: 10s\n"
		      "    headers: {X-Scope-OrgID: team}\n"
		      "    authorization: {credentials_file: token}\n"
		      "    tls_config: {ca_file: /etc/ca.pem}\n"
		      "    protobuf_message: auto\n"
		      "    external_labels: {zone: b, cluster: a, instance: \"\"}\n"
		      "    backfill: 1h\n"
		      "    queue_config:\n"
		      "      max_samples_per_send: 500\n"
		      "      batch_send_deadline: 1s\n"
		      "      min_backoff: 100ms\n"
		      "      max_backoff: 10s\n"
		      "      sample_age_limit: 50m\n"
		      "    send:\n"
		      "      processes: all\n"
		      "      programs: [bash, /^java/]\n"
		      "      process_fields: [rss, peak]\n"
		      "      groups: false\n"
		      "      group_fields: [swap]\n"
		      "      meminfo: no\n"
		      "      max_series: 1000\n"
		      "  - {url: http://b/w, name: second, protobuf_message: "
		      "io.prometheus.write.v2.Request}\n");
	assert_int_equal(c.n_remote, 2);
	w = &c.remote[0];
	assert_string_equal(w->http.url, "https://store.example:9090/api/v1/write?token=x");
	assert_string_equal(w->http.authorization.credentials_file, "./token");
	assert_int_equal(w->http.remote_timeout_ms, 10000);
	/* what can be a secret is in no name */
	assert_string_equal(w->name, "store.example:9090/api/v1/write");
	assert_int_equal(w->message, MH_REMOTE_MESSAGE_AUTO);
	assert_int_equal(w->n_labels, 3);
	assert_string_equal(w->label[0].name, "cluster");
	assert_string_equal(w->label[1].name, "instance");
	assert_string_equal(w->label[1].value, "");
	assert_string_equal(w->label[2].value, "b");
	assert_int_equal(w->backfill_ms, 3600 * 1000);
	assert_int_equal(w->max_samples_per_send, 500);
	assert_int_equal(w->batch_send_deadline_ms, 1000);
	assert_int_equal(w->min_backoff_ms, 100);
	assert_int_equal(w->max_backoff_ms, 10000);
	assert_int_equal(w->sample_age_limit_ms, 50 * 60 * 1000);
	assert_true(w->processes == MH_REMOTE_ALL);
	assert_true(mh_select_name(&w->programs, "javac", 5));
	assert_false(mh_select_name(&w->programs, "xbash", 5));
	assert_int_equal(w->process_fields, MH_FIELDS(RSS) | MH_FIELDS(PEAK));
	assert_int_equal(w->group_fields, MH_FIELDS(SWAP));
	assert_true(w->no_groups && w->no_meminfo);
	assert_int_equal(w->max_series, 1000);
	assert_string_equal(c.remote[1].name, "second");
	assert_int_equal(c.remote[1].message, MH_REMOTE_MESSAGE_V2);
	mh_config_done(&c);
}

static void defaults(void **state)
{
	struct mh_config c;
	const struct mh_remote_write *w;
	struct mh_config_item item;

	(void)state;
	read_good(&c, "remote_write:\n- url: http://a/w\n  queue_config:\n  send:\n");
	w = &c.remote[0];
	assert_int_equal(w->message, MH_REMOTE_MESSAGE_V1);
	assert_int_equal(w->max_samples_per_send, 2000);
	assert_int_equal(w->batch_send_deadline_ms, 5000);
	assert_int_equal(w->min_backoff_ms, 30);
	assert_int_equal(w->max_backoff_ms, 5000);
	assert_int_equal(w->sample_age_limit_ms, 0);
	assert_int_equal(w->backfill_ms, 0);
	assert_int_equal(w->processes, 50);
	assert_int_equal(w->max_series, 20000);
	assert_false(w->no_groups || w->no_meminfo);
	assert_int_equal(w->n_labels, 0);
	mh_config_item(&c, MH_CONFIG_REMOTE_WRITE, &item);
	assert_int_equal(item.n, 1);
	assert_string_equal(item.value[0], "a/w");
	mh_config_done(&c);

	read_good(&c, "remote_write:\n");
	assert_int_equal(c.n_remote, 0);
	mh_config_done(&c);
	read_good(&c, "remote_write: []\n");
	assert_int_equal(c.n_remote, 0);
	mh_config_done(&c);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(sentences),
		cmocka_unit_test(everything_that_can_be_said),
		cmocka_unit_test(defaults),
	};

	return cmocka_run_group_tests_name("remote_config", tests, NULL, NULL);
}
