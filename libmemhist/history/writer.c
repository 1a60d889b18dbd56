/*
 * The writer: one open segment, one frame per snapshot, one write(2) per frame.
 *
 * Invariants:
 *   W1  The bytes of the open segment up to `size` are whole, valid frames. A failed or short write
 *       is cut off again; when even that fails, readers find a torn tail and nothing false.
 *   W2  After any error the segment is closed for good and the next snapshot begins another with a
 *       keyframe, so that no delta ever builds on a frame that is not there.
 *   W3  Files that earlier runs left are only read (D4).
 *   W4  Only who holds the lock writes, and only to files that have a name.
 *   W5  With an upkeep, nothing here waits for a disk: it is told, and does. Without one, ended
 *       segments are brought to the disk on the spot.
 */
#include "libmemhist/history/writer.h"

#include "libmemhist/base/beneath.h"
#include "libmemhist/history/dir.h"
#include "libmemhist/history/rows/encode.h"
#include "libmemhist/history/frame.h"
#include "libmemhist/history/past.h"
#include "libmemhist/history/segment.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

enum {
	KEY_EVERY = 60,
	KEY_EVERY_MS = 300 * 1000,
	ROTATE_MS = 3600 * 1000,
	ROTATE_BYTES = 16 << 20,
	SEGMENT_MODE = 0640,
};

struct mh_writer {
	struct mh_writer_config config; /* defaults filled in */
	char *dir_path;
	char *host;
	int dir_fd;
	int lock_fd;
	uint64_t next_segment; /* number in the next segment's name */

	int fd; /* the open segment, -1 = none */
	char name[MH_SEGMENT_NAME_MAX];
	uint32_t segment; /* random number in its frames */
	uint32_t seq;     /* of the next frame */
	uint64_t size;    /* bytes of whole frames */
	bool has_snapshot;
	mh_boot_ns_t began_ns;
	bool dir_dirty; /* a file was created since the directory was synced */

	/* what the open segment's keyframes have promised */
	mh_fields_t fields, lagging;
	struct mh_boot_id boot_id;
	struct mh_meminfo meminfo_keys;
	char last_boot[9]; /* of the newest segment that earlier runs left, "" = none */

	uint32_t since_key; /* snapshots since the last keyframe, which counts as one */
	mh_boot_ns_t key_ns;
	struct mh_gap owed;       /* a gap to record before the next snapshot */
	struct mh_upkeep *upkeep; /* NULL: none */
	struct mh_encoder *encoder;
	struct mh_writer_stats stats;
};

static uint64_t ms_between(mh_boot_ns_t from_ns, mh_boot_ns_t to_ns)
{
	return to_ns > from_ns ? (to_ns - from_ns) / 1000000 : 0;
}

/* To know since when we are away, and how to go on. */
static int look_back(struct mh_writer *w)
{
	struct mh_past past;
	int rc = mh_past_look(w->dir_fd, &past);

	if (rc)
		return rc;
	w->next_segment = past.next_segment;
	memcpy(w->last_boot, past.boot, sizeof(w->last_boot));
	if (past.gap.kind != MH_GAP_NONE)
		w->owed = past.gap;
	w->stats.torn_bytes = past.torn_bytes;
	w->stats.recovered_segments = past.torn_bytes != 0;
	return 0;
}

static void fill_in(struct mh_writer_config *c)
{
	c->key_every = c->key_every ? c->key_every : KEY_EVERY;
	c->key_every_ms = c->key_every_ms ? c->key_every_ms : KEY_EVERY_MS;
	c->rotate_ms = c->rotate_ms ? c->rotate_ms : ROTATE_MS;
	c->rotate_bytes = c->rotate_bytes ? c->rotate_bytes : ROTATE_BYTES;
	if (c->upkeep)
		c->rotate_bytes = mh_limits_segment_bytes(&c->upkeep->limits, c->rotate_bytes);
}

/* Open the directory, take its lock, look at what is there. On failure some of it may be open. */
static int attach(struct mh_writer *w, struct mh_err *err)
{
	int rc = mh_dir_own(w->dir_path, w->config.places, &w->dir_fd, &w->lock_fd, err);

	if (rc)
		return rc;
	rc = look_back(w);
	return rc ? mh_err_sys(err, rc, "cannot read the history %s", w->dir_path) : 0;
}

/* For those who look at the history: how much of it there will be. */
static void tell_limits(const struct mh_writer *w)
{
	struct mh_buf text = MH_BUF_INIT(1024);
	struct mh_upkeep_status status;

	if (!mh_writer_upkeep(w, &status))
		return;
	mh_limits_write(&text, &status.limits);
	mh_dir_tell(w->lock_fd, mh_buf_str(&text));
	mh_buf_done(&text);
}

static int start_upkeep(struct mh_writer *w, const struct mh_upkeep_config *config,
			struct mh_err *err)
{
	const struct mh_upkeep_history history = {.dir_path = w->dir_path,
						  .dir_fd = w->dir_fd,
						  .next_seq = w->next_segment,
						  .segment_bytes = w->config.rotate_bytes,
						  .places = w->config.places};

	return mh_upkeep_new(&w->upkeep, config, &history, err);
}

int mh_writer_open(struct mh_writer **ret, const struct mh_writer_config *config,
		   struct mh_err *err)
{
	struct mh_writer *w = calloc(1, sizeof(*w));
	int rc;

	if (!w)
		return mh_err_sys(err, -ENOMEM, "cannot open the history %s", config->dir);
	w->config = *config;
	fill_in(&w->config);
	w->dir_fd = w->lock_fd = w->fd = -1;
	w->dir_path = strdup(config->dir);
	w->host = strdup(config->host ? config->host : "");
	if (!w->dir_path || !w->host || mh_encoder_new(&w->encoder)) {
		rc = mh_err_sys(err, -ENOMEM, "cannot open the history %s", config->dir);
		goto fail;
	}
	rc = attach(w, err);
	if (!rc && config->upkeep)
		rc = start_upkeep(w, config->upkeep, err);
	if (rc)
		goto fail;
	tell_limits(w);
	*ret = w;
	return 0;
fail:
	mh_writer_close(w);
	return rc;
}

static void close_segment(struct mh_writer *w)
{
	if (w->upkeep)
		mh_upkeep_end(w->upkeep, w->next_segment);
	if (w->fd >= 0)
		close(w->fd);
	w->fd = -1;
}

/* The open segment could not be brought to the disk, and is not trusted any further. */
static void distrust_segment(struct mh_writer *w)
{
	close_segment(w);
	w->stats.errors++;
	w->owed = (struct mh_gap){MH_GAP_WRITE_ERROR, w->stats.last_wall_ms};
}

static int sync_segment(struct mh_writer *w, struct mh_err *err)
{
	int rc;

	if (w->upkeep || w->fd < 0 || !fdatasync(w->fd))
		return 0;
	rc = -errno;
	distrust_segment(w);
	return mh_err_sys(err, rc, "cannot bring %s/%s to the disk", w->dir_path, w->name);
}

static void detach(struct mh_writer *w)
{
	w->next_segment = 1; /* not known until we are attached again */
	close_segment(w);
	if (w->lock_fd >= 0)
		close(w->lock_fd);
	if (w->dir_fd >= 0)
		close(w->dir_fd);
	w->lock_fd = w->dir_fd = -1;
	w->dir_dirty = false;
}

int mh_writer_close(struct mh_writer *w)
{
	int rc = 0;

	if (!w)
		return 0;
	if (w->upkeep)
		rc = mh_upkeep_free(w->upkeep);
	else if (w->dir_fd >= 0)
		rc = mh_writer_sync(w, NULL);
	w->upkeep = NULL;
	detach(w);
	mh_encoder_free(w->encoder);
	free(w->dir_path);
	free(w->host);
	free(w);
	return rc;
}

static int begin_segment(struct mh_writer *w, const struct mh_snapshot *s, struct mh_err *err)
{
	int rc;

	for (;;) {
		mh_segment_name(w->name, w->next_segment, s->at.wall_ms, &s->boot_id);
		w->fd = mh_beneath_file(w->dir_fd, w->name, O_WRONLY | O_CREAT | O_EXCL | O_APPEND,
					SEGMENT_MODE);
		if (w->fd != -EEXIST)
			break;
		w->next_segment++;
	}
	/* a number without a file would look like a deleted segment */
	if (w->fd < 0)
		return mh_err_sys(err, w->fd, "cannot create %s/%s", w->dir_path, w->name);
	w->next_segment++;
	w->dir_dirty = true;
	w->segment = mh_segment_number();
	w->seq = 0;
	w->size = 0;
	w->has_snapshot = false;
	w->began_ns = s->at.boot_ns;
	w->fields = s->fields;
	w->lagging = s->lagging;
	w->boot_id = s->boot_id;
	w->meminfo_keys.n = 0;
	if (s->meminfo)
		w->meminfo_keys = *s->meminfo;
	w->stats.segments++;
	rc = w->upkeep ? mh_upkeep_begin(w->upkeep, w->fd, w->name, w->next_segment - 1) : 0;
	return rc ? mh_err_sys(err, rc, "cannot keep up %s/%s", w->dir_path, w->name) : 0;
}

/* The open segment could not be written: cut it back to whole frames (W1), or remove it when it has
 * no snapshot, so that a full disk does not fill up with files of nothing. */
static void abandon_segment(struct mh_writer *w)
{
	int rc = 0;

	if (w->has_snapshot) {
		rc = ftruncate(w->fd, (off_t)w->size);
	} else if (!unlinkat(w->dir_fd, w->name, 0)) {
		w->stats.segments--;
		/* a number left out would look like a deleted segment; one that is there twice, too
		 */
		w->next_segment -= !rc;
	}
	(void)rc; /* then readers find a torn tail */
	close_segment(w);
}

/* Hand one frame to the kernel (R1). */
static int write_frame(struct mh_writer *w, enum mh_frame_type type, struct mh_instant at,
		       const struct mh_payload *payload, struct mh_err *err)
{
	struct mh_frame frame = {
		.segment = w->segment,
		.seq = w->seq,
		.at = at,
		.type = (uint8_t)type,
		.flags = payload->flags,
		.version = MH_FRAME_VERSION,
		.len = (uint32_t)payload->len,
		.payload = payload->bytes,
	};
	uint8_t head[MH_FRAME_HEAD];
	size_t whole = sizeof(head) + payload->len;
	int rc = w->upkeep ? mh_upkeep_grow(w->upkeep, w->size, w->size + whole, err) : 0;

	if (rc)
		return rc;
	mh_frame_seal(&frame, head);
	rc = mh_frame_write(w->fd, head, &frame);
	if (rc) {
		abandon_segment(w);
		return mh_err_sys(err, rc, "cannot write to %s/%s", w->dir_path, w->name);
	}
	w->size += whole;
	w->seq++;
	w->stats.bytes += whole;
	return 0;
}

static int write_gap(struct mh_writer *w, const struct mh_snapshot *s, const struct mh_gap *gap,
		     struct mh_err *err)
{
	struct mh_payload payload;

	if (mh_encode_gap(w->encoder, gap, &payload))
		return mh_err_sys(err, -ENOMEM, "cannot record a gap in %s", w->dir_path);
	return write_frame(w, MH_FRAME_GAP, s->at, &payload, err);
}

static bool needs_segment(const struct mh_writer *w, const struct mh_snapshot *s)
{
	if (w->fd < 0)
		return true;
	if (memcmp(&w->boot_id, &s->boot_id, sizeof(s->boot_id)) != 0 || w->fields != s->fields ||
	    w->lagging != s->lagging)
		return true;
	if (s->meminfo ? !mh_meminfo_same_keys(&w->meminfo_keys, s->meminfo)
		       : w->meminfo_keys.n != 0)
		return true;
	return s->gap.kind == MH_GAP_CLOCK_STEP || w->size >= w->config.rotate_bytes ||
	       ms_between(w->began_ns, s->at.boot_ns) >= w->config.rotate_ms;
}

static int write_snapshot(struct mh_writer *w, const struct mh_snapshot *s, struct mh_err *err)
{
	bool key = w->since_key == 0 || w->since_key >= w->config.key_every ||
		   ms_between(w->key_ns, s->at.boot_ns) >= w->config.key_every_ms;
	struct mh_segment_facts facts = {
		.page_bytes = w->config.page_bytes,
		.clk_tck = w->config.clk_tck,
		.interval_ms = w->config.interval_ms,
		.host = w->host,
		.writer = PACKAGE_STRING,
	};
	struct mh_payload payload;
	int rc = mh_encode_snapshot(w->encoder, s, key ? &facts : NULL, &payload);

	if (rc == -EOVERFLOW)
		return mh_errf(err, rc,
			       "a snapshot of %u processes is larger than a frame of %s can hold: "
			       "it is left out",
			       s->n_live, w->dir_path);
	if (rc)
		return mh_err_sys(err, rc, "cannot encode a snapshot for %s", w->dir_path);
	rc = write_frame(w, MH_FRAME_SNAPSHOT, s->at, &payload, err);
	if (rc)
		return rc;
	w->has_snapshot = true;
	if (key) {
		w->since_key = 0;
		w->key_ns = s->at.boot_ns;
	}
	w->since_key++;
	return 0;
}

static bool is_deleted(int fd)
{
	struct stat st;

	return fd >= 0 && !fstat(fd, &st) && st.st_nlink == 0;
}

/*
 * Whether what we write is still where others find it. Somebody may have deleted the segment, or
 * the whole directory and our lock with it; writing on would fill a file without a name.
 */
static int check_place(struct mh_writer *w, struct mh_err *err)
{
	struct mh_err reason = {""};
	int rc;

	if (w->lock_fd >= 0 && !is_deleted(w->lock_fd) && !is_deleted(w->fd))
		return 0;
	detach(w);
	rc = attach(w, &reason);
	if (!rc && w->upkeep) {
		tell_limits(w);
		rc = mh_upkeep_move(w->upkeep, w->dir_fd, w->next_segment);
	}
	if (rc)
		return mh_errf(err, -ESTALE, "the history %s was deleted while it was written: %s",
			       w->dir_path, reason.text);
	return mh_errf(err, -ESTALE,
		       "the history %s, or a part of it, was deleted while it was written: a new "
		       "segment begins",
		       w->dir_path);
}

/* Returns -ENOSPC and a sentence when there is too little space to go on. */
static int heed_upkeep(struct mh_writer *w, struct mh_err *err)
{
	int rc = mh_upkeep_ask(w->upkeep, err);

	if (rc == -ESTALE)
		distrust_segment(w); /* people are told why by the upkeep */
	if (rc == -EAGAIN && w->fd >= 0)
		mh_upkeep_begin(w->upkeep, w->fd, w->name, w->next_segment - 1);
	return rc == -ENOSPC ? rc : 0;
}

static int append(struct mh_writer *w, const struct mh_snapshot *s, struct mh_err *err)
{
	int rc = check_place(w, err);

	if (rc)
		return rc;

	if (w->upkeep)
		rc = heed_upkeep(w, err);
	if (rc)
		return rc;
	if (needs_segment(w, s)) {
		rc = sync_segment(w, err);
		close_segment(w);
		w->since_key = 0;
		if (!rc)
			rc = begin_segment(w, s, err);
		if (w->owed.kind == MH_GAP_STOPPED && w->last_boot[0] &&
		    strncmp(strrchr(w->name, '-') + 1, w->last_boot, strlen(w->last_boot)) != 0)
			w->owed.kind = MH_GAP_REBOOT;
	}
	if (!rc && w->owed.kind != MH_GAP_NONE)
		rc = write_gap(w, s, &w->owed, err);
	if (!rc && s->gap.kind != MH_GAP_NONE)
		rc = write_gap(w, s, &s->gap, err);
	return rc ? rc : write_snapshot(w, s, err);
}

int mh_writer_append(struct mh_writer *w, const struct mh_snapshot *s, struct mh_err *err)
{
	int rc = append(w, s, err);

	if (rc) {
		if (w->fd >= 0)
			abandon_segment(w);
		w->stats.errors++;
		/* before the first snapshot there is nothing that it could be a gap in */
		if (w->owed.kind == MH_GAP_NONE && w->stats.snapshots)
			w->owed = (struct mh_gap){MH_GAP_WRITE_ERROR, w->stats.last_wall_ms};
		return rc;
	}
	w->owed.kind = MH_GAP_NONE;
	w->stats.snapshots++;
	w->stats.process_samples += s->n_live;
	w->stats.last_wall_ms = s->at.wall_ms;
	if (w->upkeep)
		mh_upkeep_appended(w->upkeep, s->at);
	return 0;
}

int mh_writer_sync(struct mh_writer *w, struct mh_err *err)
{
	int rc;

	if (w->upkeep) {
		mh_upkeep_sync(w->upkeep);
		return 0;
	}
	rc = sync_segment(w, err);
	if (rc)
		return rc;
	if (w->dir_dirty && fsync(w->dir_fd))
		rc = -errno;
	w->dir_dirty = false;
	/* as with a file, a second try would prove nothing: its name may not be there */
	if (rc && w->fd >= 0)
		distrust_segment(w);
	return rc ? mh_err_sys(err, rc, "cannot bring the directory %s to the disk", w->dir_path)
		  : 0;
}

bool mh_writer_upkeep(const struct mh_writer *w, struct mh_upkeep_status *ret)
{
	if (w->upkeep)
		mh_upkeep_status(w->upkeep, ret);
	return w->upkeep != NULL;
}

void mh_writer_stats(const struct mh_writer *w, struct mh_writer_stats *ret)
{
	*ret = w->stats;
}
