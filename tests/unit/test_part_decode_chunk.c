/*
 * Which frames of a part are read: those of a pid, with its names; by lengths that the head says;
 * and how chunks are cut, so that these are few.
 */
#include "libmemhist/history/columns/part_build.h"
#include "tests/unit/part_frames.h"
#include "tests/unit/rounds.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

static const struct mh_segment_info info = {4096, 100, 1000, "host", "test"};

/* Of two chunks one is passed over; and what comes behind it is not. */
static void a_pid_is_in_one_chunk(void **state)
{
	const struct mh_part_choice choice = {.without_names = true, .pid = 77};
	struct mh_part_builder *builder;
	struct mh_part_encoder *encoder;
	struct mh_part_decoder *decoder;
	struct part_frames frames = {.n = 0};
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
	part_frames_encode(encoder, mh_part_builder_end(builder), &frames);
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
	assert_int_equal(mh_part_decoder_candles(decoder)->n_runs, 1);
	part_frames_forget(&frames);
	mh_part_done(&part);
	mh_part_decoder_free(decoder);
	mh_part_encoder_free(encoder);
	mh_part_builder_free(builder);
	rounds_done(&r);
}

/* Read as a walk does that passes over what is not wanted: returns how many frames were read. */
static size_t leap_through(struct mh_part_decoder *d, const struct part_frames *f,
			   struct mh_part *part)
{
	size_t at = 1, n_read = 0;

	while (!mh_part_is_whole(d, part)) {
		uint32_t size, n = 0;
		uint64_t bytes = mh_part_pass_over(d, part, &size);

		for (; bytes; n++, at++) {
			assert_true(at < f->n && bytes >= MH_FRAME_HEAD + f->frame[at].len);
			bytes -= MH_FRAME_HEAD + f->frame[at].len;
		}
		assert_true(at < f->n);
		assert_int_equal(size, MH_FRAME_HEAD + f->frame[at].len);
		if (n)
			assert_int_equal(mh_part_passed_over(d, part, n, f->frame[at].type), 0);
		assert_int_equal(mh_part_decode_chunk(d, &f->frame[at++], part), 0);
		n_read++;
	}
	return n_read;
}

/* A crowd of which few change much, with names of their own. */
static void make_crowd(struct part_frames *ret, uint32_t n_pids, int steps)
{
	struct mh_part_builder *builder;
	struct mh_part_encoder *encoder;
	struct rounds r;

	rounds_init(&r);
	assert_int_equal(mh_part_builder_new(&builder), 0);
	assert_int_equal(mh_part_encoder_new(&encoder, 3), 0);
	for (int i = 0; i < steps; i++) {
		rounds_begin(&r);
		for (uint32_t pid = 1; pid <= n_pids; pid++) {
			char comm[16], cmdline[64];

			snprintf(comm, sizeof(comm), "c%u", pid);
			snprintf(cmdline, sizeof(cmdline), "program of %u %s", pid,
				 i > steps / 2 && pid % 7 == 0 ? "renamed" : "as it was");
			rounds_process(&r, pid, 100, comm, cmdline,
				       pid % 5 ? 7 : pid + (uint64_t)i);
		}
		assert_int_equal(mh_part_builder_add(builder, rounds_end(&r), &info), 0);
	}
	part_frames_encode(encoder, mh_part_builder_end(builder), ret);
	mh_part_encoder_free(encoder);
	mh_part_builder_free(builder);
	rounds_done(&r);
}

/* Z15: of a pid come its chunk, its names and their strings; all other frames are passed over. */
static void a_pid_has_its_names(void **state)
{
	static const uint32_t pids[] = {1, 77, 700, 4900};
	struct mh_part_decoder *decoder;
	struct part_frames frames = {.n = 0};
	struct mh_part part = {0};

	(void)state;
	make_crowd(&frames, MH_PART_CHUNK_SERIES + 900, 3);
	assert_int_equal(mh_part_decoder_new(&decoder), 0);
	for (size_t i = 0; i < sizeof(pids) / sizeof(*pids); i++) {
		const struct mh_part_choice choice = {.without_meminfo = true, .pid = pids[i]};
		const struct mh_part_version *v = NULL;
		char expected[64];
		struct mh_err err;

		mh_part_decoder_choose(decoder, &choice);
		assert_int_equal(mh_part_decode_head(decoder, &frames.frame[0], &part, &err), 0);
		assert_int_equal(mh_part_decoder_want(decoder, &part, 0, MH_FIELD_RSS), 0);
		/* who, names, first values, candles; tuples, and strings of one or two chunks */
		assert_in_range(leap_through(decoder, &frames, &part), 6, 8);
		assert_int_equal(part.versions.n, 1 + !(pids[i] % 7));
		for (uint32_t k = 0; k < part.versions.n; k++) {
			v = &part.versions.item[k];
			assert_int_equal(part.series.item[v->series].id.pid, pids[i]);
			snprintf(expected, sizeof(expected), "c%u", pids[i]);
			assert_string_equal(mh_strset_get(&part.strings, v->comm)->bytes, expected);
			/* arguments are separated by NUL, so that what is compared is the first */
			snprintf(expected, sizeof(expected), "program");
			assert_memory_equal(mh_strset_get(&part.strings, v->cmdline)->bytes,
					    expected, strlen(expected));
		}
		assert_in_range(part.strings.n_items, 2, 5);
	}
	part_frames_forget(&frames);
	mh_part_done(&part);
	mh_part_decoder_free(decoder);
}

/* Z15: a chunk is not larger than what one pid should cost. */
static void chunks_are_cut_by_their_changes(void **state)
{
	struct mh_part_decoder *decoder;
	struct part_frames frames = {.n = 0};
	struct mh_part part = {0};
	struct mh_part_builder *builder;
	struct mh_part_encoder *encoder;
	struct rounds r;
	size_t n_chunks = 0;

	(void)state;
	rounds_init(&r);
	assert_int_equal(mh_part_builder_new(&builder), 0);
	assert_int_equal(mh_part_encoder_new(&encoder, 3), 0);
	assert_int_equal(mh_part_decoder_new(&decoder), 0);
	for (uint32_t i = 0; i < 3 * MH_PART_CHUNK_EVENTS / 1000; i++) {
		rounds_begin(&r);
		for (uint32_t pid = 1; pid <= 1000; pid++)
			rounds_process(&r, pid, 100, "a", "a b", pid + i);
		assert_int_equal(mh_part_builder_add(builder, rounds_end(&r), &info), 0);
	}
	part_frames_encode(encoder, mh_part_builder_end(builder), &frames);
	for (size_t i = 0; i < frames.n; i++)
		n_chunks += frames.frame[i].type == MH_FRAME_SERIES;
	/* RSS and VSZ change */
	assert_in_range(n_chunks, 5, 7);
	assert_int_equal(part_frames_decode(decoder, &frames, &part), 0);
	assert_true(mh_part_is_whole(decoder, &part));
	assert_int_equal(part.series.n, 1000);
	part_frames_forget(&frames);
	mh_part_done(&part);
	mh_part_decoder_free(decoder);
	mh_part_encoder_free(encoder);
	mh_part_builder_free(builder);
	rounds_done(&r);
}

/* Frames that are wanted are missed when they are passed over. */
static void what_is_wanted_is_not_passed_over(void **state)
{
	const struct mh_part_choice choice = {.without_names = true, .without_meminfo = true};
	struct mh_part_decoder *decoder;
	struct part_frames frames = {.n = 0};
	struct mh_part part = {0};
	uint64_t refused = 0, passed = 0;

	(void)state;
	make_crowd(&frames, 50, 3);
	assert_int_equal(mh_part_decoder_new(&decoder), 0);
	mh_part_decoder_choose(decoder, &choice);
	for (uint32_t n = 0; n < frames.n + 2; n++)
		for (uint8_t type = 0; type < 14; type++) {
			struct mh_err err;
			int rc;

			assert_int_equal(
				mh_part_decode_head(decoder, &frames.frame[0], &part, &err), 0);
			assert_int_equal(mh_part_decoder_want(decoder, &part, 0, MH_FIELD_RSS), 0);
			assert_int_equal(mh_part_decode_chunk(decoder, &frames.frame[1], &part), 0);
			rc = mh_part_passed_over(decoder, &part, n, type);
			/* names, to the first values of RSS, and there they are */
			assert_true(!rc == (n < 2 && n + 2 < frames.n &&
					    frames.frame[n + 2].type == type));
			refused += rc != 0;
			passed += !rc;
		}
	assert_true(refused && passed == 2);
	part_frames_forget(&frames);
	mh_part_done(&part);
	mh_part_decoder_free(decoder);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_pid_is_in_one_chunk),
		cmocka_unit_test(a_pid_has_its_names),
		cmocka_unit_test(chunks_are_cut_by_their_changes),
		cmocka_unit_test(what_is_wanted_is_not_passed_over),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
