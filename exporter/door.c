/* The web configuration at work. */
#include "exporter/door.h"

#include "exporter/answers.h"
#include "exporter/basic_auth.h"
#include "exporter/log.h"
#include "exporter/passwords.h"
#include "exporter/webfile.h"

#include <errno.h>

enum { LOOK_EVERY_NS = 1000000000 };

struct door {
	const char *path;
	struct view *view;
	struct webfile *file;      /* in force */
	struct mh_err mistake;     /* of the last reading; "" = none */
	mh_boot_ns_t looked_ns;    /* at the files */
	mh_boot_ns_t rate_full_ns; /* when as many as may come at once may come again */
	struct passwords *passwords;
	void (*wake)(void *arg);
	void *wake_arg;
};

/* Who waits is a guest's connection. */
static void suspend(void *connection)
{
	MHD_suspend_connection(connection);
}

static void resume(void *connection)
{
	/* before it can end, and its guest with it */
	const struct door *d = guest_of(connection)->door;

	MHD_resume_connection(connection);
	d->wake(d->wake_arg);
}

/* Hashes that are slow to look at are the owner's choice, who should know. */
static void report_costs(const struct webfile *f)
{
	if (f->web.max_cost > MH_WEB_COST_WARN)
		log_warn("a password has cost %u: looking at one takes a large part of a second of "
			 "a processor, and others wait for that",
			 f->web.max_cost);
}

int door_new(struct door **ret, const char *path, struct mh_err *err)
{
	struct door *d = calloc(1, sizeof(*d));
	int rc = d ? webfile_read(&d->file, path, NULL, err)
		   : mh_err_sys(err, -ENOMEM, "cannot read %s", path);

	if (rc < 0) {
		free(d);
		return rc;
	}
	d->path = path;
	*ret = d;
	return 0;
}

int door_open(struct door *d, struct view *view, struct mh_err *err)
{
	const struct passwords_config config = {.suspend = suspend, .resume = resume};

	if (door_has_tls(d) && MHD_is_feature_supported(MHD_FEATURE_TLS) != MHD_YES)
		return mh_errf(err, -ENOTSUP, "libmicrohttpd was built without TLS here");
	d->view = view;
	d->looked_ns = mh_now().boot_ns;
	view_note_web(view, true, mh_now().wall_ms);
	report_costs(d->file);
	return passwords_new(&d->passwords, &config, err);
}

void door_tell(struct door *d, void (*wake)(void *arg), void *arg)
{
	d->wake = wake;
	d->wake_arg = arg;
}

void door_close(struct door *d)
{
	if (d)
		passwords_stop(d->passwords);
}

void door_free(struct door *d)
{
	if (!d)
		return;
	passwords_free(d->passwords);
	webfile_release(d->file);
	free(d);
}

bool door_has_tls(const struct door *d)
{
	return d->file->tls;
}

void door_describe(const struct door *d, struct mh_buf *out)
{
	const size_t n = d->file->web.n_users;

	mh_buf_adds(out, door_has_tls(d) ? "TLS, " : "no TLS, ");
	if (n)
		mh_buf_printf(out, "%zu user%s", n, n > 1 ? "s" : "");
	else
		mh_buf_adds(out, "no users");
}

/* Look whether the files have changed. */
static void refresh(struct door *d)
{
	const struct mh_instant now = mh_now();
	struct webfile *f = NULL;
	struct mh_err err = {0};
	int rc;

	if (now.boot_ns < d->looked_ns + LOOK_EVERY_NS)
		return;
	d->looked_ns = now.boot_ns;
	rc = webfile_read(&f, d->path, d->file, &err);
	if (rc == 1) {
		webfile_release(d->file);
		d->file = f;
		report_costs(f);
	}
	if (rc < 0 ? !strcmp(err.text, d->mistake.text) : !rc && !*d->mistake.text)
		return;
	if (rc < 0)
		log_error("the web configuration stays as it was: %s", err.text);
	else
		log_info("the web configuration was read again");
	d->mistake = err;
	if (rc >= 0)
		d->mistake.text[0] = '\0';
	view_note_web(d->view, rc >= 0, now.wall_ms);
}

void door_greet(struct door *d, struct guest *g, struct MHD_Connection *connection)
{
	const union MHD_ConnectionInfo *info;

	refresh(d);
	g->door = d;
	if (!d->file->tls)
		return;
	info = MHD_get_connection_info(connection, MHD_CONNECTION_INFO_GNUTLS_SESSION);
	if (info && !tls_prepare(d->file->tls, info->tls_session))
		g->file = webfile_hold(d->file);
}

void door_leave(struct guest *g)
{
	passwords_forget(g->ticket);
	webfile_release(g->file);
	g->ticket = NULL;
	g->file = NULL;
}

/* A bucket of `burst` that has one more every `rate_ns`, said by when it will be full. */
static bool is_too_often(struct door *d)
{
	const struct mh_web *web = &d->file->web;
	const mh_boot_ns_t now = mh_now().boot_ns;
	mh_boot_ns_t full = d->rate_full_ns > now ? d->rate_full_ns : now;

	if (!web->rate_ns)
		return false;
	if (full - now > (web->burst - 1) * web->rate_ns)
		return true;
	d->rate_full_ns = full + web->rate_ns;
	return false;
}

static const char *hash_of(const struct mh_web *web, const char *user)
{
	for (size_t i = 0; i < web->n_users; i++)
		if (!strcmp(web->user[i].name, user))
			return web->user[i].hash;
	return NULL;
}

/* PASSWORD_WRONG also without one. */
static enum password_verdict ask(struct door *d, struct guest *g, struct MHD_Connection *connection)
{
	const struct mh_web *web = &d->file->web;
	enum password_verdict verdict = PASSWORD_WRONG;
	struct basic_auth who;

	if (!basic_auth_parse(&who, MHD_lookup_connection_value(connection, MHD_HEADER_KIND,
								MHD_HTTP_HEADER_AUTHORIZATION)))
		return verdict;
	verdict = passwords_ask(d->passwords, who.user, hash_of(web, who.user), web->max_cost,
				who.password, connection, &g->ticket);
	basic_auth_forget(&who);
	return verdict;
}

static enum password_verdict judge(struct door *d, struct guest *g,
				   struct MHD_Connection *connection)
{
	enum password_verdict verdict;

	if (g->ticket) {
		verdict = passwords_verdict(d->passwords, g->ticket);
		if (verdict != PASSWORD_WAIT) {
			passwords_forget(g->ticket);
			g->ticket = NULL;
		}
		return verdict;
	}
	refresh(d);
	if (is_too_often(d))
		return PASSWORD_BUSY;
	return d->file->web.n_users ? ask(d, g, connection) : PASSWORD_RIGHT;
}

bool door_stops(struct door *d, struct guest *g, struct MHD_Connection *connection,
		enum MHD_Result *ret)
{
	switch (judge(d, g, connection)) {
	case PASSWORD_RIGHT:
		return false;
	case PASSWORD_WAIT:
		*ret = MHD_YES;
		return true;
	case PASSWORD_BUSY:
		*ret = answer_text_with(connection, MHD_HTTP_TOO_MANY_REQUESTS, "Retry-After", "1",
					"too many requests just now\n");
		return true;
	case PASSWORD_WRONG:
	default:
		*ret = answer_text_with(connection, MHD_HTTP_UNAUTHORIZED,
					MHD_HTTP_HEADER_WWW_AUTHENTICATE,
					"Basic realm=\"memhist-exporter\", charset=\"UTF-8\"",
					"this takes a name and a password\n");
		return true;
	}
}

const char *door_header(const struct door *d, enum mh_web_header h)
{
	return d->file->web.header[h];
}
