/* base64, strictly: four characters for three bytes, and padding only at the end. */
#include "exporter/basic_auth.h"

#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <strings.h>

enum { DECODED_MAX = BASIC_USER_MAX + 1 + BASIC_PASSWORD_MAX };

static int digit(char c)
{
	static const char alphabet[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
				       "0123456789+/";
	const char *at = c ? strchr(alphabet, c) : NULL;

	return at ? (int)(at - alphabet) : -1;
}

/* Returns the length, or -1. `room` is for whole groups of three. */
static int decode(char *ret, size_t room, const char *text)
{
	size_t len = strlen(text), n = 0;

	if (!len || len % 4 || len / 4 * 3 > room)
		return -1;
	for (size_t i = 0; i < len; i += 4) {
		const size_t pad = i + 4 < len          ? 0
				   : text[i + 3] != '=' ? 0
				   : text[i + 2] != '=' ? 1
							: 2;
		uint32_t bits = 0;

		for (size_t k = 0; k < 4; k++) {
			int value = k < 4 - pad ? digit(text[i + k]) : 0;

			if (value < 0)
				return -1;
			bits = bits << 6 | (uint32_t)value;
		}
		for (size_t k = 0; k < 3 - pad; k++)
			ret[n++] = (char)(bits >> (16 - 8 * k));
	}
	return (int)n;
}

bool basic_auth_parse(struct basic_auth *ret, const char *header)
{
	char bytes[DECODED_MAX + 3];
	const char *colon = NULL;
	bool good = false;
	int len = -1;

	if (header && !strncasecmp(header, "Basic ", 6))
		len = decode(bytes, sizeof(bytes), header + 6 + strspn(header + 6, " "));
	if (len > 0 && !memchr(bytes, '\0', (size_t)len))
		colon = memchr(bytes, ':', (size_t)len);
	if (colon) {
		const size_t user = (size_t)(colon - bytes);
		const size_t password = (size_t)len - user - 1;

		good = user <= BASIC_USER_MAX && password <= BASIC_PASSWORD_MAX;
		if (good) {
			*ret = (struct basic_auth){0};
			memcpy(ret->user, bytes, user);
			memcpy(ret->password, colon + 1, password);
		}
	}
	explicit_bzero(bytes, sizeof(bytes));
	return good;
}

void basic_auth_forget(struct basic_auth *who)
{
	explicit_bzero(who, sizeof(*who));
}
