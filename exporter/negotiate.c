/*
 * Reading the two headers. Both are lists of elements with parameters, cut at commas and semicolons
 * outside of quoted strings:
 *
 *     Accept           type/subtype ; name=value ; q=0.5 , …
 *     Accept-Encoding  coding ; q=0.5 , …
 */
#include "exporter/negotiate.h"

#include <string.h>
#include <strings.h>

enum {
	MAX_ELEMENTS = 64, /* what comes behind them is not looked at */
	MAX_PARAMETERS = 16,
	WEIGHT_MAX = 1000,
	/* how much a range says: its type, its subtype, each of its parameters */
	SAYS_TYPE = 100,
	SAYS_SUBTYPE = 200,
};

struct text {
	const char *p;
	size_t len;
};

struct parameter {
	struct text name, value; /* of a quoted string what is between the quotes */
};

struct element {
	struct text name; /* text/plain, gzip, * */
	struct parameter parameter[MAX_PARAMETERS];
	size_t n_parameters;
	uint32_t weight;
};

static bool is_token_char(char c)
{
	return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') ||
	       (c && strchr("!#$%&'*+-.^_`|~", c));
}

static const char *skip_blanks(const char *p)
{
	return p + strspn(p, " \t");
}

static const char *read_token(const char *p, struct text *ret)
{
	ret->p = p;
	while (is_token_char(*p))
		p++;
	ret->len = (size_t)(p - ret->p);
	return p;
}

static bool is(struct text t, const char *word)
{
	return t.len == strlen(word) && !strncasecmp(t.p, word, t.len);
}

/* Behind the next comma that is in no quoted string, or the end. */
static const char *skip_element(const char *p)
{
	bool quoted = false;

	for (; *p && (quoted || *p != ','); p++) {
		if (quoted && *p == '\\' && p[1])
			p++;
		else if (*p == '"')
			quoted = !quoted;
	}
	return *p ? p + 1 : p;
}

/* What follows the '=': a token, or a quoted string. NULL when it is neither. */
static const char *read_value(const char *p, struct text *ret)
{
	if (*p != '"') {
		p = read_token(p, ret);
		return ret->len ? p : NULL;
	}
	ret->p = ++p;
	for (; *p && *p != '"'; p++)
		if (*p == '\\' && p[1])
			p++;
	ret->len = (size_t)(p - ret->p);
	return *p ? p + 1 : NULL;
}

/* 0, 0.5, 1.000; more digits than three are cut. */
static bool read_weight(struct text t, uint32_t *ret)
{
	uint32_t weight, unit = WEIGHT_MAX;

	if (!t.len || (t.p[0] != '0' && t.p[0] != '1') || (t.len > 1 && t.p[1] != '.'))
		return false;
	weight = t.p[0] == '1' ? WEIGHT_MAX : 0;
	for (size_t i = 2; i < t.len; i++) {
		if (t.p[i] < '0' || t.p[i] > '9')
			return false;
		unit /= 10;
		weight += (uint32_t)(t.p[i] - '0') * unit;
	}
	*ret = weight;
	return weight <= WEIGHT_MAX;
}

/* Behind the ';'. Returns where it ends, or NULL when it is not understood. */
static const char *read_parameter(const char *p, struct element *e)
{
	struct parameter parameter;

	p = read_token(skip_blanks(p), &parameter.name);
	if (!parameter.name.len) /* an empty one is allowed: "gzip;" */
		return p;
	if (*p != '=')
		return NULL;
	p = read_value(p + 1, &parameter.value);
	if (!p)
		return NULL;
	if (is(parameter.name, "q"))
		return read_weight(parameter.value, &e->weight) ? p : NULL;
	if (e->n_parameters == MAX_PARAMETERS)
		return NULL;
	e->parameter[e->n_parameters++] = parameter;
	return p;
}

/* One element, up to its comma or the end. */
static bool read_element(const char *p, struct element *ret)
{
	struct text rest;

	*ret = (struct element){.weight = WEIGHT_MAX};
	p = read_token(p, &ret->name);
	if (*p == '/') {
		p = read_token(p + 1, &rest);
		if (!rest.len)
			return false;
		ret->name.len += 1 + rest.len;
	}
	for (p = skip_blanks(p); *p == ';'; p = skip_blanks(p)) {
		p = read_parameter(p + 1, ret);
		if (!p)
			return false;
	}
	return ret->name.len && (!*p || *p == ',');
}

/* The element at `*p`, which is moved behind it. Returns whether there was one. */
static bool next_element(const char **p, struct element *ret)
{
	while (**p) {
		const char *begin = skip_blanks(*p);

		*p = skip_element(begin);
		if (read_element(begin, ret))
			return true;
	}
	return false;
}

static void weigh(struct wish *wish, uint32_t specific, uint32_t weight)
{
	if (wish->said &&
	    (specific < wish->specific || (specific == wish->specific && weight < wish->weight)))
		return;
	*wish = (struct wish){true, specific, weight};
}

/* Whether `type` ("text/plain; version=0.0.4; …") has the parameter. */
static bool has_parameter(const char *type, const struct parameter *parameter)
{
	while ((type = strstr(type, "; "))) {
		struct text name, value;

		type = read_token(type + 2, &name);
		type = read_token(type + 1, &value);
		if (name.len == parameter->name.len &&
		    !strncasecmp(name.p, parameter->name.p, name.len))
			return value.len == parameter->value.len &&
			       !strncasecmp(value.p, parameter->value.p, value.len);
	}
	return false;
}

/* How much the range says of our type, 1 and up; 0: the type is not in it. */
static uint32_t match_range(const struct element *range, const char *type)
{
	struct text whole = {type, strcspn(type, ";")}, major = {type, strcspn(type, "/") + 1};
	uint32_t says = 1;

	if (range->name.len == whole.len && !strncasecmp(range->name.p, whole.p, whole.len))
		says = SAYS_SUBTYPE;
	else if (range->name.len == major.len + 1 && range->name.p[major.len] == '*' &&
		 !strncasecmp(range->name.p, major.p, major.len))
		says = SAYS_TYPE;
	else if (!is(range->name, "*/*"))
		return 0;
	for (size_t i = 0; i < range->n_parameters; i++) {
		if (is(range->parameter[i].name, "escaping"))
			continue;
		if (!has_parameter(type, &range->parameter[i]))
			return 0;
		says++;
	}
	return says;
}

void wishes_accept(struct wishes *w, const char *value)
{
	const char *p = value ? value : "";
	struct element range;

	for (int i = 0; i < MAX_ELEMENTS && next_element(&p, &range); i++)
		for (int f = 0; f < PAGE_FORMATS; f++) {
			const struct format *format = format_of((enum page_format)f);
			uint32_t says = match_range(&range, format->content_type);

			if (says)
				weigh(&w->format[f], says, range.weight);
		}
}

enum page_format wishes_format(const struct wishes *w)
{
	enum page_format best = PAGE_TEXT;

	for (int f = 0; f < PAGE_FORMATS; f++)
		if (w->format[f].weight > w->format[best].weight)
			best = (enum page_format)f;
	return best;
}

void wishes_accept_encoding(struct wishes *w, const char *value)
{
	const char *p = value ? value : "";
	struct element coding;

	w->has_coding = true;
	for (int i = 0; i < MAX_ELEMENTS && next_element(&p, &coding); i++) {
		bool any = is(coding.name, "*");

		if (any || is(coding.name, "gzip") || is(coding.name, "x-gzip"))
			weigh(&w->coding[PAGE_GZIP], !any, coding.weight);
		if (any || is(coding.name, "identity"))
			weigh(&w->coding[PAGE_IDENTITY], !any, coding.weight);
	}
}

enum page_coding wishes_coding(const struct wishes *w)
{
	uint32_t gzip = w->coding[PAGE_GZIP].weight;
	struct wish identity = w->coding[PAGE_IDENTITY];

	/* who says nothing of compression may not know of any */
	if (!w->has_coding)
		return PAGE_IDENTITY;
	/* identity is allowed unless it is refused, but whoever names gzip wants it rather */
	if (gzip && (!identity.said || gzip >= identity.weight))
		return PAGE_GZIP;
	return !identity.said || identity.weight ? PAGE_IDENTITY : PAGE_CODINGS;
}
