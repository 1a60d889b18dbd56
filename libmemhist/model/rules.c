/*
 * Asking a set of rules whose a process is. What is cheap is asked first: words are looked up in
 * sorted arrays; the command line is joined, and the regular expressions matched, only for a
 * process that everything else accepts.
 */
#include "libmemhist/model/rules.h"

#include "libmemhist/base/escape.h"
#include "libmemhist/model/argv.h"
#include "libmemhist/model/rules_inner.h"

#include <string.h>
#include <time.h>

static const char PASSWD[] = "/etc/passwd";

enum { TICKS_PER_S = 100 }; /* of struct mh_identity: USER_HZ */

size_t mh_rules_count(const struct mh_rules *r)
{
	return r->n;
}

bool mh_rules_have_tree(const struct mh_rules *r)
{
	for (size_t i = 0; i < r->n; i++)
		if (!r->rule[i].no_tree)
			return true;
	return false;
}

size_t mh_rules_expected(const struct mh_rules *r, const char *const **ret)
{
	*ret = (const char *const *)r->expected;
	return r->n_expected;
}

uint64_t mh_rules_given_up(const struct mh_rules *r)
{
	uint64_t n = 0;

	for (size_t i = 0; i < r->n; i++)
		for (int s = 0; s < MH_SELECTORS; s++)
			for (size_t k = 0; k < r->rule[i].select[s].n_regex; k++)
				n += mh_regex_given_up(r->rule[i].select[s].regex[k]);
	return n;
}

void mh_rules_tick(struct mh_rules *r, struct mh_instant at)
{
	r->at = at;
	if (r->uses_users)
		mh_users_read(&r->users, PASSWD); /* what cannot be read is shown as numbers */
	for (size_t i = 0; r->n_regex && i < r->n; i++)
		for (int s = 0; s < MH_SELECTORS; s++)
			for (size_t k = 0; k < r->rule[i].select[s].n_regex; k++)
				mh_regex_forgive(r->rule[i].select[s].regex[k]);
}

/* --- who -------------------------------------------------------------------------------------- */

static bool has_text(const struct mh_rule_words *w, const char *bytes, size_t len)
{
	size_t low = 0, high = w->n_text;

	while (low < high) {
		size_t mid = low + (high - low) / 2;
		const char *word = w->text[mid];
		/* neither has a NUL in it */
		int order = strncmp(word, bytes, len);

		if (!order)
			order = word[len] != '\0';
		if (!order)
			return true;
		if (order < 0)
			low = mid + 1;
		else
			high = mid;
	}
	return false;
}

static bool has_exe(const struct mh_rule_words *w, const struct mh_process *p)
{
	const char *argv0, *base;
	size_t len, base_len;

	if (!mh_argv_first(p, &argv0, &len))
		return false;
	/* words with a slash are compared with the whole; as no base has one, one array will do */
	base_len = mh_path_base(argv0, len, &base);
	return has_text(w, base, base_len) || (memchr(argv0, '/', len) && has_text(w, argv0, len));
}

static bool has_cgroup(const struct mh_rule_words *w, const struct mh_process *p)
{
	if (!p->cgroup || !p->cgroup->len)
		return false;
	if (has_text(w, "/", 1) || has_text(w, p->cgroup->bytes, p->cgroup->len))
		return true;
	for (size_t len = 1; len < p->cgroup->len; len++)
		if (p->cgroup->bytes[len] == '/' && has_text(w, p->cgroup->bytes, len))
			return true;
	return false;
}

static bool has_place(struct mh_rules *r, const struct mh_rule_words *w, enum mh_axis axis,
		      const struct mh_process *p)
{
	mh_buf_clear(&r->place);
	mh_axis_add(&r->place, axis, p, &r->users);
	if (r->place.error)
		return false;
	if (w->n_text && has_text(w, mh_buf_str(&r->place), r->place.len))
		return true;
	mh_buf_clear(&r->utf8);
	if (w->n_regex)
		mh_escape_utf8(&r->utf8, mh_buf_str(&r->place), r->place.len);
	for (size_t i = 0; i < w->n_regex; i++)
		if (mh_regex_match(w->regex[i], r->room, mh_buf_str(&r->utf8), r->utf8.len))
			return true;
	return false;
}

static const char *command_line(struct mh_rules *r, const struct mh_process *p, size_t *ret_len)
{
	const char *line;

	if (!r->has_line) {
		mh_buf_clear(&r->line);
		mh_argv_join(&r->line, p);
		r->has_line = true;
	}
	line = mh_buf_str(&r->line);
	*ret_len = r->line.len;
	return line;
}

static bool has_cmdline(struct mh_rules *r, const struct mh_rule_words *w,
			const struct mh_process *p)
{
	size_t len;
	const char *line = command_line(r, p, &len);

	if (r->line.error)
		return false;
	for (size_t i = 0; i < w->n_regex; i++)
		if (!mh_regex_match(w->regex[i], r->room, line, len))
			return false;
	return true;
}

static bool accepts(struct mh_rules *r, const struct mh_rule *rule, enum mh_selector selector,
		    const struct mh_process *p)
{
	const struct mh_rule_words *w = &rule->select[selector];

	switch (selector) {
	case MH_SELECT_COMM:
		return has_text(w, p->comm, p->comm_len);
	case MH_SELECT_EXE:
		return has_exe(w, p);
	case MH_SELECT_PROGRAM:
		return has_place(r, w, MH_BY_PROGRAM, p);
	case MH_SELECT_USER:
		return has_place(r, w, MH_BY_USER, p);
	case MH_SELECT_CGROUP:
		return has_cgroup(w, p);
	case MH_SELECT_UNIT:
		return has_place(r, w, MH_BY_UNIT, p);
	case MH_SELECT_CLASS:
		return has_place(r, w, MH_BY_CLASS, p);
	default:
		return has_cmdline(r, w, p);
	}
}

static bool takes(struct mh_rules *r, const struct mh_rule *rule, const struct mh_process *p)
{
	for (int s = 0; s < MH_SELECTORS; s++)
		if (s != MH_SELECT_CMDLINE && rule->has[s] &&
		    !accepts(r, rule, (enum mh_selector)s, p))
			return false;
	return !rule->has[MH_SELECT_CMDLINE] || accepts(r, rule, MH_SELECT_CMDLINE, p);
}

/* --- how it is called ------------------------------------------------------------------------- */

/* As Go prints a time: "2026-03-01 12:00:00.25 +0000 UTC". */
static void add_start_time(struct mh_rules *r, const struct mh_process *p)
{
	/* the kernel says in whole seconds when it was booted */
	int64_t boot_s = (r->at.wall_ms - (mh_ms_t)(r->at.boot_ns / 1000000)) / 1000;
	unsigned int hundredths = (unsigned int)(p->id.start_ticks % TICKS_PER_S);
	time_t start = boot_s + (int64_t)(p->id.start_ticks / TICKS_PER_S);
	struct tm tm;
	char text[64];

	if (!gmtime_r(&start, &tm) || !strftime(text, sizeof(text), "%Y-%m-%d %H:%M:%S", &tm))
		return;
	mh_buf_adds(&r->name, text);
	if (hundredths && hundredths % 10)
		mh_buf_printf(&r->name, ".%02u", hundredths);
	else if (hundredths)
		mh_buf_printf(&r->name, ".%u", hundredths / 10);
	mh_buf_adds(&r->name, " +0000 UTC");
}

/* argv[0], or its base; the name of who has no command line. */
static void add_exe(struct mh_buf *out, const struct mh_process *p, bool base)
{
	const char *text = p->comm;
	size_t len = p->comm_len;

	if (mh_argv_first(p, &text, &len) && base)
		len = mh_path_base(text, len, &text);
	mh_buf_add(out, text, len);
}

/* A match is looked for once more: which expression had the last word in the room is not known. */
static void add_match(struct mh_rules *r, const struct mh_rule *rule, const struct mh_process *p,
		      const struct mh_piece *piece)
{
	int part;
	struct mh_regex *re = mh_rule_find_part(rule, piece->text, piece->len, &part);
	struct mh_regex_span found;
	size_t len;
	const char *line = command_line(r, p, &len);

	if (!re || !mh_regex_match(re, r->room, line, len))
		return;
	found = mh_regex_found(r->room, part);
	mh_buf_add(&r->name, line + found.at, found.len);
}

static void add_piece(struct mh_rules *r, const struct mh_rule *rule, const struct mh_process *p,
		      const struct mh_piece *piece)
{
	static const enum mh_axis axis[MH_VARIABLES] = {
		[MH_VAR_USERNAME] = MH_BY_USER, [MH_VAR_PROGRAM] = MH_BY_PROGRAM,
		[MH_VAR_EXE] = MH_BY_EXE,       [MH_VAR_CGROUP] = MH_BY_CGROUP,
		[MH_VAR_UNIT] = MH_BY_UNIT,     [MH_VAR_CLASS] = MH_BY_CLASS,
	};

	switch (piece->variable) {
	case MH_VAR_NONE:
		mh_buf_add(&r->name, piece->text, piece->len);
		return;
	case MH_VAR_COMM:
		mh_buf_add(&r->name, p->comm, p->comm_len);
		return;
	case MH_VAR_EXE_BASE:
	case MH_VAR_EXE_FULL:
		add_exe(&r->name, p, piece->variable == MH_VAR_EXE_BASE);
		return;
	case MH_VAR_PID:
		mh_buf_addu(&r->name, p->id.pid);
		return;
	case MH_VAR_START_TIME:
		add_start_time(r, p);
		return;
	case MH_VAR_CGROUPS: /* as Go prints a list; where there is only the cgroup v2, it is one */
		mh_buf_addc(&r->name, '[');
		if (p->cgroup)
			mh_buf_add(&r->name, p->cgroup->bytes, p->cgroup->len);
		mh_buf_addc(&r->name, ']');
		return;
	case MH_VAR_MATCHES:
		add_match(r, rule, p, piece);
		return;
	default:
		mh_axis_add(&r->name, axis[piece->variable], p, &r->users);
	}
}

static void write_name(struct mh_rules *r, const struct mh_rule *rule, const struct mh_process *p)
{
	const struct mh_piece *piece;
	size_t n = mh_template_pieces(rule->name, &piece);

	mh_buf_clear(&r->name);
	/* a piece that has no room is left out, with all behind it */
	for (size_t i = 0; i < n && !r->name.error; i++)
		add_piece(r, rule, p, &piece[i]);
}

int mh_rules_classify(struct mh_rules *r, const struct mh_process *p, struct mh_named *ret,
		      bool *ret_undecided)
{
	int taken_by = -1;

	r->has_line = false;
	mh_regex_passed_over(r->room);
	for (size_t i = 0; i < r->n; i++) {
		if (!takes(r, &r->rule[i], p))
			continue;
		write_name(r, &r->rule[i], p);
		*ret = (struct mh_named){.tree = !r->rule[i].no_tree,
					 .name = r->name.data ? r->name.data : "",
					 .len = r->name.len};
		taken_by = (int)i;
		break;
	}
	*ret_undecided = mh_regex_passed_over(r->room);
	return taken_by;
}

uint64_t mh_rules_choose(struct mh_rules *r, const struct mh_process *p, bool *ret_undecided)
{
	uint64_t least = MH_RULES_NEVER;

	r->has_line = false;
	mh_regex_passed_over(r->room);
	for (size_t i = 0; i < r->n && least; i++)
		if (r->rule[i].min_rss < least && takes(r, &r->rule[i], p))
			least = r->rule[i].min_rss;
	*ret_undecided = mh_regex_passed_over(r->room);
	return least;
}
