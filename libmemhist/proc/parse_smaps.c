/* /proc/PID/smaps_rollup: a head, then lines of "Key:   123 kB" of which we know a few. */
#include "libmemhist/proc/parse.h"

#include <errno.h>
#include <string.h>

enum { PSS = 1, PRIVATE_CLEAN = 2, PRIVATE_DIRTY = 4, NEEDED = 7, SWAP_PSS = 8 };

/* "     123 kB". */
static bool take_kib(const char *text, size_t len, uint64_t *ret_bytes)
{
	static const char unit[] = " kB";
	const size_t unit_len = sizeof(unit) - 1;
	uint64_t kib;

	while (len && *text == ' ') {
		text++;
		len--;
	}
	if (len <= unit_len || memcmp(text + len - unit_len, unit, unit_len) != 0 ||
	    mh_parse_u64(text, len - unit_len, &kib))
		return false;
	return !__builtin_mul_overflow(kib, UINT64_C(1024), ret_bytes);
}

/* One line; those that are not known are not looked at. */
static bool take_line(const char *line, size_t len, uint64_t bytes[9], unsigned *seen)
{
	static const struct {
		const char *key;
		unsigned bit;
	} known[] = {{"Pss:", PSS},
		     {"Private_Clean:", PRIVATE_CLEAN},
		     {"Private_Dirty:", PRIVATE_DIRTY},
		     {"SwapPss:", SWAP_PSS}};

	for (size_t i = 0; i < sizeof(known) / sizeof(known[0]); i++) {
		size_t key_len = strlen(known[i].key);

		if (len <= key_len || memcmp(line, known[i].key, key_len) != 0)
			continue;
		/* each of them once */
		if (*seen & known[i].bit)
			return false;
		*seen |= known[i].bit;
		return take_kib(line + key_len, len - key_len, &bytes[known[i].bit]);
	}
	return true;
}

int mh_parse_smaps_rollup(const char *text, size_t len, struct mh_smaps_rollup *ret)
{
	const char *end = text + len;
	uint64_t bytes[SWAP_PSS + 1] = {0}, uss_bytes;
	unsigned seen = 0;

	/* a text that does not end with a newline is cut */
	if (!len || end[-1] != '\n')
		return -EBADMSG;
	for (const char *line = text, *eol; line < end; line = eol + 1) {
		eol = memchr(line, '\n', (size_t)(end - line));
		if (!take_line(line, (size_t)(eol - line), bytes, &seen))
			return -EBADMSG;
	}
	if ((seen & NEEDED) != NEEDED ||
	    __builtin_add_overflow(bytes[PRIVATE_CLEAN], bytes[PRIVATE_DIRTY], &uss_bytes))
		return -EBADMSG;
	*ret = (struct mh_smaps_rollup){
		.pss_bytes = bytes[PSS],
		.uss_bytes = uss_bytes,
		.has_swap = seen & SWAP_PSS,
		.swap_pss_bytes = bytes[SWAP_PSS],
	};
	return 0;
}
