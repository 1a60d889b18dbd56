/*
 * Pacing, groups, and a word in the log whenever the state changes; never one for each sample.
 */
#include "exporter/collector.h"

#include "exporter/log.h"

#include <errno.h>
#include <poll.h>
#include <sys/eventfd.h>
#include <sys/timerfd.h>
#include <unistd.h>

/* Between samples that are farther apart, it is seen so often what became of the history. */
enum { REFRESH_MS = 2000 };

struct collector {
	struct collector_config config;
	struct mh_groups *groups;
	struct mh_choice *choice;      /* or NULL */
	pthread_mutex_t lock;          /* of: */
	struct mh_groups *next;        /* to take the place of `groups`; or NULL */
	struct mh_choice *next_choice; /* and of `choice`, when there is `next` */
	struct mh_ledger *ledger;
	pthread_t thread;
	int timer_fd;
	int stop_fd; /* readable: end */
	struct pulse pulse;
	uint64_t missed;
	/* what the log said last */
	enum { STATE_NEW, STATE_UP, STATE_DOWN } state;
	bool history_failed;
	uint64_t disk_troubles;   /* of the history's upkeep */
	uint64_t sealer_troubles; /* that were told */
	struct mh_deleted deleted;
	bool groups_overflowed; /* ever */
};

/* In the ledger: those that are there, and as many that are gone. */
static uint32_t max_kept(const struct mh_groups *groups)
{
	return 2 * (uint32_t)mh_groups_room(groups);
}

static void get_facts(const struct collector *c, struct view_facts *ret)
{
	source_status(c->config.source, &ret->source);
	ret->now_ns = mh_now().boot_ns;
	ret->missed = c->missed;
	ret->n_groups = mh_groups_list(c->groups, &ret->group);
	ret->n_exits = mh_groups_exits(c->groups, &ret->exits);
	ret->groups_in_other = mh_groups_overflow(c->groups);
	ret->groups = c->groups;
	ret->choice = c->choice;
	ret->n_kept = mh_ledger_list(c->ledger, &ret->kept);
	ret->totals = mh_ledger_totals(c->ledger);
}

/* Room for what there can be of groups and chosen processes. */
static int reserve(const struct collector *c)
{
	return view_reserve(c->config.view, mh_groups_room(c->groups),
			    c->choice ? SHOWN_CHOSEN_MAX : 0);
}

/* Other groups are there: they go on where those before them end. */
static int regroup(struct collector *c, struct mh_groups *next, const struct mh_snapshot *snapshot)
{
	int rc = mh_groups_update(next, snapshot);

	mh_groups_continue(next, c->groups);
	mh_groups_free(c->groups);
	c->groups = next;
	c->groups_overflowed = false;
	mh_ledger_regroup(c->ledger, max_kept(next));
	return reserve(c) ? -ENOMEM : rc;
}

static int update_groups(struct collector *c, const struct mh_snapshot *snapshot)
{
	struct mh_choice *unused = NULL;
	struct mh_groups *next;

	pthread_mutex_lock(&c->lock);
	next = c->next;
	c->next = NULL;
	if (next) {
		unused = c->choice;
		c->choice = c->next_choice;
		c->next_choice = NULL;
	}
	pthread_mutex_unlock(&c->lock);
	mh_choice_free(unused);
	return next ? regroup(c, next, snapshot) : mh_groups_update(c->groups, snapshot);
}

static void take(void *arg, const struct source_item *item)
{
	struct collector *c = arg;
	struct view_facts facts;
	const struct mh_group *group;
	size_t n;

	if (update_groups(c, item->snapshot))
		log_warn("out of memory for groups: some processes are counted in \"other\"");
	if (c->choice && mh_choice_update(c->choice, item->snapshot))
		log_warn("out of memory for export_processes: some are missing");
	n = mh_groups_list(c->groups, &group);
	if (mh_ledger_update(c->ledger, item->snapshot, group, n))
		log_warn("out of memory for groups: windows of some are missing");
	/* before the view says that there is a sample */
	if (recent_update(c->config.recent, item, c->groups))
		log_warn("out of memory for the API: it misses some processes or groups");
	get_facts(c, &facts);
	view_update(c->config.view, item, &facts);
}

static void report_state(struct collector *c, int rc, const struct mh_err *err)
{
	if (rc && c->state != STATE_DOWN)
		log_warn("no current sample: %s", err->text);
	else if (!rc && c->state == STATE_DOWN)
		log_info("samples are current again");
	else if (!rc && c->state == STATE_NEW)
		log_info("the first sample is there");
	c->state = rc ? STATE_DOWN : STATE_UP;
}

static void report_history(struct collector *c, const struct source_status *status)
{
	bool failed = !status->following && status->sampler.history_error;

	if (failed && !c->history_failed)
		log_error("history not written: %s", status->sampler.history_message.text);
	else if (!failed && c->history_failed)
		log_info("the history is written again");
	c->history_failed = failed;
	if (!status->following && status->sampler.upkeep.troubles != c->disk_troubles) {
		log_warn("%s", status->sampler.upkeep.trouble.text);
		c->disk_troubles = status->sampler.upkeep.troubles;
	}
}

static void report_sealer(struct collector *c, const struct source_status *status)
{
	const struct mh_sealer_status *sealer = &status->sampler.upkeep.sealer;

	if (!status->following && sealer->troubles != c->sealer_troubles)
		log_warn("%s", sealer->trouble.text);
	c->sealer_troubles = sealer->troubles;
}

/* One line for all that has gone since it was looked at last. */
static void report_deleted(struct collector *c, const struct source_status *status)
{
	struct mh_buf text = MH_BUF_INIT(1024);

	if (!status->following &&
	    mh_room_describe_deleted(&text, &c->deleted, &status->sampler.upkeep.room))
		log_info("%s", mh_buf_str(&text));
	mh_buf_done(&text);
}

/* Said once: where there are about as many names as places, they come and go all the time. */
static void report_groups(struct collector *c, uint32_t in_other)
{
	if (in_other && !c->groups_overflowed)
		log_info("more than %zu groups: the rest is summed in group \"other\", see "
			 "--groups.max",
			 mh_groups_room(c->groups) - 1);
	c->groups_overflowed |= in_other != 0;
}

static void sample(struct collector *c)
{
	struct view_facts facts;
	struct mh_err err = {""};
	int rc = source_poll(c->config.source, mh_now(), take, c, &err);

	get_facts(c, &facts);
	if (rc)
		view_fail(c->config.view, &err, &facts);
	report_state(c, rc, &err);
	report_history(c, &facts.source);
	report_sealer(c, &facts.source);
	report_deleted(c, &facts.source);
	report_groups(c, facts.groups_in_other);
}

/* The history goes on between samples: it is sealed, brought to the disk, deleted from. */
static void refresh(struct collector *c)
{
	struct view_facts facts;

	get_facts(c, &facts);
	view_refresh(c->config.view, &facts);
	report_history(c, &facts.source);
	report_sealer(c, &facts.source);
	report_deleted(c, &facts.source);
}

static int refresh_ms(const struct collector *c)
{
	return source_has_history(c->config.source) && c->config.interval_ms > REFRESH_MS
		       ? REFRESH_MS
		       : -1;
}

static void *run(void *arg)
{
	struct collector *c = arg;
	struct pollfd fds[] = {{.fd = c->timer_fd, .events = POLLIN},
			       {.fd = c->stop_fd, .events = POLLIN}};
	const int wait_ms = refresh_ms(c);
	uint64_t ticks;
	int n;

	pthread_setname_np(pthread_self(), "memhist-sampler");
	while ((n = poll(fds, 2, wait_ms)) >= 0 || errno == EINTR) {
		if (n > 0 && fds[1].revents)
			break;
		pulse_begin(&c->pulse);
		if (!n) {
			refresh(c);
		} else if (n > 0 && read(c->timer_fd, &ticks, sizeof(ticks)) == sizeof(ticks)) {
			c->missed += ticks - 1;
			sample(c);
		}
		pulse_end(&c->pulse, wait_ms < 0 ? (int64_t)c->config.interval_ms : wait_ms);
	}
	return NULL;
}

static int start_timer(struct collector *c)
{
	struct timespec interval = {.tv_sec = c->config.interval_ms / 1000,
				    .tv_nsec = c->config.interval_ms % 1000 * 1000000L};
	/* the first tick at once: it_value 0 would mean never */
	struct itimerspec spec = {.it_interval = interval, .it_value = {.tv_nsec = 1}};

	c->timer_fd = timerfd_create(CLOCK_BOOTTIME, TFD_CLOEXEC | TFD_NONBLOCK);
	if (c->timer_fd < 0 || timerfd_settime(c->timer_fd, 0, &spec, NULL))
		return -errno;
	c->stop_fd = eventfd(0, EFD_CLOEXEC);
	return c->stop_fd < 0 ? -errno : 0;
}

static void free_collector(struct collector *c)
{
	mh_groups_free(c->groups);
	mh_groups_free(c->next);
	mh_choice_free(c->choice);
	mh_choice_free(c->next_choice);
	pthread_mutex_destroy(&c->lock);
	mh_ledger_free(c->ledger);
	if (c->timer_fd >= 0)
		close(c->timer_fd);
	if (c->stop_fd >= 0)
		close(c->stop_fd);
	free(c);
}

int collector_start(struct collector **ret, const struct collector_config *config,
		    struct mh_err *err)
{
	struct mh_ledger_config ledger = {.max_groups = max_kept(config->groups)};
	struct collector *c = calloc(1, sizeof(*c));
	int rc;

	if (!c) {
		mh_groups_free(config->groups);
		mh_choice_free(config->choice);
		return mh_err_sys(err, -ENOMEM, "cannot start the sampling thread");
	}
	c->config = *config;
	c->timer_fd = c->stop_fd = -1;
	c->groups = config->groups;
	c->choice = config->choice;
	pthread_mutex_init(&c->lock, NULL);
	for (int w = 0; w < MH_LEDGER_WINDOWS; w++)
		if (config->windows & 1u << w)
			ledger.window_ms[w] = view_windows[w].ms;
	rc = reserve(c);
	if (!rc)
		rc = mh_ledger_new(&c->ledger, &ledger);
	if (!rc)
		rc = start_timer(c);
	if (!rc)
		rc = -pthread_create(&c->thread, NULL, run, c);
	if (rc) {
		free_collector(c);
		return mh_err_sys(err, rc, "cannot start the sampling thread");
	}
	*ret = c;
	return 0;
}

void collector_regroup(struct collector *c, struct mh_groups *groups, struct mh_choice *choice)
{
	struct mh_groups *unused;
	struct mh_choice *unused_choice;

	pthread_mutex_lock(&c->lock);
	unused = c->next;
	unused_choice = c->next_choice;
	c->next = groups;
	c->next_choice = choice;
	pthread_mutex_unlock(&c->lock);
	mh_groups_free(unused);
	mh_choice_free(unused_choice);
}

struct pulse *collector_pulse(struct collector *c)
{
	return &c->pulse;
}

void collector_stop(struct collector *c)
{
	if (!c)
		return;
	eventfd_write(c->stop_fd, 1);
	pthread_join(c->thread, NULL);
	free_collector(c);
}
