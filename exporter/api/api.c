/*
 * Requests in, answers out. The lock of the view and that of the recent figures are never held at
 * the same time, nor while something is sent.
 */
#include "exporter/api/api.h"

#include "exporter/answers.h"
#include "exporter/api/candles.h"
#include "exporter/api/query.h"
#include "exporter/api/render.h"
#include "exporter/flags.h"
#include "exporter/log.h"

#include <errno.h>
#include <string.h>

enum {
	ANSWER_MAX_BYTES = 4 << 20,
	LIST_LIMIT = 20, /* rows, when not said */
	CACHED = 8,      /* different lists that are kept for a sample */
	CANDLES_MAX = 1500,
};

/* A list that was written. */
struct cached {
	uint64_t serial; /* of the sample; 0: nothing */
	struct render_list list;
	struct mh_buf text;
};

struct api {
	struct api_config config;
	struct cached cached[CACHED];
	unsigned int next;       /* of these to be overwritten */
	struct mh_buf out;       /* memory to be used again */
	struct candles *candles; /* NULL: there is no history */
};

int api_new(struct api **ret, const struct api_config *config)
{
	struct api *a = calloc(1, sizeof(*a));

	if (!a)
		return -ENOMEM;
	a->config = *config;
	a->out = (struct mh_buf)MH_BUF_INIT(ANSWER_MAX_BYTES);
	for (int i = 0; i < CACHED; i++)
		a->cached[i].text = (struct mh_buf)MH_BUF_INIT(ANSWER_MAX_BYTES);
	if (config->history_dir) {
		const struct candles_config candles = {config->history_dir, config->wake,
						       config->wake_arg};
		int rc = candles_new(&a->candles, &candles);

		if (rc) {
			api_free(a);
			return rc;
		}
	}
	*ret = a;
	return 0;
}

void api_release(struct api *a)
{
	if (a->candles)
		candles_release(a->candles);
}

void api_stop(struct api *a)
{
	candles_stop(a->candles);
}

bool api_has(struct api *a, const struct MHD_Connection *connection)
{
	return a->candles && candles_find(a->candles, connection);
}

void api_completed(struct api *a, const struct MHD_Connection *connection)
{
	if (a->candles)
		candles_forget(a->candles, connection);
}

void api_free(struct api *a)
{
	if (!a)
		return;
	for (int i = 0; i < CACHED; i++)
		mh_buf_done(&a->cached[i].text);
	mh_buf_done(&a->out);
	candles_free(a->candles);
	free(a);
}

/* --- answers ---------------------------------------------------------------------------------- */

static enum MHD_Result answer_json(struct MHD_Connection *connection, unsigned int status,
				   const struct mh_buf *json)
{
	const struct answer_head head = {
		.type = "application/json",
		.cache_control = "no-store",
		.retry_after = status == MHD_HTTP_SERVICE_UNAVAILABLE ? "2" : NULL};

	/* out of memory: there is nothing that could be said */
	return json->error ? MHD_NO
			   : answer_bytes(connection, status, &head, json->data, json->len);
}

static enum MHD_Result answer_error(struct api *a, struct MHD_Connection *connection,
				    unsigned int status, const char *sentence)
{
	const char *type = status == MHD_HTTP_BAD_REQUEST ? "bad_data"
			   : status == MHD_HTTP_NOT_FOUND ? "not_found"
							  : "unavailable";

	mh_buf_clear(&a->out);
	render_error(&a->out, type, sentence);
	return answer_json(connection, status, &a->out);
}

/* Answers 503 when there is no current sample. */
static bool is_up(struct api *a, struct MHD_Connection *connection, enum MHD_Result *ret)
{
	struct view *v = a->config.view;
	struct mh_err reason;
	bool up;

	view_lock(v);
	if (view_expire(v, mh_now().boot_ns))
		log_error("%s", v->reason.text);
	up = v->up;
	reason = v->reason;
	view_unlock(v);
	if (!up)
		*ret = answer_error(a, connection, MHD_HTTP_SERVICE_UNAVAILABLE, reason.text);
	return up;
}

/* --- parameters ------------------------------------------------------------------------------- */

static enum MHD_Result take_parameter(void *arg, enum MHD_ValueKind kind, const char *key,
				      size_t key_len, const char *value, size_t value_len)
{
	(void)kind;
	query_add(arg, key, key_len, value, value_len);
	return MHD_YES;
}

static void read_query(struct query *q, struct MHD_Connection *connection, const char *const *names)
{
	query_begin(q, names);
	MHD_get_connection_values_n(connection, MHD_GET_ARGUMENT_KIND, take_parameter, q);
}

static int read_window(struct query *q)
{
	static const char *const words[] = {"5m", "15m", NULL};

	return query_word(q, "window", words, 0, "window is neither 5m nor 15m");
}

/* "PID", or "PID-START[-TWIN]". */
struct wanted_process {
	struct mh_identity id;
	bool is_exact;
};

static bool read_process(const char *text, struct wanted_process *ret)
{
	uint64_t pid, start = 0, twin = 0;
	const char *p = text;

	if (!query_digits(&p, MH_PID_MAX, &pid) || !pid)
		return false;
	ret->is_exact = *p == '-';
	if (ret->is_exact) {
		p++;
		if (!query_digits(&p, UINT64_MAX, &start))
			return false;
		if (*p == '-') {
			p++;
			if (!query_digits(&p, UINT32_MAX, &twin))
				return false;
		}
	}
	ret->id = (struct mh_identity){(uint32_t)pid, (uint32_t)twin, start};
	return !*p;
}

/* Of whom a request wants to know. */
struct wanted {
	struct wanted_process process;
	const char *group; /* NULL: the process */
};

static void read_wanted(struct query *q, struct wanted *ret)
{
	const char *process = query_text(q, "process");

	*ret = (struct wanted){.group = query_text(q, "group")};
	if (q->error)
		return;
	if (!process == !ret->group)
		q->error = "one of process and group is needed, and not both";
	else if (process && !read_process(process, &ret->process))
		q->error = "process is neither a pid nor a pid and a start time such as 1234-56789";
}

/* With the lock held: NULL when there is nobody. */
static const struct track *find_track(const struct recent *r, const struct wanted *wanted,
				      struct render_subject *ret)
{
	const struct recent_process *p;
	const struct recent_group *g;

	if (wanted->group) {
		g = recent_find_group(r, wanted->group);
		*ret = (struct render_subject){.group = wanted->group};
		return g ? &g->track : NULL;
	}
	p = recent_find_process(r, wanted->process.id.pid,
				wanted->process.is_exact ? &wanted->process.id : NULL);
	*ret = (struct render_subject){.process = p ? &p->id : NULL};
	return p ? &p->track : NULL;
}

static enum MHD_Result answer_nobody(struct api *a, struct MHD_Connection *connection,
				     const struct wanted *wanted)
{
	return answer_error(a, connection, MHD_HTTP_NOT_FOUND,
			    wanted->group ? "there is no such group in the last sample"
					  : "there is no such process in the last sample");
}

/* --- paths ------------------------------------------------------------------------------------ */

static enum MHD_Result answer_status(struct api *a, struct MHD_Connection *connection)
{
	static const char *const none[] = {NULL};
	struct view *v = a->config.view;
	struct query q;

	read_query(&q, connection, none);
	if (q.error)
		return answer_error(a, connection, MHD_HTTP_BAD_REQUEST, q.error);
	mh_buf_clear(&a->out);
	view_lock(v);
	if (view_expire(v, mh_now().boot_ns))
		log_error("%s", v->reason.text);
	render_status(&a->out, v, a->config.history_dir != NULL);
	view_unlock(v);
	return answer_json(connection, MHD_HTTP_OK, &a->out);
}

static bool is_same_list(const struct render_list *a, const struct render_list *b)
{
	return a->kind == b->kind && a->by_growth == b->by_growth && a->window == b->window &&
	       a->limit == b->limit && a->with_series == b->with_series;
}

/* The list of the last sample. */
static const struct mh_buf *get_list(struct api *a, const struct render_list *list)
{
	struct recent *r = a->config.recent;
	struct cached *c = NULL;

	recent_lock(r);
	for (int i = 0; i < CACHED && !c; i++)
		if (a->cached[i].serial && is_same_list(&a->cached[i].list, list))
			c = &a->cached[i];
	if (!c)
		c = &a->cached[a->next++ % CACHED];
	if (c->serial != r->serial || !is_same_list(&c->list, list)) {
		mh_buf_clear(&c->text);
		render_list(&c->text, r, list);
		c->list = *list;
		c->serial = c->text.error ? 0 : r->serial;
	}
	recent_unlock(r);
	return &c->text;
}

static enum MHD_Result answer_list(struct api *a, struct MHD_Connection *connection,
				   enum recent_kind kind)
{
	static const char *const names[] = {"sort", "window", "limit", "series", NULL};
	static const char *const orders[] = {"rss", "growth", NULL};
	static const char *const yes_no[] = {"0", "1", NULL};
	struct render_list list = {.kind = kind};
	enum MHD_Result ret;
	struct query q;

	read_query(&q, connection, names);
	list.by_growth = query_word(&q, "sort", orders, 0, "sort is neither rss nor growth");
	list.window = read_window(&q);
	list.limit = query_number(&q, "limit", 1, RECENT_TOP, LIST_LIMIT,
				  "limit is no number from 1 to 100");
	list.with_series = query_word(&q, "series", yes_no, 0, "series is neither 0 nor 1");
	if (q.error)
		return answer_error(a, connection, MHD_HTTP_BAD_REQUEST, q.error);
	if (!is_up(a, connection, &ret))
		return ret;
	return answer_json(connection, MHD_HTTP_OK, get_list(a, &list));
}

static enum MHD_Result answer_processes(struct api *a, struct MHD_Connection *connection)
{
	return answer_list(a, connection, RECENT_PROCESSES);
}

static enum MHD_Result answer_groups(struct api *a, struct MHD_Connection *connection)
{
	return answer_list(a, connection, RECENT_GROUPS);
}

static enum MHD_Result answer_series(struct api *a, struct MHD_Connection *connection)
{
	static const char *const names[] = {"process", "group", "since", NULL};
	struct recent *r = a->config.recent;
	struct render_subject subject;
	const struct track *track;
	struct wanted wanted;
	enum MHD_Result ret;
	mh_ms_t since_ms;
	struct query q;

	read_query(&q, connection, names);
	since_ms = query_time(&q, "since", MH_MS_MIN);
	read_wanted(&q, &wanted);
	if (q.error)
		return answer_error(a, connection, MHD_HTTP_BAD_REQUEST, q.error);
	if (!is_up(a, connection, &ret))
		return ret;
	mh_buf_clear(&a->out);
	recent_lock(r);
	track = find_track(r, &wanted, &subject);
	if (track)
		render_series(&a->out, r, track, &subject, since_ms);
	recent_unlock(r);
	return track ? answer_json(connection, MHD_HTTP_OK, &a->out)
		     : answer_nobody(a, connection, &wanted);
}

/* The candles that a request wants. */
struct wanted_candles {
	struct wanted of;
	int field;
	int interval; /* index of candle_windows[] */
	mh_ms_t since_ms;
};

static const struct view_window candle_windows[] = {{"1m", 60000}, {"15m", 900000}};

static void read_candles(struct query *q, mh_ms_t now_ms, struct wanted_candles *ret)
{
	static const char *const intervals[] = {"1m", "15m", NULL};
	const char *field = query_text(q, "field");
	mh_ms_t interval_ms;

	ret->interval = query_word(q, "interval", intervals, 0, "interval is neither 1m nor 15m");
	interval_ms = candle_windows[ret->interval].ms;
	ret->since_ms = query_time(q, "since", now_ms - 60 * interval_ms);
	ret->field = field ? mh_field_by_name(field) : MH_FIELD_RSS;
	read_wanted(q, &ret->of);
	if (q->error)
		return;
	if (ret->field < 0)
		q->error = "field is no field of a process, such as rss";
	else if (ret->since_ms > now_ms)
		q->error = "since is in the future";
	else if (ret->since_ms < now_ms - CANDLES_MAX * interval_ms)
		q->error = "since is too long ago: there are at most 1,500 candles in an answer";
}

/* Of the points that are in memory. */
static enum MHD_Result answer_recent_candles(struct api *a, struct MHD_Connection *connection,
					     const struct wanted_candles *wanted)
{
	const struct view_window *interval = &candle_windows[wanted->interval];
	struct recent *r = a->config.recent;
	struct render_subject subject;
	const struct track *track;
	enum MHD_Result ret;

	if (wanted->field != MH_FIELD_RSS)
		return answer_error(a, connection, MHD_HTTP_BAD_REQUEST,
				    wanted->of.group
					    ? "there are candles of rss only of groups"
					    : "without a history there are candles of rss only");
	if (!is_up(a, connection, &ret))
		return ret;
	mh_buf_clear(&a->out);
	recent_lock(r);
	track = find_track(r, &wanted->of, &subject);
	if (track) {
		render_candles_begin(&a->out, &subject, wanted->field, interval->name,
				     wanted->since_ms, "memory");
		render_track_candles(&a->out, r, track, interval->ms, wanted->since_ms);
		render_candles_end(&a->out);
	}
	recent_unlock(r);
	return track ? answer_json(connection, MHD_HTTP_OK, &a->out)
		     : answer_nobody(a, connection, &wanted->of);
}

/* It was resumed: the history was read. */
static enum MHD_Result answer_job(struct api *a, struct MHD_Connection *connection,
				  const struct candles_job *job)
{
	switch (job->end) {
	case CANDLES_READ:
		return answer_json(connection, MHD_HTTP_OK, &job->out);
	case CANDLES_NOBODY:
		return answer_error(a, connection, MHD_HTTP_NOT_FOUND,
				    "there is no such process in that time of the history");
	case CANDLES_LATE:
		return answer_error(a, connection, MHD_HTTP_SERVICE_UNAVAILABLE,
				    "reading the history took too long");
	case CANDLES_FAILED:
		break;
	}
	return answer_error(a, connection, MHD_HTTP_SERVICE_UNAVAILABLE,
			    "the history cannot be read, see the log");
}

/* Out of the history, by another thread. */
static enum MHD_Result ask_history(struct api *a, struct MHD_Connection *connection,
				   const struct wanted_candles *wanted)
{
	const struct view_window *interval = &candle_windows[wanted->interval];
	const struct candles_wish wish = {.id = wanted->of.process.id,
					  .is_exact = wanted->of.process.is_exact,
					  .field = wanted->field,
					  .interval = interval->name,
					  .interval_ms = interval->ms,
					  .since_ms = wanted->since_ms};

	if (!candles_ask(a->candles, connection, &wish))
		return MHD_YES;
	return answer_error(a, connection, MHD_HTTP_SERVICE_UNAVAILABLE,
			    "the history is being read for others: ask again");
}

static enum MHD_Result answer_candles(struct api *a, struct MHD_Connection *connection)
{
	static const char *const names[] = {"process", "group", "field", "interval", "since", NULL};
	const struct candles_job *job = a->candles ? candles_find(a->candles, connection) : NULL;
	struct wanted_candles wanted;
	struct query q;

	if (job)
		return answer_job(a, connection, job);
	read_query(&q, connection, names);
	read_candles(&q, mh_now().wall_ms, &wanted);
	if (q.error)
		return answer_error(a, connection, MHD_HTTP_BAD_REQUEST, q.error);
	return a->candles && !wanted.of.group ? ask_history(a, connection, &wanted)
					      : answer_recent_candles(a, connection, &wanted);
}

enum MHD_Result api_answer(struct api *a, struct MHD_Connection *connection, const char *path)
{
	static const struct {
		const char *name;
		enum MHD_Result (*answer)(struct api *a, struct MHD_Connection *connection);
	} paths[] = {{"status", answer_status},
		     {"groups", answer_groups},
		     {"processes", answer_processes},
		     {"series", answer_series},
		     {"candles", answer_candles}};
	const char *name = path + strlen(EXPORTER_API_PATH);

	for (size_t i = 0; i < sizeof(paths) / sizeof(paths[0]); i++)
		if (!strcmp(name, paths[i].name))
			return paths[i].answer(a, connection);
	return answer_error(a, connection, MHD_HTTP_NOT_FOUND, "there is no such path in the API");
}
