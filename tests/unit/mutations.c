#include "tests/unit/mutations.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <string.h>
#include <cmocka.h>

static const char strange[] = "\0\t\n \"'[]{}:,-&*!|>%@#?()\\\xc3\xff";

static void must_answer(const char *bytes, size_t len, mutations_parse_fn *parse)
{
	struct mh_err err = {""};
	int rc = parse(bytes, len, &err);

	if (rc && (rc != -EBADMSG || !strspn(err.text, "0123456789")))
		fail_msg("%d %s, of %.*s", rc, err.text, (int)len, bytes);
}

void mutations_are_answered(const char *good, mutations_parse_fn *parse)
{
	const size_t len = strlen(good);
	struct mh_err err = {""};
	char bytes[4096];

	assert_true(len < sizeof(bytes));
	memcpy(bytes, good, len);
	if (parse(bytes, len, &err))
		fail_msg("%s", err.text);
	for (size_t at = 0; at < len; at++) {
		must_answer(bytes, at, parse);
		for (size_t i = 0; i < sizeof(strange) - 1; i++) {
			bytes[at] = strange[i];
			must_answer(bytes, len, parse);
		}
		bytes[at] = good[at];
	}
}
