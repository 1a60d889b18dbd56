/* Reading configuration files, at the start and again. */
#include "exporter/configured.h"

#include "exporter/log.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

struct configured {
	const struct settings *settings;
	const struct mh_config *config; /* as it was at the start */
	struct configured_parts parts;
	pthread_mutex_t lock; /* one at a time, so that the last one to read has the last word */
};

int configured_groups(const struct settings *settings, struct mh_config *config,
		      struct mh_groups **ret, struct mh_err *err)
{
	struct mh_groups_config groups = {0};
	struct mh_config file = {0};
	int rc = settings->groups_file ? mh_config_read_groups(&file, settings->groups_file, err)
				       : 0;

	if (rc)
		return rc;
	mh_config_groups(settings->groups_file ? &file : config, (uint32_t)sysconf(_SC_PAGESIZE),
			 &groups);
	mh_config_done(&file);
	if (settings->groups_max)
		groups.max_groups = settings->groups_max;
	rc = mh_groups_new(ret, &groups);
	if (rc) {
		mh_rules_free(groups.rules);
		return mh_err_sys(err, rc, "cannot make groups");
	}
	return 0;
}

int configured_choice(struct mh_config *config, struct mh_choice **ret, struct mh_err *err)
{
	struct mh_choice *choice = NULL;

	if (config->choice && mh_choice_new(&choice, config->choice))
		return mh_err_sys(err, -ENOMEM, "cannot choose processes");
	config->choice = NULL;
	*ret = choice;
	return 0;
}

static void free_all(struct mh_groups *groups[MH_REMOTE_ENDPOINTS_MAX])
{
	for (int i = 0; i < MH_REMOTE_ENDPOINTS_MAX; i++) {
		mh_groups_free(groups[i]);
		groups[i] = NULL;
	}
}

int configured_remote(const struct settings *settings, const struct mh_config *config,
		      struct mh_groups *ret[MH_REMOTE_ENDPOINTS_MAX], struct mh_err *err)
{
	int rc = 0;

	memset(ret, 0, MH_REMOTE_ENDPOINTS_MAX * sizeof(ret[0]));
	for (size_t i = 0; i < config->n_remote && !rc; i++) {
		struct mh_config again = {0};

		if (config->remote[i].no_groups)
			continue;
		/* groups take the rules of a configuration away */
		rc = mh_config_load(&again, settings->config_file, MH_CONFIG_DAEMON, err);
		if (!rc)
			rc = configured_groups(settings, &again, &ret[i], err);
		mh_config_done(&again);
	}
	if (rc)
		free_all(ret);
	return rc;
}

int configured_check(const struct mh_config *config, struct mh_err *err)
{
	for (size_t i = 0; i < config->n_remote; i++) {
		const struct mh_http_config *http = &config->remote[i].http;
		const char *const path[] = {
			http->basic_auth.password_file,
			http->authorization.credentials_file,
			http->tls.ca_file,
			http->tls.cert_file,
			http->tls.key_file,
		};

		for (size_t k = 0; k < sizeof(path) / sizeof(path[0]); k++)
			if (path[k] && access(path[k], R_OK))
				return mh_err_sys(err, -errno, "remote_write to %s: cannot read %s",
						  config->remote_name[i], path[k]);
	}
	return 0;
}

int configured_new(struct configured **ret, const struct settings *settings,
		   const struct mh_config *config, const struct configured_parts *parts)
{
	struct configured *c = calloc(1, sizeof(*c));

	if (!c)
		return -ENOMEM;
	*c = (struct configured){settings, config, *parts, PTHREAD_MUTEX_INITIALIZER};
	*ret = c;
	return 0;
}

void configured_free(struct configured *c)
{
	if (!c)
		return;
	pthread_mutex_destroy(&c->lock);
	free(c);
}

static bool is_same(const struct mh_config *a, const struct mh_config *b, enum mh_config_key key)
{
	struct mh_config_item x, y;

	mh_config_item(a, key, &x);
	mh_config_item(b, key, &y);
	if (x.is_set != y.is_set || x.n != y.n)
		return false;
	for (size_t i = 0; i < x.n; i++)
		if (strcmp(x.value[i], y.value[i]) != 0)
			return false;
	return true;
}

static bool is_same_node(const struct mh_node *a, const struct mh_node *b)
{
	if (!a || !b)
		return a == b;
	if (a->kind != b->kind || a->n != b->n || a->is_nothing != b->is_nothing)
		return false;
	if (strcmp(a->key ? a->key : "", b->key ? b->key : "") != 0)
		return false;
	if (a->kind == MH_NODE_TEXT)
		return !strcmp(a->text, b->text);
	for (a = a->first, b = b->first; a && b; a = a->next, b = b->next)
		if (!is_same_node(a, b))
			return false;
	return true;
}

static const struct mh_node *find(const struct mh_config *config, const char *key)
{
	const struct mh_node *node = config->document.root ? config->document.root->first : NULL;

	while (node && strcmp(node->key, key) != 0)
		node = node->next;
	return node;
}

/* "history.dir, history.max_age": what was changed in vain. */
static void find_changes(struct mh_buf *out, const struct mh_config *before,
			 const struct mh_config *now)
{
	struct mh_config_item item;

	for (int key = 0; key < MH_CONFIG_GROUPS_BY; key++) {
		if (is_same(before, now, (enum mh_config_key)key))
			continue;
		mh_config_item(now, (enum mh_config_key)key, &item);
		mh_buf_printf(out, "%s%s", out->len ? ", " : "", item.key);
	}
	if (!is_same_node(find(before, "remote_write"), find(now, "remote_write")))
		mh_buf_printf(out, "%sremote_write", out->len ? ", " : "");
}

static void report(const struct configured *c, const struct mh_config *config)
{
	struct mh_buf changes = MH_BUF_INIT(1024);

	find_changes(&changes, c->config, config);
	if (changes.len)
		log_warn("the configuration was read again; at the next start only: %s",
			 mh_buf_str(&changes));
	else
		log_info("the configuration was read again");
	mh_buf_done(&changes);
}

static int reload(struct configured *c, struct mh_err *err)
{
	struct mh_config config = {0};
	struct mh_groups *groups, *remote[MH_REMOTE_ENDPOINTS_MAX];
	struct mh_choice *choice = NULL;
	int rc = mh_config_load(&config, c->settings->config_file, MH_CONFIG_DAEMON, err);

	if (rc)
		return rc;
	rc = configured_remote(c->settings, c->config, remote, err);
	if (!rc)
		rc = configured_choice(&config, &choice, err);
	if (!rc) {
		rc = configured_groups(c->settings, &config, &groups, err);
		if (rc)
			mh_choice_free(choice);
	}
	if (!rc) {
		collector_regroup(c->parts.collector, groups, choice);
		remote_regroup(c->parts.remote, remote);
		report(c, &config);
	}
	free_all(remote);
	mh_config_done(&config);
	return rc;
}

int configured_reload(struct configured *c, struct mh_err *err)
{
	int rc;

	pthread_mutex_lock(&c->lock);
	rc = reload(c, err);
	if (rc)
		log_error("the configuration stays as it was: %s", err->text);
	view_note_config(c->parts.view, !rc, mh_now().wall_ms);
	pthread_mutex_unlock(&c->lock);
	return rc;
}
