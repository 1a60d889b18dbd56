/*
 * Amounts of bytes as people write and read them.
 */
#ifndef MEMHIST_BASE_SIZE_H
#define MEMHIST_BASE_SIZE_H

#include <stdint.h>

/*
 * Digits, and one of K M G T P if they are not bytes: powers of 1024, with "i", "B" or "iB" behind
 * it or not, in capitals or not ("512M", "2GiB", "1048576"). Returns 0; -ERANGE when it is 2^63 or
 * more; or -EINVAL.
 */
int mh_size_parse(const char *text, uint64_t *ret_bytes);

enum { MH_SIZE_TEXT = 24 };

/* "512 bytes", "99.9 KiB", "1.5 GiB"; returns `ret`. */
const char *mh_size_text(char ret[MH_SIZE_TEXT], uint64_t bytes);

#endif
