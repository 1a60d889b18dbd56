/*
 * Web configurations: one mistake each and its sentence, good ones and what is read of them, and
 * what GnuTLS is told. Whether promtool says the same is looked at by an integration test.
 */
#include "libmemhist/config/web.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#define SALT    "QOauhQNbBCuQDKes6eFzPe"
#define REST    "MqBSjb7Mr5DUmpZ/VcEd00UAV/LDeSi"
#define HASH(c) "$2y$" c "$" SALT REST
#define TLS     "tls_server_config: {cert_file: c, key_file: k, "
#define USERS   "basic_auth_users: "
#define HEADERS "http_server_config: {headers: "
#define COST(n)                                                                               \
	"the hash of “a” has cost " n ", and 4 to 12 are allowed: each one more doubles the " \
	"time that a wrong password takes here"
#define NO_HASH                                                                                     \
	"the password of “a” is no bcrypt hash ($2b$10$ and 53 characters): see htpasswd -nBC " \
	"10 a"

static const struct {
	const char *bytes;
	const char *sentence;
} bad[] = {
	{"x", "1:1: a web configuration is keys and their values (“tls_server_config: …”)"},
	{"tls_config: {}", "1:1: unknown key “tls_config”: see memhist-web.yaml(5)"},
	{"tls_serverconfig: {}",
	 "1:1: unknown key “tls_serverconfig”: did you mean “tls_server_config”?"},
	{"basic_auth_user: {}",
	 "1:1: unknown key “basic_auth_user”: did you mean “basic_auth_users”?"},
	{"tls_server_config: yes",
	 "1:20: “tls_server_config” takes keys and their values (“cert_file: …”)"},
	{"tls_server_config:\n  certfile: x\n",
	 "2:3: unknown key “certfile”: did you mean “cert_file”?"},
	{"tls_server_config:\n  cert_file: [x]\n",
	 "2:14: “cert_file” takes one value, not several"},
	{"tls_server_config: {cert_file: x}",
	 "1:20: “tls_server_config” has neither “key_file” nor “key”, which TLS cannot do without"},
	{"tls_server_config: {key_file: x}",
	 "1:20: “tls_server_config” has neither “cert_file” nor “cert”, which TLS cannot do "
	 "without"},
	{"tls_server_config: {min_version: TLS13}",
	 "1:20: “tls_server_config” has neither “cert_file” nor “cert”, which TLS cannot do "
	 "without"},
	{TLS "cert: x}", "1:20: of “cert” and “cert_file” one too many"},
	{TLS "key: x}", "1:20: of “key” and “key_file” one too many"},
	{TLS "min_version: TLS1.2}", "1:61: unknown TLS version “TLS1.2”: did you mean “TLS12”?"},
	{TLS "min_version: 1.2}", "1:61: unknown TLS version “1.2”: see memhist-web.yaml(5)"},
	{TLS "min_version: TLS13, max_version: TLS12}",
	 "1:20: “min_version” is TLS13 and “max_version” TLS12: nothing is between them"},
	{TLS "client_ca_file: ca}",
	 "1:20: “client_ca_file” without a “client_auth_type”: say RequireAndVerifyClientCert to "
	 "let in only whom it has signed"},
	{TLS "client_ca: ca, client_auth_type: NoClientCert}",
	 "1:20: “client_ca_file” without a “client_auth_type”: say RequireAndVerifyClientCert to "
	 "let in only whom it has signed"},
	{TLS "client_auth_type: RequireAndVerifyClientCerts}",
	 "1:66: unknown client_auth_type “RequireAndVerifyClientCerts”: did you mean "
	 "“RequireAndVerifyClientCert”?"},
	{TLS "client_allowed_sans: [a]}",
	 "1:20: “client_allowed_sans” takes the “client_auth_type” RequireAndVerifyClientCert, or "
	 "RequireAnyClientCert"},
	{TLS "client_auth_type: VerifyClientCertIfGiven, client_allowed_sans: [a]}",
	 "1:20: “client_allowed_sans” takes the “client_auth_type” RequireAndVerifyClientCert, or "
	 "RequireAnyClientCert"},
	{TLS "client_auth_type: RequireAnyClientCert, client_allowed_sans: []}",
	 "1:109: “client_allowed_sans” with nothing in it lets nobody in: leave it out, or say who "
	 "is meant"},
	{TLS "cipher_suites: TLS_AES_128_GCM_SHA256}", "1:63: “cipher_suites” takes a list"},
	{TLS "cipher_suites: [[a]]}", "1:64: “cipher_suites” takes a list of words"},
	{TLS "cipher_suites: [TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA265]}",
	 "1:64: unknown cipher suite “TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA265”: did you mean "
	 "“TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256”?"},
	{TLS "cipher_suites: [TLS_RSA_WITH_AES_128_GCM_SHA256]}",
	 "1:64: TLS_RSA_WITH_AES_128_GCM_SHA256 is not spoken here: whoever gets the key reads "
	 "what was sent before (take one with ECDHE)"},
	{TLS "curve_preferences: [P256]}", "1:68: unknown curve “P256”: see memhist-web.yaml(5)"},
	{TLS "curve_preferences: [X25519, X25519]}", "1:76: X25519 stands here a second time"},
	{TLS "prefer_server_cipher_suites: 7}",
	 "1:77: “prefer_server_cipher_suites”: “7” is neither true nor false"},
	{"http_server_config: {http2: maybe}", "1:29: “http2”: “maybe” is neither true nor false"},
	{"http_server_config: {http3: true}", "1:22: unknown key “http3”: did you mean “http2”?"},
	{HEADERS "{X-Frame-Option: deny}}",
	 "1:32: unknown header “X-Frame-Option”: did you mean “X-Frame-Options”?"},
	{HEADERS "{Server: me}}", "1:32: unknown header “Server”: see memhist-web.yaml(5)"},
	{HEADERS "[deny]}", "1:31: “headers” takes headers and their values"},
	{HEADERS "{X-Frame-Options: DENY}}", "1:49: “X-Frame-Options” is deny or sameorigin"},
	{HEADERS "{X-Content-Type-Options: sniff}}", "1:56: “X-Content-Type-Options” is nosniff"},
	{HEADERS "{X-XSS-Protection: \"1\\r\\nSet-Cookie: a\"}}",
	 "1:50: “X-XSS-Protection” has something else than ASCII in it, or a line break"},
	{HEADERS "{X-XSS-Protection: é}}",
	 "1:50: “X-XSS-Protection” has something else than ASCII in it, or a line break"},
	{USERS "[a]", "1:19: “basic_auth_users” takes names and bcrypt hashes"},
	{USERS "{a: }", "1:23: " NO_HASH},
	{USERS "{a: secret}", "1:23: " NO_HASH},
	{USERS "{a: $2y$10$short}", "1:23: " NO_HASH},
	{USERS "{a: $1$abcdefgh$0123456789012345678901}", "1:23: " NO_HASH},
	{USERS "{a: $2x$10$" SALT REST "}", "1:23: " NO_HASH},
	{USERS "{a: " HASH("1a") "}", "1:23: " NO_HASH},
	{USERS "{a: " HASH("10") "x}", "1:23: " NO_HASH},
	{USERS "{a: $2y$10$" SALT "!" REST "}", "1:23: " NO_HASH},
	{USERS "{a: " HASH("03") "}", "1:23: " COST("3")},
	{USERS "{a: " HASH("13") "}", "1:23: " COST("13")},
	{USERS "{a: " HASH("31") "}", "1:23: " COST("31")},
	{USERS "{'a:b': " HASH("10") "}", "1:20: a user's name has 1 to 255 bytes, and no colon"},
	{USERS "{'': " HASH("10") "}", "1:20: a user's name has 1 to 255 bytes, and no colon"},
	{USERS "{a: " HASH("10") ", a: " HASH("10") "}",
	 "1:85: “a” stands here a second time: see line 1"},
	{"rate_limit: {interval: 1}",
	 "1:24: “interval” is a time such as 1s, 100ms or 1m30s, 1h at most"},
	{"rate_limit: {interval: 1d}",
	 "1:24: “interval” is a time such as 1s, 100ms or 1m30s, 1h at most"},
	{"rate_limit: {interval: 1.5.5s}",
	 "1:24: “interval” is a time such as 1s, 100ms or 1m30s, 1h at most"},
	{"rate_limit: {interval: -1s}",
	 "1:24: “interval” is a time such as 1s, 100ms or 1m30s, 1h at most"},
	{"rate_limit: {interval: 61m}",
	 "1:24: “interval” is a time such as 1s, 100ms or 1m30s, 1h at most"},
	{"rate_limit: {interval: s}",
	 "1:24: “interval” is a time such as 1s, 100ms or 1m30s, 1h at most"},
	{"rate_limit: {burst: -1}", "1:21: “burst” is a number from 0 to 1000000"},
	{"rate_limit: {burst: 1000001}", "1:21: “burst” is a number from 0 to 1000000"},
	{"rate_limit: {interval: 1s}",
	 "1:13: “rate_limit” needs a “burst” of 1 at least: without it nobody is served"},
};

static int parse(struct mh_web *ret, const char *bytes, struct mh_err *err)
{
	return mh_web_parse(ret, "/etc/x/web.yaml", bytes, strlen(bytes), err);
}

static void test_mistakes(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		char sentence[600];
		struct mh_err err;
		struct mh_web web;

		if (parse(&web, bad[i].bytes, &err) != -EBADMSG)
			fail_msg("was taken: %s", bad[i].bytes);
		snprintf(sentence, sizeof(sentence), "/etc/x/web.yaml:%s", bad[i].sentence);
		assert_string_equal(err.text, sentence);
	}
}

static struct mh_web good(const char *bytes)
{
	struct mh_web web;
	struct mh_err err;

	if (parse(&web, bytes, &err))
		fail_msg("%s: %s", bytes, err.text);
	return web;
}

static void test_nothing(void **state)
{
	static const char *const files[] = {
		"",
		"# nothing\n",
		"tls_server_config: {}\nbasic_auth_users: {}\n",
		"tls_server_config:\nhttp_server_config:\nbasic_auth_users:\nrate_limit:\n",
		"http_server_config: {headers: }",
		"rate_limit: {interval: 0}",
		HEADERS "{Content-Security-Policy: , X-XSS-Protection: ''}}"};

	(void)state;
	for (size_t i = 0; i < sizeof(files) / sizeof(files[0]); i++) {
		struct mh_web web = good(files[i]);

		assert_false(web.tls.enabled);
		assert_int_equal(web.n_users, 0);
		assert_int_equal(web.rate_ns, 0);
		for (int h = 0; h < MH_WEB_HEADERS; h++)
			assert_null(web.header[h]);
		mh_web_done(&web);
	}
}

static void test_everything(void **state)
{
	struct mh_web web = good(
		"tls_server_config:\n  cert_file: tls/cert.pem\n  key_file: /keys/k.pem\n"
		"  client_ca: PEM\n  client_auth_type: RequireAndVerifyClientCert\n"
		"  client_allowed_sans: [prometheus.example, 10.0.0.1]\n"
		"  min_version: TLS11\n  max_version: TLS12\n"
		"  prefer_server_cipher_suites: false\n"
		"http_server_config:\n  http2: true\n  headers:\n"
		"    Content-Security-Policy: default-src 'self'\n"
		"    X-Frame-Options: deny\n    X-Content-Type-Options: nosniff\n"
		"    X-XSS-Protection: 0\n    Strict-Transport-Security: max-age=1\n"
		"basic_auth_users:\n  alice: " HASH("10") "\n  bob: " HASH(
			"04") "\n"
			      "rate_limit: {interval: 1m0.5s, burst: 20}\n");

	(void)state;
	assert_true(web.tls.enabled);
	assert_string_equal(web.tls.cert.file, "/etc/x/tls/cert.pem");
	assert_string_equal(web.tls.key.file, "/keys/k.pem");
	assert_null(web.tls.client_ca.file);
	assert_string_equal(web.tls.client_ca.text, "PEM");
	assert_int_equal(web.tls.clients, MH_WEB_VERIFY);
	assert_int_equal(web.tls.n_sans, 2);
	assert_string_equal(web.tls.san[1], "10.0.0.1");
	assert_int_equal(web.tls.min, MH_WEB_TLS11);
	assert_int_equal(web.tls.max, MH_WEB_TLS12);
	assert_true(web.tls.clients_choose);
	assert_string_equal(web.header[MH_WEB_CSP], "default-src 'self'");
	assert_string_equal(web.header[MH_WEB_FRAMES], "deny");
	assert_string_equal(web.header[MH_WEB_TYPES], "nosniff");
	assert_string_equal(web.header[MH_WEB_XSS], "0");
	assert_string_equal(web.header[MH_WEB_STS], "max-age=1");
	assert_int_equal(web.n_users, 2);
	assert_string_equal(web.user[0].name, "alice");
	assert_string_equal(web.user[1].hash, HASH("04"));
	assert_int_equal(web.max_cost, 10);
	assert_int_equal(web.rate_ns, UINT64_C(60500000000));
	assert_int_equal(web.burst, 20);
	mh_web_done(&web);
}

static void test_defaults_of_tls(void **state)
{
	struct mh_web web = good(TLS "client_auth_type: }");

	(void)state;
	assert_int_equal(web.tls.min, MH_WEB_TLS12);
	assert_int_equal(web.tls.max, MH_WEB_TLS13);
	assert_int_equal(web.tls.clients, MH_WEB_NO_CERT);
	assert_false(web.tls.clients_choose);
	assert_int_equal(web.tls.n_ciphers + web.tls.n_curves, 0);
	mh_web_done(&web);
}

static void test_folder_of_a_name(void **state)
{
	struct mh_web web;
	struct mh_err err;
	const char bytes[] = TLS "}";

	(void)state;
	assert_int_equal(mh_web_parse(&web, "web.yaml", bytes, strlen(bytes), &err), 0);
	assert_string_equal(web.tls.cert.file, "c");
	mh_web_done(&web);
	assert_int_equal(mh_web_parse(&web, "/web.yaml", bytes, strlen(bytes), &err), 0);
	assert_string_equal(web.tls.cert.file, "/c");
	mh_web_done(&web);
}

static void test_policies(void **state)
{
	static const struct {
		const char *name;
		enum mh_web_clients clients;
	} policies[] = {{"NoClientCert", MH_WEB_NO_CERT},
			{"RequestClientCert", MH_WEB_REQUEST},
			{"RequireAnyClientCert", MH_WEB_REQUIRE_ANY},
			{"RequireClientCert", MH_WEB_REQUIRE_ANY},
			{"VerifyClientCertIfGiven", MH_WEB_VERIFY_IF_GIVEN},
			{"RequireAndVerifyClientCert", MH_WEB_VERIFY}};

	(void)state;
	for (size_t i = 0; i < sizeof(policies) / sizeof(policies[0]); i++) {
		struct mh_web web;
		char bytes[200];

		snprintf(bytes, sizeof(bytes), TLS "client_auth_type: %s}", policies[i].name);
		web = good(bytes);
		assert_int_equal(web.tls.clients, policies[i].clients);
		mh_web_done(&web);
	}
}

/* No sentence shows what somebody keeps secret. */
static void test_secrets_are_not_told(void **state)
{
	static const char *const files[] = {USERS "{a: hunter2}",
					    USERS "{a: {hunter2: b}}",
					    USERS "{a: [hunter2]}",
					    TLS "key: hunter2}",
					    "tls_server_config: {key: hunter2}",
					    "tls_server_config: {key: [hunter2]}"};

	(void)state;
	for (size_t i = 0; i < sizeof(files) / sizeof(files[0]); i++) {
		struct mh_web web;
		struct mh_err err;

		assert_int_equal(parse(&web, files[i], &err), -EBADMSG);
		assert_null(strstr(err.text, "hunter2"));
	}
}

#define START "NORMAL:-KX-ALL:+ECDHE-ECDSA:+ECDHE-RSA:-VERS-ALL"
#define END   ":-MAC-ALL:+AEAD:+SHA1:%SERVER_PRECEDENCE"

static const struct {
	const char *keys;
	bool is_rsa;
	const char *priority; /* or the sentence */
	int rc;
} priorities[] = {
	{"", true, START ":+VERS-TLS1.3:+VERS-TLS1.2" END, 0},
	{"prefer_server_cipher_suites: false", true,
	 START ":+VERS-TLS1.3:+VERS-TLS1.2:-MAC-ALL:+AEAD:+SHA1", 0},
	{"min_version: TLS10, max_version: TLS11", true, START ":+VERS-TLS1.1:+VERS-TLS1.0" END, 0},
	{"min_version: TLS13", false, START ":+VERS-TLS1.3" END, 0},
	{"curve_preferences: [CurveP521, X25519, CurveP256, CurveP384]", true,
	 START ":+VERS-TLS1.3:+VERS-TLS1.2:-GROUP-ALL:+GROUP-SECP521R1:+GROUP-X25519"
	       ":+GROUP-SECP256R1:+GROUP-SECP384R1" END,
	 0},
	/* in their order, those of the key alone, each once */
	{"cipher_suites: [TLS_ECDHE_RSA_WITH_AES_256_GCM_SHA384, "
	 "TLS_ECDHE_ECDSA_WITH_CHACHA20_POLY1305_SHA256, TLS_ECDHE_RSA_WITH_AES_128_CBC_SHA, "
	 "TLS_ECDHE_RSA_WITH_AES_256_GCM_SHA384]",
	 true, START ":+VERS-TLS1.3:+VERS-TLS1.2:-CIPHER-ALL:+AES-256-GCM:+AES-128-CBC" END, 0},
	{"cipher_suites: [TLS_ECDHE_RSA_WITH_AES_256_GCM_SHA384, "
	 "TLS_ECDHE_ECDSA_WITH_CHACHA20_POLY1305_SHA256]",
	 false, START ":+VERS-TLS1.3:+VERS-TLS1.2:-CIPHER-ALL:+CHACHA20-POLY1305" END, 0},
	/* what has no suite of TLS 1.2 left is TLS 1.3 alone */
	{"cipher_suites: [TLS_AES_256_GCM_SHA384]", true,
	 START ":+VERS-TLS1.3:-CIPHER-ALL:+AES-256-GCM" END, 0},
	{"cipher_suites: [TLS_ECDHE_ECDSA_WITH_AES_128_CBC_SHA]", true, START ":+VERS-TLS1.3" END,
	 0},
	{"max_version: TLS12, cipher_suites: [TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256]", true,
	 "none of the cipher_suites goes with an RSA certificate: with max_version TLS12 nobody "
	 "could connect",
	 -EINVAL},
	{"cipher_suites: [TLS_ECDHE_RSA_WITH_AES_128_CBC_SHA]", true,
	 "the cipher_suites have nothing that TLS 1.3 has: add one with GCM or CHACHA20, or say "
	 "max_version: TLS12",
	 -EINVAL},
	{"max_version: TLS12, cipher_suites: [TLS_ECDHE_RSA_WITH_AES_128_CBC_SHA]", true,
	 START ":+VERS-TLS1.2:-CIPHER-ALL:+AES-128-CBC" END, 0},
};

static void test_priorities(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof(priorities) / sizeof(priorities[0]); i++) {
		struct mh_buf priority = MH_BUF_INIT(4096);
		struct mh_err err;
		struct mh_web web;
		char bytes[500];
		int rc;

		snprintf(bytes, sizeof(bytes), TLS "%s}", priorities[i].keys);
		web = good(bytes);
		rc = mh_web_tls_priority(&web.tls, priorities[i].is_rsa, &priority, &err);
		assert_int_equal(rc, priorities[i].rc);
		assert_string_equal(rc ? err.text : mh_buf_str(&priority), priorities[i].priority);
		mh_buf_done(&priority);
		mh_web_done(&web);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_mistakes),
		cmocka_unit_test(test_nothing),
		cmocka_unit_test(test_everything),
		cmocka_unit_test(test_defaults_of_tls),
		cmocka_unit_test(test_folder_of_a_name),
		cmocka_unit_test(test_policies),
		cmocka_unit_test(test_secrets_are_not_told),
		cmocka_unit_test(test_priorities),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
