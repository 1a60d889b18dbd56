/*
 * A growing byte buffer with a cap.
 *
 *     struct mh_buf b = MH_BUF_INIT(1 << 20);
 *
 *     mh_buf_printf(&b, "%s %d\n", name, 7);
 *     if (b.error)                     // -ENOMEM or -EOVERFLOW (the cap), sticky
 *             …
 *     write(fd, b.data, b.len);
 *     mh_buf_done(&b);
 *
 * Errors stick: after one, every append is a no-op, so that a page can be composed without a
 * check at each step and judged once at its end. `len` is always the length of whole appends:
 * an append that fails leaves nothing behind. Not NUL-terminated; see mh_buf_str().
 * Memory that has been grown is kept by mh_buf_clear(), so a steady state allocates nothing.
 */
#ifndef MEMHIST_BASE_BUF_H
#define MEMHIST_BASE_BUF_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct mh_buf {
	char *data;
	size_t len;
	size_t cap; /* allocated bytes */
	size_t max; /* the cap: no append makes len greater than this */
	int error;  /* 0, -ENOMEM or -EOVERFLOW */
};

#define MH_BUF_INIT(max_bytes)     \
	{                          \
		.max = (max_bytes) \
	}

void mh_buf_done(struct mh_buf *b);
/* Forget content and error; keep the memory. */
void mh_buf_clear(struct mh_buf *b);
/* Make room for `more` bytes beyond len. Returns where they start, or NULL (b->error set). */
char *mh_buf_reserve(struct mh_buf *b, size_t more);
void mh_buf_add(struct mh_buf *b, const void *bytes, size_t len);
void mh_buf_addc(struct mh_buf *b, char c);
void mh_buf_adds(struct mh_buf *b, const char *text);
void mh_buf_addu(struct mh_buf *b, uint64_t value); /* decimal */
void mh_buf_printf(struct mh_buf *b, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
/* The content as a C string, owned by the buffer and valid until it changes; "" after an error. */
const char *mh_buf_str(struct mh_buf *b);

#endif
