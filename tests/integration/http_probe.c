/*
 * A client of HTTP for net_client.py: http_probe CONFIG STEP… does each step with one client.
 *
 *     URL         a GET; what came of it is a line on standard output
 *     post:URL    a POST of “hello”
 *     stream:URL  a GET whose body is counted as it comes
 *     wait        for a line on standard input
 *     cancel      from now on, a line on standard input cancels
 *     memory      the resident memory of this process, in KiB
 */
#include "libmemhist/config/http.h"
#include "libmemhist/net/client.h"

#include <inttypes.h>
#include <pthread.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

static int count(void *arg, const void *bytes, size_t len)
{
	uint64_t *n = arg;

	(void)bytes;
	*n += len;
	return 0;
}

static void ask(struct mh_client *c, const char *step)
{
	const char *const post[] = {"Content-Type: application/x-test", "X-Mine: yes", NULL};
	struct mh_request r = {.url = step};
	struct mh_answer a;
	struct mh_err err = {""};
	uint64_t n = 0;
	int rc;

	if (!strncmp(step, "post:", 5)) {
		r = (struct mh_request){
			.url = step + 5, .body = "hello", .body_len = 5, .header = post};
	} else if (!strncmp(step, "stream:", 7)) {
		r.url = step + 7;
		r.sink = count;
		r.arg = &n;
	}
	rc = mh_client_do(c, &r, &a, &err);
	printf("%d %d %" PRIi64 " %" PRIi64 " %d %zu %" PRIu64 " “%s” “%.*s” %s\n", rc, a.status,
	       a.retry_after_s, a.written_samples, a.is_cut, a.body_len, n, a.content_type,
	       (int)strcspn(a.body, "\n"), a.body, err.text);
}

static void *wait_to_cancel(void *arg)
{
	if (getchar() != EOF)
		mh_client_cancel(arg);
	return NULL;
}

static void show_memory(void)
{
	FILE *f = fopen("/proc/self/statm", "r");
	char line[128] = "";
	char *resident;

	if (!f)
		return;
	if (fgets(line, sizeof(line), f) && (resident = strchr(line, ' ')))
		printf("%llu\n",
		       strtoull(resident, NULL, 10) * (unsigned)sysconf(_SC_PAGESIZE) / 1024);
	fclose(f);
}

int main(int argc, char **argv)
{
	struct mh_client *c = NULL;
	struct mh_http_file file;
	struct mh_err err = {""};
	pthread_t thread;

	setvbuf(stdout, NULL, _IOLBF, 0);
	if (argc < 2 || mh_http_file_read(&file, argv[1], &err)) {
		fprintf(stderr, "%s\n", err.text);
		return 2;
	}
	for (int i = 2; i < argc; i++) {
		if (!strcmp(argv[i], "memory")) {
			show_memory();
			continue;
		}
		if (!c && mh_client_new(&c, &file.config, &err))
			return 1;
		if (!strcmp(argv[i], "wait"))
			getchar();
		else if (!strcmp(argv[i], "cancel"))
			pthread_create(&thread, NULL, wait_to_cancel, c);
		else
			ask(c, argv[i]);
	}
	for (int i = 2; i < argc; i++)
		if (!strcmp(argv[i], "cancel"))
			pthread_join(thread, NULL);
	mh_client_free(c);
	mh_http_file_done(&file);
	return 0;
}
