/* Endpoints from a document: first offered to config/http.c, then to the tables here. */
#include "libmemhist/config/remote_inner.h"

#include "libmemhist/base/suggest.h"
#include "libmemhist/base/timespec.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define MS_OF_HOUR ((mh_ms_t)3600 * 1000)
#define MS_OF_YEAR (8760 * MS_OF_HOUR)

/* A length of time; “0s” too where `least_ms` is 0. */
static int take_duration(const struct mh_remote_reading *r, const struct mh_node *node,
			 mh_ms_t least_ms, mh_ms_t most_ms, mh_ms_t *ret)
{
	struct mh_buf range = MH_BUF_INIT(128);
	mh_ms_t ms = -1;
	int rc;

	if (mh_remote_is_word(node) && !least_ms &&
	    (!strcmp(node->text, "0s") || !strcmp(node->text, "0")))
		ms = 0;
	else if (!mh_remote_is_word(node) || mh_duration_parse(node->text, 0, &ms))
		ms = -1;
	if (ms >= least_ms && ms <= most_ms) {
		*ret = ms;
		return 0;
	}
	if (least_ms)
		mh_duration_format(&range, least_ms);
	else
		mh_buf_adds(&range, "0 s");
	mh_buf_adds(&range, " to ");
	mh_duration_format(&range, most_ms);
	rc = range.error == -ENOMEM
		     ? -ENOMEM
		     : mh_document_wrong(node->at, r->err, "“%s” is a length of time: 30s (%s)",
					 node->key, mh_buf_str(&range));
	mh_buf_done(&range);
	return rc;
}

/* --- queue_config ----------------------------------------------------------------------------- */

static int take_max_samples(struct mh_remote_reading *r, const struct mh_node *node)
{
	return mh_remote_number(r, node, 1, MH_REMOTE_SAMPLES_MAX, &r->c->max_samples_per_send);
}

static int take_deadline(struct mh_remote_reading *r, const struct mh_node *node)
{
	return take_duration(r, node, 10, MS_OF_HOUR, &r->c->batch_send_deadline_ms);
}

static int take_backoff(const struct mh_remote_reading *r, const struct mh_node *node,
			uint32_t *ret)
{
	mh_ms_t ms = 0;
	int rc = take_duration(r, node, 1, MS_OF_HOUR, &ms);

	if (!rc)
		*ret = (uint32_t)ms;
	return rc;
}

static int take_min_backoff(struct mh_remote_reading *r, const struct mh_node *node)
{
	return take_backoff(r, node, &r->c->min_backoff_ms);
}

static int take_max_backoff(struct mh_remote_reading *r, const struct mh_node *node)
{
	return take_backoff(r, node, &r->c->max_backoff_ms);
}

static int take_age_limit(struct mh_remote_reading *r, const struct mh_node *node)
{
	return take_duration(r, node, 0, 100 * MS_OF_YEAR, &r->c->sample_age_limit_ms);
}

static int take_queue(struct mh_remote_reading *r, const struct mh_node *node)
{
	static const struct mh_remote_key keys[] = {
		{"max_samples_per_send", take_max_samples}, {"batch_send_deadline", take_deadline},
		{"min_backoff", take_min_backoff},          {"max_backoff", take_max_backoff},
		{"sample_age_limit", take_age_limit},       {0},
	};
	int rc = mh_remote_map(r, node, keys);

	if (!rc && r->c->min_backoff_ms > r->c->max_backoff_ms)
		rc = mh_document_wrong(node->at, r->err,
				       "“min_backoff” is longer than “max_backoff”");
	return rc;
}

/* --- labels ----------------------------------------------------------------------------------- */

static bool is_label_name(const char *name)
{
	return *name && !(*name >= '0' && *name <= '9') && strncmp(name, "__", 2) != 0 &&
	       !name[strspn(name, "_0123456789abcdefghijklmnopqrstuvwxyz"
				  "ABCDEFGHIJKLMNOPQRSTUVWXYZ")];
}

/* Those that tell our series apart. */
static bool is_ours(const char *name)
{
	static const char *const ours[] = {"comm", "group", "pid", "start"};

	for (size_t i = 0; i < sizeof(ours) / sizeof(ours[0]); i++)
		if (!strcmp(ours[i], name))
			return true;
	return false;
}

static int compare_labels(const void *a, const void *b)
{
	return strcmp(((const struct mh_remote_label *)a)->name,
		      ((const struct mh_remote_label *)b)->name);
}

static int check_label(const struct mh_remote_reading *r, const struct mh_node *node)
{
	if (!is_label_name(node->key))
		return mh_document_wrong(node->key_at, r->err,
					 "a label's name is letters, digits and _, and does not "
					 "begin with a digit or __");
	if (is_ours(node->key))
		return mh_document_wrong(node->key_at, r->err,
					 "“%s” cannot be chosen: memhist has a label of that name",
					 node->key);
	if (!mh_remote_is_word(node))
		return mh_document_wrong(node->at, r->err,
					 "“%s” takes one value; \"\" leaves the label out",
					 node->key);
	if (strlen(node->text) > MH_REMOTE_LABEL_BYTES)
		return mh_document_wrong(node->at, r->err, "“%s” is longer than %d bytes",
					 node->key, MH_REMOTE_LABEL_BYTES);
	return 0;
}

static int take_labels(struct mh_remote_reading *r, const struct mh_node *node)
{
	struct mh_remote_label *label;
	size_t n = 0;
	int rc;

	if (node->kind != MH_NODE_MAP)
		return mh_document_wrong(node->at, r->err,
					 "“external_labels” takes names and their values "
					 "(“cluster: …”)");
	if (node->n > MH_REMOTE_LABELS_MAX)
		return mh_document_wrong(node->at, r->err, "more than %d labels",
					 MH_REMOTE_LABELS_MAX);
	label = mh_arena_array(&r->d->arena, node->n + 1, sizeof(*label));
	if (!label)
		return -ENOMEM;
	for (const struct mh_node *l = node->first; l; l = l->next) {
		rc = check_label(r, l);
		if (rc)
			return rc;
		label[n++] = (struct mh_remote_label){l->key, l->text};
	}
	qsort(label, n, sizeof(*label), compare_labels);
	r->c->label = label;
	r->c->n_labels = n;
	return 0;
}

/* --- endpoints -------------------------------------------------------------------------------- */

static int take_name(struct mh_remote_reading *r, const struct mh_node *node)
{
	if (!mh_remote_is_word(node) || !*node->text || strlen(node->text) > MH_REMOTE_NAME_BYTES)
		return mh_document_wrong(node->at, r->err, "“name” is a text of up to %d bytes",
					 MH_REMOTE_NAME_BYTES);
	for (const char *p = node->text; *p; p++)
		if ((unsigned char)*p < 0x20 || *p == 0x7f)
			return mh_document_wrong(
				node->at, r->err,
				"“name” has a line break or control character in it");
	r->c->name = node->text;
	return 0;
}

static int take_message(struct mh_remote_reading *r, const struct mh_node *node)
{
	static const char *const words[] = {
		[MH_REMOTE_MESSAGE_V1] = "prometheus.WriteRequest",
		[MH_REMOTE_MESSAGE_V2] = "io.prometheus.write.v2.Request",
		[MH_REMOTE_MESSAGE_AUTO] = "auto",
		NULL,
	};
	const char *nearest = mh_remote_is_word(node) ? mh_suggest(node->text, words) : NULL;

	for (int i = 0; mh_remote_is_word(node) && words[i]; i++)
		if (!strcmp(words[i], node->text)) {
			r->c->message = (enum mh_remote_message)i;
			return 0;
		}
	if (nearest)
		return mh_document_wrong(node->at, r->err, "“%s” is not known: did you mean “%s”?",
					 node->text, nearest);
	return mh_document_wrong(node->at, r->err, "“%s” is %s, %s or %s", node->key, words[0],
				 words[1], words[2]);
}

static int take_backfill(struct mh_remote_reading *r, const struct mh_node *node)
{
	return take_duration(r, node, 0, 100 * MS_OF_YEAR, &r->c->backfill_ms);
}

static const struct mh_remote_key keys[] = {
	{"name", take_name},
	{"protobuf_message", take_message},
	{"external_labels", take_labels},
	{"backfill", take_backfill},
	{"queue_config", take_queue},
	{"send", mh_remote_send},
	{0},
};

static int unknown_key(const struct mh_remote_reading *r, const struct mh_node *node)
{
	const char *known[64];
	size_t n = 0;

	for (size_t i = 0; keys[i].name; i++)
		known[n++] = keys[i].name;
	for (size_t i = 0; mh_http_config_keys[i] && n < 63; i++)
		known[n++] = mh_http_config_keys[i];
	known[n] = NULL;
	return mh_remote_unknown(r, node, known);
}

static int take_key(struct mh_remote_reading *r, const struct mh_node *node)
{
	int rc = mh_http_config_take(&r->c->http, r->d, r->dir, node, r->err);

	if (rc)
		return rc < 0 ? rc : 0;
	for (const struct mh_remote_key *k = keys; k->name; k++)
		if (!strcmp(k->name, node->key))
			return k->take(r, node);
	return unknown_key(r, node);
}

/* "prometheus.example:9090/api/v1/write": the URL without its scheme and query. */
static int name_by_url(struct mh_remote_write *c, struct mh_document *d)
{
	const char *from = strstr(c->http.url, "://");
	size_t len;
	char *name;

	from = from ? from + 3 : c->http.url;
	len = strcspn(from, "?#");
	if (len > MH_REMOTE_NAME_BYTES)
		len = MH_REMOTE_NAME_BYTES;
	name = mh_arena_alloc(&d->arena, len + 1);
	if (!name)
		return -ENOMEM;
	memcpy(name, from, len);
	name[len] = '\0';
	c->name = name;
	return 0;
}

static int take_endpoint(struct mh_remote_reading *r, const struct mh_node *item)
{
	int rc = 0;

	*r->c = (struct mh_remote_write){
		.max_samples_per_send = 2000,
		.batch_send_deadline_ms = 5000,
		.min_backoff_ms = 30,
		.max_backoff_ms = 5000,
		.processes = 50,
		.max_series = 20000,
	};
	if (item->kind != MH_NODE_MAP)
		return mh_document_wrong(item->at, r->err,
					 "an endpoint is keys and their values (“url: …”)");
	for (const struct mh_node *n = item->first; n && !rc; n = n->next)
		rc = take_key(r, n);
	if (!rc && !r->c->http.url)
		rc = mh_document_wrong(item->at, r->err, "an endpoint wants a “url”");
	if (!rc && !r->c->name)
		rc = name_by_url(r->c, r->d);
	return rc;
}

/* Names are what metrics and positions go by. */
static int check_names(const struct mh_remote_write *list, size_t n, const struct mh_node *item,
		       struct mh_err *err)
{
	for (size_t i = 0; i < n; i++, item = item->next)
		for (size_t j = 0; j < i; j++)
			if (!strcmp(list[i].name, list[j].name))
				return mh_document_wrong(
					item->at, err,
					"two endpoints are called “%s”: give one another “name”",
					list[i].name);
	return 0;
}

int mh_remote_write_read(struct mh_remote_write **ret, size_t *ret_n, struct mh_document *d,
			 const char *dir, const struct mh_node *list, struct mh_err *err)
{
	struct mh_remote_reading r = {.d = d, .dir = dir, .err = err};
	struct mh_remote_write *endpoint;
	size_t n = 0;
	int rc = 0;

	if (list->kind != MH_NODE_LIST)
		return mh_document_wrong(list->at, err,
					 "“%s” takes a list of endpoints (“- url: …”)", list->key);
	if (list->n > MH_REMOTE_ENDPOINTS_MAX)
		return mh_document_wrong(list->at, err, "more than %d endpoints",
					 MH_REMOTE_ENDPOINTS_MAX);
	endpoint = calloc(list->n + 1, sizeof(*endpoint));
	if (!endpoint)
		return -ENOMEM;
	for (const struct mh_node *item = list->first; item && !rc; item = item->next) {
		r.c = &endpoint[n++];
		rc = take_endpoint(&r, item);
	}
	if (!rc)
		rc = check_names(endpoint, n, list->first, err);
	if (rc) {
		mh_remote_write_free(endpoint, n);
		return rc;
	}
	*ret = endpoint;
	*ret_n = n;
	return 0;
}

void mh_remote_write_free(struct mh_remote_write *list, size_t n)
{
	for (size_t i = 0; list && i < n; i++)
		mh_select_done(&list[i].programs);
	free(list);
}
