/* Segments of a made-up machine, read back as bytes. */
#include "tests/fuzz/images.h"

#include "libmemhist/base/crc32c.h"
#include "libmemhist/history/dir.h"
#include "libmemhist/history/frame.h"
#include "libmemhist/history/seal.h"
#include "libmemhist/history/writer.h"
#include "tests/unit/world.h"

#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <zstd.h>

enum { IMAGE_MAX = 1 << 20, OFF_LEN = 4, OFF_FLAGS = 33, OFF_CRC = 36 };

static uint32_t get32(const uint8_t *from)
{
	return from[0] | (uint32_t)from[1] << 8 | (uint32_t)from[2] << 16 | (uint32_t)from[3] << 24;
}

static void put32(uint8_t *to, uint32_t v)
{
	for (int i = 0; i < 4; i++)
		to[i] = (uint8_t)(v >> 8 * i);
}

void image_mend(uint8_t *bytes, size_t len)
{
	for (size_t at = 0; at + MH_FRAME_HEAD < len;) {
		size_t payload = get32(bytes + at + OFF_LEN);

		if (memcmp(bytes + at, "MHF1", 4) != 0 || payload > len - at - MH_FRAME_HEAD) {
			at++;
			continue;
		}
		put32(bytes + at + OFF_CRC, mh_crc32c(mh_crc32c(0, bytes + at, OFF_CRC),
						      bytes + at + MH_FRAME_HEAD, payload));
		at += MH_FRAME_HEAD + payload;
	}
}

/* The same frames, none of them compressed. */
static uint8_t *unpack(const uint8_t *bytes, size_t len, size_t *ret_len)
{
	uint8_t *to = malloc(IMAGE_MAX);
	size_t n = 0;

	if (!to)
		abort();
	for (size_t at = 0; at < len;) {
		size_t payload = get32(bytes + at + OFF_LEN), raw = payload;

		if (n + MH_FRAME_HEAD + payload > IMAGE_MAX)
			abort();
		memcpy(to + n, bytes + at, MH_FRAME_HEAD);
		at += MH_FRAME_HEAD;
		if (to[n + OFF_FLAGS] & MH_FRAME_ZSTD) {
			raw = ZSTD_decompress(to + n + MH_FRAME_HEAD, IMAGE_MAX - n - MH_FRAME_HEAD,
					      bytes + at, payload);
			if (ZSTD_isError(raw))
				abort();
			to[n + OFF_FLAGS] &= (uint8_t)~MH_FRAME_ZSTD;
			put32(to + n + OFF_LEN, (uint32_t)raw);
		} else {
			memcpy(to + n + MH_FRAME_HEAD, bytes + at, payload);
		}
		at += payload;
		n += MH_FRAME_HEAD + raw;
	}
	image_mend(to, n);
	*ret_len = n;
	return to;
}

static uint8_t *read_file(int dir_fd, const char *name, size_t *ret_len)
{
	uint8_t *bytes = malloc(IMAGE_MAX);
	int fd = openat(dir_fd, name, O_RDONLY | O_CLOEXEC);
	ssize_t n = fd < 0 || !bytes ? -1 : read(fd, bytes, IMAGE_MAX);

	if (n < 0)
		abort();
	close(fd);
	*ret_len = (size_t)n;
	return bytes;
}

static void record(const char *dir, uint64_t seed, int steps, uint32_t crowd)
{
	const struct mh_writer_config config = {
		.dir = dir,
		.interval_ms = 1000,
		.page_bytes = 4096,
		.clk_tck = 100,
		.host = "h",
		.key_every = 5,
	};
	struct mh_err err = {""};
	struct mh_writer *w;
	struct world world;

	world_init(&world, seed);
	world.max_pid = crowd;
	world.target = crowd / 2;
	if (mh_writer_open(&w, &config, &err))
		abort();
	for (int i = 0; i < steps; i++) {
		struct mh_snapshot s = *world_step(&world);

		if (i % 4 == 2)
			s.gap = (struct mh_gap){MH_GAP_LATE, s.at.wall_ms - 5000};
		if (mh_writer_append(w, &s, &err))
			abort();
	}
	mh_writer_close(w);
	world_done(&world);
}

uint8_t *image_make(unsigned n, size_t *ret_len, bool *ret_sealed)
{
	static const struct {
		int steps;
		uint32_t crowd;
	} histories[] = {{1, 4}, {9, 8}, {12, 40}};
	const unsigned kinds = 4; /* open, sealed; compressed, not */
	struct mh_segment_list list = {0};
	struct mh_seal_result result;
	struct mh_err err = {""};
	const char *dir;
	uint8_t *bytes;
	int fd;

	if (n >= kinds * sizeof(histories) / sizeof(histories[0]))
		return NULL;
	dir = temp_dir();
	record(dir, n / kinds, histories[n / kinds].steps, histories[n / kinds].crowd);
	*ret_sealed = n % 2;
	fd = mh_dir_open(dir, &err);
	if (fd < 0 || mh_dir_list(fd, &list) ||
	    (*ret_sealed &&
	     (mh_seal_segment(fd, &list.file[0], &result, &err) || mh_dir_list(fd, &list))))
		abort();
	bytes = read_file(fd, list.file[0].name, ret_len);
	if (n % kinds >= 2) {
		uint8_t *packed = bytes;

		bytes = unpack(packed, *ret_len, ret_len);
		free(packed);
	}
	mh_dir_list_done(&list);
	close(fd);
	remove_dir(dir);
	return bytes;
}
