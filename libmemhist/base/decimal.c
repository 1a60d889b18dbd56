/* Digits, two at a time. */
#include "libmemhist/base/decimal.h"

#include <string.h>

static const char pairs[] = "00010203040506070809101112131415161718192021222324"
			    "25262728293031323334353637383940414243444546474849"
			    "50515253545556575859606162636465666768697071727374"
			    "75767778798081828384858687888990919293949596979899";

static unsigned n_digits(uint64_t number)
{
	unsigned n = 1;

	for (; number >= 10000; number /= 10000)
		n += 4;
	return n + (number >= 10) + (number >= 100) + (number >= 1000);
}

char *mh_decimal(char *to, uint64_t number)
{
	char *end = to + n_digits(number), *p = end;

	for (; number >= 100; number /= 100) {
		p -= 2;
		memcpy(p, pairs + 2 * (number % 100), 2);
	}
	if (number >= 10)
		memcpy(to, pairs + 2 * number, 2);
	else
		*to = (char)('0' + number);
	return end;
}
