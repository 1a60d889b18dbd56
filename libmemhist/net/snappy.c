/* What is unpacked says at its beginning how long it will be: that is checked before room is made.
 */
#include "libmemhist/net/snappy.h"

#include <errno.h>
#include <snappy-c.h>

/* Three bytes can stand for 64 at most. */
enum { TIMES_MAX = 22 };

/* Room for `more` bytes, or NULL and the error, which does not stick. */
static char *reserve(struct mh_buf *out, size_t more, int *ret_error)
{
	const int before = out->error;
	char *to = mh_buf_reserve(out, more);

	*ret_error = out->error;
	out->error = before;
	return to;
}

int mh_snappy_compress(const void *bytes, size_t len, struct mh_buf *out)
{
	size_t packed = snappy_max_compressed_length(len);
	int error;
	char *to = reserve(out, packed, &error);

	if (!to)
		return error;
	if (snappy_compress(bytes, len, to, &packed) != SNAPPY_OK)
		return -EOVERFLOW;
	out->len += packed;
	return 0;
}

int mh_snappy_uncompress(const void *bytes, size_t len, struct mh_buf *out)
{
	size_t whole;
	int error;
	char *to;

	if (snappy_uncompressed_length(bytes, len, &whole) != SNAPPY_OK || whole / TIMES_MAX > len)
		return -EBADMSG;
	to = reserve(out, whole, &error);
	if (!to)
		return error;
	if (snappy_uncompress(bytes, len, to, &whole) != SNAPPY_OK)
		return -EBADMSG;
	out->len += whole;
	return 0;
}
