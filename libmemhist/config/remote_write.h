/*
 * Remote write in configurations: the list below `remote_write`, with the keys that Prometheus has
 * for it where the meaning is the same. See memhist.yaml(5).
 *
 *     remote_write:
 *       - url: https://prometheus.example/api/v1/write
 *         …the other keys of config/http.h…
 *         name: central
 *         protobuf_message: auto
 *         external_labels: {cluster: x}
 *         backfill: 1h
 *         queue_config: {max_samples_per_send: 2000, batch_send_deadline: 5s, min_backoff: 30ms,
 *                        max_backoff: 5s, sample_age_limit: 50m}
 *         send: {processes: 50, programs: [postgres, /^java/], process_fields: [rss, vsz],
 *                groups: true, group_fields: [rss], meminfo: true, max_series: 20000}
 */
#ifndef MEMHIST_CONFIG_REMOTE_WRITE_H
#define MEMHIST_CONFIG_REMOTE_WRITE_H

#include "libmemhist/base/timespec.h"
#include "libmemhist/config/http.h"
#include "libmemhist/model/field.h"
#include "libmemhist/model/match.h"

enum {
	MH_REMOTE_ENDPOINTS_MAX = 8,
	MH_REMOTE_LABELS_MAX = 32,
	MH_REMOTE_LABEL_BYTES = 2048, /* of a label's value */
	MH_REMOTE_NAME_BYTES = 255,
	MH_REMOTE_SAMPLES_MAX = 10000, /* of a batch */
	MH_REMOTE_SERIES_MAX = 100000,
};

#define MH_REMOTE_ALL UINT32_MAX /* processes */

enum mh_remote_message { MH_REMOTE_MESSAGE_V1, MH_REMOTE_MESSAGE_V2, MH_REMOTE_MESSAGE_AUTO };

struct mh_remote_label {
	const char *name,
		*value; /* an empty value: without this label, also where it is a default */
};

/* One endpoint. Texts live in the document. */
struct mh_remote_write {
	struct mh_http_config http;
	const char
		*name; /* of the endpoint, of no other; else its URL from the host to the query */
	enum mh_remote_message message;
	const struct mh_remote_label *label; /* by name in byte order */
	size_t n_labels;
	mh_ms_t backfill_ms;

	uint32_t max_samples_per_send;
	mh_ms_t batch_send_deadline_ms;
	uint32_t min_backoff_ms, max_backoff_ms;
	mh_ms_t sample_age_limit_ms; /* 0 = none */

	uint32_t processes;         /* the largest; MH_REMOTE_ALL */
	struct mh_select programs;  /* these too, by name; none when it is empty */
	mh_fields_t process_fields; /* 0 = as is the default */
	mh_fields_t group_fields;
	bool no_groups, no_meminfo;
	uint32_t max_series;
};

/*
 * The value of `remote_write`: *ret_n endpoints, to be given to mh_remote_write_free(). `dir` is
 * the directory of the configuration. Returns 0; -EBADMSG and a sentence that begins with
 * "LINE:COLUMN: "; or -ENOMEM.
 */
int mh_remote_write_read(struct mh_remote_write **ret, size_t *ret_n, struct mh_document *d,
			 const char *dir, const struct mh_node *list, struct mh_err *err);
/* NULL is allowed. */
void mh_remote_write_free(struct mh_remote_write *list, size_t n);

#endif
