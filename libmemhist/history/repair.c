/*
 * The repairer: walks a segment, open or sealed, through a decoder as a reader does, into a sealed
 * one.
 *
 * Invariants:
 *   A1  No byte of the damaged file is lost: it has a name in `damaged`, on the disk, before its
 *       own is taken away.
 *   A2  The new segment is on the disk before the old one's name goes. So a number is never without
 *       a file, and what a reader finds there is either the damaged or the repaired one.
 */
#include "libmemhist/history/repair.h"

#include "libmemhist/base/beneath.h"
#include "libmemhist/history/sealed.h"
#include "libmemhist/history/walk.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

enum { DIR_MODE = 0750, NAME_TRIES = 1000 };

struct repairer {
	struct mh_walk *walk;
	struct mh_decoder *decoder;
	struct mh_sealed *sealed;
	mh_ms_t last_wall_ms;
	bool is_lost; /* damage was noted, and no snapshot has come since */
	struct mh_repair_result result;
	const struct mh_segment_file *file;
	struct mh_err *err;
};

/* --- reading ----------------------------------------------------------------------------- */

static void note_damage(struct repairer *r, uint64_t bytes)
{
	r->result.damages++;
	r->result.damaged_bytes += bytes;
	r->is_lost = true;
	mh_decoder_lost(r->decoder, r->last_wall_ms);
}

/* All snapshots that the last frame has brought. */
static int take_snapshots(struct repairer *r, int rc, const struct mh_step *step)
{
	while (rc == MH_DECODED_SNAPSHOT) {
		r->is_lost = false;
		r->last_wall_ms = mh_decoder_at(r->decoder).wall_ms;
		rc = mh_sealed_add(r->sealed, r->decoder);
		if (!rc)
			rc = mh_decoder_more(r->decoder);
	}
	if (rc == -EBADMSG) {
		note_damage(r, step->size);
		return 0;
	}
	return rc < 0 ? rc : 0;
}

static int take_frame(struct repairer *r, const struct mh_step *step)
{
	struct mh_err reason = {""};
	int rc;

	if (step->skipped)
		note_damage(r, step->skipped);
	rc = mh_decoder_frame(r->decoder, &step->frame, &reason);
	if (rc == -EPROTO)
		return mh_errf(r->err, rc, "%s is not repaired: %s", r->file->name, reason.text);
	if (rc == MH_DECODED_ORPHAN) {
		r->result.orphans++;
		if (!r->is_lost)
			note_damage(r, 0); /* F7 */
	}
	return take_snapshots(r, rc, step);
}

static int convert(struct repairer *r, bool is_sealed)
{
	struct mh_step step = {0};
	uint64_t tail;
	bool torn;
	int rc;

	while ((rc = mh_walk_next(r->walk, &step)) > 0) {
		rc = take_frame(r, &step);
		if (rc)
			return rc;
	}
	tail = mh_walk_tail(r->walk, &torn);
	if (!rc && (is_sealed ? tail || step.frame.type != MH_FRAME_END : tail && !torn)) /* R2 */
		note_damage(r, tail);
	if (r->is_lost)
		mh_sealed_lost(r->sealed);
	return rc ? rc : mh_sealed_finish(r->sealed);
}

/* --- keeping the damaged one ------------------------------------------------------------- */

static bool is_same_file(int a_fd, const char *a, int b_fd, const char *b)
{
	struct stat x, y;

	return !fstatat(a_fd, a, &x, AT_SYMLINK_NOFOLLOW) &&
	       !fstatat(b_fd, b, &y, AT_SYMLINK_NOFOLLOW) && x.st_dev == y.st_dev &&
	       x.st_ino == y.st_ino;
}

/* Give the file a second name in `damaged`, on the disk (A1). One that was repaired before and is
 * damaged again has its name there already. */
static int keep(int dir_fd, int damaged_fd, const char *name)
{
	char kept[MH_SEGMENT_NAME_MAX + 8];

	for (int i = 1; i <= NAME_TRIES; i++) {
		snprintf(kept, sizeof(kept), i == 1 ? "%s" : "%s.%d", name, i);
		if (!linkat(dir_fd, name, damaged_fd, kept, 0) ||
		    (errno == EEXIST && is_same_file(dir_fd, name, damaged_fd, kept)))
			return fsync(damaged_fd) ? -errno : 0;
		if (errno != EEXIST)
			return -errno;
	}
	return -EEXIST;
}

static int keep_damaged(int dir_fd, const char *name)
{
	int damaged_fd, rc;

	if (mkdirat(dir_fd, MH_DAMAGED_DIR, DIR_MODE) && errno != EEXIST)
		return -errno;
	damaged_fd = mh_beneath_open(dir_fd, MH_DAMAGED_DIR, O_RDONLY | O_DIRECTORY, 0);
	if (damaged_fd < 0)
		return damaged_fd;
	rc = keep(dir_fd, damaged_fd, name);
	close(damaged_fd);
	/* `damaged` itself, too, which may be new */
	return rc ? rc : fsync(dir_fd) ? -errno : 0;
}

/* --- both -------------------------------------------------------------------------------- */

static int open_all(struct repairer *r, int from_fd, const struct mh_segment_file *file, int to_fd)
{
	int rc = mh_walk_open(&r->walk, from_fd, file->name);

	if (!rc)
		rc = mh_decoder_new(&r->decoder);
	if (rc)
		return rc;
	mh_decoder_be_strict(r->decoder); /* P3 */
	return mh_sealed_new(&r->sealed, to_fd, r->result.name);
}

/* The new one, when there is one, gets its name, and the old one loses its. */
static int exchange(struct repairer *r, int from_fd, const struct mh_segment_file *file, int to_fd,
		    bool has_new)
{
	bool in_place = is_same_file(from_fd, ".", to_fd, ".");
	int rc = in_place ? keep_damaged(from_fd, file->name) : 0;

	if (!rc && has_new)
		rc = mh_sealed_put(r->sealed);
	if (!rc && in_place && !(has_new && !strcmp(r->result.name, file->name)) &&
	    unlinkat(from_fd, file->name, 0))
		rc = -errno;
	if (!rc && in_place && fsync(from_fd))
		rc = -errno;
	return rc;
}

int mh_repair_segment(int from_fd, const struct mh_segment_file *file, int to_fd,
		      struct mh_repair_result *ret, struct mh_err *err)
{
	struct repairer r = {.err = err, .file = file, .result = {.bytes_before = file->bytes}};
	struct mh_sealed_stats stats;
	bool is_empty;
	int rc;

	mh_sealed_name(r.result.name, file);
	err->text[0] = '\0';
	rc = open_all(&r, from_fd, file, to_fd);
	if (!rc)
		rc = convert(&r, file->is_sealed);
	is_empty = rc == -ENODATA;
	if (!rc || is_empty)
		rc = exchange(&r, from_fd, file, to_fd, !is_empty);
	if (!rc) {
		mh_sealed_stats(r.sealed, &stats);
		r.result.snapshots = stats.snapshots;
		r.result.process_samples = stats.process_samples;
		r.result.bytes_after = stats.bytes;
		if (is_empty)
			r.result.name[0] = '\0';
		*ret = r.result;
		rc = is_empty ? mh_errf(err, -ENODATA, "nothing of %s can be read", file->name) : 0;
	} else if (!err->text[0]) {
		mh_err_sys(err, rc, "cannot repair %s", file->name);
	}
	mh_sealed_free(r.sealed);
	mh_decoder_free(r.decoder);
	mh_walk_close(r.walk);
	return rc;
}
