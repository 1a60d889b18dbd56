/* Names and passwords out of headers, and what is none. */
#include "exporter/basic_auth.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static const struct {
	const char *header, *user, *password;
} good[] = {
	{"Basic QWxhZGRpbjpvcGVuIHNlc2FtZQ==", "Aladdin", "open sesame"},
	{"basic QWxhZGRpbjpvcGVuIHNlc2FtZQ==", "Aladdin", "open sesame"},
	{"BASIC  QWxhZGRpbjpvcGVuIHNlc2FtZQ==", "Aladdin", "open sesame"},
	{"Basic YTpiOmM=", "a", "b:c"},
	{"Basic YTo=", "a", ""},
	{"Basic Og==", "", ""},
	{"Basic OnB3", "", "pw"},
	{"Basic w6k6w7w=", "é", "ü"},
	{"Basic YTr/", "a", "\xff"},
	{"Basic YTo+", "a", ">"},
};

static const char *const bad[] = {"",
				  "Basic",
				  "Basic ",
				  "Bearer QWxhZGRpbjpvcGVuIHNlc2FtZQ==",
				  "QWxhZGRpbjpvcGVuIHNlc2FtZQ==",
				  "Basic QWxhZGRpbjpvcGVuIHNlc2FtZQ",
				  "Basic QWxhZGRpbjpvcGVuIHNlc2FtZQ=",
				  "Basic QWxhZGRpbjpvcGVuIHNlc2FtZQ=== ",
				  "Basic YWI=" /* no colon */,
				  "Basic YTpi\nYg==",
				  "Basic YT=p",
				  "Basic =YTp",
				  "Basic ====",
				  "Basic Y===",
				  "Basic YTp*",
				  "Basic YTpiAA==" /* NUL */,
				  "Basic AGE6Yg==" /* NUL */,
				  "Basic YTpi YTpi",
				  "Basic YTo-",
				  "Basic YTpi\xc3\xa9\xc3\xa9"};

static void test_good(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof(good) / sizeof(good[0]); i++) {
		struct basic_auth who;

		assert_true(basic_auth_parse(&who, good[i].header));
		assert_string_equal(who.user, good[i].user);
		assert_string_equal(who.password, good[i].password);
	}
}

static void test_bad(void **state)
{
	struct basic_auth who;

	(void)state;
	assert_false(basic_auth_parse(&who, NULL));
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
		if (basic_auth_parse(&who, bad[i]))
			fail_msg("was taken: %s", bad[i]);
}

/* "Basic " and base64 of `user` letters, a colon and `password` letters. */
static bool takes(size_t user, size_t password)
{
	static const char alphabet[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
				       "0123456789+/";
	const size_t len = user + 1 + password, padded = (len + 2) / 3 * 3;
	char *plain = calloc(1, padded), *header = calloc(1, 6 + padded / 3 * 4 + 1);
	struct basic_auth who;
	size_t at = 6;
	bool taken;

	assert_non_null(plain);
	assert_non_null(header);
	memset(plain, 'u', user);
	plain[user] = ':';
	memset(plain + user + 1, 'p', password);
	memcpy(header, "Basic ", 6);
	for (size_t i = 0; i < padded; i += 3) {
		const uint32_t bits = (uint32_t)plain[i] << 16 | (uint32_t)plain[i + 1] << 8 |
				      (uint32_t)plain[i + 2];

		for (int k = 0; k < 4; k++)
			header[at++] = i + (size_t)(k > 0 ? k - 1 : 0) < len
					       ? alphabet[bits >> (18 - 6 * k) & 63]
					       : '=';
	}
	taken = basic_auth_parse(&who, header);
	if (taken) {
		assert_int_equal(strlen(who.user), user);
		assert_int_equal(strlen(who.password), password);
	}
	free(plain);
	free(header);
	return taken;
}

static void test_lengths(void **state)
{
	(void)state;
	for (size_t n = 0; n < 8; n++)
		assert_true(takes(n, 3));
	assert_true(takes(BASIC_USER_MAX, BASIC_PASSWORD_MAX));
	assert_false(takes(BASIC_USER_MAX + 1, 0));
	assert_false(takes(0, BASIC_PASSWORD_MAX + 1));
	assert_false(takes(BASIC_USER_MAX + 1, BASIC_PASSWORD_MAX));
	assert_false(takes(BASIC_USER_MAX, BASIC_PASSWORD_MAX + 1));
	assert_false(takes(10000, 0));
	assert_false(takes(0, 10000));
}

static void test_forgetting(void **state)
{
	struct basic_auth who;

	(void)state;
	assert_true(basic_auth_parse(&who, "Basic YTpiOmM="));
	basic_auth_forget(&who);
	for (size_t i = 0; i < sizeof(who); i++)
		assert_int_equal(((const char *)&who)[i], 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_good),
		cmocka_unit_test(test_bad),
		cmocka_unit_test(test_lengths),
		cmocka_unit_test(test_forgetting),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
