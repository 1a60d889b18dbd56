/* A chapter's strings: an array of pointers into an arena. */
#include "libmemhist/history/rows/strings.h"

#include "libmemhist/model/process.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

enum { LONGEST = MH_CMDLINE_MAX, TOGETHER = 256 << 20, FIRST_CAP = 64 };

void mh_strings_done(struct mh_strings *s)
{
	free(s->item);
	mh_arena_done(&s->bytes);
	*s = (struct mh_strings){0};
}

void mh_strings_clear(struct mh_strings *s)
{
	s->n = 0;
	mh_arena_reset(&s->bytes);
}

int mh_strings_add(struct mh_strings *s, const void *bytes, size_t len)
{
	char *copy;

	/* C3 */
	if (len > LONGEST || s->bytes.total > TOGETHER)
		return -EOVERFLOW;
	if (s->n == s->cap) {
		uint32_t cap = s->cap ? s->cap * 2 : FIRST_CAP;
		struct mh_string *item = reallocarray(s->item, cap, sizeof(*item));

		if (!item)
			return -ENOMEM;
		s->item = item;
		s->cap = cap;
	}
	s->bytes.max = SIZE_MAX; /* bounded above */
	copy = mh_arena_alloc(&s->bytes, len);
	if (!copy)
		return -ENOMEM;
	if (len)
		memcpy(copy, bytes, len);
	s->item[s->n++] = (struct mh_string){copy, len};
	return 0;
}

const struct mh_string *mh_strings_get(const struct mh_strings *s, uint32_t index)
{
	return index < s->n ? &s->item[index] : NULL;
}
