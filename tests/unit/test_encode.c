/*
 * The encoder: its messages are those that protobuf-c would make of the same, to the byte count;
 * and a keyframe says what is, whatever the encoder knew of before.
 */
#include "libmemhist/history/rows/decode.h"
#include "libmemhist/history/rows/encode.h"
#include "libmemhist/history/unpack.h"
#include "libmemhist/history/varints.h"
#include "proto/memhist.pb-c.h"
#include "tests/unit/rounds.h"
#include "tests/unit/world.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <zstd.h>
#include <cmocka.h>

enum { STEPS = 200 };

static const struct mh_segment_facts facts = {4096, 100, 1000, "host", "test"};

/* All lengths of numbers, each with the bytes behind the room it needs untouched. */
static void numbers_of_all_lengths_come_back(void **state)
{
	(void)state;
	for (int bit = 0; bit <= 64; bit++) {
		for (int off = -1; off <= 1; off++) {
			const uint64_t n = (bit < 64 ? UINT64_C(1) << bit : 0) + (uint64_t)off;
			const size_t room = n <= UINT32_MAX ? MH_VARINT_MAX / 2 : MH_VARINT_MAX;
			uint8_t bytes[MH_VARINT_MAX + 1], *end;
			struct mh_varints v;
			size_t len = 1;

			memset(bytes, 0xa5, sizeof(bytes));
			end = mh_varint_put(bytes, n);
			for (uint64_t rest = n; rest >= 0x80; rest >>= 7)
				len++;
			assert_int_equal(end - bytes, len);
			assert_int_equal(bytes[room], 0xa5);
			v = (struct mh_varints){.p = bytes, .end = end};
			assert_true(mh_varint_next(&v) == n);
			assert_true(mh_varints_done(&v));
		}
	}
}

static struct mh_frame frame_of(const struct mh_payload *payload, uint32_t seq)
{
	return (struct mh_frame){
		.seq = seq,
		.type = MH_FRAME_SNAPSHOT,
		.flags = payload->flags,
		.version = MH_FRAME_VERSION,
		.len = (uint32_t)payload->len,
		.payload = payload->bytes,
	};
}

/* Fields come in another order here, but each number must be written as short as it can be. */
static void messages_are_as_long_as_protobuf_makes_them(void **state)
{
	struct mh_unpacker unpacker = {0};
	struct mh_encoder *encoder;
	struct world world;
	size_t keys = 0;

	(void)state;
	world_init(&world, 5);
	assert_int_equal(mh_encoder_new(&encoder), 0);
	assert_int_equal(mh_unpacker_init(&unpacker), 0);
	for (uint32_t i = 0; i < STEPS; i++) {
		const struct mh_snapshot *s = world_step(&world);
		struct mh_payload payload;
		ProtobufCMessage *message;
		struct mh_frame frame;
		size_t len;

		assert_int_equal(mh_encode_snapshot(encoder, s, i % 9 ? NULL : &facts, &payload),
				 0);
		frame = frame_of(&payload, i);
		assert_int_equal(
			mh_unpack(&unpacker, &frame, &memhist__v1__snapshot__descriptor, &message),
			0);
		len = payload.len;
		if (payload.flags & MH_FRAME_ZSTD)
			len = ZSTD_getFrameContentSize(payload.bytes, len);
		keys += payload.flags & MH_FRAME_ZSTD;
		assert_int_equal(protobuf_c_message_get_packed_size(message), len);
		for (size_t k = 0; k < message->n_unknown_fields; k++)
			fail_msg("field %u is not known", message->unknown_fields[k].tag);
	}
	assert_true(keys > 0);
	mh_unpacker_done(&unpacker);
	mh_encoder_free(encoder);
	world_done(&world);
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

/* The encoder sees a few snapshots of many, all as keyframes: what changed between is not listed.
 */
static void a_keyframe_needs_nothing_from_before_it(void **state)
{
	(void)state;
	for (uint64_t seed = 1; seed <= 8; seed++) {
		struct mh_encoder *encoder;
		struct mh_decoder *decoder;
		struct world world;

		world_init(&world, seed);
		world.interval_ms = 1000;
		assert_int_equal(mh_encoder_new(&encoder), 0);
		assert_int_equal(mh_decoder_new(&decoder), 0);
		for (uint32_t i = 0; i < STEPS; i++) {
			const struct mh_snapshot *s = world_step(&world);
			struct mh_payload payload;
			struct mh_frame frame;
			char *was, *is;
			struct mh_err err;

			if (world_random(&world, 4))
				continue;
			assert_int_equal(mh_encode_snapshot(encoder, s, &facts, &payload), 0);
			frame = frame_of(&payload, i);
			frame.at = s->at;
			was = text_of(s);
			assert_int_equal(mh_decoder_frame(decoder, &frame, &err),
					 MH_DECODED_SNAPSHOT);
			is = text_of(mh_decoder_end(decoder));
			assert_string_equal(is, was);
			free(is);
			free(was);
		}
		mh_decoder_free(decoder);
		mh_encoder_free(encoder);
		world_done(&world);
	}
}

/* Programs that go and come back, in slots that others had, chapter after chapter. */
static void names_change_between_chapters(void **state)
{
	static const char *const comm[] = {"sh", "cat", "web", "sh", "web", "longer", ""};
	const uint32_t n = sizeof(comm) / sizeof(*comm);
	struct mh_encoder *encoder;
	struct mh_decoder *decoder;
	struct rounds rounds;

	(void)state;
	rounds_init(&rounds);
	assert_int_equal(mh_encoder_new(&encoder), 0);
	assert_int_equal(mh_decoder_new(&decoder), 0);
	for (uint32_t i = 0; i < 40; i++) {
		const struct mh_snapshot *s, *back;
		struct mh_payload payload;
		struct mh_frame frame;
		struct mh_err err;

		rounds_begin(&rounds);
		for (uint32_t pid = 1; pid <= 5; pid++)
			if ((pid + i) % 4)
				rounds_process(&rounds, pid, 100, comm[(pid * (i / 3)) % n],
					       comm[(pid + i / 2) % n], 7 + pid);
		s = rounds_end(&rounds);
		assert_int_equal(mh_encode_snapshot(encoder, s, i % 2 ? NULL : &facts, &payload),
				 0);
		frame = frame_of(&payload, i);
		frame.at = s->at;
		assert_int_equal(mh_decoder_frame(decoder, &frame, &err), MH_DECODED_SNAPSHOT);
		back = mh_decoder_end(decoder);
		assert_int_equal(back->n_live, s->n_live);
		mh_snapshot_for_each (s, slot) {
			const struct mh_process *p = &s->process[slot], *q = NULL;

			mh_snapshot_for_each (back, other)
				if (back->process[other].id.pid == p->id.pid)
					q = &back->process[other];
			assert_non_null(q);
			assert_string_equal(q->comm, p->comm);
			assert_int_equal(q->cmdline_len, p->cmdline_len);
			if (p->cmdline_len)
				assert_memory_equal(q->cmdline, p->cmdline, p->cmdline_len);
			assert_int_equal(q->value[MH_FIELD_RSS], p->value[MH_FIELD_RSS]);
		}
	}
	mh_decoder_free(decoder);
	mh_encoder_free(encoder);
	rounds_done(&rounds);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(numbers_of_all_lengths_come_back),
		cmocka_unit_test(messages_are_as_long_as_protobuf_makes_them),
		cmocka_unit_test(a_keyframe_needs_nothing_from_before_it),
		cmocka_unit_test(names_change_between_chapters),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
