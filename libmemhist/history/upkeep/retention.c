/* Who goes, and why. */
#include "libmemhist/history/upkeep/retention.h"

#include "libmemhist/base/size.h"
#include "libmemhist/history/last.h"

#include <errno.h>
#include <inttypes.h>
#include <sys/statvfs.h>
#include <unistd.h>

enum { FILES_PERCENT = 5 };

const char *mh_deletion_name(enum mh_deletion by)
{
	static const char *const names[MH_DELETIONS] = {"size", "age", "free"};

	return names[by];
}

/* --- free space ------------------------------------------------------------------------------- */

/* What is missing of min_free. */
struct missing {
	uint64_t bytes, files;
};

static uint64_t least_bytes(const struct mh_limits *l, const struct statvfs *fs)
{
	const uint64_t all = (uint64_t)fs->f_blocks * fs->f_frsize;
	const uint64_t share = all / 100 * l->min_free_percent;

	if (!l->min_free_bytes || !l->min_free_percent)
		return l->min_free_bytes + share;
	return share < l->min_free_bytes ? share : l->min_free_bytes;
}

/* Some file systems have no fixed number of inodes, and say 0. */
static uint64_t least_files(const struct mh_limits *l, const struct statvfs *fs)
{
	const uint32_t percent = l->min_free_percent ? l->min_free_percent : FILES_PERCENT;
	const uint64_t share = (uint64_t)fs->f_files / 100 * percent;

	if (!l->min_free_bytes && !l->min_free_percent)
		return 0;
	return share < MH_MIN_FREE_FILES ? share : MH_MIN_FREE_FILES;
}

static int look(int dir_fd, const struct mh_limits *l, struct mh_retention_result *ret,
		struct missing *missing)
{
	struct statvfs fs;
	uint64_t files;

	*missing = (struct missing){0};
	if (fstatvfs(dir_fd, &fs))
		return -errno;
	ret->free_bytes = (uint64_t)fs.f_bavail * fs.f_frsize;
	ret->min_free_bytes = least_bytes(l, &fs);
	files = least_files(l, &fs);
	if (ret->free_bytes < ret->min_free_bytes)
		missing->bytes = ret->min_free_bytes - ret->free_bytes;
	if (fs.f_favail < files)
		missing->files = files - fs.f_favail;
	return 0;
}

static void tell_low(const char *dir_path, const struct missing *missing,
		     struct mh_retention_result *ret)
{
	char have[MH_SIZE_TEXT], least[MH_SIZE_TEXT];

	ret->is_low = missing->bytes || missing->files;
	if (missing->bytes)
		mh_errf(&ret->low, 0,
			"writing pauses until there is more space: %s are free in the file system "
			"of %s, and %s are to be left",
			mh_size_text(have, ret->free_bytes), dir_path,
			mh_size_text(least, ret->min_free_bytes));
	else if (missing->files)
		mh_errf(&ret->low, 0,
			"writing pauses until there are more inodes: the file system of %s lacks "
			"%llu of those that are to be left free",
			dir_path, (unsigned long long)missing->files);
}

int mh_retention_look(int dir_fd, const char *dir_path, const struct mh_limits *limits,
		      struct mh_retention_result *ret)
{
	struct missing missing;
	int rc = look(dir_fd, limits, ret, &missing);

	if (!rc)
		tell_low(dir_path, &missing, ret);
	return rc;
}

/* --- what goes -------------------------------------------------------------------------------- */

struct work {
	int dir_fd;
	const struct mh_retention_job *job;
	struct mh_retention_result *ret;
	uint64_t over_bytes;    /* what has to go for T2 */
	struct missing missing; /* and for T3 */
	mh_ms_t newest_ms;      /* for T4; MH_MS_MIN: none goes */
	uint64_t covered_ms;    /* by the one that was found too old last */
	uint64_t newest_seq;
};

static void lessen(uint64_t *n, uint64_t by)
{
	*n -= by < *n ? by : *n;
}

static bool is_removable(const struct work *w, const struct mh_segment_file *file)
{
	return !w->job->keep_seq || file->last_seq < w->job->keep_seq;
}

/* What could go at all, for T2 and T3. */
static void limit_to_use(struct work *w)
{
	const struct mh_segment_list *list = &w->ret->stock.files;
	uint64_t bytes = 0, older_bytes = 0, older_files = 0;

	for (size_t i = 0; i < list->n; i++) {
		if (!is_removable(w, &list->file[i]))
			continue;
		bytes += list->file[i].disk_bytes;
		if (list->file[i].last_seq == w->newest_seq)
			continue;
		older_bytes += list->file[i].disk_bytes;
		older_files++;
	}
	if (w->over_bytes > bytes)
		w->over_bytes = 0;
	if (w->missing.bytes > older_bytes || w->missing.files > older_files)
		w->missing = (struct missing){0};
}

/* T4. The newest data when it was not given: the end of the newest segment that has one. */
static int find_newest(struct work *w, mh_ms_t *ret_end_ms)
{
	const struct mh_segment_list *list = &w->ret->stock.files;
	struct mh_instant last;
	int rc;

	*ret_end_ms = MH_MS_MIN;
	for (size_t i = list->n; i-- > 0;) {
		if (!is_removable(w, &list->file[i]))
			continue;
		rc = mh_segment_last(w->dir_fd, list->file[i].name, &last);
		if (rc == -ENODATA || rc == -ENOENT)
			continue;
		if (!rc)
			*ret_end_ms = last.wall_ms;
		return rc;
	}
	/* no frame in any: by their names */
	for (size_t i = 0; i < list->n; i++)
		if (list->file[i].start_ms > *ret_end_ms)
			*ret_end_ms = list->file[i].start_ms;
	return 0;
}

/* Whether, and beside what, segments may go by age. */
static int look_at_ages(struct work *w)
{
	const struct mh_segment_list *list = &w->ret->stock.files;
	mh_ms_t end_ms;
	int rc;

	w->newest_ms = MH_MS_MIN;
	if (!w->job->limits->max_age_ms || !list->n)
		return 0;
	rc = find_newest(w, &end_ms);
	if (rc)
		return rc;
	w->newest_ms = w->job->newest_ms == MH_MS_MIN ? end_ms : w->job->newest_ms;
	for (size_t i = 0; i < list->n; i++)
		if (list->file[i].start_ms > end_ms)
			end_ms = list->file[i].start_ms;
	if (end_ms > w->newest_ms)
		w->newest_ms = MH_MS_MIN; /* a clock was set back */
	return 0;
}

static bool is_too_old(struct work *w, const struct mh_segment_file *file)
{
	const mh_ms_t max_age_ms = w->job->limits->max_age_ms;
	struct mh_instant last = {.wall_ms = file->start_ms};

	if (w->newest_ms == MH_MS_MIN || file->last_seq == w->newest_seq ||
	    w->ret->deleted[MH_DELETED_BY_AGE] >= w->job->most_by_age ||
	    w->newest_ms - file->start_ms <= max_age_ms)
		return false;
	/* what has no end to be found is as old as its name says */
	mh_segment_last(w->dir_fd, file->name, &last);
	w->covered_ms = 0;
	if (last.wall_ms > file->start_ms)
		w->covered_ms = (uint64_t)last.wall_ms - (uint64_t)file->start_ms;
	return w->newest_ms - last.wall_ms > max_age_ms;
}

/* Whether this one, the oldest, has to go. */
static bool judge(struct work *w, const struct mh_segment_file *file, enum mh_deletion *ret_by)
{
	const bool is_newest = file->last_seq == w->newest_seq;

	if (!is_removable(w, file))
		return false;
	if (w->over_bytes)
		*ret_by = MH_DELETED_BY_SIZE;
	else if (!is_newest && (w->missing.bytes || w->missing.files))
		*ret_by = MH_DELETED_BY_FREE;
	else if (is_too_old(w, file))
		*ret_by = MH_DELETED_BY_AGE;
	else
		return false;
	return true;
}

static int remove_file(struct work *w, const struct mh_segment_file *file)
{
	if (!w->job->dry_run && unlinkat(w->dir_fd, file->name, 0) && errno != ENOENT)
		return -errno;
	lessen(&w->over_bytes, file->disk_bytes);
	lessen(&w->missing.bytes, file->disk_bytes);
	lessen(&w->missing.files, 1);
	lessen(&w->ret->stock.bytes, file->disk_bytes);
	w->ret->deleted_bytes += file->disk_bytes;
	return 0;
}

/* With those that it supersedes: they would take its place. */
static int let_go(struct work *w, const struct mh_segment_file *file, enum mh_deletion by)
{
	const struct mh_segment_list *list = &w->ret->stock.files;
	int rc = 0;

	for (size_t i = list->n; i < list->n + list->n_superseded && !rc; i++)
		if (list->file[i].seq >= file->seq && list->file[i].last_seq <= file->last_seq)
			rc = remove_file(w, &list->file[i]);
	if (!rc)
		rc = remove_file(w, file);
	if (rc)
		return rc;
	w->ret->deleted[by]++;
	if (by == MH_DELETED_BY_AGE)
		w->ret->aged_ms += w->covered_ms;
	return 0;
}

/* Take the first `n` out of the list. */
static void forget(struct mh_segment_list *list, size_t n)
{
	size_t all = list->n + list->n_superseded + list->n_temporary;

	list->n -= n;
	for (size_t i = 0; n && i < all - n; i++)
		list->file[i] = list->file[i + n];
}

static int let_go_all(struct work *w, const char *dir_path, struct mh_err *err)
{
	struct mh_segment_list *list = &w->ret->stock.files;
	enum mh_deletion by;
	size_t n = 0;
	int rc = 0;

	for (; !rc && n < list->n && judge(w, &list->file[n], &by); n++) {
		rc = let_go(w, &list->file[n], by);
		if (rc) {
			mh_err_sys(err, rc, "cannot delete %s/%s, which has to go", dir_path,
				   list->file[n].name);
			break;
		}
		if (w->job->told && w->job->told(w->job->arg, &list->file[n], by))
			rc = mh_errf(err, -EINTR, "interrupted");
	}
	forget(list, n);
	return rc;
}

int mh_retention_apply(int dir_fd, const char *dir_path, const struct mh_retention_job *job,
		       struct mh_retention_result *ret, struct mh_err *err)
{
	const struct mh_limits *l = job->limits;
	struct work w = {.dir_fd = dir_fd, .job = job, .ret = ret};
	struct mh_stock *stock = &ret->stock;
	struct missing missing;
	bool is_hopeless;
	int rc;

	mh_stock_done(stock);
	*ret = (struct mh_retention_result){0};
	rc = mh_stock_take(dir_fd, stock);
	if (!rc && !job->dry_run)
		rc = mh_stock_tidy(dir_fd, stock);
	ret->has_stock = !rc;
	if (!rc)
		rc = look(dir_fd, l, ret, &w.missing);
	if (!rc)
		rc = look_at_ages(&w);
	if (rc)
		return mh_err_sys(err, rc, "cannot look through the history %s", dir_path);
	if (l->max_bytes && stock->bytes + job->room_bytes > l->max_bytes)
		w.over_bytes = stock->bytes + job->room_bytes - l->max_bytes;
	if (stock->files.n)
		w.newest_seq = stock->files.file[stock->files.n - 1].last_seq;
	missing = w.missing;
	limit_to_use(&w);
	is_hopeless = !w.missing.bytes && !w.missing.files;
	rc = let_go_all(&w, dir_path, err);
	if (is_hopeless || rc)
		tell_low(dir_path, &missing, ret);
	return rc;
}

uint64_t mh_retention_projected_s(const struct mh_limits *limits, const struct mh_stock_rate *rate)
{
	const uint64_t age_s = (uint64_t)limits->max_age_ms / 1000;
	double size_s;

	if (!rate->bytes)
		return 0;
	if (!limits->max_bytes)
		return age_s;
	size_s = (double)limits->max_bytes / (double)rate->bytes * (double)rate->ms / 1000;
	return age_s && (double)age_s < size_s ? age_s : (uint64_t)size_s;
}

void mh_retention_describe(struct mh_buf *out, const struct mh_stock_rate *rate,
			   uint64_t projected_s)
{
	enum { HOUR_S = 3600, DAY_S = 24 * HOUR_S };
	const bool in_days = projected_s >= 2 * DAY_S;
	const uint64_t unit_s = in_days ? DAY_S : HOUR_S;
	const double per_day = (double)rate->bytes / (double)rate->ms * 1000 * DAY_S;
	char size[MH_SIZE_TEXT];

	mh_buf_printf(out, "about %" PRIu64 " %s at %s a day", projected_s / unit_s,
		      in_days ? "days" : "hours", mh_size_text(size, (uint64_t)per_day));
}
