/* Header words and values of the candle tables. */
#include "tools/candles.h"

#include <stddef.h>

const char *const unit_names[] = {"KiB", "MiB", "bytes", NULL};

const char *const language_names[] = {"en", "ja", "zh", NULL};

const struct words language_words[] = {
	{"time", "open", "high", "low", "close", "label", "pid", "program", "samples"},
	{"時間", "始値", "高値", "安値", "終値", "ラベル", "PID", "プログラム", "標本数"},
	{"时间", "开盘", "最高", "最低", "收盘", "标签", "PID", "程序", "样本数"},
};

/* value / 2^shift with three decimals, rounded to the nearest. */
static void add_thousandths(struct mh_buf *out, uint64_t value, unsigned shift)
{
	uint64_t whole = value >> shift;
	uint64_t rest = value & ((UINT64_C(1) << shift) - 1);
	uint64_t thousandths = (rest * 1000 + (UINT64_C(1) << shift) / 2) >> shift;

	mh_buf_addu(out, whole + thousandths / 1000);
	mh_buf_addc(out, '.');
	mh_buf_addc(out, (char)('0' + thousandths / 100 % 10));
	mh_buf_addc(out, (char)('0' + thousandths / 10 % 10));
	mh_buf_addc(out, (char)('0' + thousandths % 10));
}

void text_value(struct mh_buf *out, uint64_t bytes, enum unit unit)
{
	switch (unit) {
	case UNIT_BYTES:
		mh_buf_addu(out, bytes);
		break;
	case UNIT_MIB:
		add_thousandths(out, bytes, 20);
		break;
	case UNIT_KIB:
		/* pages are whole KiB on every machine; a crafted file may say otherwise */
		if (bytes % 1024)
			add_thousandths(out, bytes, 10);
		else
			mh_buf_addu(out, bytes / 1024);
		break;
	}
}
