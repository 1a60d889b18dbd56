/*
 * Parts: snapshots turned into columns, into payloads, and back are the same snapshots; and no
 * payload, however broken, does more than be refused.
 */
#include "libmemhist/history/part_build.h"
#include "libmemhist/history/part_decode.h"
#include "libmemhist/history/part_encode.h"
#include "libmemhist/history/part_replay.h"
#include "tests/unit/rounds.h"
#include "tests/unit/world.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <zstd.h>
#include <cmocka.h>

enum { STEPS = 300, FRAMES_MAX = 64 };

static const struct mh_segment_info info = {4096, 100, 1000, "host", "test"};

/* The frames of one part, copied. */
struct frames {
	struct mh_frame frame[FRAMES_MAX];
	size_t n;
};

static void keep(struct frames *f, uint8_t type, const struct mh_payload *payload)
{
	uint8_t *copy = malloc(payload->len);

	assert_non_null(copy);
	assert_in_range(f->n, 0, FRAMES_MAX - 1);
	memcpy(copy, payload->bytes, payload->len);
	f->frame[f->n++] = (struct mh_frame){
		.type = type,
		.flags = payload->flags,
		.version = 1,
		.len = (uint32_t)payload->len,
		.payload = copy,
	};
}

static void forget_frames(struct frames *f)
{
	for (size_t i = 0; i < f->n; i++)
		free((void *)f->frame[i].payload);
	f->n = 0;
}

static void encode(struct mh_part_encoder *e, const struct mh_part *p, struct frames *ret)
{
	struct mh_payload payload;

	assert_int_equal(mh_part_encode_head(e, p, &payload), 0);
	keep(ret, MH_FRAME_PART, &payload);
	for (uint32_t chunk = 0; chunk < mh_part_chunks(p); chunk++) {
		assert_int_equal(mh_part_encode_series(e, p, chunk, &payload), 0);
		keep(ret, MH_FRAME_SERIES, &payload);
		for (int f = 0; f < MH_FIELD_COUNT; f++) {
			if (!mh_fields[f].column || !mh_fields_have(p->head.fields, f))
				continue;
			assert_int_equal(mh_part_encode_starts(e, p, chunk, f, &payload), 0);
			keep(ret, MH_FRAME_STARTS, &payload);
		}
		for (int i = 0; i < MH_STORED_CANDLES; i++) {
			if (!mh_fields_have(p->head.fields, mh_stored_candles[i]))
				continue;
			assert_int_equal(
				mh_part_encode_candles(e, p, chunk, mh_stored_candles[i], &payload),
				0);
			keep(ret, MH_FRAME_CANDLES, &payload);
		}
		for (int f = 0; f < MH_FIELD_COUNT; f++) {
			if (!mh_fields[f].column || !mh_fields_have(p->head.fields, f))
				continue;
			assert_int_equal(mh_part_encode_values(e, p, chunk, f, &payload), 0);
			keep(ret, MH_FRAME_VALUES, &payload);
		}
	}
}

static int decode(struct mh_part_decoder *d, const struct frames *f, struct mh_part *ret)
{
	struct mh_err err;
	int rc = mh_part_decode_head(d, &f->frame[0], ret, &err);

	for (size_t i = 1; i < f->n && !rc; i++)
		rc = mh_part_decode_chunk(d, &f->frame[i], ret);
	return rc;
}

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

static void snapshots_come_back(void **state)
{
	(void)state;
	for (uint64_t seed = 1; seed <= 6; seed++) {
		struct mh_part_builder *builder;
		struct mh_part_encoder *encoder;
		struct mh_part_decoder *decoder;
		struct mh_part *built, part = {0};
		struct mh_replay replay = {0};
		struct frames frames = {.n = 0};
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
		encode(encoder, built, &frames);
		assert_int_equal(decode(decoder, &frames, &part), 0);
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
		forget_frames(&frames);
		mh_table_free(table);
		mh_part_decoder_free(decoder);
		mh_part_encoder_free(encoder);
		mh_part_builder_free(builder);
		world_done(&world);
	}
}

/* The same without compression, so that what is broken reaches the decoder. */
static void unpack(struct frames *f)
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

static void make_frames(uint64_t seed, int steps, struct frames *ret)
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
	encode(encoder, mh_part_builder_end(builder), ret);
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
	for (uint64_t seed = 1; seed <= 3; seed++) {
		struct frames frames = {.n = 0};

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
				rc = decode(decoder, &frames, &part);
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
		forget_frames(&frames);
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
	for (uint64_t seed = 1; seed <= 3; seed++) {
		struct frames frames = {.n = 0};

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
		forget_frames(&frames);
	}
	assert_true(refused > 100 && taken > 100);
	mh_part_done(&part);
	mh_part_decoder_free(decoder);
}

/* Of two chunks one is passed over; and what comes behind it is not. */
static void a_pid_is_in_one_chunk(void **state)
{
	const struct mh_part_choice choice = {.without_names = true, .pid = 77};
	struct mh_part_builder *builder;
	struct mh_part_encoder *encoder;
	struct mh_part_decoder *decoder;
	struct frames frames = {.n = 0};
	struct mh_part part = {0};
	struct mh_err err;
	struct rounds r;
	size_t n_read = 0;

	(void)state;
	rounds_init(&r);
	assert_int_equal(mh_part_builder_new(&builder), 0);
	assert_int_equal(mh_part_encoder_new(&encoder, 3), 0);
	assert_int_equal(mh_part_decoder_new(&decoder), 0);
	for (int i = 0; i < 3; i++) {
		rounds_begin(&r);
		for (uint32_t pid = 1; pid <= MH_PART_CHUNK_SERIES + 500; pid++)
			rounds_process(&r, pid, 100, "a", "a b", pid % 50 + (uint64_t)i);
		assert_int_equal(mh_part_builder_add(builder, rounds_end(&r), &info), 0);
	}
	encode(encoder, mh_part_builder_end(builder), &frames);
	mh_part_decoder_choose(decoder, &choice);
	assert_int_equal(mh_part_decode_head(decoder, &frames.frame[0], &part, &err), 0);
	assert_int_equal(mh_part_decoder_want(decoder, &part, 0, MH_FIELD_RSS), 0);
	for (size_t i = 1; i < frames.n; i++) {
		struct mh_frame frame = frames.frame[i];

		if (!mh_part_wants(decoder, frame.type))
			frame.payload = NULL;
		n_read += frame.payload != NULL;
		assert_int_equal(mh_part_decode_chunk(decoder, &frame, &part), 0);
	}
	assert_int_equal(n_read, 3); /* who, first values, candles */
	assert_true(mh_part_is_whole(decoder, &part));
	assert_true(mh_part_wants(decoder, MH_FRAME_PART));
	assert_true(mh_part_wants(decoder, MH_FRAME_END));
	assert_int_equal(part.series.n, MH_PART_CHUNK_SERIES);
	assert_int_equal(part.strings.n_items, 0);
	assert_int_equal(mh_part_decoder_candles(decoder)->n_runs, MH_PART_CHUNK_SERIES);
	forget_frames(&frames);
	mh_part_done(&part);
	mh_part_decoder_free(decoder);
	mh_part_encoder_free(encoder);
	mh_part_builder_free(builder);
	rounds_done(&r);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(snapshots_come_back),
		cmocka_unit_test(broken_payloads_are_harmless),
		cmocka_unit_test(broken_candles_are_harmless),
		cmocka_unit_test(a_pid_is_in_one_chunk),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
