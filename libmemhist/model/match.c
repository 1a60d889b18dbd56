/*
 * Name patterns. A pattern is compiled once, with everything that matching needs allocated beside
 * it, so that looking at a name allocates nothing and cannot fail. Where the processor or a
 * hardened system (W^X) does not allow just-in-time code, PCRE2's interpreter does the same work.
 */
#include "libmemhist/model/match.h"

#include "libmemhist/base/buf.h"
#include "libmemhist/base/escape.h"

#define PCRE2_CODE_UNIT_WIDTH 8
#include <errno.h>
#include <pcre2.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

enum {
	PATTERN_MAX = 4096, /* bytes of one pattern */
	SELECT_MAX = 1024,  /* patterns of one list */
	SHOWN_MAX = 64,     /* bytes of a pattern repeated in a sentence about it */
	/*
	 * Effort for one name. The step limit is ten times what a sane pattern takes on a
	 * long command line, and at most about a millisecond of a pattern that explodes.
	 */
	STEPS_MAX = 100000,
	DEPTH_MAX = 20000,
	HEAP_MAX_KIB = 8192, /* taken by the interpreter alone, and by long names */
	JIT_STACK_BYTES = 32 * 1024,
	JIT_STACK_MAX_BYTES = 512 * 1024, /* address space; pages come when they are touched */
};

struct mh_match {
	char *word; /* a plain pattern; NULL for a regular expression */
	size_t word_len;
	bool substring;

	pcre2_code *code;
	pcre2_match_data *data;
	pcre2_match_context *context;
	pcre2_jit_stack *jit_stack;
	uint64_t given_up;
};

static int wrong_pattern(struct mh_err *err, const char *pattern, size_t len, const char *reason)
{
	struct mh_buf shown = MH_BUF_INIT(16 * SHOWN_MAX);

	mh_escape_terminal(&shown, pattern, len < SHOWN_MAX ? len : SHOWN_MAX);
	if (len > SHOWN_MAX)
		mh_buf_adds(&shown, "...");
	mh_errf(err, -EINVAL, "pattern \"%s\": %s", mh_buf_str(&shown), reason);
	mh_buf_done(&shown);
	return -EINVAL;
}

static int wrong_regex(struct mh_err *err, const char *pattern, size_t len, int code, size_t offset)
{
	struct mh_buf reason = MH_BUF_INIT(512);
	PCRE2_UCHAR text[256];

	/* a text that is too long for the array comes cut, with an error that changes nothing */
	pcre2_get_error_message(code, text, sizeof(text));
	mh_buf_printf(&reason, "%s (at offset %zu of the regular expression)", (const char *)text,
		      offset);
	wrong_pattern(err, pattern, len, mh_buf_str(&reason));
	mh_buf_done(&reason);
	return -EINVAL;
}

static int new_regex(struct mh_match *m, const char *pattern, size_t len, struct mh_err *err)
{
	/*
	 * A newline is a byte like any other: '.' matches it and '$' is the very end, else a
	 * process could call itself "postgres\n" and pass for /^postgres$/.
	 */
	const uint32_t options = PCRE2_NEVER_UTF | PCRE2_DOTALL | PCRE2_DOLLAR_ENDONLY;
	size_t offset;
	int code;

	m->code = pcre2_compile((PCRE2_SPTR)pattern + 1, len - 2, options, &code, &offset, NULL);
	if (!m->code)
		return code == PCRE2_ERROR_HEAP_FAILED
			       ? -ENOMEM
			       : wrong_regex(err, pattern, len, code, offset);
	/* one pair of offsets: whether it matched is all that is asked */
	m->data = pcre2_match_data_create(1, NULL);
	m->context = pcre2_match_context_create(NULL);
	if (!m->data || !m->context)
		return -ENOMEM;
	pcre2_set_match_limit(m->context, STEPS_MAX);
	pcre2_set_depth_limit(m->context, DEPTH_MAX);
	pcre2_set_heap_limit(m->context, HEAP_MAX_KIB);
	if (pcre2_jit_compile(m->code, PCRE2_JIT_COMPLETE))
		return 0;
	m->jit_stack = pcre2_jit_stack_create(JIT_STACK_BYTES, JIT_STACK_MAX_BYTES, NULL);
	if (!m->jit_stack)
		return -ENOMEM;
	pcre2_jit_stack_assign(m->context, NULL, m->jit_stack);
	return 0;
}

static int new_word(struct mh_match *m, const char *pattern, size_t len, enum mh_match_plain plain)
{
	m->word = strdup(pattern);
	if (!m->word)
		return -ENOMEM;
	m->word_len = len;
	m->substring = plain == MH_MATCH_SUBSTRING;
	return 0;
}

int mh_match_new(struct mh_match **ret, const char *pattern, enum mh_match_plain plain,
		 struct mh_err *err)
{
	size_t len = strlen(pattern);
	struct mh_match *m;
	int rc;

	if (!len)
		return wrong_pattern(err, pattern, len, "it is empty and would never match");
	if (len > PATTERN_MAX)
		return wrong_pattern(err, pattern, len, "it is longer than 4096 bytes");
	if (!strcmp(pattern, "/") || !strcmp(pattern, "//"))
		return wrong_pattern(err, pattern, len,
				     "there is no regular expression between the slashes");
	m = calloc(1, sizeof(*m));
	if (!m)
		return -ENOMEM;
	if (pattern[0] == '/' && pattern[len - 1] == '/')
		rc = new_regex(m, pattern, len, err);
	else
		rc = new_word(m, pattern, len, plain);
	if (rc) {
		mh_match_free(m);
		return rc;
	}
	*ret = m;
	return 0;
}

void mh_match_free(struct mh_match *m)
{
	if (!m)
		return;
	free(m->word);
	pcre2_jit_stack_free(m->jit_stack);
	pcre2_match_context_free(m->context);
	pcre2_match_data_free(m->data);
	pcre2_code_free(m->code);
	free(m);
}

static bool matches_regex(struct mh_match *m, const char *name, size_t len)
{
	int rc = pcre2_match(m->code, (PCRE2_SPTR)name, len, 0, 0, m->data, m->context);

	/* of the other errors only the limits can come */
	m->given_up += rc < 0 && rc != PCRE2_ERROR_NOMATCH;
	return rc >= 0;
}

bool mh_match_name(struct mh_match *m, const char *name, size_t len)
{
	if (!m->word)
		return matches_regex(m, name, len);
	if (m->substring)
		return memmem(name, len, m->word, m->word_len) != NULL;
	return len == m->word_len && !memcmp(name, m->word, len);
}

uint64_t mh_match_given_up(const struct mh_match *m)
{
	return m->given_up;
}

int mh_select_add(struct mh_select *s, const char *pattern, struct mh_err *err)
{
	struct mh_match **bigger;
	int rc;

	if (s->n >= SELECT_MAX)
		return mh_errf(err, -EOVERFLOW,
			       "more than %d patterns; join some with | in a "
			       "regular expression",
			       (int)SELECT_MAX);
	bigger = reallocarray(s->match, s->n + 1, sizeof(struct mh_match *));
	if (!bigger)
		return -ENOMEM;
	s->match = bigger;
	rc = mh_match_new(&s->match[s->n], pattern, MH_MATCH_EXACT, err);
	if (rc)
		return rc;
	s->n++;
	return 0;
}

void mh_select_done(struct mh_select *s)
{
	for (size_t i = 0; i < s->n; i++)
		mh_match_free(s->match[i]);
	free(s->match);
	*s = (struct mh_select){0};
}

bool mh_select_name(const struct mh_select *s, const char *name, size_t len)
{
	if (!s->n)
		return true;
	for (size_t i = 0; i < s->n; i++)
		if (mh_match_name(s->match[i], name, len))
			return !s->invert;
	return s->invert;
}

uint64_t mh_select_given_up(const struct mh_select *s)
{
	uint64_t n = 0;

	for (size_t i = 0; i < s->n; i++)
		n += mh_match_given_up(s->match[i]);
	return n;
}
