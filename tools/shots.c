/*
 * The pass over such a directory: times first, since names need not be in order of time (a clock
 * that is put back, zones), then one instant after the other.
 */
#include "tools/shots.h"

#include "libmemhist/base/strset.h"
#include "tools/human.h"
#include "tools/intake.h"
#include "tools/tool.h"

#include <dirent.h>
#include <errno.h>
#include <inttypes.h>
#include <libgen.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

enum { SAID_MAX = 5, FILES_MAX = 1 << 24, TEXT_MAX = 2 * SHOT_FILE_MAX };

static const mh_ms_t WALL_MS_MAX = INT64_MAX / 1000000; /* as nanoseconds */

struct file {
	char *name;
	mh_ms_t wall_ms;
	int kind;
};

/* What was seen last of a pid. */
struct last {
	uint32_t hash; /* of its command */
	uint32_t twin;
	bool is_known;
};

struct pass {
	struct import_job *job;
	const struct shot_format *format;
	char *folder;
	struct file *file;
	size_t n, cap;
	struct last *last; /* by pid; pages of it come to be as pids do */
	struct shot shot;
	struct mh_meminfo meminfo; /* of the instant that is being taken in */
	struct intake intake;
	char host[65];
	uint64_t n_left_out;
	bool has_main; /* files of kind 0, which have the processes */
};

/* --- shots ------------------------------------------------------------------------------- */

int shot_add(struct shot *s, const char *path, struct shot_item **ret, struct mh_err *err)
{
	size_t cap = s->cap ? s->cap * 2 : 1024;
	struct shot_item *item;

	if (s->n == MH_PROCESSES_MAX)
		return mh_errf(err, -EINVAL, "%s lists more than %d processes", path,
			       MH_PROCESSES_MAX);
	if (s->n == s->cap) {
		item = reallocarray(s->item, cap, sizeof(*item));
		if (!item)
			return -ENOMEM;
		s->item = item;
		s->cap = cap;
	}
	item = &s->item[s->n++];
	*item = (struct shot_item){.uid = SHOT_UID_UNKNOWN};
	*ret = item;
	return 0;
}

size_t shot_text(struct shot *s, const char *bytes, size_t len)
{
	size_t at = s->text.len;

	s->text.max = TEXT_MAX;
	mh_buf_add(&s->text, bytes, len);
	return at;
}

static void clear_shot(struct shot *s)
{
	s->n = 0;
	s->fields = 0;
	s->host[0] = '\0';
	s->has_meminfo = false;
	mh_buf_clear(&s->text);
}

int shot_read(struct mh_buf *ret, const char *path, struct mh_err *err)
{
	struct input *in;
	long n = 0;
	int rc = input_open(&in, path, err);

	if (rc)
		return rc == -ENOMEM ? rc : -EINVAL;
	ret->max = SHOT_FILE_MAX + 1;
	do {
		size_t room = SHOT_FILE_MAX + 1 - ret->len < 65536 ? SHOT_FILE_MAX + 1 - ret->len
								   : 65536;
		char *to = room ? mh_buf_reserve(ret, room) : NULL;

		if (!to) {
			rc = mh_errf(err, -EINVAL, "%s is larger than %d MiB", path,
				     SHOT_FILE_MAX >> 20);
			break;
		}
		n = input_read(in, to, room, err);
		if (n > 0)
			ret->len += (size_t)n;
	} while (n > 0);
	input_close(in);
	if (n < 0)
		rc = n == -EINTR ? -EINTR : -EINVAL;
	return rc;
}

/* --- which files ------------------------------------------------------------------------- */

static int add_file(struct pass *p, const char *name, int kind)
{
	size_t cap = p->cap ? p->cap * 2 : 256;
	struct file *file;

	if (p->n == FILES_MAX)
		return -EOVERFLOW;
	if (p->n == p->cap) {
		file = reallocarray(p->file, cap, sizeof(*file));
		if (!file)
			return -ENOMEM;
		p->file = file;
		p->cap = cap;
	}
	p->file[p->n] = (struct file){strdup(name), 0, kind};
	if (!p->file[p->n].name)
		return -ENOMEM;
	p->n++;
	p->has_main |= !kind;
	return 0;
}

static int list_folder(struct pass *p, struct mh_err *err)
{
	DIR *dir = opendir(p->folder);
	struct dirent *entry;
	int rc = 0;

	if (!dir)
		return mh_err_sys(err, -errno, "cannot read %s", p->folder);
	while (!rc && (entry = readdir(dir))) {
		int kind = p->format->kind(entry->d_name);

		if (kind >= 0)
			rc = add_file(p, entry->d_name, kind);
	}
	closedir(dir);
	return rc ? mh_err_sys(err, rc, "cannot list %s", p->folder) : 0;
}

/* The source is a folder, or one file of one. */
static int list_files(struct pass *p, struct mh_err *err)
{
	const char *source = p->job->source;
	char *copy = strdup(source);
	struct stat st;
	int rc = 0;

	if (!copy)
		return mh_err_sys(err, -ENOMEM, "cannot import %s", source);
	if (stat(source, &st))
		rc = mh_err_sys(err, -errno, "cannot read %s", source);
	else if (!S_ISDIR(st.st_mode))
		p->folder = strdup(dirname(copy));
	else
		p->folder = strdup(source);
	if (!rc && !p->folder)
		rc = mh_err_sys(err, -ENOMEM, "cannot import %s", source);
	if (!rc && S_ISDIR(st.st_mode)) {
		rc = list_folder(p, err);
	} else if (!rc) {
		const char *slash = strrchr(source, '/'), *name = slash ? slash + 1 : source;
		int kind = p->format->kind(name);

		if (kind < 0 && p->format->any_name)
			kind = 0;
		if (kind < 0)
			rc = mh_errf(err, -EINVAL, "%s is not called %s", source, p->format->what);
		else if (add_file(p, name, kind))
			rc = mh_err_sys(err, -ENOMEM, "cannot import %s", source);
	}
	free(copy);
	if (!rc && !p->n)
		rc = mh_errf(err, -ENODATA, "%s holds no file called %s", source, p->format->what);
	return rc;
}

static void leave_out(struct pass *p, const char *sentence)
{
	if (p->n_left_out++ < SAID_MAX)
		tool_say(p->job->who, "%s: left out", sentence);
}

static int load(struct pass *p, const struct file *file, struct shot *s, mh_ms_t *ret_ms,
		struct mh_err *err)
{
	char *path;
	int rc;

	if (asprintf(&path, "%s/%s", p->folder, file->name) < 0)
		return -ENOMEM;
	rc = p->format->load(s, path, file->name, p->job->utc, ret_ms, err);
	free(path);
	return rc;
}

static int by_time(const void *a, const void *b)
{
	const struct file *x = a, *y = b;

	if (x->wall_ms != y->wall_ms)
		return x->wall_ms < y->wall_ms ? -1 : 1;
	if (x->kind != y->kind)
		return x->kind - y->kind;
	return strcmp(x->name, y->name);
}

static int find_times(struct pass *p, struct mh_err *err)
{
	size_t kept = 0;
	int rc = 0;

	for (size_t i = 0; i < p->n && !rc; i++) {
		struct file file = p->file[i];

		rc = load(p, &file, NULL, &file.wall_ms, err);
		if (!rc && (file.wall_ms < 0 || file.wall_ms > WALL_MS_MAX))
			rc = mh_errf(err, -EINVAL, "%s/%s is not of the years 1970 to 2262",
				     p->folder, file.name);
		if (rc == -EINVAL) {
			leave_out(p, err->text);
			free(file.name);
			p->file[i].name = NULL;
			rc = 0;
			continue;
		}
		p->file[i].name = NULL;
		p->file[kept++] = file;
		progress_show(p->job->progress, i, 2 * p->n);
		if (tool_interrupted())
			rc = -EINTR;
	}
	if (rc == -ENOMEM)
		return mh_err_sys(err, rc, "cannot import %s", p->job->source);
	if (rc)
		return rc;
	p->n = kept;
	if (!kept)
		return mh_errf(err, -ENODATA, "%s holds nothing that can be read", p->job->source);
	qsort(p->file, p->n, sizeof(*p->file), by_time);
	return 0;
}

/* --- into the history -------------------------------------------------------------------- */

/* The program's name, out of a command as ps prints it. */
static void program_of(const char *command, size_t len, const char **ret, size_t *ret_len)
{
	const char *blank = memchr(command, ' ', len), *slash;
	size_t n = blank ? (size_t)(blank - command) : len;

	slash = memrchr(command, '/', n);
	if (slash && command[0] == '/') {
		n -= (size_t)(slash + 1 - command);
		command = slash + 1;
	}
	/* "nginx: worker process" */
	if (n > 1 && command[n - 1] == ':')
		n--;
	*ret = command;
	*ret_len = n;
}

static void names_of(const struct shot *s, const struct shot_item *item, struct mh_names *ret)
{
	const char *command = s->text.data + item->command;
	size_t len = item->command_len;

	*ret = (struct mh_names){.ppid = item->ppid, .uid = item->uid};
	if (len > 1 && command[0] == '[' && command[len - 1] == ']') {
		/* without a command line ps shows the name in brackets */
		ret->comm = command + 1;
		ret->comm_len = len - 2;
		return;
	}
	ret->cmdline = command;
	ret->cmdline_len = len;
	ret->comm = s->text.data + item->program;
	ret->comm_len = item->program_len;
	if (!item->program_len)
		program_of(command, len, &ret->comm, &ret->comm_len);
}

static struct mh_identity identity_of(struct pass *p, const struct shot_item *item)
{
	struct last *last = &p->last[item->pid];
	uint32_t hash = mh_hash_bytes(p->shot.text.data + item->command, item->command_len);

	if (last->is_known && last->hash != hash)
		last->twin++;
	last->is_known = true;
	last->hash = hash;
	return (struct mh_identity){.pid = item->pid, .twin = last->twin};
}

static int by_pid(const void *a, const void *b)
{
	const struct shot_item *x = a, *y = b;

	return x->pid < y->pid ? -1 : x->pid > y->pid;
}

/* Whether the shot can go in as a whole. */
static int check_shot(struct pass *p, const struct file *file, struct mh_err *err)
{
	struct shot *s = &p->shot;

	if (s->text.error)
		return mh_err_sys(err, -EINVAL, "%s/%s is too large", p->folder, file->name);
	if (s->n)
		qsort(s->item, s->n, sizeof(*s->item), by_pid);
	for (size_t i = 1; i < s->n; i++)
		if (s->item[i].pid == s->item[i - 1].pid)
			return mh_errf(err, -EINVAL, "%s/%s lists pid %" PRIu32 " twice", p->folder,
				       file->name, s->item[i].pid);
	if (!s->host[0] || p->job->is_host_given)
		return 0;
	if (!p->host[0]) {
		memcpy(p->host, s->host, sizeof(p->host));
		p->job->host = p->host;
	}
	if (strcmp(p->host, s->host) != 0)
		return mh_errf(err, -EXDEV,
			       "%s/%s is of the machine %s, those before it of %s: put them into "
			       "directories of their own, or say --host",
			       p->folder, file->name, s->host, p->host);
	return 0;
}

static int take_shot(struct pass *p, const struct file *file, struct mh_err *err)
{
	const struct shot *s = &p->shot;
	struct mh_instant at = {.wall_ms = file->wall_ms,
				.boot_ns = (mh_boot_ns_t)file->wall_ms * 1000000};
	int rc = intake_begin(&p->intake, &at, NULL, err);

	if (rc)
		return rc;
	p->intake.fields = s->fields;
	p->meminfo = s->meminfo;
	p->intake.meminfo = s->has_meminfo ? &p->meminfo : NULL;
	for (size_t i = 0; i < s->n && !rc; i++) {
		const struct shot_item *item = &s->item[i];
		uint64_t value[MH_FIELD_COUNT] = {
			[MH_FIELD_RSS] = item->rss_kib,
			[MH_FIELD_VSZ] = item->vsz_kib,
		};
		struct mh_identity id = identity_of(p, item);
		struct mh_names names;

		names_of(s, item, &names);
		if (memchr(names.comm, 0, names.comm_len))
			names.comm_len = strlen(names.comm);
		rc = intake_process(&p->intake, &id, &names, value, file->name, err);
	}
	return rc;
}

/* The files of one instant, from the i-th on: how many there are. */
static size_t group_at(const struct pass *p, size_t i)
{
	size_t n = 1;

	while (i + n < p->n && p->file[i + n].kind != p->file[i].kind && n < 2 &&
	       p->file[i + n].wall_ms - p->file[i].wall_ms <= p->format->together_ms)
		n++;
	return n;
}

/* Returns 0, -EINVAL (to be left out) or another error. */
static int load_group(struct pass *p, const struct file *file, size_t n, const struct file **ret,
		      struct mh_err *err)
{
	const struct file *main = NULL;
	mh_ms_t wall_ms;

	clear_shot(&p->shot);
	for (size_t i = 0; i < n; i++) {
		int rc = load(p, &file[i], &p->shot, &wall_ms, err);

		if (rc)
			return rc;
		if (!main || !file[i].kind)
			main = &file[i];
	}
	*ret = main;
	if (main->kind && p->has_main)
		return mh_errf(err, -EINVAL, "%s/%s is of no instant that processes are known of",
			       p->folder, main->name);
	return check_shot(p, main, err);
}

static int take_group(struct pass *p, size_t i, size_t n, struct mh_err *err)
{
	const struct file *main;
	int rc = load_group(p, &p->file[i], n, &main, err);

	if (!rc && p->intake.is_begun && main->wall_ms <= p->intake.at.wall_ms)
		rc = mh_errf(err, -EINVAL, "%s/%s is of the same time as the file before it",
			     p->folder, main->name);
	if (rc == -EINVAL) {
		leave_out(p, err->text);
		return 0;
	}
	return rc ? rc : take_shot(p, main, err);
}

static int take_all(struct pass *p, struct mh_err *err)
{
	int rc = 0;

	for (size_t i = 0, n; i < p->n && !rc; i += n) {
		n = group_at(p, i);
		rc = take_group(p, i, n, err);
		progress_show(p->job->progress, p->n + i, 2 * p->n);
		if (!rc && tool_interrupted())
			rc = -EINTR;
	}
	if (rc == -ENOMEM)
		return mh_err_sys(err, rc, "cannot import %s", p->job->source);
	if (rc)
		return rc;
	if (!p->intake.is_begun)
		return mh_errf(err, -ENODATA, "%s holds nothing that can be read", p->job->source);
	return intake_finish(&p->intake, err);
}

int import_shots(struct import_job *job, const struct shot_format *format, struct mh_err *err)
{
	struct pass p = {.job = job, .format = format};
	const char *host = job->host;
	int rc = list_files(&p, err);

	if (!rc) {
		p.last = calloc(MH_PID_MAX + 1, sizeof(*p.last));
		if (!p.last)
			rc = mh_err_sys(err, -ENOMEM, "cannot import %s", job->source);
	}
	if (!rc)
		rc = intake_open(&p.intake, job, err);
	if (!rc)
		rc = find_times(&p, err);
	if (!rc)
		rc = take_all(&p, err);
	if (p.n_left_out > SAID_MAX)
		tool_say(job->who, "%" PRIu64 " more file%s left out", p.n_left_out - SAID_MAX,
			 p.n_left_out - SAID_MAX == 1 ? " is" : "s are");
	job->n_left_out = p.n_left_out;
	job->host = host;
	intake_done(&p.intake);
	for (size_t i = 0; i < p.n; i++)
		free(p.file[i].name);
	free(p.file);
	free(p.last);
	free(p.folder);
	free(p.shot.item);
	mh_buf_done(&p.shot.text);
	return rc;
}
