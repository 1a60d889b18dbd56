/*
 * Snapshot messages to break: a good keyframe, a good delta, and a decoder that takes them. Every
 * array has room for one element too many.
 */
#ifndef MEMHIST_TESTS_UNIT_SAMPLE_H
#define MEMHIST_TESTS_UNIT_SAMPLE_H

#include "libmemhist/history/rows/decode.h"
#include "proto/memhist.pb-c.h"

#include <stdbool.h>

enum { LISTED_MAX = 4, STRINGS_MAX = 8 };

/* The arrays of a Processes message, with room for one too many. */
struct listed {
	uint32_t slot_gap[LISTED_MAX], twin[LISTED_MAX], ppid[LISTED_MAX], uid[LISTED_MAX];
	uint32_t comm[LISTED_MAX], cmdline[LISTED_MAX];
	int32_t pid[LISTED_MAX];
	int64_t start_ticks[LISTED_MAX];
};

/* A snapshot message with all that it points to. */
struct sample {
	bool key;
	Memhist__V1__Snapshot m;
	Memhist__V1__Segment segment;
	Memhist__V1__Processes born, renamed;
	Memhist__V1__Column rss, future, *column[2];
	struct listed of_born, of_renamed;
	ProtobufCBinaryData string[STRINGS_MAX];
	uint8_t boot_id[16];
	uint32_t gone_gap[LISTED_MAX], field[1], rss_gap[LISTED_MAX], meminfo_gap[LISTED_MAX];
	int64_t rss_delta[LISTED_MAX], meminfo_delta[LISTED_MAX];
	char *meminfo_key[2];
};

struct rig {
	struct mh_decoder *decoder;
	uint32_t seq;
	struct sample s; /* the frame that a test breaks */
};

/* For cmocka: *state is a struct rig. */
int rig_setup(void **state);
int rig_teardown(void **state);

/*
 * rig->s as a good keyframe: pid 10 "sh" in slot 0, 7 pages; 11 "cat" in slot 1, none; 20 "web" in
 * slot 5, 9 pages.
 */
struct sample *a_key(struct rig *rig);
/* As a good delta on it: 11 ends, 30 "new" takes its slot; 20 is "webber"; 10 shrinks to 5 pages.
 */
struct sample *a_delta(struct rig *rig);

/* The message, with `room` zeros behind it; the caller frees it. */
uint8_t *packed(const struct sample *s, size_t room, size_t *ret_len);
int feed(struct rig *rig, const struct sample *s);
int feed_bytes(struct rig *rig, const void *bytes, size_t len, uint8_t type, int flags);

/* Close the round: the snapshot is that of the good keyframe, or of the delta on it. */
void check_key(struct rig *rig);
void check_delta(struct rig *rig);

/* Feed a good keyframe and check it. */
void take_key(struct rig *rig);
/* rig->s gives `rc`, a good delta behind it is an orphan, and a good keyframe puts all right. */
void gives(struct rig *rig, int rc);
/* It gives -EBADMSG. */
void refused(struct rig *rig);

#endif
