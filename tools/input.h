/*
 * Bytes from a regular file or standard input, decompressed when they are zstd (known by the magic
 * number, not by the name).
 */
#ifndef MEMHIST_TOOLS_INPUT_H
#define MEMHIST_TOOLS_INPUT_H

#include "libmemhist/base/err.h"

#include <stddef.h>
#include <stdint.h>

struct input;

/*
 * "-" is standard input. Anything but a regular file is refused: a pipe with a name could block
 * for ever. The name must outlive the input. Returns 0, or -errno and a sentence.
 */
int input_open(struct input **ret, const char *name, struct mh_err *err);
void input_close(struct input *in);

/* Up to `len` bytes, at least one; 0 at the end; or -errno and a sentence. */
long input_read(struct input *in, char *to, size_t len, struct mh_err *err);

/* For messages: the name, or "standard input". */
const char *input_name(const struct input *in);
/* Bytes of the file taken in so far, and its size (0 = unknown). */
uint64_t input_done(const struct input *in);
uint64_t input_size(const struct input *in);

#endif
