/* The option parser and the help it prints. Reads tables, knows no command. */
#include "tools/options.h"

#include "libmemhist/base/buf.h"
#include "libmemhist/base/suggest.h"
#include "tools/settings.h"
#include "tools/tool.h"

#include <ctype.h>
#include <errno.h>
#include <stdarg.h>
#include <stdbool.h>
#include <string.h>

enum { COLUMNS = 80, HELP_COLUMN = 26, OPTIONS_MAX = 64 };

/* The command line and how far it has been read. */
struct words {
	int argc;
	char **argv;
	int at;
	const char *config; /* given with --config; NULL = the usual one */
};

/* Ids of what every table is followed by. */
enum { OPT_HELP = -3, OPT_VERSION = -4 };

static const struct option common[] = {
	{OPTION_CONFIG, 0, "config", "FILE", "the configuration, see memhist.yaml(5)"},
	{OPT_HELP, 'h', "help", NULL, "print this help"},
	{OPT_VERSION, 'V', "version", NULL, "print the version"},
	{0},
};

static int n_values(const struct option *o)
{
	if (!o->value)
		return 0;
	return strchr(o->value, ' ') ? 2 : 1;
}

int options_usage_error(const struct command *cmd, const char *fmt, ...)
{
	char sentence[1024];
	va_list ap;
	size_t len;

	va_start(ap, fmt);
	vsnprintf(sentence, sizeof(sentence), fmt, ap);
	va_end(ap);
	len = strlen(sentence);
	if (len && sentence[len - 1] == '?')
		tool_say(cmd->name, "%s See %s --help", sentence, cmd->name);
	else
		tool_say(cmd->name, "%s; see %s --help", sentence, cmd->name);
	return STATUS_USAGE;
}

/* --- help -------------------------------------------------------------------------------- */

/* `text` at HELP_COLUMN and below, broken at blanks so that lines stay within COLUMNS. */
static void print_wrapped(FILE *to, const char *text)
{
	int room = COLUMNS - HELP_COLUMN;

	while ((int)strlen(text) > room) {
		int cut = room;

		while (cut > 0 && text[cut] != ' ')
			cut--;
		if (!cut)
			break;
		fprintf(to, "%.*s\n%*s", cut, text, HELP_COLUMN, "");
		text += cut + 1;
	}
	fprintf(to, "%s\n", text);
}

static void print_option(FILE *to, const struct option *o)
{
	char letter[5] = "    ";
	int width;

	if (o->letter)
		snprintf(letter, sizeof(letter), "-%c, ", o->letter);
	width = fprintf(to, "  %s--%s%s%s", letter, o->name, o->value ? " " : "",
			o->value ? o->value : "");
	if (width > HELP_COLUMN - 2) {
		fputc('\n', to);
		width = 0;
	}
	fprintf(to, "%*s", HELP_COLUMN - width, "");
	print_wrapped(to, o->help);
}

void options_print_help(const struct command *cmd, FILE *to)
{
	fprintf(to, "Usage: %s %s\n%s\n\n", cmd->name, cmd->usage, cmd->summary);
	for (const struct option *o = cmd->options; o->id; o++)
		print_option(to, o);
	for (const struct option *o = common; o->id; o++)
		print_option(to, o);
	fprintf(to, "\nExamples:\n%s", cmd->examples);
}

void options_print_version(const char *name)
{
	printf("%s (memhist) %s\n", name, PACKAGE_VERSION);
}

/* --- parsing ----------------------------------------------------------------------------- */

static const struct option *find_in(const struct option *table, const char *name, size_t len,
				    char letter)
{
	for (const struct option *o = table; o->id; o++)
		if (name ? strlen(o->name) == len && !memcmp(o->name, name, len)
			 : o->letter == letter)
			return o;
	return NULL;
}

/* The option called `name` (len bytes), or, with name == NULL, the one with this letter. */
static const struct option *find(const struct command *cmd, const char *name, size_t len,
				 char letter)
{
	const struct option *o = find_in(cmd->options, name, len, letter);

	return o ? o : find_in(common, name, len, letter);
}

static int unknown(const struct command *cmd, const char *arg)
{
	const char *known[OPTIONS_MAX + 1];
	char word[64];
	const char *near;
	size_t n = 0;

	snprintf(word, sizeof(word), "%.*s", (int)strcspn(arg, "="), arg);
	for (const struct option *o = cmd->options; o->id && n < OPTIONS_MAX; o++)
		known[n++] = o->name;
	for (const struct option *o = common; o->id && n < OPTIONS_MAX; o++)
		known[n++] = o->name;
	known[n] = NULL;
	near = strncmp(word, "--", 2) ? NULL : mh_suggest(word + 2, known);
	if (near)
		return options_usage_error(cmd, "unknown option %s: did you mean --%s?", word,
					   near);
	return options_usage_error(cmd, "unknown option %s", word);
}

/* A directory or a file without a name, as an unset variable of a script gives it. */
static int check_names(const struct command *cmd, const struct option *o,
		       const char *const value[OPTION_VALUES_MAX])
{
	bool is_dir = o->value && !strcmp(o->value, "DIR");
	bool is_file = o->value && !strcmp(o->value, "FILE");

	if ((is_dir || is_file) && !*value[0])
		return options_usage_error(cmd, "--%s needs a %s", o->name,
					   is_dir ? "directory" : "file");
	return OPTIONS_GO_ON;
}

/* Collect the values of `o`: `inlined` when it came as --name=VALUE, the rest from `w`. */
static int read_values(const struct command *cmd, const struct option *o, const char *inlined,
		       struct words *w, const char *value[OPTION_VALUES_MAX])
{
	int need = n_values(o), n = 0;

	if (inlined && !need)
		return options_usage_error(cmd, "--%s takes no value", o->name);
	if (inlined)
		value[n++] = inlined;
	while (n < need && w->at + 1 < w->argc)
		value[n++] = w->argv[++w->at];
	if (n < need)
		return options_usage_error(cmd, "--%s needs %s: %s", o->name,
					   need == 1 ? "a value" : "two values", o->value);
	return check_names(cmd, o, value);
}

/* Whether an option only sets a member of `config`; it is set. */
static bool set(int id, const char *text, void *config)
{
	char *base = config;

	if (id >= OPTION_SETS_FLAG)
		*(bool *)(void *)(base + (id - OPTION_SETS_FLAG)) = true;
	else if (id >= OPTION_SETS_TEXT)
		*(const char **)(void *)(base + (id - OPTION_SETS_TEXT)) = text;
	return id >= OPTION_SETS_TEXT;
}

static int hand_over(const struct command *cmd, const struct option *o, struct words *w,
		     const char *const value[OPTION_VALUES_MAX], void *config)
{
	struct mh_err err = {""};

	if (o->id == OPT_HELP) {
		options_print_help(cmd, stdout);
		return STATUS_OK;
	}
	if (o->id == OPT_VERSION) {
		options_print_version(cmd->name);
		return STATUS_OK;
	}
	if (o->id == OPTION_CONFIG && !cmd->takes_config) {
		w->config = value[0];
		return OPTIONS_GO_ON;
	}
	if (set(o->id, value[0], config))
		return OPTIONS_GO_ON;
	if (cmd->take(config, o->id, value, &err))
		return options_usage_error(cmd, "--%s: %s", o->name, err.text);
	return OPTIONS_GO_ON;
}

static int take_word(const struct command *cmd, const char *word, void *config)
{
	const char *value[OPTION_VALUES_MAX] = {word};
	struct mh_err err = {""};

	if (cmd->take(config, OPTION_WORD, value, &err))
		return options_usage_error(cmd, "%s", err.text);
	return OPTIONS_GO_ON;
}

static int take_option(const struct command *cmd, struct words *w, void *config)
{
	const char *arg = w->argv[w->at], *value[OPTION_VALUES_MAX] = {NULL};
	const char *inlined = NULL;
	const struct option *o;
	int status;

	if (arg[1] == '-') {
		size_t len = strcspn(arg + 2, "=");

		o = find(cmd, arg + 2, len, 0);
		inlined = arg[2 + len] ? arg + 2 + len + 1 : NULL;
	} else {
		o = arg[2] ? NULL : find(cmd, NULL, 0, arg[1]);
	}
	if (!o)
		return unknown(cmd, arg);
	status = read_values(cmd, o, inlined, w, value);
	return status == OPTIONS_GO_ON ? hand_over(cmd, o, w, value, config) : status;
}

int options_parse(const struct command *cmd, int argc, char **argv, void *config)
{
	struct words w = {.argc = argc, .argv = argv};
	struct mh_err err;
	bool words_only = false;
	int status = OPTIONS_GO_ON;

	for (w.at = 1; w.at < argc && status == OPTIONS_GO_ON; w.at++) {
		const char *arg = argv[w.at];

		if (words_only || arg[0] != '-' || !arg[1])
			status = take_word(cmd, arg, config);
		else if (!strcmp(arg, "--"))
			words_only = true;
		else
			status = take_option(cmd, &w, config);
	}
	if (status != OPTIONS_GO_ON || cmd->takes_config)
		return status;
	return settings_load(w.config, &err) ? tool_fail(cmd->name, -EIO, &err) : status;
}

/* --- values ------------------------------------------------------------------------------ */

int option_word(const char *value, const char *const *words, struct mh_err *err)
{
	struct mh_buf list = MH_BUF_INIT(1024);
	const char *near;

	for (int i = 0; words[i]; i++)
		if (!strcmp(words[i], value))
			return i;
	near = mh_suggest(value, words);
	if (near)
		return mh_errf(err, -EINVAL, "no “%s”: did you mean “%s”?", value, near);
	for (int i = 0; words[i]; i++)
		mh_buf_printf(&list, "%s%s", i ? words[i + 1] ? ", " : " or " : "", words[i]);
	mh_errf(err, -EINVAL, "no “%s”: it is %s", value, mh_buf_str(&list));
	mh_buf_done(&list);
	return -EINVAL;
}

int option_no_word(const char *value, struct mh_err *err)
{
	return mh_errf(err, -EINVAL, "“%s” is no option; the history is named by --history", value);
}

int option_number(const char *value, long long min, long long max, long long *ret,
		  struct mh_err *err)
{
	char *end;
	long long n = strtoll(value, &end, 10); /* beyond its range its limit, beyond ours too */

	if (end == value || *end || !(isdigit((unsigned char)*value) || *value == '-'))
		return mh_errf(err, -EINVAL, "“%s” is no whole number", value);
	if (n < min || n > max)
		return mh_errf(err, -EINVAL, "%s is not within %lld … %lld", value, min, max);
	*ret = n;
	return 0;
}

int option_too_long(const char *value, struct mh_err *err)
{
	return mh_errf(err, -EINVAL, "%s is too long, at most 36525d", value);
}
