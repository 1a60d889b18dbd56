/*
 * The JSON files of process_memory_history: memory_*.json, one per instant.
 *
 *     {"timestamp": "2025-06-04T12:34:56+09:00", "hostname": "server01",
 *      "items": [{"pid": 1234, "cmd": "python main.py", "rss": 102400, "group": "python"}],
 *      "total_mb": 1024.5, "total_gb": 1.0, "total_tb": 0.001}
 *
 * rss is in KiB. What is not looked at: the totals, which follow from it, and keys that are not
 * known. Without hostname or group there is none; without an offset the time is local.
 *
 * json-c reads it: it can be told how deep to go, tells a file that was cut short from one that is
 * wrong, and is part of every distribution. A value costs it some 60 bytes, so their number is
 * limited before it begins.
 */
#include "tools/shots.h"

#include "libmemhist/base/timespec.h"

#include <errno.h>
#include <json-c/json.h>
#include <limits.h>
#include <math.h>
#include <string.h>

enum { DEPTH_MAX = 16, VALUES_MAX = 4000000 };

struct document {
	const char *path;
	struct json_object *root;
};

static int kind(const char *name)
{
	size_t len = strlen(name);

	return strncmp(name, "memory_", 7) == 0 && len > 5 && !strcmp(name + len - 5, ".json") ? 0
											       : -1;
}

/* At most as many values as there are bytes that could stand between two. */
static bool has_too_many_values(const struct mh_buf *text)
{
	size_t n = 0;

	for (size_t i = 0; i < text->len; i++)
		n += text->data[i] == ',' || text->data[i] == ':' || text->data[i] == '[';
	return n > VALUES_MAX;
}

static int parse(struct document *d, const struct mh_buf *text, struct mh_err *err)
{
	struct json_tokener *tokener = json_tokener_new_ex(DEPTH_MAX);
	enum json_tokener_error error;
	size_t end;

	if (!tokener)
		return -ENOMEM;
	json_tokener_set_flags(tokener, JSON_TOKENER_STRICT);
	d->root = json_tokener_parse_ex(tokener, text->data, (int)text->len);
	error = json_tokener_get_error(tokener);
	end = json_tokener_get_parse_end(tokener);
	json_tokener_free(tokener);
	if (error == json_tokener_continue)
		return mh_errf(err, -EINVAL, "%s is cut short", d->path);
	if (error)
		return mh_errf(err, -EINVAL, "%s is no JSON: %s at byte %zu", d->path,
			       json_tokener_error_desc(error), end);
	if (!json_object_is_type(d->root, json_type_object))
		return mh_errf(err, -EINVAL, "%s is no JSON object", d->path);
	return 0;
}

static struct json_object *member(struct json_object *of, const char *key, enum json_type type)
{
	struct json_object *value;

	return json_object_object_get_ex(of, key, &value) && json_object_is_type(value, type)
		       ? value
		       : NULL;
}

/*
 * "2025-06-04T12:34:56.789+09:00": the fraction, which mh_time_parse() does not know, is taken out.
 */
static int read_time(const struct document *d, bool utc, mh_ms_t *ret, struct mh_err *err)
{
	struct json_object *value = member(d->root, "timestamp", json_type_string);
	const char *text = value ? json_object_get_string(value) : "", *dot = strchr(text, '.');
	int len = (int)strlen(text), digits = 0, ms = 0;
	char plain[64];

	if (dot) {
		while (dot[1 + digits] >= '0' && dot[1 + digits] <= '9' && digits < 64)
			digits++;
		for (int i = 1; i <= 3; i++)
			ms = ms * 10 + (i <= digits ? dot[i] - '0' : 0);
		snprintf(plain, sizeof(plain), "%.*s%s", (int)(dot - text), text, dot + 1 + digits);
	} else {
		snprintf(plain, sizeof(plain), "%s", text);
	}
	/* words such as "now" are no times of a file */
	if (!value || len >= (int)sizeof(plain) || text[0] < '0' || text[0] > '9' ||
	    (dot && !digits) || mh_time_parse(plain, 0, utc, ret))
		return mh_errf(err, -EINVAL, "%s has no timestamp like “2025-06-04T12:34:56+09:00”",
			       d->path);
	*ret += ms;
	return 0;
}

static int bad_item(const struct document *d, size_t i, const char *what, struct mh_err *err)
{
	return mh_errf(err, -EINVAL, "%s, item %zu: %s", d->path, i + 1, what);
}

/* A whole number, which may be written with a point ("102400.0"). */
static bool read_number(struct json_object *of, const char *key, int64_t min, int64_t max,
			int64_t *ret)
{
	struct json_object *value;
	double number;

	if (!json_object_object_get_ex(of, key, &value))
		return false;
	if (json_object_is_type(value, json_type_int)) {
		*ret = json_object_get_int64(value);
	} else if (json_object_is_type(value, json_type_double)) {
		number = json_object_get_double(value);
		if (!(number >= 0 && number < 9e15))
			return false;
		*ret = (int64_t)(number + 0.5);
	} else {
		return false;
	}
	return *ret >= min && *ret <= max;
}

static int read_item(const struct document *d, struct json_object *from, size_t i, struct shot *s,
		     struct mh_err *err)
{
	struct json_object *command, *group;
	struct shot_item *item;
	int64_t pid, rss_kib;
	int rc;

	if (!json_object_is_type(from, json_type_object))
		return bad_item(d, i, "it is no object", err);
	if (!read_number(from, "pid", 1, MH_PID_MAX, &pid))
		return bad_item(d, i, "its pid is no number within 1 … 4194304", err);
	if (!read_number(from, "rss", 0, INT64_MAX / 1024, &rss_kib))
		return bad_item(d, i, "its rss is no number of KiB", err);
	command = member(from, "cmd", json_type_string);
	if (!command)
		return bad_item(d, i, "it has no cmd", err);
	group = member(from, "group", json_type_string);
	rc = shot_add(s, d->path, &item, err);
	if (rc)
		return rc;
	item->pid = (uint32_t)pid;
	item->rss_kib = (uint64_t)rss_kib;
	item->command_len = (size_t)json_object_get_string_len(command);
	item->command = shot_text(s, json_object_get_string(command), item->command_len);
	if (group) {
		item->program_len = (size_t)json_object_get_string_len(group);
		item->program = shot_text(s, json_object_get_string(group), item->program_len);
	}
	return 0;
}

static int read_shot(const struct document *d, struct shot *s, struct mh_err *err)
{
	struct json_object *items = member(d->root, "items", json_type_array);
	struct json_object *host = member(d->root, "hostname", json_type_string);
	int rc = 0;

	if (!items)
		return mh_errf(err, -EINVAL, "%s has no items", d->path);
	if (host)
		snprintf(s->host, sizeof(s->host), "%s", json_object_get_string(host));
	s->fields = MH_FIELDS(RSS);
	for (size_t i = 0; i < json_object_array_length(items) && !rc; i++)
		rc = read_item(d, json_object_array_get_idx(items, i), i, s, err);
	return rc;
}

static int load(struct shot *s, const char *path, const char *name, bool utc, mh_ms_t *ret_ms,
		struct mh_err *err)
{
	struct document d = {.path = path};
	struct mh_buf text = {0};
	int rc = shot_read(&text, path, err);

	(void)name;
	if (!rc && has_too_many_values(&text))
		rc = mh_errf(err, -EINVAL, "%s has more than %d values", path, VALUES_MAX);
	if (!rc)
		rc = parse(&d, &text, err);
	mh_buf_done(&text);
	if (!rc)
		rc = read_time(&d, utc, ret_ms, err);
	if (!rc && s)
		rc = read_shot(&d, s, err);
	json_object_put(d.root);
	return rc;
}

const struct shot_format shots_json = {
	.kind = kind,
	.load = load,
	.what = "memory_*.json",
	.any_name = true,
};

int import_json(struct import_job *job, struct mh_err *err)
{
	return import_shots(job, &shots_json, err);
}
