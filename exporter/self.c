/* Reading /proc/self. */
#include "exporter/self.h"

#include "libmemhist/proc/parse.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

/* A small file of /proc into `buf`. Returns its length or -errno. */
static ssize_t read_small(const char *path, char *buf, size_t size)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	ssize_t n;

	if (fd < 0)
		return -errno;
	n = read(fd, buf, size);
	if (n < 0)
		n = -errno;
	close(fd);
	return n;
}

static int read_stat(struct self *s)
{
	char text[1024];
	struct mh_stat stat;
	ssize_t n = read_small("/proc/self/stat", text, sizeof(text));
	int rc = n < 0 ? (int)n : mh_parse_stat(text, (size_t)n, &stat);

	if (rc)
		return rc;
	s->threads = stat.num_threads;
	if (!s->start_ms) {
		struct mh_instant now = mh_now();
		uint64_t age_ms = now.boot_ns / 1000000 -
				  stat.start_ticks * 1000 / (uint64_t)sysconf(_SC_CLK_TCK);

		s->start_ms = now.wall_ms - (mh_ms_t)age_ms;
	}
	return 0;
}

static int read_statm(struct self *s)
{
	char text[256];
	struct mh_statm statm;
	ssize_t n = read_small("/proc/self/statm", text, sizeof(text));
	uint64_t page_bytes = (uint64_t)sysconf(_SC_PAGESIZE);
	int rc = n < 0 ? (int)n : mh_parse_statm(text, (size_t)n, &statm);

	if (rc)
		return rc;
	s->resident_bytes = statm.rss_pages * page_bytes;
	s->virtual_bytes = statm.vsz_pages * page_bytes;
	return 0;
}

static int count_fds(uint64_t *ret)
{
	struct stat st;
	DIR *dir;
	uint64_t n = 0;

	/* Since Linux 6.2 the directory's size is the number of open descriptors. */
	if (!stat("/proc/self/fd", &st) && st.st_size > 0) {
		*ret = (uint64_t)st.st_size;
		return 0;
	}
	dir = opendir("/proc/self/fd");
	if (!dir)
		return -errno;
	for (const struct dirent *entry; (entry = readdir(dir)) != NULL;)
		n += entry->d_name[0] != '.';
	closedir(dir);
	*ret = n - 1; /* without the one for counting */
	return 0;
}

static double limit(int resource)
{
	struct rlimit rl;

	if (getrlimit(resource, &rl) || rl.rlim_cur == RLIM_INFINITY)
		return -1;
	return (double)rl.rlim_cur;
}

int self_read(struct self *s)
{
	struct timespec cpu;
	int rc = read_stat(s);

	if (!rc)
		rc = read_statm(s);
	if (!rc)
		rc = count_fds(&s->open_fds);
	if (rc)
		return rc;
	clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &cpu);
	s->cpu_seconds = (double)cpu.tv_sec + (double)cpu.tv_nsec / 1e9;
	s->virtual_max_bytes = limit(RLIMIT_AS);
	s->max_fds = limit(RLIMIT_NOFILE);
	return 0;
}
