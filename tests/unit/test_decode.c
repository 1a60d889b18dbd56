/*
 * The decoder against each rule of docs/FORMAT.md that a payload can break. Every test takes a good
 * keyframe or delta, breaks one rule in it and nothing else, and sees it refused; and each time the
 * next good keyframe is read as if nothing had been.
 */
#include "tests/unit/sample.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <zstd.h>
#include <cmocka.h>

enum { RAW_MAX = 32 << 20, PID_MAX = 4194304, SLOTS_MAX = 1 << 20, STRING_MAX = 4096 };

static void test_good_frames(void **state)
{
	struct rig *rig = *state;

	take_key(rig);
	assert_int_equal(feed(rig, a_delta(rig)), MH_DECODED_SNAPSHOT);
	check_delta(rig);
	take_key(rig);
}

/* F5, P2 */
static void test_the_future_is_passed_over(void **state)
{
	struct rig *rig = *state;

	for (int key = 1; key >= 0; key--) {
		struct sample *s = key ? a_key(rig) : a_delta(rig);

		s->column[s->m.n_column++] = &s->future;
		s->future.field = 4000000000;
		s->future.slot_gap = s->rss_gap;
		s->future.delta = s->rss_delta;
		s->future.n_slot_gap = s->future.n_delta = 2;
		assert_int_equal(feed(rig, s), MH_DECODED_SNAPSHOT);
		if (key)
			check_key(rig);
		else
			check_delta(rig);
		assert_int_equal(feed_bytes(rig, "?", 1, 77, 0), MH_DECODED_NOTHING);
	}
}

/* F6 */
static void test_another_version_is_refused(void **state)
{
	struct rig *rig = *state;
	struct mh_frame frame = {.type = MH_FRAME_SNAPSHOT, .flags = MH_FRAME_KEY, .version = 2};
	struct mh_err err = {0};
	size_t len;
	uint8_t *bytes = packed(a_key(rig), 0, &len);

	frame.payload = bytes;
	frame.len = (uint32_t)len;
	assert_int_equal(mh_decoder_frame(rig->decoder, &frame, &err), -EPROTO);
	assert_non_null(strstr(err.text, "version 2"));
	free(bytes);
	take_key(rig);
}

/* P2 */
static void test_an_unknown_feature_is_refused(void **state)
{
	a_key(*state)->segment.required_features = UINT64_C(1) << 63;
	gives(*state, -EPROTO);
}

/* F7 */
static void test_a_delta_follows_its_frame(void **state)
{
	struct rig *rig = *state;
	Memhist__V1__Gap gap = MEMHIST__V1__GAP__INIT;
	uint8_t bytes[64];
	size_t len;

	gap.kind = MH_GAP_LATE;
	len = memhist__v1__gap__pack(&gap, bytes);
	take_key(rig);
	assert_int_equal(feed_bytes(rig, bytes, len, MH_FRAME_GAP, 0), MH_DECODED_NOTHING);
	assert_int_equal(feed(rig, a_delta(rig)), MH_DECODED_SNAPSHOT);
	check_delta(rig);

	take_key(rig);
	rig->seq++;
	assert_int_equal(feed(rig, a_delta(rig)), MH_DECODED_ORPHAN);
	take_key(rig);
}

/* C1 */
static void test_a_segment_begins_with_a_keyframe(void **state)
{
	struct rig *rig = *state;

	take_key(rig);
	mh_decoder_new_segment(rig->decoder);
	assert_int_equal(feed(rig, a_delta(rig)), MH_DECODED_ORPHAN);
	take_key(rig);
}

/* C2 */
static void test_a_keyframe_is_whole(void **state)
{
	struct rig *rig = *state;

	a_key(rig)->m.segment = NULL;
	refused(rig);
	a_key(rig)->segment.boot_id.len = 15;
	refused(rig);
	a_key(rig)->segment.page_bytes = 0;
	refused(rig);
	a_key(rig)->segment.clk_tck = 0;
	refused(rig);
	a_key(rig)->m.n_gone_gap = 1;
	refused(rig);
	a_key(rig)->m.renamed = &rig->s.renamed;
	refused(rig);
}

/* C3 */
static void test_strings_are_short(void **state)
{
	static uint8_t text[STRING_MAX + 1];
	struct rig *rig = *state;
	const struct mh_snapshot *snapshot;

	memset(text, 'x', sizeof(text));
	a_key(rig)->string[3] = (ProtobufCBinaryData){STRING_MAX, text};
	assert_int_equal(feed(rig, &rig->s), MH_DECODED_SNAPSHOT);
	snapshot = mh_decoder_end(rig->decoder);
	assert_int_equal(snapshot->process[0].cmdline_len, STRING_MAX);
	rig->s.string[3].len++;
	refused(rig);
}

/* C3 */
static void test_strings_have_numbers(void **state)
{
	struct rig *rig = *state;

	a_key(rig)->of_born.comm[2] = 4;
	refused(rig);
	a_key(rig)->of_born.cmdline[2] = UINT32_MAX;
	refused(rig);
	a_delta(rig)->of_born.comm[0] = 6;
	refused(rig);
	a_delta(rig)->of_renamed.cmdline[0] = 6;
	refused(rig);
}

/* S1 */
static void test_gone_slots_were_used(void **state)
{
	struct rig *rig = *state;

	a_delta(rig)->gone_gap[0] = 2;
	refused(rig);
	a_delta(rig)->gone_gap[0] = SLOTS_MAX;
	refused(rig);
	a_delta(rig)->gone_gap[0] = UINT32_MAX;
	refused(rig);
}

/* S2 */
static void test_born_slots_were_free(void **state)
{
	struct rig *rig = *state;

	a_delta(rig)->of_born.slot_gap[0] = 0;
	rig->s.m.n_column = 0;
	refused(rig);
	a_delta(rig)->of_born.slot_gap[0] = SLOTS_MAX;
	rig->s.gone_gap[0] = 0;
	rig->s.m.n_column = 0;
	refused(rig);
	a_key(rig)->of_born.slot_gap[2] = SLOTS_MAX - 2;
	rig->s.rss_gap[1] = SLOTS_MAX - 1;
	refused(rig);
}

/* S2 */
static void test_pids_are_in_range(void **state)
{
	struct rig *rig = *state;

	a_delta(rig)->of_born.pid[0] = PID_MAX;
	take_key(rig);
	assert_int_equal(feed(rig, &rig->s), MH_DECODED_SNAPSHOT);
	rig->s.of_born.pid[0]++;
	refused(rig);
	a_delta(rig)->of_born.pid[0] = 0;
	refused(rig);
	a_key(rig)->of_born.pid[0] = 0;
	refused(rig);
	a_key(rig)->of_born.pid[2] = PID_MAX - 10;
	refused(rig);
	a_key(rig)->of_born.pid[1] = -11;
	refused(rig);
}

/* S2. The number alive is that of the pids, so that S5 holds. */
static void test_pids_are_one_process_each(void **state)
{
	struct rig *rig = *state;

	a_delta(rig)->of_born.pid[0] = 20;
	rig->s.m.live_plus_1--;
	refused(rig);
	a_delta(rig)->of_born.pid[0] = 20;
	rig->s.of_born.start_ticks[0] = 200; /* the very same */
	rig->s.m.live_plus_1--;
	refused(rig);
	a_key(rig)->of_born.pid[1] = 0;
	rig->s.m.live_plus_1--;
	refused(rig);
	a_key(rig)->of_born.pid[1] = 0;
	rig->s.of_born.start_ticks[1] = 5;
	rig->s.m.live_plus_1--;
	refused(rig);
}

/* S2 */
static void test_arrays_of_born_have_one_length(void **state)
{
	struct rig *rig = *state;

	for (int key = 0; key < 2; key++) {
		Memhist__V1__Processes *born = &rig->s.born;
		size_t *length[] = {&born->n_pid,    &born->n_start_ticks, &born->n_twin,
				    &born->n_ppid,   &born->n_uid,         &born->n_comm,
				    &born->n_cmdline};

		for (size_t i = 0; i < sizeof(length) / sizeof(length[0]); i++) {
			const struct sample *s = key ? a_key(rig) : a_delta(rig);

			*length[i] = s->born.n_slot_gap + 1;
			refused(rig);
		}
	}
}

/* S3 */
static void test_renamed_slots_are_used(void **state)
{
	struct rig *rig = *state;

	a_delta(rig)->of_renamed.slot_gap[0] = 2;
	refused(rig);
	a_delta(rig)->of_renamed.slot_gap[0] = SLOTS_MAX;
	refused(rig);
}

/* S3 */
static void test_renamed_is_without_identities(void **state)
{
	struct rig *rig = *state;

	a_delta(rig)->renamed.n_pid = 1;
	refused(rig);
	a_delta(rig)->renamed.n_start_ticks = 1;
	refused(rig);
	a_delta(rig)->renamed.n_twin = 1;
	refused(rig);
}

/* S3 */
static void test_arrays_of_renamed_have_one_length(void **state)
{
	struct rig *rig = *state;
	Memhist__V1__Processes *renamed = &rig->s.renamed;
	size_t *length[] = {&renamed->n_ppid, &renamed->n_uid, &renamed->n_comm,
			    &renamed->n_cmdline};

	for (size_t i = 0; i < sizeof(length) / sizeof(length[0]); i++) {
		a_delta(rig);
		*length[i] = 2;
		refused(rig);
	}
}

/* S4 */
static void test_columns_are_of_used_slots(void **state)
{
	static const uint32_t gaps[] = {1, 100, SLOTS_MAX - 1, UINT32_MAX};
	struct rig *rig = *state;

	for (size_t i = 0; i < sizeof(gaps) / sizeof(gaps[0]); i++) {
		a_key(rig)->rss_gap[1] = gaps[i];
		refused(rig);
		a_delta(rig)->rss_gap[1] = gaps[i];
		refused(rig);
	}
	a_key(rig)->rss_gap[0] = SLOTS_MAX;
	rig->s.rss.n_slot_gap = rig->s.rss.n_delta = 1;
	refused(rig);
}

/* S4 holds for columns, too, that are not taken: else readers would not agree on what is damaged.
 */
static void test_columns_not_wanted_are_checked(void **state)
{
	static const struct mh_part_sink vsz = {
		.choice = {.for_candles = true, .field = MH_FIELD_VSZ}};
	static const uint32_t gaps[] = {1, 100, SLOTS_MAX - 1, UINT32_MAX};
	struct rig *rig = *state;
	const struct mh_snapshot *s;

	mh_decoder_set_sink(rig->decoder, &vsz);
	for (size_t i = 0; i < sizeof(gaps) / sizeof(gaps[0]); i++) {
		a_key(rig)->rss_gap[1] = gaps[i];
		assert_int_equal(feed(rig, &rig->s), -EBADMSG);
		assert_int_equal(feed(rig, a_key(rig)), MH_DECODED_SNAPSHOT);
		s = mh_decoder_end(rig->decoder);
		mh_snapshot_for_each (s, slot)
			assert_int_equal(s->process[slot].value[MH_FIELD_RSS], 0);
		a_delta(rig)->rss_gap[1] = gaps[i];
		assert_int_equal(feed(rig, &rig->s), -EBADMSG);
	}
	mh_decoder_set_sink(rig->decoder, NULL);
	take_key(rig);
}

/* S4 */
static void test_columns_have_one_length(void **state)
{
	struct rig *rig = *state;

	a_key(rig)->rss.n_delta++;
	refused(rig);
	a_key(rig)->rss.n_slot_gap++;
	refused(rig);
	a_delta(rig)->rss.n_delta++;
	refused(rig);
	a_delta(rig)->rss.n_slot_gap++;
	refused(rig);
}

/* M4 */
static void test_meminfo_is_of_the_keys(void **state)
{
	struct rig *rig = *state;

	a_key(rig)->meminfo_gap[0] = 2;
	refused(rig);
	a_delta(rig)->m.n_meminfo_delta++;
	refused(rig);
	a_key(rig)->meminfo_key[1] = (char *)"";
	refused(rig);
}

/* S5 */
static void test_the_living_are_counted(void **state)
{
	struct rig *rig = *state;

	for (int off = -1; off <= 1; off += 2) {
		a_key(rig)->m.live_plus_1 += (uint32_t)off;
		refused(rig);
		a_delta(rig)->m.live_plus_1 += (uint32_t)off;
		refused(rig);
	}
}

static int feed_key_bytes(struct rig *rig, const void *bytes, size_t len)
{
	return feed_bytes(rig, bytes, len, MH_FRAME_SNAPSHOT, MH_FRAME_KEY | MH_FRAME_ZSTD);
}

/* A good keyframe, compressed; a field from the future fills it up to `size` bytes. */
static int feed_compressed(struct rig *rig, size_t size, int with_size)
{
	static const uint8_t tag[] = {0xa2, 0x06}; /* field 100, bytes */
	size_t len, rest, room = ZSTD_compressBound(size);
	uint8_t *raw = packed(a_key(rig), size, &len), *to = malloc(room);
	ZSTD_CCtx *zstd = ZSTD_createCCtx();
	int rc;

	assert_non_null(to);
	memcpy(raw + len, tag, sizeof(tag));
	rest = size - len - sizeof(tag) - 4; /* its length in four bytes */
	for (int i = 0; i < 4; i++)
		raw[len + sizeof(tag) + (size_t)i] = (uint8_t)((rest >> 7 * i & 0x7f) |
							       (i < 3 ? 0x80 : 0));
	ZSTD_CCtx_setParameter(zstd, ZSTD_c_contentSizeFlag, with_size);
	rest = ZSTD_compress2(zstd, to, room, raw, size);
	assert_false(ZSTD_isError(rest));
	rc = feed_key_bytes(rig, to, rest);
	ZSTD_freeCCtx(zstd);
	free(to);
	free(raw);
	return rc;
}

/* P1 */
static void test_payloads_are_small(void **state)
{
	struct rig *rig = *state;

	assert_int_equal(feed_compressed(rig, RAW_MAX, 1), MH_DECODED_SNAPSHOT);
	check_key(rig);
	assert_int_equal(feed_compressed(rig, RAW_MAX + 1, 1), -EBADMSG);
	take_key(rig);
}

/* Section 4 */
static void test_payloads_state_their_size(void **state)
{
	struct rig *rig = *state;

	assert_int_equal(feed_compressed(rig, 1000, 1), MH_DECODED_SNAPSHOT);
	check_key(rig);
	assert_int_equal(feed_compressed(rig, 1000, 0), -EBADMSG);
	take_key(rig);
}

/* A good keyframe in a zstd frame made by hand: header with a window, one raw block. */
static int feed_windowed(struct rig *rig, uint8_t window)
{
	uint8_t frame[1024] = {0x28, 0xb5, 0x2f, 0xfd, 2 << 6, window};
	size_t len;
	uint8_t *raw = packed(a_key(rig), 0, &len);

	assert_in_range(len, 1, 250);
	frame[6] = (uint8_t)len;
	frame[10] = (uint8_t)(len << 3 | 1); /* the last block */
	frame[11] = (uint8_t)(len >> 5);
	memcpy(frame + 13, raw, len);
	free(raw);
	return feed_key_bytes(rig, frame, 13 + len);
}

/* P1 */
static void test_windows_are_small(void **state)
{
	struct rig *rig = *state;

	assert_int_equal(feed_windowed(rig, (25 - 10) << 3), MH_DECODED_SNAPSHOT);
	check_key(rig);
	assert_int_equal(feed_windowed(rig, (25 - 10) << 3 | 1), -EBADMSG);
	assert_int_equal(feed_windowed(rig, (27 - 10) << 3), -EBADMSG);
	take_key(rig);
}

static void test_payloads_are_messages(void **state)
{
	struct rig *rig = *state;

	assert_int_equal(feed_bytes(rig, "\xff", 1, MH_FRAME_SNAPSHOT, MH_FRAME_KEY), -EBADMSG);
	assert_int_equal(feed_bytes(rig, "\xff", 1, MH_FRAME_GAP, 0), -EBADMSG);
	assert_int_equal(feed_key_bytes(rig, "zstd?", 5), -EBADMSG);
	take_key(rig);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, rig_setup, rig_teardown)

int main(void)
{
	static const struct CMUnitTest tests[] = {
		TEST(test_good_frames),
		TEST(test_the_future_is_passed_over),
		TEST(test_another_version_is_refused),
		TEST(test_an_unknown_feature_is_refused),
		TEST(test_a_delta_follows_its_frame),
		TEST(test_a_segment_begins_with_a_keyframe),
		TEST(test_a_keyframe_is_whole),
		TEST(test_strings_are_short),
		TEST(test_strings_have_numbers),
		TEST(test_gone_slots_were_used),
		TEST(test_born_slots_were_free),
		TEST(test_pids_are_in_range),
		TEST(test_pids_are_one_process_each),
		TEST(test_arrays_of_born_have_one_length),
		TEST(test_renamed_slots_are_used),
		TEST(test_renamed_is_without_identities),
		TEST(test_arrays_of_renamed_have_one_length),
		TEST(test_columns_are_of_used_slots),
		TEST(test_columns_not_wanted_are_checked),
		TEST(test_columns_have_one_length),
		TEST(test_meminfo_is_of_the_keys),
		TEST(test_the_living_are_counted),
		TEST(test_payloads_are_small),
		TEST(test_payloads_state_their_size),
		TEST(test_windows_are_small),
		TEST(test_payloads_are_messages),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
