/*
 * Parts: snapshots turned into columns, into payloads, and back are the same snapshots; and no
 * payload, however broken, does more than be refused.
 */
#include "libmemhist/history/columns/part_build.h"
#include "libmemhist/history/columns/part_decode.h"
#include "libmemhist/history/columns/part_encode.h"
#include "libmemhist/history/columns/part_replay.h"
#include "tests/unit/older.h"
#include "tests/unit/part_frames.h"
#include "tests/unit/thrift.h"
#include "tests/unit/world.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <zstd.h>
#include <cmocka.h>

enum { STEPS = 300 };

static const struct mh_segment_info info = {4096, 100, 1000, "host", "test"};

static char *text_of(const struct mh_snapshot *s)
{
	struct mh_buf b = MH_BUF_INIT(1 << 20);
	char *text;

	describe(&b, s);
	text = strdup(mh_buf_str(&b));
	assert_non_null(text);
	mh_buf_done(&b);
	return text;
}

static void check_snapshots(bool older)
{
	for (uint64_t seed = 1; seed <= 6; seed++) {
		struct mh_part_builder *builder;
		struct mh_part_encoder *encoder;
		struct mh_part_decoder *decoder;
		struct mh_part *built, part = {0};
		struct mh_replay replay = {0};
		struct part_frames frames = {.n = 0};
		struct shadow shadow = {0};
		static char *text[STEPS];
		struct mh_table *table;
		struct mh_buf b = MH_BUF_INIT(1 << 20);
		struct world world;

		world_init(&world, seed);
		assert_int_equal(mh_part_builder_new(&builder), 0);
		assert_int_equal(mh_part_encoder_new(&encoder, 3), 0);
		assert_int_equal(mh_part_decoder_new(&decoder), 0);
		assert_int_equal(mh_table_new(&table, 0), 0);
		for (int i = 0; i < (int)seed; i++)
			world_step(&world); /* a part may begin anywhere */
		for (int i = 0; i < STEPS; i++) {
			const struct mh_snapshot *s = world_step(&world);

			text[i] = text_of(s);
			assert_int_equal(mh_part_builder_add(builder, s, &info), 0);
		}
		built = mh_part_builder_end(builder);
		assert_non_null(built);
		part_frames_encode(encoder, built, &frames);
		if (older)
			frames.n = older_part(frames.frame, frames.n);
		assert_int_equal(part_frames_decode(decoder, &frames, &part), 0);
		assert_true(mh_part_is_whole(decoder, &part));
		assert_int_equal(mh_replay_begin(&replay, &part, table), 0);
		for (int i = 0; i < STEPS; i++) {
			const struct mh_snapshot *s;
			char *again;

			assert_int_equal(mh_replay_next(&replay), 1);
			s = mh_table_end(table, &replay.round);
			again = text_of(s);
			assert_string_equal(again, text[i]);
			shadow_follow(&shadow, s);
			mh_buf_clear(&b);
			shadow_describe(&b, &shadow, s);
			assert_string_equal(mh_buf_str(&b), text[i]);
			free(again);
			free(text[i]);
		}
		assert_int_equal(mh_replay_next(&replay), 0);
		shadow_done(&shadow);
		mh_buf_done(&b);
		mh_replay_done(&replay);
		mh_part_done(&part);
		part_frames_forget(&frames);
		mh_table_free(table);
		mh_part_decoder_free(decoder);
		mh_part_encoder_free(encoder);
		mh_part_builder_free(builder);
		world_done(&world);
	}
}

static void snapshots_come_back(void **state)
{
	(void)state;
	check_snapshots(false);
}

static void snapshots_of_older_parts_come_back(void **state)
{
	(void)state;
	check_snapshots(true);
}

/* The same without compression, so that what is broken reaches the decoder. */
static void unpack(struct part_frames *f)
{
	for (size_t i = 0; i < f->n; i++) {
		struct mh_frame *frame = &f->frame[i];
		size_t size;
		uint8_t *raw;

		if (!(frame->flags & MH_FRAME_ZSTD))
			continue;
		size = (size_t)ZSTD_getFrameContentSize(frame->payload, frame->len);
		raw = malloc(size);
		assert_non_null(raw);
		assert_int_equal(ZSTD_decompress(raw, size, frame->payload, frame->len), size);
		free((void *)frame->payload);
		frame->payload = raw;
		frame->len = (uint32_t)size;
		frame->flags = 0;
	}
}

static void make_frames(uint64_t seed, int steps, struct part_frames *ret)
{
	struct mh_part_builder *builder;
	struct mh_part_encoder *encoder;
	struct world world;

	world_init(&world, seed);
	world.max_pid = 12;
	world.target = 6;
	assert_int_equal(mh_part_builder_new(&builder), 0);
	assert_int_equal(mh_part_encoder_new(&encoder, 3), 0);
	for (int i = 0; i < steps; i++)
		assert_int_equal(mh_part_builder_add(builder, world_step(&world), &info), 0);
	part_frames_encode(encoder, mh_part_builder_end(builder), ret);
	unpack(ret);
	mh_part_encoder_free(encoder);
	mh_part_builder_free(builder);
	world_done(&world);
}

/* Break one byte, or cut the payload, and take what comes: refused, or other numbers; never more.
 */
static void broken_payloads_are_harmless(void **state)
{
	struct mh_part_decoder *decoder;
	struct mh_replay replay = {0};
	struct mh_part part = {0};
	uint64_t refused = 0, replayed = 0;

	(void)state;
	assert_int_equal(mh_part_decoder_new(&decoder), 0);
	for (uint64_t seed = 1; seed <= 3; seed += thrift()) {
		struct part_frames frames = {.n = 0};

		make_frames(seed, 40, &frames);
		for (size_t i = 0; i < frames.n; i++) {
			struct mh_frame *frame = &frames.frame[i];
			uint8_t *bytes = (uint8_t *)frame->payload;

			for (uint32_t at = 0; at < frame->len; at++) {
				uint8_t was = bytes[at];
				struct mh_table *table;
				int rc;

				bytes[at] = (uint8_t)(was ^ 1u << (at + seed) % 8);
				if (at % 7 == 0)
					bytes[at] = 0xff;
				assert_int_equal(mh_table_new(&table, 0), 0);
				rc = part_frames_decode(decoder, &frames, &part);
				if (!rc && mh_part_is_whole(decoder, &part))
					rc = mh_replay_begin(&replay, &part, table);
				else
					rc = rc ? rc : -EBADMSG;
				while (!rc && (rc = mh_replay_next(&replay)) > 0) {
					mh_table_end(table, &replay.round);
					rc = 0;
					replayed++;
				}
				refused += rc == -EBADMSG;
				assert_true(!rc || rc == -EBADMSG || rc == -EPROTO);
				mh_table_free(table);
				bytes[at] = was;
			}
		}
		part_frames_forget(&frames);
	}
	assert_true(refused > 100 && replayed > 100);
	mh_replay_done(&replay);
	mh_part_done(&part);
	mh_part_decoder_free(decoder);
}

/* The same for who wants candles: what is taken in lies within the part's windows. */
static void broken_candles_are_harmless(void **state)
{
	static const int fields[] = {MH_FIELD_RSS, MH_FIELD_ANON, MH_FIELD_SWAP};
	struct mh_part_decoder *decoder;
	struct mh_part part = {0};
	uint64_t refused = 0, taken = 0;

	(void)state;
	assert_int_equal(mh_part_decoder_new(&decoder), 0);
	for (uint64_t seed = 1; seed <= 3; seed += thrift()) {
		struct part_frames frames = {.n = 0};

		make_frames(seed, 40, &frames);
		for (size_t i = 1; i < frames.n; i++) {
			struct mh_frame *frame = &frames.frame[i];
			uint8_t *bytes = (uint8_t *)frame->payload;

			for (uint32_t at = 0; at < frame->len; at++) {
				uint8_t was = bytes[at];
				struct mh_err err;
				int rc;

				bytes[at] = at % 7 ? (uint8_t)(was ^ 1u << (at + seed) % 8) : 0xff;
				rc = mh_part_decode_head(decoder, &frames.frame[0], &part, &err);
				assert_int_equal(rc, 0);
				rc = mh_part_decoder_want(decoder, &part, 0, fields[at % 3]);
				for (size_t k = 1; k < frames.n && !rc; k++)
					rc = mh_part_decode_chunk(decoder, &frames.frame[k], &part);
				assert_true(!rc || rc == -EBADMSG);
				refused += rc != 0;
				for (uint32_t k = 0;
				     !rc && k < mh_part_decoder_candles(decoder)->n_runs;
				     k++, taken++) {
					const struct mh_part_run *r =
						&mh_part_decoder_candles(decoder)->run[k];

					assert_true(r->series < part.series.n);
					assert_true(r->n &&
						    r->window + r->n <=
							    mh_part_stored_windows(decoder)->n);
					assert_true(r->low <= r->open && r->low <= r->close &&
						    r->high >= r->open && r->high >= r->close);
				}
				bytes[at] = was;
			}
		}
		part_frames_forget(&frames);
	}
	assert_true(refused > 100 && taken > 100);
	mh_part_done(&part);
	mh_part_decoder_free(decoder);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(snapshots_come_back),
		cmocka_unit_test(snapshots_of_older_parts_come_back),
		cmocka_unit_test(broken_payloads_are_harmless),
		cmocka_unit_test(broken_candles_are_harmless),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
