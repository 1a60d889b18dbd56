/* The texts of /proc that hold counters: lines of words and numbers, of which we know a few. */
#include "libmemhist/proc/parse.h"

#include <errno.h>
#include <string.h>

static void set(struct mh_counter_values *to, int i, uint64_t value)
{
	if (i < 0)
		return;
	to->have |= 1u << i;
	to->value[i] = value;
}

/* "word number"; of words that are not known, the number is only looked at. */
static bool take_vmstat_line(struct mh_counter_values *to, const char *line, size_t len)
{
	const char *blank = memchr(line, ' ', len);
	size_t word_len = blank ? (size_t)(blank - line) : 0;
	uint64_t value;

	if (!word_len || mh_parse_u64(blank + 1, len - word_len - 1, &value))
		return false;
	set(to, mh_counter_find("vmstat.", line, word_len), value);
	return true;
}

/* "some avg10=0.00 avg60=0.00 avg300=0.00 total=123456". Kernels to come may add words. */
static bool take_pressure_line(struct mh_counter_values *to, const char *line, size_t len)
{
	static const char total[] = " total=";
	const char *digits = memmem(line, len, total, sizeof(total) - 1);
	const char *blank = memchr(line, ' ', len), *end;
	uint64_t value;
	int i;

	if (!blank || !digits)
		return false;
	digits += sizeof(total) - 1;
	end = memchr(digits, ' ', (size_t)(line + len - digits));
	if (mh_parse_u64(digits, (size_t)((end ? end : line + len) - digits), &value))
		return false;
	i = blank - line != 4          ? -1
	    : !memcmp(line, "some", 4) ? MH_COUNTER_WAITING
	    : !memcmp(line, "full", 4) ? MH_COUNTER_STALLED
				       : -1;
	set(to, i, value);
	return true;
}

typedef bool take_line_fn(struct mh_counter_values *to, const char *line, size_t len);

static int take_lines(const char *text, size_t len, take_line_fn *take,
		      struct mh_counter_values *ret)
{
	struct mh_counter_values values = *ret;
	const char *end = text + len;

	/* the kernel ends these texts with a newline: the last number of one that does not may be
	 * cut */
	if (!len || end[-1] != '\n')
		return -EBADMSG;
	for (const char *eol; text < end; text = eol + 1) {
		eol = memchr(text, '\n', (size_t)(end - text));
		if (!take(&values, text, (size_t)(eol - text)))
			return -EBADMSG;
	}
	*ret = values;
	return 0;
}

int mh_parse_vmstat(const char *text, size_t len, struct mh_counter_values *ret)
{
	return take_lines(text, len, take_vmstat_line, ret);
}

int mh_parse_pressure(const char *text, size_t len, struct mh_counter_values *ret)
{
	return take_lines(text, len, take_pressure_line, ret);
}
