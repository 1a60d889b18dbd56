/*
 * PCRE2 with limits. Where the processor or a hardened system (W^X) does not allow just-in-time
 * code, its interpreter does the same work.
 */
#include "libmemhist/model/regex.h"

#include "libmemhist/base/buf.h"
#include "libmemhist/base/escape.h"

#define PCRE2_CODE_UNIT_WIDTH 8
#include <errno.h>
#include <pcre2.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum {
	SHOWN_MAX = 64, /* bytes of an expression repeated in a sentence about it */
	/* as in match.c, where the reasons are */
	STEPS_MAX = 100000,
	DEPTH_MAX = 20000,
	HEAP_MAX_KIB = 8192,
	JIT_STACK_BYTES = 32 * 1024,
	JIT_STACK_MAX_BYTES = 512 * 1024,
};

struct mh_regex {
	pcre2_code *code;
	PCRE2_SPTR table; /* n_names entries of entry_bytes: number (two bytes), name, NUL */
	uint32_t n_names;
	uint32_t entry_bytes;
	uint64_t given_up;
	uint32_t recently; /* since it was forgiven */
};

struct mh_regex_room {
	pcre2_match_data *data;
	pcre2_match_context *context;
	pcre2_jit_stack *jit_stack;
	bool passed_over;
};

int mh_regex_room_new(struct mh_regex_room **ret)
{
	struct mh_regex_room *room = calloc(1, sizeof(*room));

	if (!room)
		return -ENOMEM;
	room->data = pcre2_match_data_create(MH_REGEX_PARTS + 1, NULL);
	room->context = pcre2_match_context_create(NULL);
	room->jit_stack = pcre2_jit_stack_create(JIT_STACK_BYTES, JIT_STACK_MAX_BYTES, NULL);
	if (!room->data || !room->context || !room->jit_stack) {
		mh_regex_room_free(room);
		return -ENOMEM;
	}
	pcre2_set_match_limit(room->context, STEPS_MAX);
	pcre2_set_depth_limit(room->context, DEPTH_MAX);
	pcre2_set_heap_limit(room->context, HEAP_MAX_KIB);
	pcre2_jit_stack_assign(room->context, NULL, room->jit_stack);
	*ret = room;
	return 0;
}

void mh_regex_room_free(struct mh_regex_room *room)
{
	if (!room)
		return;
	pcre2_jit_stack_free(room->jit_stack);
	pcre2_match_context_free(room->context);
	pcre2_match_data_free(room->data);
	free(room);
}

static int wrong(struct mh_err *err, const char *pattern, const char *reason)
{
	struct mh_buf shown = MH_BUF_INIT(16 * SHOWN_MAX);
	size_t len = strlen(pattern);

	mh_escape_terminal(&shown, pattern, len < SHOWN_MAX ? len : SHOWN_MAX);
	if (len > SHOWN_MAX)
		mh_buf_adds(&shown, "...");
	mh_errf(err, -EINVAL, "regular expression “%s”: %s", mh_buf_str(&shown), reason);
	mh_buf_done(&shown);
	return -EINVAL;
}

static int compile(struct mh_regex *re, const char *pattern, struct mh_err *err)
{
	const uint32_t options = PCRE2_UTF | PCRE2_DOLLAR_ENDONLY | PCRE2_NEVER_BACKSLASH_C;
	PCRE2_UCHAR text[256];
	char reason[320];
	size_t offset;
	int code;

	re->code = pcre2_compile((PCRE2_SPTR)pattern, PCRE2_ZERO_TERMINATED, options, &code,
				 &offset, NULL);
	if (re->code)
		return 0;
	if (code == PCRE2_ERROR_HEAP_FAILED)
		return -ENOMEM;
	/* a text that is too long for the array comes cut, with an error that changes nothing */
	pcre2_get_error_message(code, text, sizeof(text));
	snprintf(reason, sizeof(reason), "%s (at offset %zu)", (const char *)text, offset);
	return wrong(err, pattern, reason);
}

int mh_regex_new(struct mh_regex **ret, const char *pattern, struct mh_err *err)
{
	struct mh_regex *re;
	uint32_t parts;
	int rc;

	if (!*pattern)
		return wrong(err, pattern, "it is empty: “.*” is everything");
	if (strlen(pattern) > MH_REGEX_MAX)
		return wrong(err, pattern, "it is longer than 4096 bytes");
	re = calloc(1, sizeof(*re));
	if (!re)
		return -ENOMEM;
	rc = compile(re, pattern, err);
	if (!rc) {
		pcre2_pattern_info(re->code, PCRE2_INFO_NAMETABLE, &re->table);
		pcre2_pattern_info(re->code, PCRE2_INFO_NAMECOUNT, &re->n_names);
		pcre2_pattern_info(re->code, PCRE2_INFO_NAMEENTRYSIZE, &re->entry_bytes);
		pcre2_pattern_info(re->code, PCRE2_INFO_CAPTURECOUNT, &parts);
		if (parts > MH_REGEX_PARTS)
			rc = wrong(err, pattern, "it has more than 64 parts in brackets");
	}
	if (rc) {
		mh_regex_free(re);
		return rc;
	}
	/* without it, it is slower */
	pcre2_jit_compile(re->code, PCRE2_JIT_COMPLETE);
	*ret = re;
	return 0;
}

void mh_regex_free(struct mh_regex *re)
{
	if (!re)
		return;
	pcre2_code_free(re->code);
	free(re);
}

bool mh_regex_match(struct mh_regex *re, struct mh_regex_room *room, const char *text, size_t len)
{
	int rc;

	if (re->recently >= MH_REGEX_PATIENCE) {
		re->given_up++;
		room->passed_over = true;
		return false;
	}
	/* the caller says that it is UTF-8 */
	rc = pcre2_match(re->code, (PCRE2_SPTR)text, len, 0, PCRE2_NO_UTF_CHECK, room->data,
			 room->context);
	/* of the other errors only the limits can come */
	if (rc < 0 && rc != PCRE2_ERROR_NOMATCH) {
		re->given_up++;
		re->recently++;
	}
	return rc >= 0;
}

uint64_t mh_regex_given_up(const struct mh_regex *re)
{
	return re->given_up;
}

bool mh_regex_passed_over(struct mh_regex_room *room)
{
	const bool passed_over = room->passed_over;

	room->passed_over = false;
	return passed_over;
}

void mh_regex_forgive(struct mh_regex *re)
{
	re->recently = 0;
}

int mh_regex_part(const struct mh_regex *re, const char *name, size_t len)
{
	for (uint32_t i = 0; i < re->n_names; i++) {
		PCRE2_SPTR entry = re->table + (size_t)i * re->entry_bytes;

		if (!strncmp((const char *)entry + 2, name, len) && !entry[2 + len])
			return entry[0] << 8 | entry[1];
	}
	return -1;
}

struct mh_regex_span mh_regex_found(const struct mh_regex_room *room, int part)
{
	const PCRE2_SIZE *at = pcre2_get_ovector_pointer(room->data) + (size_t)part * 2;

	/* before PCRE2 10.38, \K in a lookahead can set the beginning behind the end */
	if (at[0] == PCRE2_UNSET || at[0] > at[1])
		return (struct mh_regex_span){0, 0};
	return (struct mh_regex_span){(uint32_t)at[0], (uint32_t)(at[1] - at[0])};
}
