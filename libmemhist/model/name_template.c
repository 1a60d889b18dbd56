/* A template is cut into pieces once; what they are worth for a process is said in rules.c. */
#include "libmemhist/model/name_template.h"

#include "libmemhist/base/suggest.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct mh_template {
	char *text;
	struct mh_piece piece[MH_TEMPLATE_PIECES];
	size_t n;
};

static const char MATCHES[] = "Matches.";

static const char *const variables[MH_VARIABLES] = {
	[MH_VAR_COMM] = "Comm",        [MH_VAR_EXE_BASE] = "ExeBase",
	[MH_VAR_EXE_FULL] = "ExeFull", [MH_VAR_USERNAME] = "Username",
	[MH_VAR_PID] = "PID",          [MH_VAR_START_TIME] = "StartTime",
	[MH_VAR_CGROUPS] = "Cgroups",  [MH_VAR_PROGRAM] = "Program",
	[MH_VAR_EXE] = "Exe",          [MH_VAR_CGROUP] = "Cgroup",
	[MH_VAR_UNIT] = "Unit",        [MH_VAR_CLASS] = "Class",
};

/* Where something is, for people: characters from 1. */
static size_t character_at(const struct mh_template *t, const char *p)
{
	size_t n = 1;

	for (const char *c = t->text; c < p; c++)
		n += (*c & 0xc0) != 0x80;
	return n;
}

static int wrong(const struct mh_template *t, const char *open, size_t len, const char *reason,
		 struct mh_err *err)
{
	const size_t shown = len < 64 ? len : 64;

	return mh_errf(err, -EINVAL, "“%.*s%s”, at character %zu, %s", (int)shown, open,
		       shown < len ? "..." : "", character_at(t, open), reason);
}

static bool is_word(const char *p, size_t len)
{
	static const char allowed[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
				      "0123456789_";

	return len && strspn(p, allowed) >= len && (p[0] < '0' || p[0] > '9');
}

static int unknown(const struct mh_template *t, const char *open, size_t len, const char *name,
		   size_t name_len, struct mh_err *err)
{
	const char *known[MH_VARIABLES + 1], *nearest;
	char word[32], reason[96];
	size_t n = 0;

	if (name_len == strlen("Matches") && !memcmp(name, "Matches", name_len))
		return wrong(t, open, len, "is all matches: name one, as in {{.Matches.port}}",
			     err);
	for (int v = 0; v < MH_VARIABLES; v++)
		if (variables[v])
			known[n++] = variables[v];
	known[n] = NULL;
	snprintf(word, sizeof(word), "%.*s", (int)name_len, name);
	nearest = name_len < sizeof(word) ? mh_suggest(word, known) : NULL;
	if (!nearest)
		return wrong(t, open, len, "is no variable: see memhist.yaml(5)", err);
	snprintf(reason, sizeof(reason), "is no variable: did you mean {{.%s}}?", nearest);
	return wrong(t, open, len, reason, err);
}

/* "{{ .Name }}", len bytes with the braces. */
static int take_variable(const struct mh_template *t, const char *open, size_t len,
			 struct mh_piece *ret, struct mh_err *err)
{
	static const char only[] = "is not understood: only variables such as {{.Comm}} are";
	static const char blanks[] = " \t\r\n";
	const char *name = open + 2, *end = open + len - 2;

	name += strspn(name, blanks);
	while (end > name && strchr(blanks, end[-1]))
		end--;
	if (name >= end || *name++ != '.')
		return wrong(t, open, len, only, err);
	if ((size_t)(end - name) > strlen(MATCHES) && !memcmp(name, MATCHES, strlen(MATCHES))) {
		*ret = (struct mh_piece){MH_VAR_MATCHES, name + strlen(MATCHES),
					 (size_t)(end - name) - strlen(MATCHES)};
		return is_word(ret->text, ret->len) ? 0 : wrong(t, open, len, only, err);
	}
	if (!is_word(name, (size_t)(end - name)))
		return wrong(t, open, len, only, err);
	for (int v = 0; v < MH_VARIABLES; v++) {
		const char *known = variables[v];

		if (!known || strlen(known) != (size_t)(end - name) ||
		    memcmp(known, name, strlen(known)) != 0)
			continue;
		*ret = (struct mh_piece){.variable = (enum mh_variable)v};
		return 0;
	}
	return unknown(t, open, len, name, (size_t)(end - name), err);
}

static int cut(struct mh_template *t, struct mh_err *err)
{
	const char *p = t->text;
	int rc = 0;

	while (*p && !rc) {
		const char *open = strstr(p, "{{"), *close;
		size_t text_len = open ? (size_t)(open - p) : strlen(p);

		if (t->n + 2 > MH_TEMPLATE_PIECES)
			return mh_errf(err, -EINVAL, "more than %d variables",
				       MH_TEMPLATE_PIECES / 2);
		if (text_len)
			t->piece[t->n++] = (struct mh_piece){MH_VAR_NONE, p, text_len};
		if (!open)
			break;
		close = strstr(open + 2, "}}");
		if (!close)
			return wrong(t, open, strlen(open), "is not closed by }}", err);
		p = close + 2;
		rc = take_variable(t, open, (size_t)(p - open), &t->piece[t->n++], err);
	}
	return rc;
}

int mh_template_new(struct mh_template **ret, const char *text, struct mh_err *err)
{
	struct mh_template *t;
	int rc;

	if (strlen(text) > MH_TEMPLATE_MAX)
		return mh_errf(err, -EINVAL, "longer than %d bytes", MH_TEMPLATE_MAX);
	t = calloc(1, sizeof(*t));
	if (!t)
		return -ENOMEM;
	t->text = strdup(text);
	rc = t->text ? cut(t, err) : -ENOMEM;
	if (rc) {
		mh_template_free(t);
		return rc;
	}
	*ret = t;
	return 0;
}

void mh_template_free(struct mh_template *t)
{
	if (!t)
		return;
	free(t->text);
	free(t);
}

size_t mh_template_pieces(const struct mh_template *t, const struct mh_piece **ret)
{
	*ret = t->piece;
	return t->n;
}
