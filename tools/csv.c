/*
 * The CSV reader: a state machine, one step per byte. The fields of a record are gathered one
 * behind the other and become pointers when the record is complete.
 */
#include "tools/csv.h"

#include <errno.h>
#include <inttypes.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

enum { CHUNK_BYTES = 64 << 10 };

enum state {
	FIELD_BEGIN,
	BARE,       /* in a field without quotes */
	QUOTED,     /* in a field with quotes */
	QUOTE_SEEN, /* in a field with quotes: at its end, or the first of two quotes */
	CR_SEEN,    /* the record is over when LF follows */
	ESCAPE,     /* TSV: behind a backslash */
	HEX,        /* TSV: behind \x and its first digit */
};

struct csv {
	struct input *in;
	char chunk[CHUNK_BYTES];
	size_t at, n;     /* of chunk: next byte, bytes there */
	bool is_begun;    /* the first chunk was read */
	uint64_t line;    /* of the next byte */
	size_t n_columns; /* fields of the first record; 0 = not read yet */

	enum csv_dialect dialect;
	enum state state;
	char digit; /* HEX: the first one */
	size_t text_len;
	size_t end[CSV_FIELDS_MAX]; /* where each field ends in `text` */
	struct csv_record record;
	char text[CSV_RECORD_MAX]; /* fields of the record, without quotes and commas */
};

int csv_new(struct csv **ret, struct input *in, enum csv_dialect dialect)
{
	struct csv *csv = calloc(1, sizeof(*csv));

	if (!csv)
		return -ENOMEM;
	csv->in = in;
	csv->dialect = dialect;
	csv->line = 1;
	*ret = csv;
	return 0;
}

void csv_free(struct csv *csv)
{
	free(csv);
}

static int wrong(const struct csv *csv, const char *what, struct mh_err *err)
{
	return mh_errf(err, -EINVAL, "%s, line %" PRIu64 ": %s", input_name(csv->in), csv->line,
		       what);
}

static int add_byte(struct csv *csv, char c, struct mh_err *err)
{
	if (csv->text_len == CSV_RECORD_MAX)
		return mh_errf(err, -EOVERFLOW,
			       "%s, line %" PRIu64
			       ": a record longer than 1 MiB (is a quote missing?)",
			       input_name(csv->in), csv->record.line);
	csv->text[csv->text_len++] = c;
	return 0;
}

static int end_field(struct csv *csv, struct mh_err *err)
{
	if (csv->record.n_fields == CSV_FIELDS_MAX)
		return wrong(csv, "more than 64 fields", err);
	csv->end[csv->record.n_fields++] = csv->text_len;
	csv->state = FIELD_BEGIN;
	return 0;
}

/* Returns 1: the record is complete; 0: it was an empty line, the next may begin. */
static int end_record(struct csv *csv, struct mh_err *err)
{
	struct csv_record *r = &csv->record;
	size_t begin = 0;
	int rc;

	if (!r->n_fields && !csv->text_len) {
		csv->state = FIELD_BEGIN;
		return 0;
	}
	rc = end_field(csv, err);
	if (rc)
		return rc;
	if (!csv->n_columns)
		csv->n_columns = r->n_fields;
	if (r->n_fields != csv->n_columns)
		return mh_errf(err, -EINVAL,
			       "%s, line %" PRIu64 ": %zu fields where the header has %zu",
			       input_name(csv->in), r->line, r->n_fields, csv->n_columns);
	for (size_t i = 0; i < r->n_fields; i++) {
		r->field[i] = (struct csv_field){csv->text + begin, csv->end[i] - begin};
		begin = csv->end[i];
	}
	return 1;
}

/* A byte behind a field: separator, end of record, or `complaint`. */
static int take_separator(struct csv *csv, char c, const char *complaint, struct mh_err *err)
{
	switch (c) {
	case ',':
		return end_field(csv, err);
	case '\n':
		return end_record(csv, err);
	case '\r':
		csv->state = CR_SEEN;
		return 0;
	default:
		return wrong(csv, complaint, err);
	}
}

static int hex_digit(char c)
{
	return c >= '0' && c <= '9' ? c - '0' : c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

/* A byte behind a backslash. What is no escape stays as it is. */
static int take_escape(struct csv *csv, char c, struct mh_err *err)
{
	static const char letters[] = "tnr\\", meant[] = "\t\n\r\\";
	const char *letter = c ? strchr(letters, c) : NULL;
	int rc;

	csv->state = BARE;
	if (letter)
		return add_byte(csv, meant[letter - letters], err);
	if (c == 'x') {
		csv->state = HEX;
		csv->digit = 0;
		return 0;
	}
	rc = add_byte(csv, '\\', err);
	return rc ? rc : add_byte(csv, c, err);
}

/* As take_byte(), for TSV. */
static int take_tsv_byte(struct csv *csv, char c, struct mh_err *err)
{
	if (c == '\n' && csv->state != ESCAPE && csv->state != HEX)
		return end_record(csv, err);
	switch (csv->state) {
	case ESCAPE:
		return take_escape(csv, c, err);
	case HEX:
		if (hex_digit(c) < 0)
			return wrong(csv, "\\x without two hexadecimal digits", err);
		if (!csv->digit) {
			csv->digit = c;
			return 0;
		}
		csv->state = BARE;
		return add_byte(csv, (char)(hex_digit(csv->digit) * 16 + hex_digit(c)), err);
	case CR_SEEN:
		return wrong(csv, "a carriage return inside a line", err);
	default:
		break;
	}
	if (c == '\t')
		return end_field(csv, err);
	if (c == '\r') {
		csv->state = CR_SEEN;
		return 0;
	}
	csv->state = c == '\\' ? ESCAPE : BARE;
	return c == '\\' ? 0 : add_byte(csv, c, err);
}

/* Returns 1 when this byte completes a record, 0, or -errno. */
static int take_byte(struct csv *csv, char c, struct mh_err *err)
{
	if (csv->dialect == CSV_ANY && (c == ',' || c == '\t' || c == '"'))
		csv->dialect = c == '\t' ? CSV_TABS : CSV_COMMAS;
	if (csv->dialect == CSV_TABS)
		return take_tsv_byte(csv, c, err);
	switch (csv->state) {
	case FIELD_BEGIN:
		if (c == '"') {
			csv->state = QUOTED;
			return 0;
		}
		if (c == ',' || c == '\n')
			return take_separator(csv, c, NULL, err);
		csv->state = BARE;
		/* fall through */
	case BARE:
		if (c == ',' || c == '\n' || c == '\r' || c == '"')
			return take_separator(csv, c, "a quote inside a field without quotes", err);
		return add_byte(csv, c, err);
	case QUOTED:
		if (c == '"') {
			csv->state = QUOTE_SEEN;
			return 0;
		}
		return add_byte(csv, c, err);
	case QUOTE_SEEN:
		if (c == '"') {
			csv->state = QUOTED;
			return add_byte(csv, c, err);
		}
		return take_separator(csv, c, "text behind a closing quote", err);
	case CR_SEEN:
		return c == '\n' ? end_record(csv, err)
				 : wrong(csv, "a carriage return inside a line", err);
	case ESCAPE:
	case HEX:
		break; /* of TSV alone */
	}
	return -EINVAL;
}

/* More bytes into an empty chunk: their number, 0 at the end, or -errno. */
static long fill(struct csv *csv, struct mh_err *err)
{
	static const char mark[] = {'\xef', '\xbb', '\xbf'};
	long n = input_read(csv->in, csv->chunk, sizeof(csv->chunk), err);

	if (n <= 0)
		return n;
	csv->n = (size_t)n;
	csv->at = 0;
	if (!csv->is_begun && csv->n >= sizeof(mark) && !memcmp(csv->chunk, mark, sizeof(mark)))
		csv->at = sizeof(mark);
	csv->is_begun = true;
	return n;
}

/* The end of the file inside a record: it is complete when nothing is open. */
static int end_of_file(struct csv *csv, struct mh_err *err)
{
	if (csv->state == QUOTED)
		return mh_errf(err, -EINVAL, "%s, line %" PRIu64 ": a quote is never closed",
			       input_name(csv->in), csv->record.line);
	return end_record(csv, err);
}

static void begin_record(struct csv *csv)
{
	csv->state = FIELD_BEGIN;
	csv->text_len = 0;
	csv->record.n_fields = 0;
	csv->record.line = csv->line;
}

int csv_next(struct csv *csv, const struct csv_record **ret, struct mh_err *err)
{
	int rc = 0;

	begin_record(csv);
	while (!rc) {
		char c;

		if (csv->at == csv->n) {
			long n = fill(csv, err);

			if (n < 0)
				return (int)n;
			if (!n) {
				rc = end_of_file(csv, err);
				break;
			}
			continue; /* it may have been a byte order mark alone */
		}
		c = csv->chunk[csv->at++];
		rc = take_byte(csv, c, err);
		if (c != '\n')
			continue;
		csv->line++;
		if (!rc && csv->state == FIELD_BEGIN)
			begin_record(csv); /* an empty line */
	}
	if (rc > 0)
		*ret = &csv->record;
	return rc;
}
