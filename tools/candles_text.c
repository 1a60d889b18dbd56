/* Header words and values of the candle tables. */
#include "tools/candles.h"

#include "libmemhist/base/decimal.h"

#include <stddef.h>
#include <string.h>

const char *const unit_names[] = {"KiB", "MiB", "bytes", NULL};

const char *const language_names[] = {"en", "ja", "zh", NULL};

const struct words language_words[] = {
	{"time", "open", "high", "low", "close", "label", "pid", "program", "samples"},
	{"時間", "始値", "高値", "安値", "終値", "ラベル", "PID", "プログラム", "標本数"},
	{"时间", "开盘", "最高", "最低", "收盘", "标签", "PID", "程序", "样本数"},
};

/* value / 2^shift with three decimals, rounded to the nearest. */
static char *put_thousandths(char *to, uint64_t value, unsigned shift)
{
	uint64_t whole = value >> shift;
	uint64_t rest = value & ((UINT64_C(1) << shift) - 1);
	uint64_t thousandths = (rest * 1000 + (UINT64_C(1) << shift) / 2) >> shift;

	to = mh_decimal(to, whole + thousandths / 1000);
	*to++ = '.';
	*to++ = (char)('0' + thousandths / 100 % 10);
	*to++ = (char)('0' + thousandths / 10 % 10);
	*to++ = (char)('0' + thousandths % 10);
	return to;
}

char *text_value(char *to, uint64_t bytes, enum unit unit)
{
	switch (unit) {
	case UNIT_MIB:
		return put_thousandths(to, bytes, 20);
	case UNIT_KIB:
		/* pages are whole KiB on every machine; a crafted file may say otherwise */
		return bytes % 1024 ? put_thousandths(to, bytes, 10) : mh_decimal(to, bytes / 1024);
	case UNIT_BYTES:
	default:
		return mh_decimal(to, bytes);
	}
}
