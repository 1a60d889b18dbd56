/* Amounts of bytes: powers of 1024 only, whatever letter is written. */
#include "libmemhist/base/size.h"

#include <ctype.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>

static const char letters[] = "kmgtp";

/* How many times 1024 the unit at `p` is; -EINVAL when it is none. */
static int exponent_of(const char *p)
{
	const char *at;

	if (!*p || !strcasecmp(p, "b"))
		return 0;
	at = strchr(letters, tolower((unsigned char)*p));
	p++;
	if (!at ||
	    (*p && strcasecmp(p, "i") != 0 && strcasecmp(p, "b") != 0 && strcasecmp(p, "ib") != 0))
		return -EINVAL;
	return (int)(at - letters) + 1;
}

int mh_size_parse(const char *text, uint64_t *ret_bytes)
{
	uint64_t n = 0;
	int exponent;

	if (!isdigit((unsigned char)*text))
		return -EINVAL;
	for (; isdigit((unsigned char)*text); text++) {
		n = n * 10 + (uint64_t)(*text - '0');
		if (n > INT64_MAX / 16)
			return -ERANGE;
	}
	exponent = exponent_of(text);
	if (exponent < 0)
		return exponent;
	for (; exponent; exponent--) {
		if (n > INT64_MAX / 1024)
			return -ERANGE;
		n *= 1024;
	}
	*ret_bytes = n;
	return 0;
}

const char *mh_size_text(char ret[MH_SIZE_TEXT], uint64_t bytes)
{
	static const char *const units[] = {"KiB", "MiB", "GiB", "TiB", "PiB", "EiB"};
	double value = (double)bytes / 1024;
	size_t unit = 0;

	if (bytes < 1024) {
		snprintf(ret, MH_SIZE_TEXT, "%u bytes", (unsigned)bytes);
		return ret;
	}
	/* 1023.95 would be shown as 1024.0 */
	while (value >= 1023.95 && unit + 1 < sizeof(units) / sizeof(units[0])) {
		value /= 1024;
		unit++;
	}
	snprintf(ret, MH_SIZE_TEXT, "%.1f %s", value, units[unit]);
	return ret;
}
