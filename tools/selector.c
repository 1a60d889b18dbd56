/* The part of PromQL's grammar between braces. */
#include "tools/selector.h"

#include "libmemhist/base/escape.h"

#include <errno.h>
#include <stdbool.h>
#include <string.h>

#define LETTERS "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz_"

static const char *const operators[] = {"=", "!=", "=~", "!~"};

struct reading {
	const char *begin, *at;
	char *to; /* where the next text goes */
	struct mh_err *err;
};

static int wrong(const struct reading *r, const char *what)
{
	return mh_errf(r->err, -EINVAL,
		       "%s, at character %zu of a selector like {instance=\"a:9100\"}", what,
		       (size_t)(r->at - r->begin) + 1);
}

static void skip_blanks(struct reading *r)
{
	r->at += strspn(r->at, " \t\n");
}

static int take_name(struct reading *r, const char **ret)
{
	const size_t len = strspn(r->at, LETTERS "0123456789");

	if (!len || (*r->at >= '0' && *r->at <= '9'))
		return wrong(r, "there is no name of a label");
	memcpy(r->to, r->at, len);
	r->to[len] = '\0';
	if (!strcmp(r->to, "__name__"))
		return wrong(r, "the name of the metric is not for a selector: see --metric");
	*ret = r->to;
	r->to += len + 1;
	r->at += len;
	return 0;
}

static int take_operator(struct reading *r, enum matcher_type *ret)
{
	/* the longer ones first */
	for (int type = MATCHER_NOT_REGEX; type >= MATCHER_EQUAL; type--) {
		const size_t len = strlen(operators[type]);

		if (strncmp(r->at, operators[type], len) != 0)
			continue;
		r->at += len;
		*ret = (enum matcher_type)type;
		return 0;
	}
	return wrong(r, "there is none of = != =~ !~");
}

static int take_escape(struct reading *r)
{
	static const char from[] = "\\\"'ntr", to[] = "\\\"'\n\t\r";
	const char *found = r->at[1] ? strchr(from, r->at[1]) : NULL;

	if (!found)
		return wrong(r, "this escape is not known");
	*r->to++ = to[found - from];
	r->at += 2;
	return 0;
}

static int take_value(struct reading *r, const char **ret)
{
	const char quote = *r->at;
	int rc = 0;

	if (!quote || !strchr("\"'`", quote))
		return wrong(r, "there is no value in quotes");
	*ret = r->to;
	for (r->at++; *r->at != quote && !rc;) {
		if (!*r->at)
			return wrong(r, "the quote is not closed");
		if (*r->at == '\\' && quote != '`')
			rc = take_escape(r);
		else
			*r->to++ = *r->at++;
	}
	*r->to++ = '\0';
	r->at++;
	return rc;
}

static int take_matcher(struct reading *r, struct selector *s)
{
	struct matcher *m = &s->matcher[s->n];
	int rc = take_name(r, &m->name);

	skip_blanks(r);
	if (!rc)
		rc = take_operator(r, &m->type);
	skip_blanks(r);
	if (!rc)
		rc = take_value(r, &m->value);
	skip_blanks(r);
	s->n++;
	return rc;
}

static bool is_utf8(const char *text)
{
	size_t left = strlen(text), n = 1;

	for (; left && n; text += n, left -= n)
		n = mh_utf8_length(text, left);
	return n;
}

int selector_parse(struct selector *ret, const char *text, struct mh_err *err)
{
	struct reading r = {.begin = text, .at = text, .to = ret->text, .err = err};
	int rc = 0;

	ret->n = 0;
	if (!text)
		return 0;
	if (strlen(text) > SELECTOR_TEXT_MAX)
		return mh_errf(err, -EINVAL, "a selector of more than %d bytes", SELECTOR_TEXT_MAX);
	if (!is_utf8(text))
		return mh_errf(err, -EINVAL, "a selector is UTF-8");
	skip_blanks(&r);
	if (*r.at++ != '{') {
		r.at--;
		return wrong(&r, "there is no “{”");
	}
	for (skip_blanks(&r); *r.at != '}' && !rc;) {
		if (ret->n == SELECTOR_MATCHERS_MAX)
			return wrong(&r, "these are too many labels");
		rc = take_matcher(&r, ret);
		if (!rc && *r.at == ',') {
			r.at++;
			skip_blanks(&r);
		} else if (!rc && *r.at != '}') {
			rc = wrong(&r, "there is neither “,” nor “}”");
		}
	}
	if (rc)
		return rc;
	r.at++;
	skip_blanks(&r);
	return *r.at ? wrong(&r, "there is something behind “}”") : 0;
}

void selector_write(const struct selector *s, struct mh_buf *out)
{
	mh_buf_addc(out, '{');
	for (size_t i = 0; i < s->n; i++) {
		const struct matcher *m = &s->matcher[i];

		mh_buf_printf(out, "%s%s%s\"", i ? "," : "", m->name, operators[m->type]);
		mh_escape_prometheus(out, m->value, strlen(m->value));
		mh_buf_addc(out, '"');
	}
	mh_buf_addc(out, '}');
}
