/* The texts of /proc. The first byte says which parser is meant; what it accepts makes sense. */
#include "libmemhist/proc/parse.h"
#include "tests/fuzz/fuzz.h"

#include <string.h>

enum { STAT, STATM, STATUS, CMDLINE, CGROUP, SMAPS, MEMINFO, VMSTAT, PRESSURE, UUID, U64, PARSERS };

/* `part` lies in the text. */
static void within(const char *part, size_t part_len, const char *text, size_t len)
{
	fuzz_assert(part >= text && part_len <= len && part <= text + (len - part_len));
}

static void parse_stat(const char *text, size_t len)
{
	struct mh_stat s;

	if (mh_parse_stat(text, len, &s))
		return;
	within(s.comm, s.comm_len, text, len);
	fuzz_assert(mh_stat_comm_len(&s) <= s.comm_len);
}

static void parse_status(const char *text, size_t len)
{
	struct mh_status s;

	if (mh_parse_status(text, len, &s))
		return;
	within(s.name, s.name_len, text, len);
	mh_status_is_named(&s, "a\nb", 3);
	mh_status_is_named(&s, s.name, s.name_len);
}

static void parse_others(unsigned which, const char *text, size_t len)
{
	struct mh_counter_values counters = {0};
	struct mh_smaps_rollup smaps;
	struct mh_meminfo meminfo;
	struct mh_statm statm;
	uint8_t uuid[16];
	const char *path;
	uint64_t number;
	int n;

	switch (which) {
	case STATM:
		mh_parse_statm(text, len, &statm);
		break;
	case CMDLINE:
		fuzz_assert(mh_parse_cmdline(text, len) <= len);
		break;
	case CGROUP:
		n = mh_parse_cgroup(text, len, &path);
		if (n >= 0)
			within(path, (size_t)n, text, len);
		break;
	case SMAPS:
		mh_parse_smaps_rollup(text, len, &smaps);
		break;
	case MEMINFO:
		if (!mh_parse_meminfo(text, len, &meminfo))
			for (uint32_t i = 0; i < meminfo.n; i++)
				fuzz_assert(memchr(meminfo.line[i].key, 0,
						   sizeof(meminfo.line[i].key)));
		break;
	case VMSTAT:
		mh_parse_vmstat(text, len, &counters);
		break;
	case PRESSURE:
		mh_parse_pressure(text, len, &counters);
		break;
	case UUID:
		mh_parse_uuid(text, len, uuid);
		break;
	default:
		mh_parse_u64(text, len, &number);
		break;
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t len)
{
	const char *text = (const char *)bytes + 1;

	if (!len)
		return 0;
	len--;
	switch (bytes[0] % PARSERS) {
	case STAT:
		parse_stat(text, len);
		break;
	case STATUS:
		parse_status(text, len);
		break;
	default:
		parse_others(bytes[0] % PARSERS, text, len);
		break;
	}
	return 0;
}

uint8_t *fuzz_seed(unsigned n, size_t *ret_len)
{
	static const struct {
		uint8_t which;
		const char *text;
	} seeds[] = {
		{STAT, "7 (a) R 1 1 () S 1 7 7 0 -1 4194560 90 0 0 0 1 2 0 0 20 0 3 0 25 9000000 "
		       "1200 18446744073709551615 1 1 140720000000000 0 0 0 0 4096 0 0 0 0 17 1 0 "
		       "0 0 0 0 0 0 0 0 0 0 0 0\n"},
		{STATM, "2202 1200 900 10 0 500 0\n"},
		{STATUS, "Name:\ta\\nb\nUmask:\t0022\nState:\tS (sleeping)\nTgid:\t7\nPid:\t7\n"
			 "PPid:\t1\nUid:\t0\t33\t0\t0\nVmPeak:\t    9000 kB\nVmSize:\t    8800 "
			 "kB\nVmLck:\t       0 kB\nVmHWM:\t    5000 kB\nVmRSS:\t    4800 kB\n"
			 "RssAnon:\t    1200 kB\nRssFile:\t    3600 kB\nRssShmem:\t       0 kB\n"
			 "VmSwap:\t       0 kB\nThreads:\t3\n"},
		{CGROUP, "4:memory:/a/b\n1:name=systemd:/x\n0::/system.slice/x.service\n"},
		{CGROUP, "0::/\n"},
		{SMAPS,
		 "00400000-7fff0000 ---p 00000000 00:00 0    [rollup]\nRss:     4800 kB\nPss:"
		 "  2400 kB\nPrivate_Clean:    12 kB\nPrivate_Dirty:   1200 kB\nSwapPss:   "
		 "  0 kB\n"},
		{MEMINFO, "MemTotal:       16000000 kB\nMemFree:  1 kB\nActive(anon):    5 kB\n"
			  "HugePages_Total:       0\n"},
		{VMSTAT, "nr_free_pages 7\npswpin 1\npswpout 2\noom_kill 3\n"},
		{PRESSURE, "some avg10=0.00 avg60=0.00 avg300=0.00 total=17\nfull avg10=0.00 "
			   "avg60=0.00 avg300=0.00 total=9\n"},
		{UUID, "a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11\n"},
		{U64, "18446744073709551615"},
	};
	static char seed[2048];
	size_t len;

	if (n == sizeof(seeds) / sizeof(seeds[0]))
		return fuzz_copy("\x03"
				 "cmd\0--arg\0\0\0",
				 14, ret_len);
	if (n > sizeof(seeds) / sizeof(seeds[0]))
		return NULL;
	len = strlen(seeds[n].text);
	seed[0] = (char)seeds[n].which;
	memcpy(seed + 1, seeds[n].text, len);
	return fuzz_copy(seed, len + 1, ret_len);
}

void fuzz_mend(uint8_t *bytes, size_t len)
{
	(void)bytes;
	(void)len;
}
