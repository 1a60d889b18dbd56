/* memhist config: the configuration in force, whether it is good, and why places are refused. */
#include "libmemhist/base/escape.h"
#include "libmemhist/base/users.h"
#include "tools/commands.h"
#include "tools/config_paths.h"
#include "tools/json.h"
#include "tools/outfile.h"
#include "tools/settings.h"
#include "tools/tool.h"

#include <errno.h>
#include <string.h>
#include <unistd.h>

enum { WORDS_MAX = 1000, KEY_COLUMN = 22, VALUE_COLUMN = 34 };

struct config {
	const char *file;
	bool check, check_paths, json;
	const char *word[WORDS_MAX];
	size_t n_words;
};

static const struct option options[] = {
	{OPTION_FLAG(struct config, check), 0, "check", NULL, "only say whether the file is good"},
	{OPTION_FLAG(struct config, check_paths), 0, "check-paths", NULL,
	 "explain where may be written: the configured and usual places, and PATHs"},
	{OPTION_FLAG(struct config, json), 0, "json", NULL, "one JSON object instead of text"},
	{0},
};

static int take(void *arg, int id, const char *const value[OPTION_VALUES_MAX], struct mh_err *err)
{
	struct config *c = arg;

	if (id == OPTION_CONFIG) {
		c->file = value[0];
		return 0;
	}
	if (!*value[0])
		return mh_errf(err, -EINVAL, "a FILE or PATH without a name");
	if (c->n_words == WORDS_MAX)
		return mh_errf(err, -EINVAL, "more than %d paths at once", WORDS_MAX);
	c->word[c->n_words++] = value[0];
	return 0;
}

/* A page that is composed, and what makes the answer "no". */
struct page {
	struct mh_buf *out;
	bool json;
	bool is_refused;
};

static const char *default_of(enum mh_config_key key)
{
	static const char *const words[MH_CONFIG_KEYS] = {
		[MH_CONFIG_ALLOWED_OUTPUT_PATHS] = "all but directories of the system",
		[MH_CONFIG_HISTORY_DIR] = DEFAULT_HISTORY " (memhist-exporter: none)",
		[MH_CONFIG_HISTORY_MAX_AGE] = "none",
		[MH_CONFIG_HISTORY_MAX_SIZE] = "2G",
		[MH_CONFIG_HISTORY_MIN_FREE] = "the smaller of 1G and 5%",
		[MH_CONFIG_HISTORY_SYNC_INTERVAL] = "60s",
		[MH_CONFIG_GROUPS_BY] = "program, or other where there are process_names",
		[MH_CONFIG_GROUPS_TREE] = "true",
		[MH_CONFIG_GROUPS_MIN_RSS] = "none",
		[MH_CONFIG_GROUPS_TOP] = "none",
		[MH_CONFIG_GROUPS_MAX] = "200",
		[MH_CONFIG_PROCESS_NAMES] = "none",
		[MH_CONFIG_EXPORT_PROCESSES] = "none",
		[MH_CONFIG_REMOTE_WRITE] = "none",
	};

	return words[key];
}

/* What a list says that has nothing in it. */
static const char *empty_of(enum mh_config_key key)
{
	return key == MH_CONFIG_ALLOWED_OUTPUT_PATHS ? "nowhere" : "none";
}

static void say_file(struct page *p, const struct mh_config *config)
{
	char user[MH_USER_WORDS_MAX];
	struct mh_buf *out = p->out;

	mh_user_words(geteuid(), user);
	if (p->json) {
		json_string(out, "user", user + strlen("user "));
		if (config->file)
			json_string(out, "file", config->file);
		json_string(out, "default_file", mh_config_default_file());
		json_bool(out, "default_file_is_closed", config->is_closed);
		return;
	}
	mh_buf_adds(out, "configuration: ");
	if (config->file) {
		mh_escape_terminal(out, config->file, strlen(config->file));
		/* else it had not been read */
		mh_buf_adds(out, ": good");
	} else if (config->is_closed)
		mh_buf_printf(out, "unknown, since %s may not be read by %s",
			      mh_config_default_file(), user);
	else
		mh_buf_printf(out, "none (%s would be read)", mh_config_default_file());
	mh_buf_adds(out, "\n");
}

static void pad(struct mh_buf *out, size_t from, size_t width)
{
	size_t used = out->len - from;

	mh_buf_printf(out, "%*s", used < width ? (int)(width - used) : 1, "");
}

/* "history.dir           line 3    /srv/memhist", the other values of a list below the first. */
static void say_value(struct page *p, const struct mh_config_item *item, enum mh_config_key key)
{
	struct mh_buf *out = p->out;
	size_t start = out->len;

	mh_buf_adds(out, item->key);
	pad(out, start, KEY_COLUMN);
	if (item->is_set)
		mh_buf_printf(out, "line %u", item->from.line);
	else
		mh_buf_adds(out, "default");
	pad(out, start, VALUE_COLUMN);
	if (!item->n)
		mh_buf_printf(out, "%s\n", item->is_set ? empty_of(key) : default_of(key));
	for (size_t i = 0; i < item->n; i++) {
		if (i)
			mh_buf_printf(out, "%*s", VALUE_COLUMN, "");
		mh_escape_terminal(out, item->value[i], strlen(item->value[i]));
		mh_buf_addc(out, '\n');
	}
}

static void say_value_json(struct page *p, const struct mh_config_item *item)
{
	struct mh_buf *out = p->out;

	json_open(out, NULL, '{');
	json_string(out, "key", item->key);
	json_bool(out, "is_set", item->is_set);
	if (item->is_set) {
		json_number(out, "line", item->from.line);
		json_number(out, "column", item->from.column);
	}
	if (item->is_list && item->is_set)
		json_open(out, "value", '[');
	for (size_t i = 0; i < item->n; i++)
		json_string(out, item->is_list ? NULL : "value", item->value[i]);
	if (item->is_list && item->is_set)
		json_close(out, ']');
	json_close(out, '}');
}

static void say_values(struct page *p, const struct mh_config *config)
{
	struct mh_config_item item;

	if (p->json)
		json_open(p->out, "values", '[');
	for (int key = 0; key < MH_CONFIG_KEYS; key++) {
		mh_config_item(config, (enum mh_config_key)key, &item);
		if (p->json)
			say_value_json(p, &item);
		else
			say_value(p, &item, (enum mh_config_key)key);
	}
	if (p->json)
		json_close(p->out, ']');
}

static void say_decision_json(struct mh_buf *out, const struct config_decision *d)
{
	const struct mh_resolved *at = &d->verdict.at;

	json_open(out, NULL, '{');
	json_string(out, "what", d->what);
	json_string(out, "path", d->path);
	json_string(out, "use",
		    d->as_device              ? "device"
		    : d->use == MH_PLACE_FILE ? "file"
					      : "history");
	json_bool(out, "allowed", !d->verdict.rc);
	if (d->verdict.rule > 0)
		json_number(out, "rule", (uint64_t)d->verdict.rule);
	if (d->verdict.list)
		json_string(out, "allowed_by", d->verdict.list);
	if (d->verdict.rc)
		json_string(out, "reason", d->verdict.why.text);
	if (!d->as_device && at->path[0])
		json_string(out, "leads_to", at->path);
	if (!d->as_device && !d->verdict.rc) {
		json_bool(out, "exists", at->exists);
		if (d->obstacle)
			json_string(out, "obstacle", d->obstacle);
	}
	if (!d->as_device && !d->verdict.rc && at->exists) {
		json_number(out, "owner", at->st.st_uid);
		json_number(out, "mode", at->st.st_mode & 07777);
	}
	json_close(out, '}');
}

static void say_decision(void *arg, const struct config_decision *d)
{
	struct page *p = arg;
	struct mh_buf words = MH_BUF_INIT(16 << 10);
	size_t start = p->out->len;

	p->is_refused |= d->counts && d->verdict.rc;
	if (p->json) {
		say_decision_json(p->out, d);
		return;
	}
	mh_buf_adds(p->out, d->what);
	pad(p->out, start, 9);
	mh_escape_terminal(p->out, d->path, strlen(d->path));
	mh_buf_adds(p->out, "\n         ");
	config_decision_words(&words, d);
	mh_escape_terminal(p->out, mh_buf_str(&words), words.len);
	mh_buf_addc(p->out, '\n');
	mh_buf_done(&words);
}

static void say_paths(struct page *p, const struct config *c, const struct mh_config *config)
{
	char user[MH_USER_WORDS_MAX];

	mh_user_words(geteuid(), user);
	if (p->json)
		json_open(p->out, "paths", '[');
	else
		mh_buf_printf(p->out, "as %s\n\n", user);
	config_paths_judge(config, c->word, c->n_words, say_decision, p);
	if (p->json)
		json_close(p->out, ']');
}

static int print(const struct config *c, const struct mh_config *config, struct mh_err *err)
{
	struct outfile out;
	int rc = outfile_open(&out, "-", NULL, err);
	struct page page = {.out = &out.buf, .json = c->json};

	if (rc)
		return rc;
	if (c->json)
		json_open(&out.buf, NULL, '{');
	say_file(&page, config);
	if (c->check_paths)
		say_paths(&page, c, config);
	else if (!c->check)
		say_values(&page, config);
	if (c->json) {
		json_close(&out.buf, '}');
		mh_buf_addc(&out.buf, '\n');
	}
	rc = outfile_commit(&out, err);
	outfile_done(&out);
	return rc ? rc : page.is_refused;
}

static int run(int argc, char **argv)
{
	struct config c = {0};
	struct mh_err err = {""};
	int rc, status = options_parse(&command_config, argc, argv, &c);

	if (status != OPTIONS_GO_ON)
		return status;
	if (c.check && c.check_paths)
		return options_usage_error(&command_config,
					   "--check-paths checks the file as well: leave --check "
					   "out");
	if (!c.check_paths && c.n_words) {
		if (c.n_words > 1 || c.file)
			return options_usage_error(
				&command_config,
				"one FILE at a time; PATHs are for --check-paths, which takes the "
				"file by --config");
		c.file = c.word[0];
	}
	rc = settings_load(c.file, &err);
	if (!rc)
		rc = print(&c, settings(), &err);
	if (rc < 0)
		return tool_fail(command_config.name, rc == -EBADMSG ? -EIO : rc, &err);
	return rc ? STATUS_OTHER : STATUS_OK;
}

const struct command command_config = {
	.name = "memhist config",
	.usage = "[--check] [FILE]\n       memhist config --check-paths [--config FILE] [PATH]...",
	.summary = "Show the configuration, check it, explain where may be written.",
	.options = options,
	.examples = "  memhist config\n"
		    "  memhist config --check ./memhist.yaml\n"
		    "  memhist config --check-paths /srv/memhist out.tsv\n",
	.take = take,
	.run = run,
	.takes_config = true,
};
