/*
 * Foreign bytes made safe for one output language each.
 *
 * Process names and command lines are chosen by whoever starts a process. No program of memhist
 * prints such a byte except through one of these functions. Each reads `len` bytes that may hold
 * anything (NUL included), appends to `out`, and never produces a byte that its language could
 * take for structure. Bytes that are not valid UTF-8 (RFC 3629: no surrogates, no overlong form,
 * at most U+10FFFF) come out as U+FFFD where the language demands UTF-8; the escapers that keep
 * text reversible (TSV) write them as they are or as \xNN, as said below.
 */
#ifndef MEMHIST_BASE_ESCAPE_H
#define MEMHIST_BASE_ESCAPE_H

#include "libmemhist/base/buf.h"

/*
 * Length in bytes of the valid UTF-8 character at `p` (1..4), or 0 when the bytes there are not
 * one. `len` bytes may be read, len >= 1.
 */
size_t mh_utf8_length(const char *p, size_t len);

/* Nothing escaped, but valid UTF-8: invalid bytes -> U+FFFD each. At most three times as long. */
void mh_escape_utf8(struct mh_buf *out, const char *bytes, size_t len);

/* Prometheus label value, between double quotes: \\ \" \n escaped, other control bytes kept (the
 * text format 0.0.4 allows them), invalid UTF-8 -> U+FFFD. */
void mh_escape_prometheus(struct mh_buf *out, const char *bytes, size_t len);

/* One TSV cell: tab \t, newline \n, carriage return \r, backslash \\, other control bytes and
 * invalid UTF-8 \xNN: reversible, one line, valid UTF-8. */
void mh_escape_tsv(struct mh_buf *out, const char *bytes, size_t len);

/*
 * One CSV cell with its quotes where it needs them (RFC 4180): comma, quote, line break, or a blank
 * at either end. Other control bytes than tab, newline and carriage return, which RFC 4180 does not
 * allow, and invalid UTF-8 -> U+FFFD.
 */
void mh_escape_csv(struct mh_buf *out, const char *bytes, size_t len);

/*
 * A spreadsheet takes a cell for a formula that begins with = + - @ tab or carriage return. A
 * quote (') in front makes it text. So that the quote can be taken off again without guessing, text
 * that has such a quote by itself gets one more:
 *
 *     writing:  guarded = mh_needs_guard(text) ? "'" + text : text
 *     reading:  text = mh_has_guard(guarded) ? guarded without its first byte : guarded
 *
 * Who writes for no spreadsheet (`formulas` false) leaves formulas alone; reading is the same.
 */
bool mh_needs_guard(const char *bytes, size_t len, bool formulas);
bool mh_has_guard(const char *bytes, size_t len);

/* A JSON string without its quotes (RFC 8259): \" \\ \n \t \uNNNN, invalid UTF-8 -> U+FFFD. */
void mh_escape_json(struct mh_buf *out, const char *bytes, size_t len);

/* Text shown on a terminal: C0, DEL, C1 controls, invalid UTF-8 and bidirectional overrides
 * (U+202A..2E, U+2066..69) become \xNN or \u{NNNN}; nothing can move the cursor. */
void mh_escape_terminal(struct mh_buf *out, const char *bytes, size_t len);

/* Text in HTML: & < > " ' as entities, controls and invalid UTF-8 -> U+FFFD. */
void mh_escape_html(struct mh_buf *out, const char *bytes, size_t len);

/*
 * One part of a collectd identifier (host/plugin-instance/type-instance): [A-Za-z0-9_.:@+-] kept,
 * every other byte '_', at most 127 bytes (DATA_MAX_NAME_LEN - 1), never empty ("_" instead).
 */
void mh_escape_collectd(struct mh_buf *out, const char *bytes, size_t len);

#endif
