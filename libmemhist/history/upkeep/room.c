/* Retention at the right moments. */
#include "libmemhist/history/upkeep/room.h"

#include "libmemhist/base/size.h"
#include "libmemhist/history/last.h"

#include <inttypes.h>

enum {
	HOLD_S = 3600,
	AGE_PACE_S = 60,        /* between two that go by age, and for each … */
	AGE_PACED_S = 3600,     /* … of what the first covered … */
	AGE_PACE_MOST_S = 3600, /* … but no more: a segment's times may be wrong, too */
	HOLE_MS = 3600 * 1000,
	STEP_MS = 60 * 1000, /* between two checks: the clock was set, by something that matters */
	KEPT_SEGMENTS = 2,   /* room for the next one, and for one that is being sealed */
};

static const mh_boot_ns_t NS_PER_S = 1000000000;

/*
 * Whether, within the hour before `at`, the history has a hole of more than an hour: memhist was
 * away, or the clock has been ahead since. Runs that follow one another soon are one.
 */
static bool begins_after_a_hole(int dir_fd, uint64_t keep_seq, mh_ms_t at_ms)
{
	struct mh_segment_list list = {0};
	bool is_far = mh_dir_list(dir_fd, &list) != 0; /* then nobody knows */
	mh_ms_t begin_ms = at_ms;

	for (size_t i = list.n; i-- > 0 && !is_far && at_ms - begin_ms < HOLE_MS;) {
		const struct mh_segment_file *file = &list.file[i];
		struct mh_instant last = {.wall_ms = file->start_ms};

		if (keep_seq && file->last_seq >= keep_seq)
			continue;
		mh_segment_last(dir_fd, file->name, &last);
		is_far = last.wall_ms < begin_ms - HOLE_MS;
		begin_ms = file->start_ms;
	}
	mh_dir_list_done(&list);
	return is_far;
}

/* A clock that was ahead before the start makes no step; only what was recorded before tells. */
static void watch_start(struct mh_room *r, int dir_fd, const struct mh_room_moment *moment)
{
	if (r->has_seen)
		return;
	if (begins_after_a_hole(dir_fd, moment->keep_seq, moment->first.wall_ms))
		r->hold_ns = moment->first.boot_ns + HOLD_S * NS_PER_S;
}

/* Many a clock is set right soon after the machine has started, before anything was checked. */
static void watch_clock(struct mh_room *r, struct mh_instant first, struct mh_instant newest)
{
	const struct mh_instant before = r->has_seen ? r->seen : first;
	int64_t wall_ms = newest.wall_ms - before.wall_ms;
	int64_t boot_ms = (int64_t)(newest.boot_ns - before.boot_ns) / 1000000;

	if (wall_ms - boot_ms > STEP_MS || boot_ms - wall_ms > STEP_MS)
		r->hold_ns = newest.boot_ns + HOLD_S * NS_PER_S;
	r->seen = newest;
	r->has_seen = true;
}

static unsigned most_by_age(const struct mh_room *r, struct mh_instant newest)
{
	if (!newest.boot_ns || newest.boot_ns < r->hold_ns)
		return 0;
	return newest.boot_ns >= r->next_aged_ns;
}

/* As fast by the time that goes, however much of it is in a segment. */
static mh_boot_ns_t pace_ns(uint64_t covered_ms)
{
	uint64_t pace_s = covered_ms / 1000 * AGE_PACE_S / AGE_PACED_S;

	if (pace_s < AGE_PACE_S)
		pace_s = AGE_PACE_S;
	if (pace_s > AGE_PACE_MOST_S)
		pace_s = AGE_PACE_MOST_S;
	return pace_s * NS_PER_S;
}

/* Taken anew when there is another segment. */
static void take_rate(struct mh_room *r, int dir_fd, const struct mh_stock *stock,
		      uint64_t keep_seq)
{
	const struct mh_segment_list *list = &stock->files;
	uint64_t newest_seq = list->n ? list->file[list->n - 1].last_seq : 0;

	if (newest_seq == r->rate_seq && r->rate.bytes)
		return;
	if (mh_stock_rate(dir_fd, stock, keep_seq, &r->rate) > 0)
		r->rate_seq = newest_seq;
}

int mh_room_check(struct mh_room *r, int dir_fd, const char *dir_path,
		  const struct mh_room_moment *moment, struct mh_room_status *status,
		  struct mh_err *err)
{
	struct mh_retention_result result = {0};
	struct mh_retention_job job = {
		.limits = &r->limits,
		.room_bytes = KEPT_SEGMENTS * r->segment_bytes,
		.keep_seq = moment->keep_seq,
		.newest_ms = moment->newest.wall_ms,
		.told = moment->told,
		.arg = moment->arg,
	};
	const struct mh_segment_list *list = &result.stock.files;
	int rc;

	if (moment->newest.boot_ns) {
		watch_start(r, dir_fd, moment);
		watch_clock(r, moment->first, moment->newest);
	}
	job.most_by_age = most_by_age(r, moment->newest);
	rc = mh_retention_apply(dir_fd, dir_path, &job, &result, err);
	if (result.deleted[MH_DELETED_BY_AGE])
		r->next_aged_ns = moment->newest.boot_ns + pace_ns(result.aged_ms);
	if (!result.has_stock) {
		mh_stock_done(&result.stock);
		return rc;
	}
	take_rate(r, dir_fd, &result.stock, moment->keep_seq);
	status->looks++;
	status->bytes = result.stock.bytes;
	status->segments = list->n;
	status->other_bytes = list->other_bytes;
	status->oldest_ms = list->n ? list->file[0].start_ms : 0;
	for (int by = 0; by < MH_DELETIONS; by++)
		status->deleted.segments[by] += result.deleted[by];
	status->deleted.bytes += result.deleted_bytes;
	status->is_low = result.is_low;
	status->low = result.low;
	status->free_bytes = result.free_bytes;
	status->min_free_bytes = result.min_free_bytes;
	status->rate = r->rate;
	status->projected_s = mh_retention_projected_s(&r->limits, &r->rate);
	mh_stock_done(&result.stock);
	return rc;
}

bool mh_room_describe_deleted(struct mh_buf *out, struct mh_deleted *told,
			      const struct mh_room_status *status)
{
	static const char *const limits[MH_DELETIONS] = {"max_size", "max_age", "min_free"};
	const struct mh_deleted *now = &status->deleted;
	uint64_t n = 0;
	const char *between = " for ";
	char size[MH_SIZE_TEXT];

	for (int by = 0; by < MH_DELETIONS; by++)
		n += now->segments[by] - told->segments[by];
	if (!n)
		return false;
	mh_buf_printf(out, "%" PRIu64 " segment%s deleted, %s,", n, n == 1 ? " was" : "s were",
		      mh_size_text(size, now->bytes - told->bytes));
	for (int by = 0; by < MH_DELETIONS; by++) {
		if (now->segments[by] == told->segments[by])
			continue;
		mh_buf_printf(out, "%s%s", between, limits[by]);
		between = " and ";
	}
	if (status->oldest_ms) {
		mh_buf_adds(out, "; the history begins at ");
		mh_time_format(out, status->oldest_ms, true);
		mh_buf_adds(out, " UTC");
	}
	*told = *now;
	return true;
}

int mh_room_look(const struct mh_room *r, int dir_fd, const char *dir_path,
		 struct mh_room_status *status)
{
	struct mh_retention_result result = {0};
	int rc = mh_retention_look(dir_fd, dir_path, &r->limits, &result);

	if (rc)
		return rc;
	status->is_low = result.is_low;
	status->low = result.low;
	status->free_bytes = result.free_bytes;
	return 0;
}
