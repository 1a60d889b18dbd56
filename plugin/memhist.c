/*
 * The collectd plugin: collectd's life cycle on one side, a sampler on the other.
 *
 * collectd runs one process with many threads, and everything here is a guest in it:
 *   P1  No callback fails for what may get better. A read that returns an error is suspended by
 *       collectd for up to a day, so on_read() returns 0 and says what is wrong in the log: once
 *       when it breaks and once when it works again.
 *   P2  Values do not depend on the history. When it cannot be opened or written (another writer,
 *       no such directory, a full disk), values go on and the history is tried again.
 *   P3  A read waits for no disk: collectd joins its read threads at shutdown, so a read that
 *       hangs is a daemon that does not stop. The history's own thread brings it to the disk; a
 *       flush asks that for it and waits for nothing, and the shutdown gives it a time limit.
 *   P4  The state is static and belongs to init and shutdown. collectd frees a callback's user_data
 *       before the last flush and the shutdown, so there is none.
 *   P5  Parsing the configuration does nothing else: a mere check of the configuration ends after
 *       it, and a daemon is about to fork. No thread, file or lock before init.
 *
 * Reads come from a different thread each time, but never two at once; flushes come from others at
 * any time.
 */
#include "plugin/config.h"
#include "plugin/dispatch.h"

#include "libmemhist/base/escape.h"
#include "libmemhist/sampler.h"

#include "collectd.h"
#include "plugin.h"

#include <errno.h>
#include <signal.h>
#include <unistd.h>

enum { HISTORY_RETRY_S = 60 };

static const mh_boot_ns_t NS_PER_S = 1000000000;

/* Something that can break and recover. */
struct trouble {
	int level;
	const char *meanwhile; /* ends the sentence that says what broke */
	const char *over;
	bool broken;
};

static struct {
	pthread_mutex_t lock; /* guards all below from init on */
	struct config config;
	uint32_t page_bytes;
	uint32_t interval_ms;

	struct mh_sampler *sampler; /* NULL before init and after shutdown */
	struct mh_groups *groups;   /* NULL when no processes are reported */
	bool has_history;           /* the sampler writes one */
	mh_boot_ns_t retry_ns;      /* when to try again to open it */

	bool said_other, said_select;
	uint64_t disk_troubles;   /* of the history's upkeep, as told last */
	uint64_t sealer_troubles; /* likewise, of who seals it */
	struct mh_deleted deleted;
	struct trouble history, sampling, values;
} plugin = {
	.lock = PTHREAD_MUTEX_INITIALIZER,
	.history = {LOG_WARNING, "; values go on without it, and it is tried again",
		    "the history is written again", false},
	.sampling = {LOG_ERR, "; there are no values until it works again",
		     "processes can be read again", false},
	.values = {LOG_WARNING, "; values are missing until it works again",
		   "all values are reported again", false},
};

static void tell(struct trouble *t, int rc, const char *sentence)
{
	if (rc && !t->broken)
		plugin_log(t->level, "memhist plugin: %s%s.", sentence, t->meanwhile);
	if (!rc && t->broken)
		NOTICE("memhist plugin: %s.", t->over);
	t->broken = rc != 0;
}

/*
 * A write beyond RLIMIT_FSIZE raises SIGXFSZ, which ends a process that does not expect it. Held
 * back while the history is written and taken away afterwards, it is the error EFBIG of one write.
 * The disposition of signals is collectd's own and stays as it is.
 */
static void hold_sigxfsz(sigset_t *ret_before)
{
	sigset_t xfsz;

	sigemptyset(&xfsz);
	sigaddset(&xfsz, SIGXFSZ);
	pthread_sigmask(SIG_BLOCK, &xfsz, ret_before);
}

static void release_sigxfsz(const sigset_t *before)
{
	const struct timespec now = {0};
	sigset_t xfsz;

	sigemptyset(&xfsz);
	sigaddset(&xfsz, SIGXFSZ);
	if (!sigismember(before, SIGXFSZ))
		sigtimedwait(&xfsz, NULL, &now);
	pthread_sigmask(SIG_SETMASK, before, NULL);
}

static bool wants_history(void)
{
	return plugin.config.history_dir[0];
}

/* From now on, sample with a new sampler, with a history or without. On failure the old stays. */
static int use_sampler(bool with_history, struct mh_err *err)
{
	struct mh_upkeep_config upkeep = plugin.config.upkeep;
	struct mh_sampler_config config = {
		.procfs = plugin.config.procfs,
		.upkeep = &upkeep,
		.history_dir = with_history ? plugin.config.history_dir : NULL,
		.places = &plugin.config.file.places,
		.interval_ms = plugin.interval_ms,
		.backend = plugin.config.backend,
		.max_open_files = plugin.config.max_open_files,
		.exact_cpus = plugin.config.exact_cpus,
	};
	struct mh_sampler *sampler;
	int rc;

	if (plugin.config.sealer[0])
		upkeep.sealer = plugin.config.sealer;
	rc = mh_sampler_new(&sampler, &config, err);

	if (rc)
		return rc;
	/* the next snapshot is its first, which the groups take as a new beginning */
	mh_sampler_free(plugin.sampler);
	plugin.sampler = sampler;
	plugin.disk_troubles = plugin.sealer_troubles = 0;
	plugin.deleted = (struct mh_deleted){0};
	plugin.has_history = with_history;
	return 0;
}

static int start_sampler(struct mh_err *err)
{
	struct mh_err reason;
	int history, rc;

	if (!wants_history())
		return use_sampler(false, err);
	history = use_sampler(true, &reason);
	if (!history)
		return 0;
	plugin.retry_ns = mh_now().boot_ns + HISTORY_RETRY_S * NS_PER_S;
	/* if this fails too, it was not the history */
	rc = use_sampler(false, err);
	if (!rc)
		tell(&plugin.history, history, reason.text);
	return rc;
}

static void retry_history(mh_boot_ns_t now)
{
	struct mh_err err;

	if (!wants_history() || plugin.has_history || now < plugin.retry_ns)
		return;
	plugin.retry_ns = now + HISTORY_RETRY_S * NS_PER_S;
	/* a failure has been told, and is told no second time */
	use_sampler(true, &err);
}

/* One line for all that has gone since the last sample. */
static void tell_deleted(const struct mh_room_status *room)
{
	struct mh_buf text = MH_BUF_INIT(1024);

	if (mh_room_describe_deleted(&text, &plugin.deleted, room))
		NOTICE("memhist plugin: %s.", mh_buf_str(&text));
	mh_buf_done(&text);
}

static void tell_history(void)
{
	struct mh_sampler_status status;

	if (!plugin.has_history)
		return;
	mh_sampler_status(plugin.sampler, &status);
	tell(&plugin.history, status.history_error, status.history_message.text);
	if (status.upkeep.troubles != plugin.disk_troubles)
		WARNING("memhist plugin: %s.", status.upkeep.trouble.text);
	plugin.disk_troubles = status.upkeep.troubles;
	if (status.upkeep.sealer.troubles != plugin.sealer_troubles)
		WARNING("memhist plugin: %s.", status.upkeep.sealer.trouble.text);
	plugin.sealer_troubles = status.upkeep.sealer.troubles;
	tell_deleted(&status.upkeep.room);
}

/* At the start: what decides what a sample costs and which values there are. */
static void tell_backend(void)
{
	struct mh_sampler_status status;
	const char *reason;

	mh_sampler_status(plugin.sampler, &status);
	reason = status.backend_reason;
	INFO("memhist plugin: processes are read by %s%s%s%s.", status.backend, *reason ? " (" : "",
	     reason, *reason ? ")" : "");
	/* procfs never tells of them */
	if (*status.exits_reason && strcmp(status.backend, "procfs") != 0)
		WARNING("memhist plugin: processes that begin and end between two samples are not "
			"seen: %s.",
			status.exits_reason);
}

/* At the start, when there is a history to go by. */
static void tell_room(void)
{
	struct mh_buf text = MH_BUF_INIT(1024);
	struct mh_sampler_status status;

	mh_sampler_status(plugin.sampler, &status);
	if (!status.upkeep.room.projected_s)
		return;
	mh_retention_describe(&text, &status.upkeep.room.rate, status.upkeep.room.projected_s);
	INFO("memhist plugin: there is room for a history of %s.", mh_buf_str(&text));
	mh_buf_done(&text);
}

/* That names are summed into "other" is said once, since it may come and go with every process. */
static void tell_other(void)
{
	uint32_t names = mh_groups_overflow(plugin.groups);

	if (!names || plugin.said_other)
		return;
	NOTICE("memhist plugin: there are more program names than MaxInstances %u: %u of them are "
	       "reported together as \"%s\". Select can leave out what is not wanted.",
	       plugin.config.max_instances, names, MH_GROUP_OTHER);
	plugin.said_other = true;
}

/* Said once, too: the names are those of other people's processes. */
static void tell_select(void)
{
	if (plugin.said_select || !mh_select_given_up(&plugin.config.select))
		return;
	WARNING("memhist plugin: a regular expression of Select is too costly for the name of a "
		"program; such names are taken for ones that it does not match. Simplify it.");
	plugin.said_select = true;
}

static int report_processes(const struct mh_snapshot *snapshot, struct mh_err *err)
{
	const struct mh_group *group;
	int summed, sent;
	size_t n;

	if (!plugin.groups)
		return 0;
	summed = mh_groups_update(plugin.groups, snapshot);
	if (summed)
		mh_err_sys(err, summed, "cannot sum all processes by program");
	tell_other();
	tell_select();
	n = mh_groups_list(plugin.groups, &group);
	sent = dispatch_groups(group, n, snapshot->fields, plugin.page_bytes, snapshot->at.wall_ms,
			       summed ? NULL : err);
	return summed ? summed : sent;
}

static int report_meminfo(const struct mh_snapshot *snapshot, struct mh_err *err)
{
	if (!plugin.config.report_meminfo || !snapshot->meminfo)
		return 0;
	return dispatch_meminfo(snapshot->meminfo, plugin.page_bytes, snapshot->at.wall_ms, err);
}

/* Whatever fails, the rest is reported; the first reason is told. */
static void report(const struct mh_snapshot *snapshot)
{
	struct mh_err err;
	int processes = report_processes(snapshot, &err);
	int meminfo = report_meminfo(snapshot, processes ? NULL : &err);

	tell(&plugin.values, processes ? processes : meminfo, err.text);
}

static void sample(void)
{
	const struct mh_snapshot *snapshot;
	struct mh_instant now = mh_now();
	struct mh_err err;
	int rc;

	retry_history(now.boot_ns);
	rc = mh_sampler_tick(plugin.sampler, now, &snapshot, &err);
	tell(&plugin.sampling, rc, err.text);
	tell_history();
	if (!rc)
		report(snapshot);
}

static int on_read(user_data_t *none)
{
	sigset_t before;

	(void)none;
	pthread_mutex_lock(&plugin.lock);
	hold_sigxfsz(&before);
	if (plugin.sampler)
		sample();
	release_sigxfsz(&before);
	pthread_mutex_unlock(&plugin.lock);
	return 0;
}

/* Have the history brought to the disk. The identifier of a value names nothing in it. */
static int on_flush(cdtime_t timeout, const char *identifier, user_data_t *none)
{
	(void)timeout;
	(void)none;
	if (identifier)
		return 0;
	pthread_mutex_lock(&plugin.lock);
	if (plugin.has_history)
		mh_sampler_sync(plugin.sampler);
	pthread_mutex_unlock(&plugin.lock);
	return 0;
}

static int start(struct mh_err *err)
{
	uint64_t interval_ms = CDTIME_T_TO_MS(plugin_get_interval());
	struct mh_groups_config groups = {.max_groups = plugin.config.max_instances,
					  .select = &plugin.config.select,
					  .spell = mh_escape_collectd};
	int rc;

	rc = config_complete(&plugin.config, err);
	if (rc)
		return rc;
	/* the sampler has limits of its own, and a sentence for them */
	plugin.interval_ms = interval_ms < UINT32_MAX ? (uint32_t)interval_ms : UINT32_MAX;
	plugin.page_bytes = (uint32_t)sysconf(_SC_PAGESIZE);
	if (plugin.config.report_processes && mh_groups_new(&plugin.groups, &groups))
		return mh_err_sys(err, -ENOMEM, "cannot start");
	rc = start_sampler(err);
	/* here and not in module_register(), since collectd goes on reading a plugin whose init
	 * has failed */
	if (!rc && plugin_register_complex_read(NULL, "memhist", on_read, 0, NULL))
		rc = mh_errf(err, -ENOMEM, "collectd did not register the read callback");
	return rc;
}

/* Forget everything, the configuration included. */
static void stop(void)
{
	if (mh_sampler_free(plugin.sampler) == -ETIMEDOUT)
		WARNING("memhist plugin: the disk of the history does not answer; what it has not "
			"taken by now may be lost.");
	mh_groups_free(plugin.groups);
	config_done(&plugin.config);
	plugin.sampler = NULL;
	plugin.groups = NULL;
	plugin.has_history = plugin.said_other = plugin.said_select = false;
	plugin.history.broken = plugin.sampling.broken = plugin.values.broken = false;
}

static int on_init(void)
{
	sigset_t before;
	struct mh_err err;
	int rc;

	if (dispatch_check_types(&err))
		WARNING("memhist plugin: %s.", err.text);
	pthread_mutex_lock(&plugin.lock);
	hold_sigxfsz(&before);
	rc = start(&err);
	if (rc) {
		ERROR("memhist plugin: %s. Nothing is measured.", err.text);
		stop();
	} else {
		tell_backend();
		tell_room();
	}
	release_sigxfsz(&before);
	pthread_mutex_unlock(&plugin.lock);
	return rc;
}

/* Reads have ended. */
static int on_shutdown(void)
{
	pthread_mutex_lock(&plugin.lock);
	stop();
	pthread_mutex_unlock(&plugin.lock);
	return 0;
}

static int on_config(oconfig_item_t *block)
{
	struct mh_err err;
	int rc = config_read(&plugin.config, block, &err);

	if (rc)
		ERROR("memhist plugin: %s", err.text);
	return rc;
}

/* What collectd calls after loading the plugin: the only name that it exports. */
__attribute__((visibility("default"))) void module_register(void)
{
	config_init(&plugin.config);
	plugin_register_complex_config("memhist", on_config);
	plugin_register_init("memhist", on_init);
	plugin_register_flush("memhist", on_flush, NULL);
	plugin_register_shutdown("memhist", on_shutdown);
}
