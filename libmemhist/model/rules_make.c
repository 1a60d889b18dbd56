/* Making a set of rules: everything that can be wrong with one is said here. */
#include "libmemhist/model/argv.h"
#include "libmemhist/model/rules_inner.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

enum { LINE_MAX_BYTES = 3 * MH_CMDLINE_MAX }; /* each byte may become U+FFFD, of three */

static const char *const selector_names[MH_SELECTORS] = {
	[MH_SELECT_COMM] = "comm",       [MH_SELECT_EXE] = "exe",
	[MH_SELECT_CMDLINE] = "cmdline", [MH_SELECT_PROGRAM] = "program",
	[MH_SELECT_USER] = "user",       [MH_SELECT_CGROUP] = "cgroup",
	[MH_SELECT_UNIT] = "unit",       [MH_SELECT_CLASS] = "class",
};

const char *mh_selector_name(enum mh_selector selector)
{
	return selector_names[selector];
}

/*
 * A buffer of its full size, so that it does not fail later; and cleared: PCRE2's just-in-time code
 * looks at sixteen bytes of a text at once, also behind its end. Nothing comes of what is there,
 * but valgrind cannot know.
 */
static bool make_buf(struct mh_buf *b, size_t max)
{
	*b = (struct mh_buf)MH_BUF_INIT(max);
	if (!mh_buf_reserve(b, max))
		return false;
	memset(b->data, 0, b->cap);
	return true;
}

int mh_rules_new(struct mh_rules **ret)
{
	struct mh_rules *r = calloc(1, sizeof(*r));

	if (!r)
		return -ENOMEM;
	r->expected = calloc(MH_RULES_EXPECTED_MAX, sizeof(*r->expected));
	if (!r->expected || !make_buf(&r->line, LINE_MAX_BYTES) ||
	    !make_buf(&r->place, MH_PATH_MAX) || !make_buf(&r->utf8, (size_t)3 * MH_PATH_MAX) ||
	    !make_buf(&r->name, MH_RULES_NAME_BYTES) || mh_regex_room_new(&r->room)) {
		mh_rules_free(r);
		return -ENOMEM;
	}
	*ret = r;
	return 0;
}

static void free_words(struct mh_rule_words *w)
{
	for (size_t i = 0; i < w->n_text; i++)
		free(w->text[i]);
	for (size_t i = 0; i < w->n_regex; i++)
		mh_regex_free(w->regex[i]);
	free(w->text);
	free(w->regex);
}

void mh_rules_free(struct mh_rules *r)
{
	if (!r)
		return;
	for (size_t i = 0; i < r->n; i++) {
		for (int s = 0; s < MH_SELECTORS; s++)
			free_words(&r->rule[i].select[s]);
		mh_template_free(r->rule[i].name);
	}
	for (size_t i = 0; i < r->n_expected; i++)
		free(r->expected[i]);
	free(r->expected);
	free(r->rule);
	mh_regex_room_free(r->room);
	mh_users_done(&r->users);
	mh_buf_done(&r->line);
	mh_buf_done(&r->place);
	mh_buf_done(&r->utf8);
	mh_buf_done(&r->name);
	free(r);
}

/* Room for one more behind n things; arrays are full at powers of two. */
static bool reserve(void *array, size_t n, size_t size)
{
	void **at = array, *bigger;

	if (n & (n - 1))
		return true;
	bigger = reallocarray(*at, n ? n * 2 : 1, size);
	if (bigger)
		*at = bigger;
	return bigger != NULL;
}

int mh_rules_begin(struct mh_rules *r, struct mh_err *err)
{
	if (r->n == MH_RULES_MAX)
		return mh_errf(err, -EOVERFLOW, "more than %d rules", MH_RULES_MAX);
	if (!reserve(&r->rule, r->n, sizeof(*r->rule)))
		return -ENOMEM;
	r->rule[r->n++] = (struct mh_rule){0};
	return 0;
}

/* --- selectors -------------------------------------------------------------------------------- */

/* Kinds that take regular expressions between slashes. */
static bool takes_slashes(enum mh_selector selector)
{
	return selector == MH_SELECT_PROGRAM || selector == MH_SELECT_USER ||
	       selector == MH_SELECT_UNIT || selector == MH_SELECT_CLASS;
}

static bool is_between_slashes(const char *word)
{
	size_t len = strlen(word);

	return len > 2 && word[0] == '/' && word[len - 1] == '/';
}

static int check_word(const struct mh_rules *r, enum mh_selector selector, const char *word,
		      bool is_regex, struct mh_err *err)
{
	if (r->n_words == MH_RULES_WORDS_MAX)
		return mh_errf(err, -EOVERFLOW, "more than %d words in all rules",
			       MH_RULES_WORDS_MAX);
	if (is_regex && r->n_regex == MH_RULES_REGEX_MAX)
		return mh_errf(err, -EOVERFLOW,
			       "more than %d regular expressions in all rules: join some with |",
			       MH_RULES_REGEX_MAX);
	if (!*word)
		return mh_errf(err, -EINVAL, "an empty word");
	if (strlen(word) > MH_RULES_WORD_BYTES)
		return mh_errf(err, -EINVAL, "longer than %d bytes", MH_RULES_WORD_BYTES);
	if (selector == MH_SELECT_CGROUP && word[0] != '/')
		return mh_errf(err, -EINVAL, "“%s” is no path of a cgroup, such as /system.slice",
			       word);
	if (selector == MH_SELECT_CLASS && !is_regex && strcmp(word, "system") != 0 &&
	    strcmp(word, "user") != 0)
		return mh_errf(err, -EINVAL, "“%s” is no class: they are system and user", word);
	return 0;
}

static int add_text(struct mh_rule_words *w, enum mh_selector selector, const char *word)
{
	size_t len = strlen(word);

	/* a path means the same with a slash at its end */
	while (selector == MH_SELECT_CGROUP && len > 1 && word[len - 1] == '/')
		len--;
	if (!reserve(&w->text, w->n_text, sizeof(*w->text)))
		return -ENOMEM;
	w->text[w->n_text] = strndup(word, len);
	if (!w->text[w->n_text])
		return -ENOMEM;
	w->n_text++;
	return 0;
}

static int add_regex(struct mh_rule_words *w, enum mh_selector selector, const char *word,
		     struct mh_err *err)
{
	char *bare = selector == MH_SELECT_CMDLINE ? strdup(word)
						   : strndup(word + 1, strlen(word) - 2);
	int rc = -ENOMEM;

	if (bare && reserve(&w->regex, w->n_regex, sizeof(struct mh_regex *)))
		rc = mh_regex_new(&w->regex[w->n_regex], bare, err);
	free(bare);
	if (!rc)
		w->n_regex++;
	return rc;
}

void mh_rules_have(struct mh_rules *r, enum mh_selector selector)
{
	r->rule[r->n - 1].has[selector] = true;
}

int mh_rules_add(struct mh_rules *r, enum mh_selector selector, const char *word,
		 struct mh_err *err)
{
	struct mh_rule_words *w = &r->rule[r->n - 1].select[selector];
	const bool is_regex = selector == MH_SELECT_CMDLINE ||
			      (takes_slashes(selector) && is_between_slashes(word));
	int rc = check_word(r, selector, word, is_regex, err);

	if (!rc)
		rc = is_regex ? add_regex(w, selector, word, err) : add_text(w, selector, word);
	if (rc)
		return rc;
	mh_rules_have(r, selector);
	r->n_words++;
	r->n_regex += is_regex;
	r->uses_users |= selector == MH_SELECT_USER;
	return 0;
}

/* --- the name --------------------------------------------------------------------------------- */

int mh_rules_name(struct mh_rules *r, const char *text, struct mh_err *err)
{
	struct mh_rule *rule = &r->rule[r->n - 1];

	if (rule->name)
		return mh_errf(err, -EINVAL, "“name” and “by” both say how the group is called");
	return mh_template_new(&rule->name, *text ? text : "{{.ExeBase}}", err);
}

int mh_rules_by(struct mh_rules *r, enum mh_axis axis, struct mh_err *err)
{
	static const char *const templates[MH_AXES] = {
		[MH_BY_PROGRAM] = "{{.Program}}", [MH_BY_EXE] = "{{.Exe}}",
		[MH_BY_USER] = "{{.Username}}",   [MH_BY_CGROUP] = "{{.Cgroup}}",
		[MH_BY_UNIT] = "{{.Unit}}",       [MH_BY_CLASS] = "{{.Class}}",
	};

	return mh_rules_name(r, templates[axis], err);
}

void mh_rules_tree(struct mh_rules *r, bool tree)
{
	r->rule[r->n - 1].no_tree = !tree;
}

struct mh_regex *mh_rule_find_part(const struct mh_rule *rule, const char *name, size_t len,
				   int *ret_part)
{
	const struct mh_rule_words *w = &rule->select[MH_SELECT_CMDLINE];

	/* where two have it, the last one says what it is */
	for (size_t i = w->n_regex; i-- > 0;) {
		*ret_part = mh_regex_part(w->regex[i], name, len);
		if (*ret_part >= 0)
			return w->regex[i];
	}
	return NULL;
}

static int check_name(struct mh_rules *r, const struct mh_rule *rule, struct mh_err *err)
{
	const struct mh_piece *piece;
	size_t n = mh_template_pieces(rule->name, &piece);
	int part;

	for (size_t i = 0; i < n; i++) {
		r->uses_users |= piece[i].variable == MH_VAR_USERNAME;
		if (piece[i].variable == MH_VAR_MATCHES &&
		    !mh_rule_find_part(rule, piece[i].text, piece[i].len, &part))
			return mh_errf(err, -EINVAL,
				       "{{.Matches.%.*s}} is there, and no (?P<%.*s>...) in "
				       "“cmdline”",
				       (int)piece[i].len, piece[i].text, (int)piece[i].len,
				       piece[i].text);
	}
	return 0;
}

/* --- names known in advance ------------------------------------------------------------------- */

enum { NO_LIST = -1, NOT_LISTED = -2 };

/* The selector whose words are all values that the variables of a name can have. */
static int listed_by(const struct mh_piece *piece, size_t n)
{
	int list = NO_LIST;

	for (size_t i = 0; i < n; i++) {
		int mine = piece[i].variable == MH_VAR_COMM       ? MH_SELECT_COMM
			   : piece[i].variable == MH_VAR_EXE_BASE ? MH_SELECT_EXE
			   : piece[i].variable == MH_VAR_EXE_FULL ? MH_SELECT_EXE
								  : NOT_LISTED;

		if (piece[i].variable == MH_VAR_NONE)
			continue;
		if (mine == NOT_LISTED || (list != NO_LIST && list != mine))
			return NOT_LISTED;
		list = mine;
	}
	return list;
}

/* The name where the variables mean this word. False: it is not known then. */
static bool spell_name(struct mh_buf *out, const struct mh_piece *piece, size_t n, const char *word)
{
	for (size_t i = 0; i < n; i++) {
		const char *text = word;
		size_t len;

		if (piece[i].variable == MH_VAR_NONE) {
			mh_buf_add(out, piece[i].text, piece[i].len);
			continue;
		}
		/* a word without a slash is the end of any path */
		if (piece[i].variable == MH_VAR_EXE_FULL && !strchr(word, '/'))
			return false;
		len = strlen(word);
		if (piece[i].variable == MH_VAR_EXE_BASE)
			len = mh_path_base(word, len, &text);
		mh_buf_add(out, text, len);
	}
	return !out->error;
}

static int expect_name(struct mh_rules *r, const struct mh_piece *piece, size_t n, const char *word)
{
	struct mh_buf name = MH_BUF_INIT(MH_RULES_NAME_BYTES);
	int rc = 0;

	if (r->n_expected < MH_RULES_EXPECTED_MAX && spell_name(&name, piece, n, word)) {
		r->expected[r->n_expected] = strdup(mh_buf_str(&name));
		rc = r->expected[r->n_expected] ? 0 : -ENOMEM;
		r->n_expected += !rc;
	}
	/* one that is too long is not expected */
	if (name.error == -ENOMEM)
		rc = -ENOMEM;
	mh_buf_done(&name);
	return rc;
}

static int expect_names(struct mh_rules *r, const struct mh_rule *rule)
{
	const struct mh_piece *piece;
	size_t n = mh_template_pieces(rule->name, &piece);
	int list = listed_by(piece, n), rc = 0;

	if (list == NO_LIST)
		return expect_name(r, piece, n, NULL);
	for (size_t i = 0; list >= 0 && !rc && i < rule->select[list].n_text; i++)
		rc = expect_name(r, piece, n, rule->select[list].text[i]);
	return rc;
}

static int by_bytes(const void *a, const void *b)
{
	return strcmp(*(char *const *)a, *(char *const *)b);
}

/* Words are looked up from here on. Returns whether there is any selector. */
static bool sort_words(struct mh_rule *rule)
{
	bool has_any = false;

	for (int s = 0; s < MH_SELECTORS; s++) {
		has_any |= rule->has[s];
		if (rule->select[s].n_text)
			qsort(rule->select[s].text, rule->select[s].n_text, sizeof(char *),
			      by_bytes);
	}
	return has_any;
}

void mh_rules_min_rss(struct mh_rules *r, uint64_t bytes)
{
	r->rule[r->n - 1].has_min_rss = true;
	r->rule[r->n - 1].min_rss = bytes;
}

int mh_rules_end_choice(struct mh_rules *r, struct mh_err *err)
{
	struct mh_rule *rule = &r->rule[r->n - 1];

	if (!sort_words(rule) && !rule->has_min_rss)
		return mh_errf(err, -EINVAL,
			       "a rule says whom it takes: by comm, exe, cmdline, program, user, "
			       "cgroup, unit, class or min_rss");
	return 0;
}

int mh_rules_end(struct mh_rules *r, struct mh_err *err)
{
	struct mh_rule *rule = &r->rule[r->n - 1];
	int rc = rule->name ? 0 : mh_rules_name(r, "", err);

	if (rc)
		return rc;
	if (!sort_words(rule))
		return mh_errf(err, -EINVAL,
			       "a rule says whom it takes: by comm, exe, cmdline, program, user, "
			       "cgroup, unit or class");
	rc = check_name(r, rule, err);
	return rc ? rc : expect_names(r, rule);
}
