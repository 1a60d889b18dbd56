/*
 * The parsers of /proc texts.
 *
 * All of them walk a cursor over the bytes and judge each step, so that a text is either understood
 * to its last byte or refused. The kernel ends these texts with a newline: one that does not is
 * cut, and the last number in it may be a part of the true one.
 */
#include "libmemhist/proc/parse.h"

#include <errno.h>
#include <stddef.h>
#include <string.h>

enum {
	STAT_COMM_MAX = 64,    /* fs/proc/array.c: tcomm[64] */
	STAT_FIELDS_MIN = 28,  /* as far as we read; every kernel since 2.6 has 41 or more */
	STATM_FIELDS_MIN = 7,  /* proc(5): size resident shared text lib data dt */
	UUID_TEXT_LENGTH = 36, /* 8-4-4-4-12 hexadecimal digits and the dashes */
};

struct cursor {
	const char *p, *end;
};

/* Step over `c`; false when something else is there. */
static bool take_char(struct cursor *at, char c)
{
	if (at->p == at->end || *at->p != c)
		return false;
	at->p++;
	return true;
}

static void skip_blanks(struct cursor *at)
{
	while (at->p < at->end && (*at->p == ' ' || *at->p == '\t'))
		at->p++;
}

/* One or more decimal digits. */
static int take_u64(struct cursor *at, uint64_t *ret)
{
	const char *p = at->p;
	uint64_t value = 0;

	for (; p < at->end && *p >= '0' && *p <= '9'; p++)
		if (__builtin_mul_overflow(value, 10u, &value) ||
		    __builtin_add_overflow(value, (unsigned)(*p - '0'), &value))
			return -ERANGE;
	if (p == at->p)
		return -EBADMSG;
	at->p = p;
	*ret = value;
	return 0;
}

int mh_parse_u64(const char *text, size_t len, uint64_t *ret)
{
	struct cursor at = {text, text + len};
	uint64_t value;
	int rc = take_u64(&at, &value);

	if (rc)
		return rc;
	if (at.p != at.end)
		return -EBADMSG;
	*ret = value;
	return 0;
}

/* Text that the kernel finished: the cursor over it, without the newline at its end. */
static bool whole_text(const char *text, size_t len, struct cursor *ret)
{
	if (!len || text[len - 1] != '\n')
		return false;
	*ret = (struct cursor){text, text + len - 1};
	return true;
}

/* Fields 4 … of stat into `ret` by number, as far as it goes; the later ones are only looked at. */
static int take_stat_fields(struct cursor *at, uint64_t ret[STAT_FIELDS_MIN + 1])
{
	/* those we use, none of which can be negative */
	const uint32_t unsigned_fields = 1u << 4 | 1u << 9 | 1u << 20 | 1u << 22 | 1u << 23 |
					 1u << 24 | 1u << 28;
	int field = 4;

	for (; at->p < at->end; field++) {
		uint64_t value;

		if (!take_char(at, ' '))
			return -EBADMSG;
		if (take_char(at, '-') && field <= STAT_FIELDS_MIN && unsigned_fields & 1u << field)
			return -EBADMSG;
		if (take_u64(at, &value))
			return -EBADMSG;
		if (field <= STAT_FIELDS_MIN)
			ret[field] = value;
	}
	return field > STAT_FIELDS_MIN ? 0 : -EBADMSG;
}

int mh_parse_stat(const char *text, size_t len, struct mh_stat *ret)
{
	uint64_t pid, field[STAT_FIELDS_MIN + 1];
	const char *comm, *comm_end;
	struct cursor at;
	char state;

	if (!whole_text(text, len, &at) || take_u64(&at, &pid) || !pid || pid > UINT32_MAX)
		return -EBADMSG;
	if (!take_char(&at, ' ') || !take_char(&at, '('))
		return -EBADMSG;
	/* comm may hold any byte but NUL, what follows it no ')': the last one ends it */
	comm = at.p;
	comm_end = memrchr(comm, ')', (size_t)(at.end - comm));
	if (!comm_end || comm_end - comm > STAT_COMM_MAX)
		return -EBADMSG;
	at.p = comm_end + 1;
	if (!take_char(&at, ' ') || at.p == at.end)
		return -EBADMSG;
	state = *at.p++;
	if ((state | 0x20) < 'a' || (state | 0x20) > 'z')
		return -EBADMSG;
	if (take_stat_fields(&at, field) || field[4] > UINT32_MAX || field[9] > UINT32_MAX ||
	    field[20] > UINT32_MAX)
		return -EBADMSG;
	*ret = (struct mh_stat){
		.pid = (uint32_t)pid,
		.comm = comm,
		.comm_len = (size_t)(comm_end - comm),
		.state = state,
		.ppid = (uint32_t)field[4],
		.flags = (uint32_t)field[9],
		.num_threads = (uint32_t)field[20],
		.start_ticks = field[22],
		.vsz_bytes = field[23],
		.rss_pages = field[24],
		.start_stack = field[28],
	};
	return 0;
}

size_t mh_stat_comm_len(const struct mh_stat *stat)
{
	static const char worker[] = "kworker/";
	const size_t n = sizeof(worker) - 1;

	if (!(stat->flags & MH_PF_KTHREAD) || stat->comm_len <= n ||
	    memcmp(stat->comm, worker, n) || stat->comm[n] == 'R')
		return stat->comm_len;
	for (size_t i = n; i < stat->comm_len; i++)
		if (stat->comm[i] == '-' || stat->comm[i] == '+')
			return i;
	return stat->comm_len;
}

int mh_parse_statm(const char *text, size_t len, struct mh_statm *ret)
{
	uint64_t first[2], ignored;
	struct cursor at;
	int n = 0;

	if (!whole_text(text, len, &at))
		return -EBADMSG;
	do {
		if (take_u64(&at, n < 2 ? &first[n] : &ignored))
			return -EBADMSG;
		n++;
	} while (take_char(&at, ' '));
	if (at.p != at.end || n < STATM_FIELDS_MIN)
		return -EBADMSG;
	ret->vsz_pages = first[0];
	ret->rss_pages = first[1];
	return 0;
}

/* "Key:" and blanks at the cursor, stepped over; false and nothing moved when it is another key. */
static bool take_key(struct cursor *at, const char *key)
{
	size_t len = strlen(key);

	if ((size_t)(at->end - at->p) <= len || memcmp(at->p, key, len) || at->p[len] != ':')
		return false;
	at->p += len + 1;
	skip_blanks(at);
	return true;
}

/* "1234 kB" up to the end of the line. */
static bool take_kib(struct cursor *at, uint64_t *ret)
{
	return !take_u64(at, ret) && take_char(at, ' ') && take_char(at, 'k') &&
	       take_char(at, 'B') && at->p == at->end;
}

/* A number up to the end of the line. */
static bool take_last_u32(struct cursor *at, uint32_t *ret)
{
	uint64_t value;

	if (take_u64(at, &value) || at->p != at->end || value > UINT32_MAX)
		return false;
	*ret = (uint32_t)value;
	return true;
}

/* "real effective saved filesystem" of Uid. */
static bool take_effective_uid(struct cursor *at, uint32_t *ret)
{
	uint64_t real, effective;

	if (take_u64(at, &real) || !take_char(at, '\t') || take_u64(at, &effective) ||
	    effective > UINT32_MAX)
		return false;
	*ret = (uint32_t)effective;
	return true;
}

/* Lines of status, by the bits of what was seen. The first are "Key: 1234 kB". */
enum {
	PEAK,
	SIZE,
	LOCKED,
	HWM,
	RSS,
	FILE_PART,
	SHMEM_PART,
	SWAP,
	KIB_LINES,
	NAME = KIB_LINES,
	PPID,
	UID,
	THREADS,

	VM_SEEN = 1 << PEAK | 1 << SIZE | 1 << LOCKED | 1 << HWM | 1 << RSS | 1 << SWAP,
	PARTS_SEEN = 1 << FILE_PART | 1 << SHMEM_PART,
	NEEDED_SEEN = 1 << NAME | 1 << PPID | 1 << UID | 1 << THREADS,
};

static const struct {
	const char *key;
	size_t offset; /* in struct mh_status */
} kib_lines[KIB_LINES] = {
	[PEAK] = {"VmPeak", offsetof(struct mh_status, peak_kib)},
	[SIZE] = {"VmSize", offsetof(struct mh_status, size_kib)},
	[LOCKED] = {"VmLck", offsetof(struct mh_status, locked_kib)},
	[HWM] = {"VmHWM", offsetof(struct mh_status, hwm_kib)},
	[RSS] = {"VmRSS", offsetof(struct mh_status, rss_kib)},
	[FILE_PART] = {"RssFile", offsetof(struct mh_status, file_kib)},
	[SHMEM_PART] = {"RssShmem", offsetof(struct mh_status, shmem_kib)},
	[SWAP] = {"VmSwap", offsetof(struct mh_status, swap_kib)},
};

/* One line into `ret`. Returns false when it is not as it must be. */
static bool take_status_line(struct cursor line, struct mh_status *ret, unsigned *seen)
{
	/* most lines are others': tell them by their first byte */
	switch (line.p < line.end ? *line.p : 0) {
	case 'V':
	case 'R':
		for (unsigned i = 0; i < KIB_LINES; i++)
			if (take_key(&line, kib_lines[i].key)) {
				*seen |= 1u << i;
				return take_kib(&line,
						(uint64_t *)((char *)ret + kib_lines[i].offset));
			}
		return true;
	case 'N':
		if (line.end - line.p < 6 || memcmp(line.p, "Name:\t", 6) != 0)
			return true;
		/* it may begin with blanks */
		ret->name = line.p + 6;
		ret->name_len = (size_t)(line.end - ret->name);
		*seen |= 1u << NAME;
		return true;
	case 'P':
		if (!take_key(&line, "PPid"))
			return true;
		*seen |= 1u << PPID;
		return take_last_u32(&line, &ret->ppid);
	case 'U':
		if (!take_key(&line, "Uid"))
			return true;
		*seen |= 1u << UID;
		return take_effective_uid(&line, &ret->uid);
	case 'T':
		if (!take_key(&line, "Threads"))
			return true;
		*seen |= 1u << THREADS;
		return take_last_u32(&line, &ret->threads);
	default:
		return true;
	}
}

int mh_parse_status(const char *text, size_t len, struct mh_status *ret)
{
	struct mh_status status = {0};
	struct cursor all;
	unsigned seen = 0;

	if (!whole_text(text, len, &all))
		return -EBADMSG;
	while (all.p < all.end) {
		const char *eol = memchr(all.p, '\n', (size_t)(all.end - all.p));

		if (!take_status_line((struct cursor){all.p, eol ? eol : all.end}, &status, &seen))
			return -EBADMSG;
		all.p = eol ? eol + 1 : all.end;
	}
	if ((seen & NEEDED_SEEN) != NEEDED_SEEN)
		return -EBADMSG;
	/* all or nothing: a sum of some lines would mean nothing */
	status.has_vm = (seen & VM_SEEN) == VM_SEEN;
	status.has_parts = status.has_vm && (seen & PARTS_SEEN) == PARTS_SEEN;
	for (unsigned i = 0; i < KIB_LINES; i++)
		if (!status.has_vm || (!status.has_parts && 1u << i & PARTS_SEEN))
			*(uint64_t *)((char *)&status + kib_lines[i].offset) = 0;
	*ret = status;
	return 0;
}

bool mh_status_is_named(const struct mh_status *status, const char *comm, size_t len)
{
	const char *p = status->name, *end = p + status->name_len;

	for (; len; len--, comm++) {
		char c = *comm;

		if (c == '\n' || c == '\\') {
			if (p == end || *p++ != '\\')
				return false;
			if (c == '\n')
				c = 'n';
		}
		if (p == end || *p++ != c)
			return false;
	}
	return p == end;
}

size_t mh_parse_cmdline(const char *text, size_t len)
{
	while (len && !text[len - 1])
		len--;
	return len;
}

/* Whether a v1 line's list of controllers, "cpu,memory", has memory. */
static bool has_memory(const char *list, size_t len)
{
	static const char name[] = "memory";
	const size_t name_len = sizeof(name) - 1;

	while (len) {
		const char *comma = memchr(list, ',', len);
		size_t n = comma ? (size_t)(comma - list) : len;

		if (n == name_len && !memcmp(list, name, n))
			return true;
		n += comma != NULL;
		list += n;
		len -= n;
	}
	return false;
}

int mh_parse_cgroup(const char *text, size_t len, const char **ret)
{
	const char *v2 = NULL;
	struct cursor all;
	size_t v2_len = 0;

	if (!whole_text(text, len, &all))
		return -EBADMSG;
	while (all.p < all.end) {
		const char *eol = memchr(all.p, '\n', (size_t)(all.end - all.p));
		struct cursor line = {all.p, eol ? eol : all.end};
		const char *controllers, *colon;
		uint64_t hierarchy;

		if (take_u64(&line, &hierarchy) || !take_char(&line, ':'))
			return -EBADMSG;
		controllers = line.p;
		colon = memchr(line.p, ':', (size_t)(line.end - line.p));
		if (!colon || colon + 1 == line.end || colon[1] != '/')
			return -EBADMSG;
		line.p = colon + 1;
		if (has_memory(controllers, (size_t)(colon - controllers))) {
			*ret = line.p;
			return (int)(line.end - line.p);
		}
		if (!hierarchy) {
			v2 = line.p;
			v2_len = (size_t)(line.end - line.p);
		}
		all.p = eol ? eol + 1 : all.end;
	}
	if (!v2)
		return -EBADMSG;
	*ret = v2;
	return (int)v2_len;
}

int mh_parse_meminfo(const char *text, size_t len, struct mh_meminfo *ret)
{
	struct mh_meminfo meminfo = {0};
	struct cursor all;

	if (!whole_text(text, len, &all))
		return -EBADMSG;
	while (all.p < all.end) {
		const char *eol = memchr(all.p, '\n', (size_t)(all.end - all.p));
		struct cursor line = {all.p, eol ? eol : all.end};
		const char *colon = memchr(line.p, ':', (size_t)(line.end - line.p));
		const char *key = line.p;
		uint64_t value;
		bool is_kib;

		if (!colon)
			return -EBADMSG;
		line.p = colon + 1;
		skip_blanks(&line);
		if (take_u64(&line, &value))
			return -EBADMSG;
		is_kib = line.p < line.end;
		if (is_kib && (line.end - line.p != 3 || memcmp(line.p, " kB", 3)))
			return -EBADMSG;
		/*
		 * Left out: keys with the dot of our counters, and what is refused: other keys that
		 * are not allowed (-EINVAL), a line too many (-EOVERFLOW).
		 */
		if (!memchr(key, '.', (size_t)(colon - key)))
			mh_meminfo_add(&meminfo, key, (size_t)(colon - key), is_kib, value);
		all.p = eol ? eol + 1 : all.end;
	}
	if (!meminfo.n)
		return -EBADMSG;
	*ret = meminfo;
	return 0;
}

static int hex_digit(char c)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	c |= 0x20;
	return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

int mh_parse_uuid(const char *text, size_t len, uint8_t ret[16])
{
	uint8_t bytes[16];
	size_t n = 0;

	if (len == UUID_TEXT_LENGTH + 1 && text[len - 1] == '\n')
		len--;
	if (len != UUID_TEXT_LENGTH)
		return -EBADMSG;
	for (size_t i = 0; i < len;) {
		int high, low;

		if (i == 8 || i == 13 || i == 18 || i == 23) {
			if (text[i++] != '-')
				return -EBADMSG;
			continue;
		}
		high = hex_digit(text[i++]);
		low = hex_digit(text[i++]);
		if (high < 0 || low < 0)
			return -EBADMSG;
		bytes[n++] = (uint8_t)(high << 4 | low);
	}
	memcpy(ret, bytes, sizeof(bytes));
	return 0;
}
