/* What a source is: a directory by the names in it, a file by its first bytes. */
#include "tools/shots.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>

enum { LOOK_BYTES = 4096 };

#ifndef HAVE_JSON
int import_json(struct import_job *job, struct mh_err *err)
{
	return mh_errf(err, -ENOSYS,
		       "%s: this memhist was built without the library that reads JSON (json-c)",
		       job->source);
}

static int json_kind(const char *name)
{
	return strncmp(name, "memory_", 7) ? -1 : 0;
}
#else
#define json_kind shots_json.kind
#endif

static const char *of_folder(const char *source, struct mh_err *err)
{
	DIR *dir = opendir(source);
	struct dirent *entry;
	size_t n_json = 0, n_inspector = 0;

	if (!dir) {
		mh_err_sys(err, -errno, "cannot read %s", source);
		return NULL;
	}
	while ((entry = readdir(dir))) {
		n_json += json_kind(entry->d_name) >= 0;
		n_inspector += shots_inspector.kind(entry->d_name) >= 0;
	}
	closedir(dir);
	if (n_json && n_inspector)
		mh_errf(err, -EINVAL,
			"%s holds recordings of two kinds: say --from json or "
			"--from inspector",
			source);
	else if (!n_json && !n_inspector)
		mh_errf(err, -EINVAL,
			"%s holds neither memory_*.json nor process_mem_*.csv nor "
			"sys_mem_*.csv",
			source);
	else
		return n_json ? "json" : "inspector";
	return NULL;
}

/* The first bytes, decompressed. */
static const char *of_file(const char *source, struct mh_err *err)
{
	const char *slash = strrchr(source, '/'), *name = slash ? slash + 1 : source;
	char bytes[LOOK_BYTES + 1];
	struct input *in;
	long n;

	if (input_open(&in, source, err))
		return NULL;
	n = input_read(in, bytes, LOOK_BYTES, err);
	input_close(in);
	if (n < 0)
		return NULL;
	bytes[n] = '\0';
	if (bytes[strspn(bytes, " \t\r\n")] == '{')
		return "json";
	if (shots_inspector.kind(name) >= 0 && (strstr(bytes, "RSS_MB") || strstr(bytes, "_MB,")))
		return "inspector";
	return "csv";
}

const char *import_recognise(const char *source, struct mh_err *err)
{
	struct stat st;

	/* standard input cannot be looked at twice; csv finds out by itself whether it is tsv */
	if (!strcmp(source, "-"))
		return "csv";
	if (!stat(source, &st) && S_ISDIR(st.st_mode))
		return of_folder(source, err);
	return of_file(source, err);
}
