/*
 * Files are compared by what is in them, not by their times: these are a few KiB, read once a
 * second at most, and a time need not move when a file is exchanged.
 */
#include "exporter/webfile.h"

#include "libmemhist/config/confile.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

enum { BYTES_MAX = 5 << 20 };

/* Certificate, key, authority: what of them there is. */
enum { CERT, KEY, CA, PARTS };

struct part {
	struct tls_pem pem;
	char *bytes; /* of a file; to be freed */
};

static int add(struct webfile *f, const char *bytes, size_t len)
{
	const uint64_t head = len;

	mh_buf_add(&f->bytes, &head, sizeof(head));
	mh_buf_add(&f->bytes, bytes, len);
	return f->bytes.error;
}

static int read_part(struct webfile *f, struct part *part, const struct mh_web_pem *from,
		     const char *name, enum mh_confile_kind kind, struct mh_err *err)
{
	size_t len;
	int rc;

	if (from->text) {
		part->pem = (struct tls_pem){name, from->text, strlen(from->text)};
		return 0; /* it is in the configuration, which was added */
	}
	if (!from->file)
		return 0;
	rc = mh_confile_read(from->file, kind, &part->bytes, &len, err);
	if (rc)
		return rc;
	part->pem = (struct tls_pem){from->file, part->bytes, len};
	return add(f, part->bytes, len) ? mh_err_sys(err, -ENOMEM, "cannot read %s", from->file)
					: 0;
}

static bool is_same(const struct webfile *a, const struct webfile *b)
{
	return b && a->bytes.len == b->bytes.len &&
	       !memcmp(a->bytes.data, b->bytes.data, a->bytes.len);
}

/* What follows from the configuration, which is read. Returns as webfile_read(). */
static int read_rest(struct webfile *f, const char *path, const struct webfile *before,
		     struct mh_err *err)
{
	const struct mh_web_tls *tls = &f->web.tls;
	struct part part[PARTS] = {0};
	int rc = 0;

	if (before && tls->enabled != before->web.tls.enabled)
		return mh_errf(err, -EINVAL, "%s has %s, which takes another start of the exporter",
			       path, tls->enabled ? "TLS now" : "no TLS any more");
	if (tls->enabled) {
		rc = read_part(f, &part[CERT], &tls->cert, "“cert”", MH_CONFILE_OPEN, err);
		if (!rc)
			rc = read_part(f, &part[KEY], &tls->key, "“key”", MH_CONFILE_SECRET, err);
		if (!rc)
			rc = read_part(f, &part[CA], &tls->client_ca, "“client_ca”",
				       MH_CONFILE_OPEN, err);
	}
	if (!rc && !is_same(f, before)) {
		rc = tls->enabled ? tls_new(&f->tls, tls, &part[CERT].pem, &part[KEY].pem,
					    &part[CA].pem, err)
				  : 0;
		rc = rc ? rc : 1;
	}
	for (int i = 0; i < PARTS; i++) {
		if (part[i].bytes)
			explicit_bzero(part[i].bytes, part[i].pem.len);
		free(part[i].bytes);
	}
	return rc;
}

int webfile_read(struct webfile **ret, const char *path, const struct webfile *before,
		 struct mh_err *err)
{
	struct webfile *f = calloc(1, sizeof(*f));
	char *bytes = NULL;
	size_t len = 0;
	int rc;

	if (!f)
		return mh_err_sys(err, -ENOMEM, "cannot read %s", path);
	f->references = 1;
	f->bytes = (struct mh_buf)MH_BUF_INIT(BYTES_MAX);
	rc = mh_confile_read(path, MH_CONFILE_SECRET, &bytes, &len, err);
	if (!rc && add(f, bytes, len))
		rc = mh_err_sys(err, -ENOMEM, "cannot read %s", path);
	if (!rc)
		rc = mh_web_parse(&f->web, path, bytes, len, err);
	if (!rc)
		rc = read_rest(f, path, before, err);
	free(bytes);
	if (rc == 1)
		*ret = f;
	else
		webfile_release(f);
	return rc;
}

struct webfile *webfile_hold(struct webfile *f)
{
	f->references++;
	return f;
}

void webfile_release(struct webfile *f)
{
	if (!f || --f->references)
		return;
	tls_free(f->tls);
	mh_web_done(&f->web);
	if (f->bytes.data)
		explicit_bzero(f->bytes.data, f->bytes.len);
	mh_buf_done(&f->bytes);
	free(f);
}
