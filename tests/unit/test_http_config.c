/*
 * HTTP clients in configurations: what is read of good ones, and the sentence for each mistake in
 * bad ones. A new mistake is a new row.
 */
#include "libmemhist/config/http.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include <cmocka.h>

static const struct {
	const char *bytes;
	const char *sentence;
} bad[] = {
	{"basic_aut: {}\n", "1:1: unknown key “basic_aut”: did you mean “basic_auth”?"},
	{"xyzzy: {}\n", "1:1: unknown key “xyzzy”: see memhist.yaml(5)"},
	{"url: http://x\n", "1:1: “url” is said on the command line"},
	{"[a]\n", "1:1: a configuration is keys and their values (“basic_auth: …”)"},
	{"basic_auth: user\n", "1:13: “basic_auth” takes keys and their values (“username: …”)"},
	{"basic_auth: {}\n", "1:13: “basic_auth” wants a “username”"},
	{"basic_auth: {usernam: x}\n", "1:14: unknown key “usernam”: did you mean “username”?"},
	{"basic_auth: {username: a:b}\n",
	 "1:24: “username” has a colon in it, which HTTP cannot say"},
	{"basic_auth: {username: }\n", "1:24: “username” takes one value"},
	{"basic_auth: {username: [a]}\n", "1:24: “username” takes one value"},
	{"basic_auth: {username: u, password: a, password_file: b}\n",
	 "1:40: “password” and “password_file” are two ways of saying the same"},
	{"basic_auth: {username: u, password: \"a\\nb\"}\n",
	 "1:37: “password” has a line break or control character in it"},
	{"authorization: {type: Bearer}\n",
	 "1:16: “authorization” wants “credentials_file” or “credentials”"},
	{"authorization: {type: basic, credentials: x}\n",
	 "1:23: “type” cannot be Basic: that is what “basic_auth” is for"},
	{"authorization: {type: 'a b', credentials: x}\n",
	 "1:23: “type” is one word, such as Bearer"},
	{"authorization: {credentials_file: a, credentials: b}\n",
	 "1:38: “credentials” and “credentials_file” are two ways of saying the same"},
	{"basic_auth: {username: u}\nbearer_token_file: x\n",
	 "2:1: “basic_auth”, “authorization”, “bearer_token” and “bearer_token_file” exclude one "
	 "another"},
	{"bearer_token: x\nauthorization: {credentials: y}\n",
	 "2:1: “basic_auth”, “authorization”, “bearer_token” and “bearer_token_file” exclude one "
	 "another"},
	{"bearer_token: x\nbasic_auth: {username: y}\n",
	 "2:1: “basic_auth”, “authorization”, “bearer_token” and “bearer_token_file” exclude one "
	 "another"},
	{"tls_config: {ca: x}\n", "1:14: unknown key “ca”: see memhist.yaml(5)"},
	{"tls_config: {cert_file: x}\n", "1:13: “cert_file” and “key_file” go together"},
	{"tls_config: {key_file: x}\n", "1:13: “cert_file” and “key_file” go together"},
	{"tls_config: {min_version: TLS10}\n",
	 "1:27: “min_version” is TLS12 or TLS13: older ones are broken"},
	{"tls_config: {insecure_skip_verify: 1}\n",
	 "1:36: “insecure_skip_verify”: “1” is neither true nor false"},
	{"tls_config: {server_name: 'a:1'}\n", "1:27: “server_name” is the name of a machine"},
	{"proxy_url: 'socks5://secret'\n",
	 "1:12: “proxy_url”: it is http://HOST:PORT of a proxy for HTTP"},
	{"proxy_url: 'http://u:secret@localhost:99999'\n",
	 "1:12: “proxy_url”: it is http://HOST:PORT of a proxy for HTTP: a port is a number from 1 "
	 "to 65535"},
	{"proxy_url: 'http://u:secret@'\n",
	 "1:12: “proxy_url”: it is http://HOST:PORT of a proxy for HTTP: there is no host in the "
	 "URL"},
	{"proxy_url: 'http://u:secret@[::1'\n",
	 "1:12: “proxy_url”: it is http://HOST:PORT of a proxy for HTTP: an IPv6 address is in "
	 "brackets: http://[::1]:9090"},
	{"proxy_url: 'http://u:secret@a b:1'\n",
	 "1:12: “proxy_url”: it is http://HOST:PORT of a proxy for HTTP, without blanks, “#” and "
	 "“?”"},
	{"proxy_url: 'http://u:sec/ret@a:1'\n",
	 "1:12: “proxy_url”: it is http://HOST:PORT of a proxy for HTTP: a “/” in a password is "
	 "%2F"},
	{"remote_timeout: 30\n", "1:17: “remote_timeout” is a length of time up to an hour: 30s"},
	{"remote_timeout: 2h\n", "1:17: “remote_timeout” is a length of time up to an hour: 30s"},
	{"headers: [a]\n", "1:10: “headers” takes names and their values (“X-Name: …”)"},
	{"headers: {'a b': c}\n", "1:11: this is no name of a header"},
	{"headers: {X-A: \"b\\r\\nX-C: d\"}\n",
	 "1:16: “X-A” has a line break or control character in it"},
	{"headers: {Content-Encoding: x}\n",
	 "1:11: “Content-Encoding” cannot be chosen: memhist sends it itself, or never"},
	{"headers: {authorization: x}\n",
	 "1:11: “authorization” cannot be chosen: memhist sends it itself, or never"},
	{"follow_redirects: true\n",
	 "1:19: redirects are never followed: they could lead passwords to others; give the URL "
	 "that they lead to"},
	{"enable_http2: perhaps\n", "1:15: “enable_http2”: “perhaps” is neither true nor false"},
};

static char folder[4096];
static char path[4200];

static int set_up(void **state)
{
	(void)state;
	snprintf(folder, sizeof(folder), "%s/memhist-test-XXXXXX",
		 getenv("TMPDIR") ? getenv("TMPDIR") : "/tmp");
	if (!mkdtemp(folder))
		return -1;
	snprintf(path, sizeof(path), "%s/http.yml", folder);
	return 0;
}

static int tear_down(void **state)
{
	(void)state;
	unlink(path);
	return rmdir(folder);
}

static int read_text(struct mh_http_file *ret, const char *text, mode_t mode, struct mh_err *err)
{
	FILE *f;

	unlink(path);
	f = fopen(path, "w");
	assert_non_null(f);
	fputs(text, f);
	fclose(f);
	assert_int_equal(chmod(path, mode), 0);
	return mh_http_file_read(ret, path, err);
}

static void mistakes_are_told(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		char expected[5000];
		struct mh_err err = {""};
		struct mh_http_file f;

		if (read_text(&f, bad[i].bytes, 0600, &err) != -EBADMSG)
			fail_msg("%s is taken", bad[i].bytes);
		snprintf(expected, sizeof(expected), "%s:%s", path, bad[i].sentence);
		assert_string_equal(err.text, expected);
	}
}

static void everything_is_read(void **state)
{
	const struct mh_http_config *c;
	struct mh_http_file f;
	struct mh_err err = {""};
	char expected[5000];

	(void)state;
	assert_int_equal(read_text(&f,
				   "remote_timeout: 1m30s\n"
				   "basic_auth: {username: u, password_file: p}\n"
				   "tls_config:\n"
				   "  ca_file: /ca\n"
				   "  cert_file: c\n"
				   "  key_file: k\n"
				   "  server_name: s\n"
				   "  insecure_skip_verify: true\n"
				   "  min_version: TLS13\n"
				   "proxy_url: http://proxy:1\n"
				   "follow_redirects: false\n"
				   "enable_http2: true\n",
				   0644, &err),
			 0);
	c = &f.config;
	assert_int_equal(c->remote_timeout_ms, 90000);
	assert_string_equal(c->basic_auth.user, "u");
	snprintf(expected, sizeof(expected), "%s/p", folder);
	assert_string_equal(c->basic_auth.password_file, expected);
	assert_string_equal(c->tls.ca_file, "/ca");
	snprintf(expected, sizeof(expected), "%s/k", folder);
	assert_string_equal(c->tls.key_file, expected);
	assert_string_equal(c->tls.server_name, "s");
	assert_true(c->tls.insecure_skip_verify);
	assert_int_equal(c->tls.min_version, MH_TLS_1_3);
	assert_string_equal(c->proxy_url, "http://proxy:1");
	assert_null(c->url);
	mh_http_file_done(&f);

	assert_int_equal(
		read_text(&f, "headers: {X-A: b, X-C: 'd e'}\nbearer_token: t\n", 0600, &err), 0);
	assert_int_equal(f.config.n_headers, 2);
	assert_string_equal(f.config.header[1].name, "X-C");
	assert_string_equal(f.config.header[1].value, "d e");
	assert_string_equal(f.config.authorization.type, "Bearer");
	assert_string_equal(f.config.authorization.credentials, "t");
	mh_http_file_done(&f);

	assert_int_equal(read_text(&f, "# nothing\n", 0644, &err), 0);
	assert_null(f.config.authorization.type);
	mh_http_file_done(&f);
}

static void secrets_are_not_for_everybody(void **state)
{
	static const char *const secret[] = {
		"basic_auth: {username: u, password: p}\n", "bearer_token: t\n",
		"authorization: {credentials: t}\n",        "headers: {X-Token: t}\n",
		"proxy_url: http://u:p@proxy:1\n",
	};
	struct mh_http_file f;
	struct mh_err err;

	(void)state;
	for (size_t i = 0; i < sizeof(secret) / sizeof(secret[0]); i++) {
		assert_int_equal(read_text(&f, secret[i], 0644, &err), -EPERM);
		assert_non_null(strstr(err.text, "may be read by everybody"));
		assert_int_equal(read_text(&f, secret[i], 0640, &err), 0);
		assert_true(mh_http_config_has_secret(&f.config));
		mh_http_file_done(&f);
	}
	assert_int_equal(read_text(&f, "bearer_token_file: t\n", 0666, &err), -EPERM);
}

/* What is offered for suggestions is what is taken. */
static void the_list_of_keys_is_true(void **state)
{
	struct mh_document d;
	struct mh_err err;

	(void)state;
	for (const char *const *key = mh_http_config_keys; *key; key++) {
		struct mh_http_config c = {0};
		char text[64];

		snprintf(text, sizeof(text), "%s: []\n", *key);
		assert_int_equal(mh_document_read(&d, text, strlen(text), &err), 0);
		assert_int_equal(mh_http_config_take(&c, &d, "/", d.root->first, &err), -EBADMSG);
		mh_document_done(&d);
	}
	assert_int_equal(mh_document_read(&d, "name: x\n", 8, &err), 0);
	assert_int_equal(
		mh_http_config_take(&(struct mh_http_config){0}, &d, "/", d.root->first, &err), 0);
	mh_document_done(&d);
}

static void urls_are_checked(void **state)
{
	static const char *const good[] = {
		"http://x",     "https://x.example:1/a/b?c=d", "HTTP://[::1]:9090/",
		"http://x/a@b", "http://x:65535?a=:0",         "http://[fe80::1%25eth0]:1",
	};
	static const char *const wrong[] = {
		"",
		"x:9090",
		"ftp://x",
		"http://",
		"http://:80/",
		"http:///x",
		"http://u:secret@x/",
		"http://u@x",
		"http://x/a b",
		"http://x/\xc3\xa4",
		"http://x/\n",
		"http://x/#secret",
		"file:///etc/passwd",
		"http://x:65536/",
		"http://x:0/",
		"http://x:",
		"http://x:1a",
		"http://x:111111",
		"http://x:1:2",
		"http://[::1",
		"http://[]/",
		"http://[x]/",
		"http://[::1]1",
		"http://[::1/]",
		"http://[/]",
		"http://[::1%/]",
		"http://a{b}/",
	};
	struct mh_err err;

	(void)state;
	for (size_t i = 0; i < sizeof(good) / sizeof(good[0]); i++)
		assert_int_equal(mh_http_url_check(good[i], &err), 0);
	for (size_t i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++) {
		assert_int_equal(mh_http_url_check(wrong[i], &err), -EINVAL);
		assert_null(strstr(err.text, "secret"));
	}
}

static void proxies_are_checked(void **state)
{
	static const char *const good[] = {
		"http://x",
		"HTTP://u:p@x:3128/",
		"http://u:p@q@[::1]:1",
		"http://u@x",
	};
	static const char *const wrong[] = {
		"",
		"https://x",
		"http://",
		"http:///",
		"http://u:secret@",
		"http://u:secret@:1",
		"http://u:secret@[",
		"http://secret@x:0",
		"http://u:secret@x:99999",
		"http://x/secret",
		"http://secret\t@x:1",
		"http://x:1@",
	};
	struct mh_err err;

	(void)state;
	for (size_t i = 0; i < sizeof(good) / sizeof(good[0]); i++)
		assert_int_equal(mh_http_proxy_check(good[i], &err), 0);
	for (size_t i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++) {
		assert_int_equal(mh_http_proxy_check(wrong[i], &err), -EINVAL);
		assert_null(strstr(err.text, "secret"));
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(mistakes_are_told),
		cmocka_unit_test(everything_is_read),
		cmocka_unit_test(secrets_are_not_for_everybody),
		cmocka_unit_test(the_list_of_keys_is_true),
		cmocka_unit_test(urls_are_checked),
		cmocka_unit_test(proxies_are_checked),
	};

	umask(022);
	return cmocka_run_group_tests(tests, set_up, tear_down);
}
