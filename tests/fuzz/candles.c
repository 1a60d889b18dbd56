/*
 * A file under a segment's name, read for its candles. The first byte says which of the two kinds
 * it is and what is asked for. An open one that is not damaged is sealed, and then has the same
 * candles, from columns and from samples.
 */
#include "libmemhist/history/columns/candle_reader.h"
#include "libmemhist/history/dir.h"
#include "libmemhist/history/seal.h"
#include "tests/fuzz/fuzz.h"
#include "tests/fuzz/images.h"
#include "tests/unit/world.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

/* What no input takes more than, whatever it declares; the shadow of sanitizers is larger. */
#if defined(__SANITIZE_ADDRESS__) || defined(FUZZING)
static const rlim_t memory_max = RLIM_INFINITY;
#else
static const rlim_t memory_max = 512 << 20;
#endif

#define STEM "0000000001-20261120T202848Z-00000000"

enum { IS_SEALED = 1, IS_UTC = 2, FROM_SAMPLES = 4, ONE_PID = 8, INTERVAL_SHIFT = 4 };

static char dir[64];
static int dir_fd;

static void clean_up(void)
{
	remove_dir(dir);
}

static void prepare(void)
{
	const struct rlimit limit = {memory_max, memory_max};
	struct mh_err err = {""};

	if (dir[0])
		return;
	temp_in_memory(true); /* ten thousand times */
	snprintf(dir, sizeof(dir), "%s", temp_dir());
	dir_fd = mh_dir_open(dir, &err);
	if (dir_fd < 0)
		abort();
	atexit(clean_up);
	setrlimit(RLIMIT_AS, &limit);
}

/* What pieces of candles come to, however many there are. */
struct sum {
	uint32_t n_series; /* of the part */
	uint64_t samples, highest, lowest;
	uint64_t damages;
};

static int take_part(void *arg, const struct mh_part *p, const struct mh_part_windows *w,
		     const struct mh_gap *gap)
{
	struct sum *sum = arg;

	(void)w;
	(void)gap;
	sum->n_series = p->series.n + p->brief.n;
	return 0;
}

static int take_candle(void *arg, uint32_t series, const struct mh_candle *c)
{
	struct sum *sum = arg;

	fuzz_assert(series < sum->n_series);
	fuzz_assert(c->low <= c->high || !c->samples);
	sum->samples += c->samples;
	sum->highest = c->high > sum->highest ? c->high : sum->highest;
	if (c->samples)
		sum->lowest = c->low < sum->lowest ? c->low : sum->lowest;
	return 0;
}

static int take_window(void *arg, mh_ms_t start_ms, mh_ms_t end_ms)
{
	(void)arg;
	fuzz_assert(start_ms < end_ms);
	return 0;
}

/* Returns 0 or -errno. */
static int read_candles(const struct mh_candle_reader_config *asked, struct sum *sum)
{
	struct mh_candle_reader_config config = *asked;
	struct mh_candle_reader_stats stats;
	struct mh_reader_stats reader_stats;
	struct mh_candle_reader *c;
	struct mh_err err = {""};
	int rc;

	*sum = (struct sum){.lowest = UINT64_MAX};
	config.arg = sum;
	rc = mh_candle_reader_new(&c, dir, &config, &err);
	if (!rc) {
		while ((rc = mh_candle_reader_next(c, &err)) > 0)
			mh_candle_reader_segment(c);
		mh_candle_reader_stats(c, &stats, &reader_stats);
		sum->damages = reader_stats.damages + reader_stats.orphans;
		mh_candle_reader_free(c);
	}
	fuzz_assert(!rc || (err.text[0] && rc != -ENOMEM));
	return rc;
}

static void seal_and_compare(struct mh_candle_reader_config *config, const struct sum *open)
{
	struct mh_segment_list list = {0};
	struct mh_seal_result result;
	struct mh_err err = {""};
	struct sum sealed;

	if (mh_dir_list(dir_fd, &list) || list.n != 1)
		abort();
	if (!mh_seal_segment(dir_fd, &list.file[0], &result, &err)) {
		for (int from_samples = 0; from_samples < 2; from_samples++) {
			config->from_samples = from_samples;
			fuzz_assert(!read_candles(config, &sealed));
			fuzz_assert(!sealed.damages);
			fuzz_assert(sealed.samples == open->samples);
			fuzz_assert(sealed.highest == open->highest);
			fuzz_assert(sealed.lowest == open->lowest);
		}
	}
	mh_dir_list_done(&list);
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t len)
{
	static const mh_ms_t intervals[] = {900000, 1000, 3600000, 7 * 60000};
	const uint8_t how = len ? bytes[0] : 0;
	struct mh_candle_reader_config config = {
		.since_ms = MH_MS_MIN,
		.until_ms = MH_MS_MAX,
		.field = (how >> (INTERVAL_SHIFT + 2)) % MH_FIELD_COUNT,
		.interval_ms = intervals[how >> INTERVAL_SHIFT & 3],
		.utc = how & IS_UTC,
		.from_samples = how & FROM_SAMPLES,
		.pid = how & ONE_PID ? 3 : 0,
		.part = take_part,
		.candle = take_candle,
		.window = take_window,
	};
	struct sum sum;
	int fd, rc;

	prepare();
	unlinkat(dir_fd, STEM MH_OPEN_SUFFIX, 0);
	unlinkat(dir_fd, STEM MH_SEALED_SUFFIX, 0);
	fd = openat(dir_fd, how & IS_SEALED ? STEM MH_SEALED_SUFFIX : STEM MH_OPEN_SUFFIX,
		    O_WRONLY | O_CREAT | O_CLOEXEC, 0640);
	if (fd < 0 || (len > 1 && write(fd, bytes + 1, len - 1) != (ssize_t)(len - 1)))
		abort();
	close(fd);
	rc = read_candles(&config, &sum);
	if (!(how & IS_SEALED) && !rc && !sum.damages)
		seal_and_compare(&config, &sum);
	return 0;
}

/* Each image, asked for in one of these ways. */
uint8_t *fuzz_seed(unsigned n, size_t *ret_len)
{
	static const uint8_t ways[] = {0, IS_UTC | 1 << INTERVAL_SHIFT, IS_UTC | ONE_PID,
				       IS_UTC | FROM_SAMPLES | 2 << INTERVAL_SHIFT | 1 << 6};
	uint8_t *image, *seed;
	bool is_sealed;
	size_t len;

	image = image_make(n, &len, &is_sealed);
	if (!image)
		return NULL;
	seed = malloc(len + 1);
	if (!seed)
		abort();
	seed[0] = ways[n / 2 % 4] | (is_sealed ? IS_SEALED : 0);
	memcpy(seed + 1, image, len);
	free(image);
	*ret_len = len + 1;
	return seed;
}

void fuzz_mend(uint8_t *bytes, size_t len)
{
	if (len)
		image_mend(bytes + 1, len - 1);
}
