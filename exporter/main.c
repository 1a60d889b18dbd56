/*
 * memhist-exporter: flags in, threads up, wait for a signal, threads down.
 *
 *     main thread        signals, the clocks of connections, the service manager
 *     sampling thread    source -> groups -> view         (collector.c)
 *     web thread         view -> page -> scrapers         (acceptor.c, server.c, answers.c)
 *     remote write       history -> endpoint, a thread for each  (remote/endpoint.c)
 *     reading thread     files that may not answer        (libmemhist/proc/offload.h)
 *
 * Exit status: 0 ended by SIGTERM or SIGINT, or --help or --version was answered; 2 wrong flags;
 * 1 could not start, also for a wrong configuration.
 */
#include "exporter/activation.h"
#include "exporter/collector.h"
#include "exporter/configured.h"
#include "exporter/flags.h"
#include "exporter/listen.h"
#include "exporter/log.h"
#include "exporter/privileges.h"
#include "exporter/remote/remote.h"
#include "exporter/server.h"
#include "exporter/service.h"
#include "libmemhist/base/escape.h"

#include <errno.h>
#include <malloc.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>
#include <sys/resource.h>

enum { EXIT_OK = 0, EXIT_OTHER = 1, EXIT_USAGE = 2 };

struct exporter {
	const struct mh_config *config;
	struct mh_groups *groups; /* these two until the collector has them */
	struct mh_choice *choice;
	struct source *source;
	struct view *view;
	struct collector *collector;
	struct mh_groups *remote_groups[MH_REMOTE_ENDPOINTS_MAX]; /* until they have them */
	struct remote *remote;
	struct configured *configured;
	struct listeners listeners; /* until the server has them */
	struct recent *recent;
	struct server *server;
	struct service service;
	struct door *door;                       /* main()'s; NULL: everybody is let in */
	char capabilities[PRIVILEGES_NAMES_MAX]; /* those that are left */
};

static int print_help(void)
{
	struct mh_buf out = MH_BUF_INIT(16 * 1024);
	bool ok;

	flags_help(&out);
	ok = !out.error && fwrite(out.data, 1, out.len, stdout) == out.len && !fflush(stdout);
	mh_buf_done(&out);
	return ok ? EXIT_OK : EXIT_OTHER;
}

static int print_version(void)
{
	return printf("memhist-exporter " PACKAGE_VERSION "\n") > 0 && !fflush(stdout) ? EXIT_OK
										       : EXIT_OTHER;
}

/*
 * The signals that end the exporter (and SIGHUP, which does not) wait until wait_for_end() takes
 * them: blocked here, so in all threads. Others must not kill it at a write: to a closed connection
 * (SIGPIPE) or beyond a limit of file size (SIGXFSZ), which are errors of that write.
 */
static void prepare_signals(sigset_t *ret)
{
	sigemptyset(ret);
	sigaddset(ret, SIGTERM);
	sigaddset(ret, SIGINT);
	sigaddset(ret, SIGHUP);
	pthread_sigmask(SIG_BLOCK, ret, NULL);
	signal(SIGPIPE, SIG_IGN);
	signal(SIGXFSZ, SIG_IGN);
}

/* Descriptors: one per connection, and one per process that is sampled by procfs. */
static void raise_file_limit(void)
{
	struct rlimit rl;

	if (getrlimit(RLIMIT_NOFILE, &rl))
		return;
	rl.rlim_cur = rl.rlim_max;
	setrlimit(RLIMIT_NOFILE, &rl);
}

/*
 * As the user that was asked for, and then with no more capabilities than it takes from now on: the
 * source, which has everything open that takes them to be opened.
 */
static int start_source(struct exporter *e, const struct settings *settings,
			const struct user *user, struct mh_err *err)
{
	struct privileges_kept kept = {.user = settings->user, .ptrace = settings->keep_ptrace};
	struct source_config source = {.procfs = settings->procfs,
				       .backend = settings->backend,
				       .max_open_files = settings->max_open_files,
				       .exact_cpus = settings->exact_cpus,
				       .pss = settings->pss,
				       .history_dir = settings->history_dir,
				       .upkeep = &settings->upkeep,
				       .places = &e->config->places,
				       .interval_ms = settings->interval_ms};
	const char *backend, *reason;
	struct mh_err why;
	int rc = settings->user ? privileges_become(user, settings->keep_ptrace, err) : 0;

	if (rc)
		return rc;
	rc = source_new(&e->source, &source, &why);
	if (rc)
		return rc == -EACCES && settings->user
			       ? mh_errf(err, rc, "%s, as user %s", why.text, settings->user)
			       : mh_errf(err, rc, "%s", why.text);
	backend = source_backend(e->source, &reason);
	kept.uses_bpf = backend && strcmp(backend, "procfs") != 0;
	return privileges_drop(&kept, e->capabilities, err);
}

static int reload(void *configured, struct mh_err *err)
{
	return configured_reload(configured, err);
}

static int start_remote(struct exporter *e, const struct settings *settings, struct mh_err *err)
{
	const struct remote_config config = {.write = e->config->remote,
					     .n = e->config->n_remote,
					     .history_dir = settings->history_dir,
					     .places = &e->config->places,
					     .interval_ms = settings->interval_ms,
					     .groups = e->remote_groups};
	int rc = remote_start(&e->remote, &config, err);

	view_lock(e->view);
	e->view->remote = e->remote;
	view_unlock(e->view);
	return rc;
}

static int start_parts(struct exporter *e, const struct settings *settings, const struct user *user,
		       struct mh_err *err)
{
	struct collector_config collector = {.interval_ms = settings->interval_ms,
					     .windows = settings->windows};
	struct server_config server = {.listeners = &e->listeners,
				       .answers.history_dir = settings->history_dir,
				       .door = e->door,
				       .answers.telemetry_path = settings->telemetry_path,
				       .answers.max_series = settings->max_series};
	int rc = start_source(e, settings, user, err);

	if (!rc && (view_new(&e->view, mh_groups_room(e->groups), settings->process_top) ||
		    recent_new(&e->recent)))
		rc = mh_err_sys(err, -ENOMEM, "cannot start");
	if (rc)
		return rc;
	server.answers.view = collector.view = e->view;
	server.answers.recent = collector.recent = e->recent;
	collector.source = e->source;
	view_note_config(e->view, true, mh_now().wall_ms);
	rc = start_remote(e, settings, err); /* first, so that it sees the first sample come */
	if (rc)
		return rc;
	collector.groups = e->groups;
	collector.choice = e->choice;
	e->groups = NULL;
	e->choice = NULL;
	rc = collector_start(&e->collector, &collector, err);
	if (!rc) {
		const struct configured_parts parts = {e->collector, e->remote, e->view};

		if (configured_new(&e->configured, settings, e->config, &parts))
			rc = mh_err_sys(err, -ENOMEM, "cannot start");
	}
	if (rc)
		return rc;
	if (e->door)
		rc = door_open(e->door, e->view, err);
	if (rc)
		return rc;
	if (settings->lifecycle)
		server.answers.reload = reload;
	server.answers.reload_arg = e->configured;
	return server_start(&e->server, &server, err);
}

static void stop_parts(struct exporter *e)
{
	server_stop(e->server);
	listeners_close(&e->listeners);
	configured_free(e->configured);
	collector_stop(e->collector);
	remote_stop(e->remote); /* after the last sample, so that it is sent, too */
	for (int i = 0; i < MH_REMOTE_ENDPOINTS_MAX; i++)
		mh_groups_free(e->remote_groups[i]);
	mh_groups_free(e->groups);
	mh_choice_free(e->choice);
	view_free(e->view);
	recent_free(e->recent);
	source_free(e->source);
}

static void reload_as_service(struct exporter *e)
{
	struct mh_err err;

	service_reloading(&e->service);
	configured_reload(e->configured, &err); /* says how it went */
	service_reloaded(&e->service);
}

static void begin_service(struct exporter *e)
{
	e->service.view = e->view;
	e->service.thread[0] = (struct service_thread){.name = "sampling",
						       .pulse = collector_pulse(e->collector)};
	e->service.thread[1] = (struct service_thread){.name = "web",
						       .pulse = server_pulse(e->server)};
	service_begin(&e->service);
}

/* Until SIGTERM or SIGINT; meanwhile, connections that take too long are closed, and the service
 * manager is told how it goes. */
static int wait_for_end(const sigset_t *signals, struct exporter *e)
{
	for (;;) {
		int wait_ms = service_wait_ms(&e->service);
		const struct timespec wait = {.tv_sec = wait_ms / 1000,
					      .tv_nsec = wait_ms % 1000 * 1000000L};
		int number = sigtimedwait(signals, NULL, &wait);

		if (number == SIGTERM || number == SIGINT)
			return number;
		if (number == SIGHUP)
			reload_as_service(e);
		server_expire(e->server);
		service_tick(&e->service);
	}
}

static void report_upkeep(const struct settings *settings, const struct source *source)
{
	struct mh_buf text = MH_BUF_INIT(1024);
	struct mh_upkeep_status upkeep;

	if (!source_upkeep(source, &upkeep))
		return;
	mh_limits_describe(&text, &upkeep.limits);
	log_info("writing history to %s: %s", settings->history_dir, mh_buf_str(&text));
	if (settings->upkeep.sealer)
		log_info("it is sealed by %s", settings->upkeep.sealer);
	mh_buf_clear(&text);
	if (upkeep.room.projected_s) {
		mh_retention_describe(&text, &upkeep.room.rate, upkeep.room.projected_s);
		log_info("there is room for a history of %s", mh_buf_str(&text));
	}
	mh_buf_done(&text);
}

static void report_start(const struct settings *settings, const struct exporter *e,
			 const char *addresses)
{
	const char *reason, *backend = source_backend(e->source, &reason);
	struct mh_buf text = MH_BUF_INIT(1024);

	log_info("memhist-exporter " PACKAGE_VERSION);
	if (e->config->file)
		log_info("configuration: %s", e->config->file);
	if (settings->groups_file)
		log_info("groups: %s", settings->groups_file);
	if (source_following(e->source)) {
		log_info("%s", source_following(e->source));
		if (settings->pss.top)
			log_warn("--collector.pss is without effect: when following, processes are "
				 "not read");
	}
	report_upkeep(settings, e->source);
	if (backend)
		log_info("processes are read by %s%s%s%s", backend, *reason ? " (" : "", reason,
			 *reason ? ")" : "");
	if (source_exits_refused(e->source))
		log_warn("processes that begin and end between two samples are not seen: %s",
			 source_exits_refused(e->source));
	if (e->door) {
		mh_buf_clear(&text);
		door_describe(e->door, &text);
		log_info("web configuration: %s (%s)", settings->web_file, mh_buf_str(&text));
	}
	if (settings->user)
		log_info("running as user %s", settings->user);
	log_info("capabilities kept: %s", e->capabilities);
	log_info("listening on %s, metrics at %s", addresses, settings->telemetry_path);
	mh_buf_done(&text);
}

/*
 * Before all else, so that a port that is taken costs nothing. Sockets that were handed over win
 * over addresses, as in Prometheus' own exporters.
 */
static int start_listening(const struct settings *settings,
			   const struct listen_addresses *addresses, struct listeners *ret,
			   struct mh_buf *names, struct mh_err *err)
{
	if (settings->systemd_socket) {
		if (!settings->listen_by_default)
			log_warn("--web.listen-address is without effect: --web.systemd-socket "
				 "says where to listen");
		return activation_take(ret, names, err);
	}
	if (activation_count())
		log_warn("%u sockets were handed over and are not used: this takes "
			 "--web.systemd-socket",
			 activation_count());
	return listen_open_all(addresses, ret, names, err);
}

static int run(const struct settings *settings, const struct listen_addresses *addresses,
	       const struct user *user, const struct mh_config *config, struct mh_groups *groups,
	       struct mh_choice *choice, struct door *door)
{
	struct exporter e = {.config = config, .groups = groups, .choice = choice, .door = door};
	struct mh_buf names = MH_BUF_INIT(LISTENERS_MAX * LISTEN_NAME_MAX);
	struct mh_err err;
	const char *why;
	sigset_t signals;
	int rc;

	log_set_level(settings->log_level);
	prepare_signals(&signals);
	raise_file_limit();
	/* what reading a history takes for a moment can be given back to the system then, which the
	 * allocator cannot do where each thread has memory of its own */
	mallopt(M_ARENA_MAX, 1);
	service_open(&e.service);
	rc = configured_remote(settings, config, e.remote_groups, &err);
	if (!rc)
		rc = start_listening(settings, addresses, &e.listeners, &names, &err);
	if (!rc)
		rc = start_parts(&e, settings, user, &err);
	if (rc) {
		log_error("%s", err.text);
		service_ending(&e.service, err.text);
	} else {
		report_start(settings, &e, mh_buf_str(&names));
		begin_service(&e);
		why = wait_for_end(&signals, &e) == SIGINT ? "ending for SIGINT"
							   : "ending for SIGTERM";
		log_info("%s", why);
		service_ending(&e.service, why);
	}
	stop_parts(&e);
	service_close(&e.service);
	mh_buf_done(&names);
	return rc ? EXIT_OTHER : EXIT_OK;
}

/* What --config.check says of good files. */
static int print_check(const struct settings *settings, const struct mh_config *config)
{
	const char *const file[] = {config->file, settings->groups_file, settings->web_file};
	struct mh_buf out = MH_BUF_INIT(64 * 1024);
	bool ok;

	for (int i = 0; i < 3; i++) {
		if (!file[i])
			continue;
		mh_escape_terminal(&out, file[i], strlen(file[i]));
		mh_buf_adds(&out, " is good\n");
	}
	if (!out.len)
		mh_buf_printf(&out, "there is no configuration file (%s would be read)\n",
			      mh_config_default_file());
	ok = !out.error && fwrite(out.data, 1, out.len, stdout) == out.len && !fflush(stdout);
	mh_buf_done(&out);
	return ok ? EXIT_OK : EXIT_OTHER;
}

/* Any free port is another one each time. */
static bool is_among(const struct listen_addresses *addresses, const struct listen_address *a)
{
	for (size_t i = 0; i < addresses->n; i++)
		if (strcmp(a->port, "0") != 0 && !strcmp(a->port, addresses->address[i].port) &&
		    !strcasecmp(a->host, addresses->address[i].host))
			return true;
	return false;
}

static int parse_addresses(struct listen_addresses *ret, const struct settings *settings,
			   struct mh_err *err)
{
	struct mh_err why;

	for (ret->n = 0; ret->n < settings->n_listen_addresses; ret->n++) {
		const char *text = settings->listen_address[ret->n];

		if (listen_parse(&ret->address[ret->n], text, &why))
			return mh_errf(err, -EINVAL, "--web.listen-address: %s", why.text);
		if (is_among(ret, &ret->address[ret->n]))
			return mh_errf(err, -EINVAL, "--web.listen-address: '%s' is given twice",
				       text);
	}
	return 0;
}

/* Everything that the command line and the configuration say: 0, or the status to exit with. */
static int read_settings(struct settings *settings, struct mh_config *config,
			 struct listen_addresses *addresses, struct user *user, int argc,
			 char **argv, struct mh_err *err)
{
	enum flags_answer answer;
	struct mh_err why;

	if (mh_config_load(config, settings->config_file, MH_CONFIG_DAEMON, err))
		return EXIT_OTHER;
	if (flags_parse(settings, &answer, argc, argv, config, err))
		return EXIT_USAGE;
	if (config->n_remote && !settings->history_dir) {
		mh_errf(err, -EINVAL,
			"remote_write wants a history, from which it is sent: say where it is by "
			"“dir” below “history”, or --history.dir");
		return EXIT_OTHER;
	}
	if (parse_addresses(addresses, settings, err))
		return EXIT_USAGE;
	if (settings->user && privileges_find(user, settings->user, &why)) {
		mh_errf(err, -EINVAL, "--user: %s", why.text);
		return EXIT_USAGE;
	}
	return 0;
}

int main(int argc, char **argv)
{
	struct settings settings = {0};
	struct mh_config config = {0};
	struct listen_addresses addresses;
	struct user user = {0};
	struct mh_groups *groups = NULL;
	struct mh_choice *choice = NULL;
	struct door *door = NULL;
	enum flags_answer answer;
	struct mh_err err;
	int status = EXIT_USAGE;

	if (!flags_parse(&settings, &answer, argc, argv, NULL, &err)) {
		if (answer == FLAGS_HELP)
			return print_help();
		if (answer == FLAGS_VERSION)
			return print_version();
		status = read_settings(&settings, &config, &addresses, &user, argc, argv, &err);
	}
	if (!status && (configured_choice(&config, &choice, &err) ||
			configured_groups(&settings, &config, &groups, &err)))
		status = EXIT_OTHER;
	if (!status && settings.web_file && door_new(&door, settings.web_file, &err))
		status = EXIT_OTHER;
	if (!status && settings.check_config && configured_check(&config, &err))
		status = EXIT_OTHER;
	if (status) {
		mh_groups_free(groups);
		mh_choice_free(choice);
		fprintf(stderr, "memhist-exporter: %s\n", err.text);
	} else if (settings.check_config) {
		mh_groups_free(groups);
		mh_choice_free(choice);
		status = print_check(&settings, &config);
	} else {
		status = run(&settings, &addresses, &user, &config, groups, choice, door);
	}
	door_free(door);
	mh_config_done(&config);
	return status;
}
