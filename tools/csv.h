/*
 * Reading CSV (RFC 4180) and TSV, record by record, from a file of any size.
 *
 *     const struct csv_record *record;
 *
 *     while ((rc = csv_next(csv, &record, &err)) > 0)
 *             use(record->field[0].bytes, record->field[0].len);
 *
 * Fields are separated by commas, records by LF or CRLF; a field in double quotes may hold all of
 * these, and quotes written twice. A byte order mark at the beginning is skipped, empty lines are
 * too. Every record must have as many fields as the first one.
 *
 * In TSV fields are separated by tabs, and bytes that would be structure are written \t \n \r \\
 * \xNN, as mh_escape_tsv() does.
 */
#ifndef MEMHIST_TOOLS_CSV_H
#define MEMHIST_TOOLS_CSV_H

#include "libmemhist/base/err.h"
#include "tools/input.h"

enum { CSV_FIELDS_MAX = 64, CSV_RECORD_MAX = 1 << 20 };

struct csv_field {
	const char *bytes; /* not NUL-terminated, may hold anything */
	size_t len;
};

struct csv_record {
	uint64_t line; /* of the file, from 1, on which the record begins */
	size_t n_fields;
	struct csv_field field[CSV_FIELDS_MAX];
};

struct csv;

/* CSV_ANY: what the first separator of the first record is, decides. */
enum csv_dialect { CSV_ANY, CSV_COMMAS, CSV_TABS };

/* `in` must outlive it. Returns 0 or -ENOMEM. */
int csv_new(struct csv **ret, struct input *in, enum csv_dialect dialect);
void csv_free(struct csv *csv);

/*
 * The next record: 1 and *ret (valid until the next call), 0 at the end, or -errno: -EINVAL and a
 * sentence with the line number for what is no CSV, or as input_read().
 */
int csv_next(struct csv *csv, const struct csv_record **ret, struct mh_err *err);

#endif
