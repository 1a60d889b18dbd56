/* The sealer: walks an open segment through a decoder of its own, into a sealed one. */
#include "libmemhist/history/seal.h"

#include "libmemhist/history/sealed.h"
#include "libmemhist/history/walk.h"

#include <errno.h>
#include <fcntl.h>
#include <unistd.h>

struct sealer {
	struct mh_walk *walk;
	struct mh_decoder *decoder;
	struct mh_sealed *sealed;
	struct mh_seal_result result;
	struct mh_err newer; /* why it is for a newer memhist */
};

static int take_frame(struct sealer *s, const struct mh_step *step)
{
	int rc = step->skipped ? -EBADMSG : mh_decoder_frame(s->decoder, &step->frame, &s->newer);

	while (rc == MH_DECODED_SNAPSHOT) { /* one, but for a file of parts under this name */
		rc = mh_sealed_add(s->sealed, s->decoder);
		if (!rc)
			rc = mh_decoder_more(s->decoder);
	}
	return rc < 0 ? rc : 0;
}

static int convert(struct sealer *s)
{
	struct mh_step step;
	bool torn;
	int rc;

	while ((rc = mh_walk_next(s->walk, &step)) > 0) {
		rc = take_frame(s, &step);
		if (rc)
			return rc;
	}
	if (!rc && mh_walk_tail(s->walk, &torn) && !torn) /* R2 */
		rc = -EBADMSG;
	return rc ? rc : mh_sealed_finish(s->sealed);
}

int mh_seal_segment(int dir_fd, const struct mh_segment_file *file, struct mh_seal_result *ret,
		    struct mh_err *err)
{
	struct sealer s = {0};
	char name[MH_SEGMENT_NAME_MAX];
	int rc = mh_walk_open(&s.walk, dir_fd, file->name);

	mh_sealed_name(name, file);
	if (!rc)
		rc = mh_decoder_new(&s.decoder);
	if (!rc) {
		mh_decoder_be_strict(s.decoder); /* P3 */
		rc = mh_sealed_new(&s.sealed, dir_fd, name);
	}
	if (!rc)
		rc = convert(&s);
	if (!rc && faccessat(dir_fd, file->name, F_OK, AT_SYMLINK_NOFOLLOW))
		rc = -ENOENT; /* who removed it would not want it back */
	if (!rc)
		rc = mh_sealed_put(s.sealed);
	if (!rc) {
		struct mh_sealed_stats stats;

		unlinkat(dir_fd, file->name, 0);
		mh_sealed_stats(s.sealed, &stats);
		s.result.snapshots = stats.snapshots;
		s.result.process_samples = stats.process_samples;
		s.result.bytes_before = file->bytes;
		s.result.bytes_after = stats.bytes;
		*ret = s.result;
	} else if (rc == -ENODATA) {
		mh_errf(err, rc, "%s holds no snapshot", file->name);
	} else if (rc == -EBADMSG) {
		mh_errf(err, rc,
			"%s is damaged: it stays as it is, until memhist repair makes it sound",
			file->name);
	} else if (rc == -ENOENT) {
		rc = mh_errf(err, -ESTALE, "%s was removed before it was sealed", file->name);
	} else if (rc == -EPROTO) {
		mh_errf(err, rc, "%s is not sealed: %s", file->name, s.newer.text);
	} else {
		mh_err_sys(err, rc, "cannot seal %s", file->name);
	}
	mh_sealed_free(s.sealed);
	mh_decoder_free(s.decoder);
	mh_walk_close(s.walk);
	return rc;
}
