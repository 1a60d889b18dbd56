/*
 * JSON written piece by piece into a buffer.
 *
 *     json_open(b, NULL, '{');
 *     json_text(b, "comm", bytes, len);
 *     json_number(b, "rss_bytes", 4096);
 *     json_close(b, '}');                 // {"comm":"cat","rss_bytes":4096}
 *
 * Commas come by themselves; a key of NULL makes an element of an array.
 */
#ifndef MEMHIST_TOOLS_JSON_H
#define MEMHIST_TOOLS_JSON_H

#include "libmemhist/base/buf.h"
#include "libmemhist/base/timespec.h"

#include <stdbool.h>

/* `bracket` is '{' or '['. */
void json_open(struct mh_buf *b, const char *key, char bracket);
void json_close(struct mh_buf *b, char bracket);
void json_number(struct mh_buf *b, const char *key, uint64_t value);
void json_signed(struct mh_buf *b, const char *key, int64_t value);
/* At most so many decimals and at least one, as Python writes round(value, decimals). */
void json_decimal(struct mh_buf *b, const char *key, double value, int decimals);
void json_bool(struct mh_buf *b, const char *key, bool value);
/* Foreign bytes are escaped. */
void json_text(struct mh_buf *b, const char *key, const char *bytes, size_t len);
void json_string(struct mh_buf *b, const char *key, const char *text);
/* "2026-11-20T20:48:28.502Z" */
void json_time(struct mh_buf *b, const char *key, mh_ms_t wall_ms);

#endif
