/* Command lines, cut and joined. */
#include "libmemhist/model/argv.h"

#include "libmemhist/base/escape.h"

#include <string.h>

/* Without the empty arguments at the end, which programs leave that have overwritten theirs. */
static size_t trimmed(const struct mh_process *p)
{
	size_t len = p->cmdline_len;

	while (len && !p->cmdline[len - 1])
		len--;
	return len;
}

bool mh_argv_first(const struct mh_process *p, const char **ret, size_t *ret_len)
{
	size_t len = trimmed(p);

	if (!len)
		return false;
	*ret = p->cmdline;
	*ret_len = strnlen(p->cmdline, len);
	return true;
}

size_t mh_path_base(const char *path, size_t len, const char **ret)
{
	const char *slash;

	*ret = ".";
	if (!len)
		return 1;
	while (len > 1 && path[len - 1] == '/')
		len--;
	slash = memrchr(path, '/', len);
	*ret = slash && len > 1 ? slash + 1 : path;
	return (size_t)(path + len - *ret);
}

void mh_argv_join(struct mh_buf *out, const struct mh_process *p)
{
	size_t len = trimmed(p);

	for (size_t at = 0; at < len;) {
		size_t n = strnlen(p->cmdline + at, len - at);

		mh_escape_utf8(out, p->cmdline + at, n);
		at += n;
		if (at++ < len)
			mh_buf_addc(out, ' ');
	}
}
