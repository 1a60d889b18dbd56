/*
 * The pass: what is left of a killed one is removed, then segments are sealed, then days merged.
 * One segment that cannot be sealed or merged stays as it is, and the others go on.
 */
#include "tools/compact.h"

#include "libmemhist/base/places.h"
#include "libmemhist/history/merge.h"
#include "libmemhist/history/seal.h"
#include "libmemhist/history/upkeep/tidy.h"
#include "tools/human.h"
#include "tools/settings.h"
#include "tools/tool.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <linux/ioprio.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <unistd.h>

/* Far from what it takes (64 MiB), near enough to what a machine can spare. */
#define BACKGROUND_BYTES_MAX (UINT64_C(512) << 20)

#ifdef __SANITIZE_ADDRESS__
enum { IS_SANITIZED = 1 }; /* whose shadow takes terabytes of addresses */
#else
enum { IS_SANITIZED = 0 };
#endif

int compact_take(void *config, int id, const char *const value[OPTION_VALUES_MAX],
		 struct mh_err *err)
{
	struct compact *c = config;
	long long bytes;
	int rc = 0;

	switch (id) {
	case COMPACT_MAX_TEMPORARY:
		rc = option_number(value[0], 0, INT64_MAX, &bytes, err);
		if (!rc)
			c->max_temporary = (uint64_t)bytes;
		return rc;
	case COMPACT_ALLOWED:
		return mh_places_add(&c->allowed, value[0], err);
	default:
		return option_no_word(value[0], err);
	}
}

struct sum {
	uint64_t segments, process_samples, bytes_before, bytes_after;
};

struct pass {
	const struct compact *config;
	int dir_fd;
	struct sum sealed, merged;
	uint64_t merged_into; /* segments made by merging */
	uint64_t failed;      /* segments that could not be sealed or merged */
	uint64_t unfit;       /* damaged ones, which stay */
	uint64_t no_room;     /* segments left for later */
};

static const char *who(const struct pass *p)
{
	return p->config->command->name;
}

static int write_oom_score_adj(const char *value)
{
	FILE *file = fopen("/proc/self/oom_score_adj", "we");

	if (!file)
		return -errno;
	fputs(value, file);
	return fclose(file);
}

/* Where a sandbox does not allow it, it is done all the same: it takes a second in an hour. */
static void be_modest(void)
{
	const struct rlimit rl = {BACKGROUND_BYTES_MAX, BACKGROUND_BYTES_MAX};
	const int idle = IOPRIO_PRIO_VALUE(IOPRIO_CLASS_IDLE, 0);
	long rc = setpriority(PRIO_PROCESS, 0, 19);

	/* a daemon may be protected from it; this is the one to go */
	rc |= write_oom_score_adj("500");
	rc |= syscall(SYS_ioprio_set, IOPRIO_WHO_PROCESS, 0, idle);
	if (!IS_SANITIZED)
		rc |= setrlimit(RLIMIT_AS, &rl);
	(void)rc;
}

/* --- sealing ----------------------------------------------------------------------------- */

static int seal_one(struct pass *p, const struct mh_segment_file *file)
{
	struct mh_seal_result result;
	struct mh_err err;
	int rc;

	if (file->bytes > p->config->max_temporary) {
		p->no_room++;
		return 0;
	}
	if (p->config->dry_run) {
		printf("%s: would be sealed, %" PRIu64 " bytes\n", file->name, file->bytes);
		return 0;
	}
	rc = mh_seal_segment(p->dir_fd, file, &result, &err);
	if (rc == -ENODATA || rc == -ESTALE)
		return 0; /* torn from the beginning; removed meanwhile */
	if (rc) {
		tool_say(who(p), "%s", err.text);
		p->failed += rc != -EBADMSG;
		p->unfit += rc == -EBADMSG;
		return 0;
	}
	if (p->config->verbose)
		printf("%s: %" PRIu64 " snapshots, %" PRIu64 " to %" PRIu64 " bytes\n", file->name,
		       result.snapshots, result.bytes_before, result.bytes_after);
	p->sealed.segments++;
	p->sealed.process_samples += result.process_samples;
	p->sealed.bytes_before += result.bytes_before;
	p->sealed.bytes_after += result.bytes_after;
	return tool_interrupted() ? -EINTR : 0;
}

static int list(const struct pass *p, struct mh_segment_list *ret, struct mh_err *err)
{
	int rc = mh_dir_list(p->dir_fd, ret);

	return rc ? mh_err_sys(err, rc, "cannot list the history %s", p->config->history) : 0;
}

/* All open segments but the newest while somebody writes it. */
static int seal_all(struct pass *p, struct mh_err *err)
{
	struct mh_segment_list files = {0};
	int32_t pid;
	/* asked before the listing: who begins to write after it begins another segment */
	bool is_written = mh_dir_is_locked(p->dir_fd, &pid);
	int rc = list(p, &files, err);

	for (size_t i = 0; i < files.n && !rc; i++)
		if (!files.file[i].is_sealed && (i + 1 < files.n || !is_written))
			rc = seal_one(p, &files.file[i]);
	mh_dir_list_done(&files);
	return rc;
}

/* --- merging ----------------------------------------------------------------------------- */

static void report_merged(struct pass *p, const struct mh_merge_result *result, size_t n)
{
	if (p->config->verbose)
		printf("%s: %zu segments, %" PRIu64 " snapshots, %" PRIu64 " to %" PRIu64
		       " bytes\n",
		       result->name, n, result->snapshots, result->bytes_before,
		       result->bytes_after);
	p->merged_into++;
	p->merged.segments += n;
	p->merged.process_samples += result->process_samples;
	p->merged.bytes_before += result->bytes_before;
	p->merged.bytes_after += result->bytes_after;
}

/* Merge a run. One of it that does not fit in parts it: those before, and those from there on. */
static int merge_run(struct pass *p, const struct mh_segment_file *file, size_t n)
{
	while (n > 1) {
		struct mh_merge_result result;
		struct mh_err err;
		int rc = mh_merge(p->dir_fd, file, n, &result, &err);
		size_t behind = result.bad + (rc != -EILSEQ);

		if (!rc) {
			report_merged(p, &result, n);
			break;
		}
		if (rc == -ESTALE)
			break; /* somebody deletes; there will be another time */
		tool_say(who(p), "%s", err.text);
		if (rc != -EILSEQ && rc != -EBADMSG && rc != -EPROTO) {
			p->failed += n;
			break;
		}
		p->unfit += rc == -EBADMSG;
		p->failed += rc == -EPROTO;
		rc = merge_run(p, file, result.bad);
		if (rc)
			return rc;
		file += behind;
		n -= behind < n ? behind : n;
	}
	return tool_interrupted() ? -EINTR : 0;
}

/* Merge a run, in pieces where there is no room for all of it in one. */
static int merge_as_room_is(struct pass *p, const struct mh_segment_file *file, size_t n)
{
	int rc = 0;

	for (size_t taken; n && !rc; file += taken, n -= taken) {
		uint64_t bytes = file[0].bytes;

		for (taken = 1; taken < n && file[taken].bytes <= p->config->max_temporary &&
				bytes <= p->config->max_temporary - file[taken].bytes;
		     taken++)
			bytes += file[taken].bytes;
		if (taken == 1)
			p->no_room++;
		else if (p->config->dry_run)
			printf("%s … %s: %zu segments would be merged, %" PRIu64 " bytes\n",
			       file[0].name, file[taken - 1].name, taken, bytes);
		else
			rc = merge_run(p, file, taken);
	}
	return rc;
}

static int merge_all(struct pass *p, struct mh_err *err)
{
	struct mh_segment_list files = {0};
	struct mh_merge_run run;
	int rc = list(p, &files, err);

	for (size_t at = 0; !rc && mh_merge_next(&files, p->config->merge_all, &at, &run);)
		rc = merge_as_room_is(p, &files.file[run.first], run.n);
	mh_dir_list_done(&files);
	return rc;
}

/* --- what was done ----------------------------------------------------------------------- */

static void print_sum(const struct compact *c, const struct sum *s, uint64_t into)
{
	printf("%s: %" PRIu64 " segment%s ", c->history, s->segments, human_s(s->segments));
	if (into)
		printf("merged into %" PRIu64, into);
	else
		printf("sealed");
	printf(", %" PRIu64 " to %" PRIu64 " bytes (%.2f per process-sample)\n", s->bytes_before,
	       s->bytes_after,
	       (double)s->bytes_after / (double)(s->process_samples + !s->process_samples));
}

static int report(const struct pass *p)
{
	const struct compact *c = p->config;

	if (!c->quiet && p->sealed.segments)
		print_sum(c, &p->sealed, 0);
	if (!c->quiet && p->merged.segments)
		print_sum(c, &p->merged, p->merged_into);
	if (!c->quiet && p->no_room)
		printf("%s: %" PRIu64 " segment%s left for later: there is not enough room\n",
		       c->history, p->no_room, human_s(p->no_room));
	if (!c->quiet && !c->dry_run && !p->sealed.segments && !p->merged.segments && !p->failed &&
	    !p->no_room && !p->unfit)
		printf("%s: nothing to %s\n", c->history, c->seal ? "seal" : "merge");
	if (p->failed)
		return STATUS_PARTIAL;
	return p->unfit ? STATUS_DAMAGED : STATUS_OK;
}

/*
 * What concerns all of it is said once, and not of each segment. Behind a writer there may be none
 * yet.
 */
static int check(const struct pass *p, struct mh_err *err)
{
	const struct compact *c = p->config;
	struct mh_segment_list files = {0};
	int rc = list(p, &files, err);

	if (!rc && !files.n && !files.n_temporary && !c->background)
		rc = mh_dir_no_history(c->history, err);
	mh_dir_list_done(&files);
	if (!rc && !c->dry_run && faccessat(p->dir_fd, ".", W_OK, AT_EACCESS))
		rc = mh_err_sys(err, -errno, "cannot write to the history directory %s",
				c->history);
	return rc;
}

static int work(struct pass *p, struct mh_err *err)
{
	const struct compact *c = p->config;
	struct mh_tidied tidied;
	int rc = check(p, err);

	if (!rc)
		rc = mh_tidy_lock(p->dir_fd);
	if (rc == -EWOULDBLOCK)
		return mh_errf(err, rc, "%s is being sealed or merged by another process",
			       c->history);
	if (rc)
		return err->text[0] ? rc : mh_err_sys(err, rc, "cannot lock %s", c->history);
	if (!c->dry_run) {
		rc = mh_tidy(p->dir_fd, &tidied);
		if (rc)
			return mh_err_sys(err, rc, "cannot remove what was left half-done in %s",
					  c->history);
	}
	if (c->seal)
		rc = seal_all(p, err);
	if (!rc && c->merge)
		rc = merge_all(p, err);
	return rc;
}

/* By the configuration, and by who called, each for himself. */
static int open_history(const struct compact *c, struct mh_err *err)
{
	int fd = mh_places_open_history(settings_places(), c->history, false, err);

	if (fd < 0 || !c->allowed.is_set)
		return fd;
	close(fd);
	return mh_places_open_history(&c->allowed, c->history, false, err);
}

static int compact(struct compact *c)
{
	struct pass pass = {.config = c};
	struct mh_err err = {""};
	int rc;

	c->history = settings_history(c->history);
	if (c->background)
		be_modest();
	tool_catch_signals();
	pass.dir_fd = open_history(c, &err);
	if (pass.dir_fd < 0)
		return tool_fail(who(&pass), pass.dir_fd, &err);
	rc = work(&pass, &err);
	close(pass.dir_fd);
	if (rc == -EWOULDBLOCK && c->background)
		return STATUS_OK;
	return rc ? tool_fail(who(&pass), rc, &err) : report(&pass);
}

int compact_run(struct compact *c, int argc, char **argv)
{
	int status = options_parse(c->command, argc, argv, c);

	if (status == OPTIONS_GO_ON)
		status = compact(c);
	mh_places_done(&c->allowed);
	return status;
}
