/* Namespaces, as far as /proc tells of them. */
#include "libmemhist/proc/bpf_place.h"

#include "libmemhist/base/buf.h"
#include "libmemhist/proc/parse.h"

#include <errno.h>
#include <linux/magic.h>
#include <string.h>
#include <sys/vfs.h>
#include <unistd.h>

enum { STATUS_BYTES_MAX = 1 << 20 /* Groups may be long */, OFFSETS_BYTES_MAX = 4096 };

/* What follows `key` in the line that begins with it: up to its newline. NULL: no such line. */
static const char *find_line(const char *text, size_t len, const char *key, size_t *ret_len)
{
	const char *end = text + len;
	size_t key_len = strlen(key);

	while (text < end) {
		const char *newline = memchr(text, '\n', (size_t)(end - text));

		if (!newline)
			return NULL;
		if ((size_t)(newline - text) > key_len && !memcmp(text, key, key_len)) {
			*ret_len = (size_t)(newline - text) - key_len;
			return text + key_len;
		}
		text = newline + 1;
	}
	return NULL;
}

/* The next word of a line, stepped over; NULL when there is none. */
static const char *next_word(const char **line, size_t *len, size_t *ret_len)
{
	const char *word = *line, *end = *line + *len;
	const char *p;

	while (word < end && (*word == ' ' || *word == '\t'))
		word++;
	for (p = word; p < end && *p != ' ' && *p != '\t'; p++)
		;
	*line = p;
	*len = (size_t)(end - p);
	*ret_len = (size_t)(p - word);
	return *ret_len ? word : NULL;
}

int mh_bpf_parse_nspid(const char *text, size_t len, uint32_t *ret_first, uint32_t *ret_last)
{
	uint32_t first = 0, last = 0;
	size_t line_len, word_len;
	const char *line = find_line(text, len, "NSpid:", &line_len), *word;
	int n = 0;

	if (!line)
		return -EBADMSG;
	while ((word = next_word(&line, &line_len, &word_len))) {
		uint64_t pid;

		if (mh_parse_u64(word, word_len, &pid) || !pid || pid > MH_PID_MAX)
			return -EBADMSG;
		last = (uint32_t)pid;
		if (!n++)
			first = last;
	}
	if (!n)
		return -EBADMSG;
	*ret_first = first;
	*ret_last = last;
	return n;
}

int mh_bpf_parse_timens(const char *text, size_t len, int64_t *ret_ns)
{
	size_t line_len, s_len, ns_len;
	const char *line = find_line(text, len, "boottime", &line_len);
	const char *s, *ns;
	uint64_t seconds, nanoseconds;
	int64_t total;
	bool before;

	if (!line)
		return -EBADMSG;
	s = next_word(&line, &line_len, &s_len);
	ns = next_word(&line, &line_len, &ns_len);
	if (!s || !ns)
		return -EBADMSG;
	before = *s == '-';
	if (mh_parse_u64(s + before, s_len - before, &seconds) ||
	    mh_parse_u64(ns, ns_len, &nanoseconds) || seconds > INT64_MAX / 1000000000 - 1 ||
	    nanoseconds >= 1000000000)
		return -EBADMSG;
	total = (int64_t)seconds * 1000000000;
	*ret_ns = (before ? -total : total) + (int64_t)nanoseconds;
	return 0;
}

/* Without the file there are no time namespaces. */
static int read_timens(const struct mh_root *root, int64_t *ret_ns)
{
	struct mh_buf text = MH_BUF_INIT(OFFSETS_BYTES_MAX);
	int rc = mh_root_read(root, "self/timens_offsets", &text);

	if (rc == -ENOENT) {
		*ret_ns = 0;
		rc = 0;
	} else if (rc >= 0) {
		rc = mh_bpf_parse_timens(text.data, text.len, ret_ns);
	}
	mh_buf_done(&text);
	return rc;
}

static int read_nspid(const struct mh_root *root, uint32_t *ret_first, uint32_t *ret_last)
{
	struct mh_buf text = MH_BUF_INIT(STATUS_BYTES_MAX);
	int rc = mh_root_read(root, "self/status", &text);

	if (rc >= 0)
		rc = mh_bpf_parse_nspid(text.data, text.len, ret_first, ret_last);
	mh_buf_done(&text);
	return rc;
}

int mh_bpf_place(const struct mh_root *root, struct mh_bpf_place *ret, struct mh_err *err)
{
	struct mh_bpf_place place;
	uint32_t innermost;
	struct statfs fs;
	int n, rc;

	if (fstatfs(root->fd, &fs) || fs.f_type != PROC_SUPER_MAGIC)
		return mh_errf(err, -ENOTSUP,
			       "%s is no procfs, and BPF knows the processes of this kernel only",
			       root->path);
	n = read_nspid(root, &place.own_pid, &innermost);
	if (n < 0 || innermost != (uint32_t)getpid())
		return mh_errf(err, -ENOTSUP,
			       "%s belongs to a pid namespace in which this process is not",
			       root->path);
	place.namespaces_up = (uint32_t)n - 1;
	rc = read_timens(root, &place.boot_ns);
	if (rc)
		return mh_err_sys(err, rc, "%s/self/timens_offsets", root->path);
	place.tick_ns = UINT64_C(1000000000) / (uint64_t)sysconf(_SC_CLK_TCK);
	*ret = place;
	return 0;
}
