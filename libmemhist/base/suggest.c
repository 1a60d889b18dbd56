/*
 * Nearest words by edit distance: Damerau-Levenshtein in its "optimal string alignment" form, which
 * counts two exchanged neighbours as one error, as typists do. Words are short, the list is short,
 * and it runs once per misspelt word: three rows of the classical table are fast enough.
 */
#include "libmemhist/base/suggest.h"

#include <ctype.h>
#include <stdbool.h>
#include <string.h>

enum { WORD_MAX = 64 }; /* no known word is longer; what is longer resembles none */

static bool same(char a, char b)
{
	return tolower((unsigned char)a) == tolower((unsigned char)b);
}

static size_t least(size_t a, size_t b)
{
	return a < b ? a : b;
}

/* Typing errors between a and b, both at most WORD_MAX bytes. */
static size_t distance(const char *a, size_t a_len, const char *b, size_t b_len)
{
	/* row[i % 3][j]: errors between the first i bytes of a and the first j of b */
	size_t row[3][WORD_MAX + 1];

	for (size_t j = 0; j <= b_len; j++)
		row[0][j] = j;
	for (size_t i = 1; i <= a_len; i++) {
		size_t *now = row[i % 3], *before = row[(i - 1) % 3];

		now[0] = i;
		for (size_t j = 1; j <= b_len; j++) {
			size_t errors = before[j - 1] + !same(a[i - 1], b[j - 1]);

			errors = least(errors, least(before[j], now[j - 1]) + 1);
			if (i > 1 && j > 1 && same(a[i - 1], b[j - 2]) && same(a[i - 2], b[j - 1]))
				errors = least(errors, row[(i - 2) % 3][j - 2] + 1);
			now[j] = errors;
		}
	}
	return row[a_len % 3][b_len];
}

const char *mh_suggest(const char *word, const char *const *known)
{
	size_t len = strnlen(word, WORD_MAX + 1), fewest = WORD_MAX + 1;
	const char *nearest = NULL;

	if (!len || len > WORD_MAX)
		return NULL;
	for (; *known; known++) {
		size_t known_len = strlen(*known), errors;

		if (known_len > WORD_MAX)
			continue;
		errors = distance(word, len, *known, known_len);
		if (errors < fewest && errors * 3 <= (len > known_len ? len : known_len)) {
			fewest = errors;
			nearest = *known;
		}
	}
	return nearest;
}
