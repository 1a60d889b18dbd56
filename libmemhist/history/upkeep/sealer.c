/*
 * The program that seals, from its start to its end. What it says on standard error is read while
 * it runs, so that it never waits for us, and the beginning is kept for a sentence.
 *
 * A zombie holds its number until we ask for it, so the number in `pid` is that of our child and of
 * nobody else. Where SIGCHLD is ignored, or somebody waits for all children, the number may be lost
 * before; then the end is not known, and what it said decides.
 */
#include "libmemhist/history/upkeep/sealer.h"

#include "libmemhist/base/timespec.h"
#include "libmemhist/history/dir.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <signal.h>
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

enum {
	LOOK_MS = 200, /* how often it is looked after while it runs */
	STATUS_DAMAGED = 5,
	DESCRIPTORS_KEPT = 3,
	FIXED_WORDS = 8,
	LISTEN_MAX = 64, /* pieces at a time */
};

#define ROOM_WORD "--max-temporary="

static const uint64_t NS_PER_MS = 1000000;
static const uint64_t NEVER = UINT64_MAX;

struct mh_sealer {
	struct mh_sealer_config config;
	char *program, *dir_path;
	const char *argv[FIXED_WORDS + MH_PLACES_MAX + 1]; /* what it is called with */
	char *allowed[MH_PLACES_MAX];                      /* words of it */
	size_t n_allowed;
	char room[sizeof(ROOM_WORD) + 20];
	pid_t pid;  /* 0 = none runs */
	int out_fd; /* what it says */
	bool is_asked;
	uint64_t started_ns, due_ns; /* not before */
	uint32_t wait_ms;            /* from one to the next */
	bool is_ended_by_us;
	char said[sizeof(((struct mh_err *)0)->text)]; /* its first sentences */
	size_t n_said;
	struct mh_sealer_status status;
};

/* How far it has come. */
static void count(struct mh_sealer *s)
{
	struct mh_segment_list list = {0};
	int fd = mh_dir_open(s->dir_path, NULL);

	if (fd < 0)
		return;
	if (!mh_dir_list(fd, &list)) {
		s->status.open_segments = s->status.sealed_segments = 0;
		for (size_t i = 0; i < list.n; i++)
			list.file[i].is_sealed ? s->status.sealed_segments++
					       : s->status.open_segments++;
	}
	mh_dir_list_done(&list);
	close(fd);
}

/* The room changes from run to run. */
static int make_words(struct mh_sealer *s)
{
	const struct mh_places *places = s->config.places;
	const char *const fixed[FIXED_WORDS] = {"memhist", "seal",  "--merge",   "--background",
						"--quiet", s->room, "--history", s->dir_path};

	memcpy(s->argv, fixed, sizeof(fixed));
	for (size_t i = 0; places && i < places->n; i++) {
		if (asprintf(&s->allowed[i], "--allowed-output-path=%s", places->dir[i]) < 0)
			return -ENOMEM;
		s->argv[FIXED_WORDS + i] = s->allowed[i];
		s->n_allowed++;
	}
	s->config.places = NULL; /* the caller's */
	return 0;
}

int mh_sealer_new(struct mh_sealer **ret, const struct mh_sealer_config *config, struct mh_err *err)
{
	struct mh_sealer *s;

	if (config->program[0] != '/')
		return mh_errf(err, -EINVAL, "'%s' is no absolute path", config->program);
	s = calloc(1, sizeof(*s));
	if (!s)
		return mh_err_sys(err, -ENOMEM, "cannot seal %s", config->dir_path);
	s->config = *config;
	s->out_fd = -1;
	if (!(s->program = strdup(config->program)) || !(s->dir_path = strdup(config->dir_path)) ||
	    make_words(s)) {
		mh_sealer_free(s);
		return mh_err_sys(err, -ENOMEM, "cannot seal %s", config->dir_path);
	}
	if (!s->config.every_ms)
		s->config.every_ms = MH_SEALER_EVERY_MS;
	if (!s->config.wait_ms)
		s->config.wait_ms = MH_SEALER_WAIT_MS;
	if (!s->config.timeout_ms)
		s->config.timeout_ms = MH_SEALER_TIMEOUT_MS;
	s->wait_ms = s->config.every_ms;
	count(s);
	*ret = s;
	return 0;
}

/* Something that people should hear of, unless it is what they heard last. */
static void tell(struct mh_sealer *s, const struct mh_err *err)
{
	if (!strcmp(s->status.trouble.text, err->text))
		return;
	s->status.trouble = *err;
	s->status.troubles++;
}

static void failed(struct mh_sealer *s, uint64_t now_ns, const struct mh_err *err)
{
	s->status.failures++;
	s->wait_ms = s->wait_ms < s->config.wait_ms / 2 ? s->wait_ms * 2 : s->config.wait_ms;
	s->due_ns = now_ns + s->wait_ms * NS_PER_MS;
	s->is_asked = true; /* it is still to be done */
	tell(s, err);
}

/* --- starting ----------------------------------------------------------------------------- */

/* As if it were the only program there is. */
static int set_attributes(posix_spawnattr_t *attr)
{
	sigset_t none, all;
	int rc = posix_spawnattr_init(attr);

	if (rc)
		return -rc;
	sigemptyset(&none);
	sigfillset(&all);
	posix_spawnattr_setsigmask(attr, &none);
	posix_spawnattr_setsigdefault(attr, &all);
	posix_spawnattr_setpgroup(attr, 0);
	return -posix_spawnattr_setflags(attr, POSIX_SPAWN_SETSIGMASK | POSIX_SPAWN_SETSIGDEF |
						       POSIX_SPAWN_SETPGROUP);
}

/* Descriptors 0 to 2, and no other: not every part of a daemon opens its own with O_CLOEXEC. */
static int set_files(posix_spawn_file_actions_t *files, int out_fd)
{
	int rc = posix_spawn_file_actions_init(files);

	if (rc)
		return -rc;
	rc = posix_spawn_file_actions_addopen(files, 0, "/dev/null", O_RDONLY, 0);
	if (!rc)
		rc = posix_spawn_file_actions_addopen(files, 1, "/dev/null", O_WRONLY, 0);
	if (!rc)
		rc = posix_spawn_file_actions_adddup2(files, out_fd, 2);
#ifdef HAVE_POSIX_SPAWN_FILE_ACTIONS_ADDCLOSEFROM_NP
	if (!rc)
		rc = posix_spawn_file_actions_addclosefrom_np(files, DESCRIPTORS_KEPT);
#endif
	if (rc)
		posix_spawn_file_actions_destroy(files);
	return -rc;
}

static int spawn(struct mh_sealer *s, int out_fd, uint64_t room_bytes)
{
	const char *envp[] = {"LC_ALL=C.UTF-8", "MEMHIST_CONFIG=", NULL};
	posix_spawn_file_actions_t files;
	posix_spawnattr_t attr;
	int rc = set_attributes(&attr);

	if (rc)
		return rc;
	/* the largest number that the option takes */
	snprintf(s->room, sizeof(s->room), ROOM_WORD "%" PRIu64,
		 room_bytes < INT64_MAX ? room_bytes : (uint64_t)INT64_MAX);
	rc = set_files(&files, out_fd);
	if (!rc) {
		rc = -posix_spawn(&s->pid, s->program, &files, &attr, (char **)s->argv,
				  (char **)envp);
		posix_spawn_file_actions_destroy(&files);
	}
	posix_spawnattr_destroy(&attr);
	return rc;
}

/* A pipe of which no end is one of the first three descriptors: those are set in the child. */
static int open_pipe(int fd[2])
{
	int low[2];

	if (pipe2(low, O_CLOEXEC | O_NONBLOCK))
		return -errno;
	for (int i = 0; i < 2; i++) {
		fd[i] = fcntl(low[i], F_DUPFD_CLOEXEC, DESCRIPTORS_KEPT);
		close(low[i]);
	}
	if (fd[0] >= 0 && fd[1] >= 0 && fcntl(fd[1], F_SETFL, 0) == 0)
		return 0; /* who writes waits, as programs expect */
	for (int i = 0; i < 2; i++)
		if (fd[i] >= 0)
			close(fd[i]);
	return -EMFILE;
}

static void start(struct mh_sealer *s, uint64_t now_ns, uint64_t room_bytes)
{
	struct mh_err reason, err;
	int fd[2] = {-1, -1};
	int rc = open_pipe(fd);

	s->started_ns = now_ns;
	s->is_asked = s->is_ended_by_us = false;
	s->n_said = 0;
	if (!rc) {
		rc = spawn(s, fd[1], room_bytes);
		close(fd[1]);
		s->out_fd = fd[0];
	}
	if (!rc) {
		s->status.is_running = true;
		return;
	}
	s->pid = 0;
	if (s->out_fd >= 0)
		close(s->out_fd);
	s->out_fd = -1;
	mh_err_sys(&reason, rc, "%s is not sealed: cannot run %s", s->dir_path, s->program);
	mh_errf(&err, 0, "%s%s", reason.text,
		rc == -ENOENT || rc == -EACCES ? ": install it, or say by --history.sealer or "
						 "HistorySealer where it is, or "
						 "that there is none"
					       : "");
	count(s);
	failed(s, now_ns, &err);
}

/* --- while it runs -------------------------------------------------------------------------- */

/* Read what it says, and keep the beginning. */
static void listen_to(struct mh_sealer *s)
{
	char piece[512];
	ssize_t n;

	for (int i = 0; i < LISTEN_MAX && (n = read(s->out_fd, piece, sizeof(piece))) > 0; i++) {
		size_t room = sizeof(s->said) - 1 - s->n_said;
		size_t kept = (size_t)n < room ? (size_t)n : room;

		memcpy(s->said + s->n_said, piece, kept);
		s->n_said += kept;
	}
}

/* Its sentences as one: lines become "; ". */
static void join_lines(struct mh_sealer *s, struct mh_err *ret)
{
	char joined[2 * sizeof(s->said)] = "";
	char *rest = s->said, *line;

	s->said[s->n_said] = '\0';
	while ((line = strsep(&rest, "\n"))) {
		size_t len = strlen(joined);

		if (*line)
			snprintf(joined + len, sizeof(joined) - len, "%s%s", len ? "; " : "", line);
	}
	mh_errf(ret, 0, "%s", joined);
}

/* It has ended; `status` is that of waitpid(2), -1 when somebody else got it. */
static void take_end(struct mh_sealer *s, uint64_t now_ns, int status)
{
	struct mh_err said, err;

	s->pid = 0;
	close(s->out_fd);
	s->out_fd = -1;
	s->status.is_running = false;
	s->status.runs++;
	count(s);
	s->due_ns = s->started_ns + s->config.every_ms * NS_PER_MS;
	join_lines(s, &said);
	if (s->is_ended_by_us)
		mh_errf(&err, 0, "%s is not sealed: %s took longer than %" PRIu32 " s", s->dir_path,
			s->program, s->config.timeout_ms / 1000);
	else if (status < 0)
		mh_errf(&err, 0, "%s", said.text); /* as far as one can know */
	else if (WIFSIGNALED(status))
		mh_errf(&err, 0, "%s is not sealed: %s died of signal %d", s->dir_path, s->program,
			WTERMSIG(status));
	else if (WEXITSTATUS(status) && !said.text[0])
		mh_errf(&err, 0, "%s is not sealed: %s ended with exit status %d", s->dir_path,
			s->program, WEXITSTATUS(status));
	else
		err = said;
	if (s->is_ended_by_us ||
	    (status > 0 && (WIFSIGNALED(status) || WEXITSTATUS(status) != STATUS_DAMAGED))) {
		failed(s, now_ns, &err);
		return;
	}
	s->wait_ms = s->config.every_ms;
	if (err.text[0])
		tell(s, &err);
	else
		s->status.trouble.text[0] = '\0'; /* should it come back, it is news */
}

/* See whether it has ended. */
static void look(struct mh_sealer *s, uint64_t now_ns)
{
	int status;
	pid_t pid = waitpid(s->pid, &status, WNOHANG);

	listen_to(s);
	if (pid == s->pid)
		take_end(s, now_ns, status);
	else if (pid < 0 && errno == ECHILD)
		take_end(s, now_ns, -1);
}

uint64_t mh_sealer_tend(struct mh_sealer *s, uint64_t now_ns, uint64_t room_bytes)
{
	if (s->pid)
		look(s, now_ns);
	if (s->pid && now_ns - s->started_ns > s->config.timeout_ms * NS_PER_MS) {
		s->is_ended_by_us = true;
		kill(s->pid, SIGKILL);
	}
	if (!s->pid && s->is_asked && now_ns >= s->due_ns)
		start(s, now_ns, room_bytes);
	if (s->pid)
		return now_ns + LOOK_MS * NS_PER_MS;
	return s->is_asked ? s->due_ns : NEVER;
}

void mh_sealer_ask(struct mh_sealer *s)
{
	s->is_asked = true;
}

void mh_sealer_stop(struct mh_sealer *s)
{
	s->is_asked = false;
	if (s->pid)
		kill(s->pid, SIGTERM);
}

static void wait_for_end(struct mh_sealer *s)
{
	for (int ms = 0; s->pid && ms < MH_SEALER_END_MS; ms += 10) {
		look(s, 0);
		if (s->pid)
			usleep(10 * 1000);
	}
}

void mh_sealer_free(struct mh_sealer *s)
{
	if (!s)
		return;
	mh_sealer_stop(s);
	wait_for_end(s);
	if (s->pid) {
		kill(s->pid, SIGKILL);
		wait_for_end(s); /* but for a disk that does not answer */
	}
	if (s->out_fd >= 0)
		close(s->out_fd);
	for (size_t i = 0; i < s->n_allowed; i++)
		free(s->allowed[i]);
	free(s->program);
	free(s->dir_path);
	free(s);
}

void mh_sealer_status(const struct mh_sealer *s, struct mh_sealer_status *ret)
{
	*ret = s->status;
}
