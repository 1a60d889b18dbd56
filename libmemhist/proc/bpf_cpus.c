/* The kernel's list of possible CPUs, which may have holes. */
#include "libmemhist/proc/bpf_cpus.h"

#include "libmemhist/proc/parse.h"

#include <fcntl.h>
#include <string.h>
#include <unistd.h>

/* "8" or "8-11" */
static bool parse_range(const char *text, size_t len, uint64_t *ret_first, uint64_t *ret_last)
{
	const char *dash = memchr(text, '-', len);
	size_t first_len = dash ? (size_t)(dash - text) : len;

	if (mh_parse_u64(text, first_len, ret_first))
		return false;
	*ret_last = *ret_first;
	return !dash || !mh_parse_u64(dash + 1, len - first_len - 1, ret_last);
}

uint32_t mh_bpf_parse_cpus(const char *text, size_t len, uint32_t max,
			   uint32_t ret[MH_BPF_CPUS_MAX])
{
	const char *end = text + len;
	uint32_t n = 0;

	if (max > MH_BPF_CPUS_MAX)
		max = MH_BPF_CPUS_MAX;
	while (text < end) {
		const char *comma = memchr(text, ',', (size_t)(end - text));
		const char *range_end = comma ? comma : end;
		uint64_t cpu, last;

		if (!parse_range(text, (size_t)(range_end - text), &cpu, &last) || cpu > last)
			return 0;
		for (; cpu <= last; cpu++) {
			if (n == max)
				return 0;
			ret[n++] = (uint32_t)cpu;
		}
		text = comma ? comma + 1 : end;
	}
	return n;
}

uint32_t mh_bpf_cpus(uint32_t ret[MH_BPF_CPUS_MAX], uint32_t max)
{
	int fd = open("/sys/devices/system/cpu/possible", O_RDONLY | O_CLOEXEC);
	char text[1024];
	ssize_t n;

	if (fd < 0)
		return 0;
	n = read(fd, text, sizeof(text));
	close(fd);
	if (n < 2 || text[n - 1] != '\n')
		return 0;
	return mh_bpf_parse_cpus(text, (size_t)n - 1, max, ret);
}
