/* Whole numbers as digits: what most bytes of a table are. */
#ifndef MEMHIST_BASE_DECIMAL_H
#define MEMHIST_BASE_DECIMAL_H

#include <stdint.h>

enum { MH_DECIMAL_MAX = 20 }; /* digits of the greatest number */

/* Into room for MH_DECIMAL_MAX bytes; returns the end. */
char *mh_decimal(char *to, uint64_t number);

#endif
