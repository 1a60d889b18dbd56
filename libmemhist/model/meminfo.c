/* The meminfo lines: a small array in the kernel's order, searched by eye or by loop. */
#include "libmemhist/model/meminfo.h"

#include <ctype.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>

const struct mh_meminfo_line *mh_meminfo_find(const struct mh_meminfo *m, const char *key)
{
	for (uint32_t i = 0; i < m->n; i++)
		if (!strcmp(m->line[i].key, key))
			return &m->line[i];
	return NULL;
}

uint64_t mh_meminfo_bytes(const struct mh_meminfo *m, const char *key)
{
	const struct mh_meminfo_line *line = mh_meminfo_find(m, key);

	if (!line)
		return 0;
	return line->is_kib ? line->value * 1024 : line->value;
}

bool mh_meminfo_same_keys(const struct mh_meminfo *a, const struct mh_meminfo *b)
{
	if (a->n != b->n)
		return false;
	for (uint32_t i = 0; i < a->n; i++)
		if (a->line[i].is_kib != b->line[i].is_kib ||
		    strcmp(a->line[i].key, b->line[i].key) != 0)
			return false;
	return true;
}

/* As the locale "C" has it, whatever the daemon we live in has set. */
static bool is_key_char(char c)
{
	return (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') ||
	       c == '_' || c == '(' || c == ')' || c == '.';
}

int mh_meminfo_add(struct mh_meminfo *m, const char *key, size_t key_len, bool is_kib,
		   uint64_t value)
{
	struct mh_meminfo_line *line;

	if (!key_len || key_len > MH_MEMINFO_KEY_MAX)
		return -EINVAL;
	for (size_t i = 0; i < key_len; i++)
		if (!is_key_char(key[i]))
			return -EINVAL;
	if (m->n == MH_MEMINFO_MAX)
		return -EOVERFLOW;
	line = &m->line[m->n++];
	memcpy(line->key, key, key_len);
	line->key[key_len] = '\0';
	line->is_kib = is_kib;
	line->value = value;
	return 0;
}

/* Whether a word begins at key[i] that no '_' or '(' announces: "Mem|Total", "S|Reclaimable". */
static bool begins_word(const char *key, size_t i)
{
	if (!i || !isupper((unsigned char)key[i]))
		return false;
	if (islower((unsigned char)key[i - 1]))
		return true;
	return isupper((unsigned char)key[i - 1]) && islower((unsigned char)key[i + 1]);
}

void mh_meminfo_words(char ret[MH_MEMINFO_WORDS_MAX + 1], const char *key)
{
	for (size_t i = 0; key[i]; i++) {
		if (key[i] == ')')
			continue;
		if (begins_word(key, i))
			*ret++ = '_';
		*ret++ = key[i] == '(' ? '_' : (char)tolower((unsigned char)key[i]);
	}
	*ret = '\0';
}

void mh_meminfo_metric(char ret[MH_MEMINFO_METRIC_MAX], const struct mh_meminfo_line *line)
{
	/* first words that are no words, and that promtool would take for units */
	static const char *const joined[] = {"k_", "s_", "sec_"};
	char words[MH_MEMINFO_WORDS_MAX + 1];
	size_t len = 0;

	mh_meminfo_words(words, line->key);
	for (size_t i = 0; i < sizeof(joined) / sizeof(joined[0]) && !len; i++)
		if (!strncmp(words, joined[i], strlen(joined[i])))
			len = strlen(joined[i]);
	/* the only lines without a unit are counts of huge pages */
	snprintf(ret, MH_MEMINFO_METRIC_MAX, "memhist_meminfo_%.*s%s%s", len ? (int)len - 1 : 0,
		 words, words + len, line->is_kib ? "_bytes" : "_pages");
}
