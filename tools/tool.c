/* The frame of a command-line program: descriptors, messages, signals, exit status. */
#include "tools/tool.h"

#include "libmemhist/base/escape.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <unistd.h>

enum { SENTENCE_MAX = 8192 };

/* The signal that was caught; 0 = none. A signal handler can only write to a global. */
static volatile sig_atomic_t caught;

void tool_init(void)
{
	/* the wrong way round, so that using a closed descriptor still fails */
	static const int flags[] = {
		[STDIN_FILENO] = O_WRONLY, [STDOUT_FILENO] = O_RDONLY, [STDERR_FILENO] = O_RDONLY};

	/* in ascending order: open(2) takes the lowest that is free */
	for (int fd = STDIN_FILENO; fd <= STDERR_FILENO; fd++)
		if (fcntl(fd, F_GETFD) < 0 && open("/dev/null", flags[fd]) < 0)
			break;
	signal(SIGPIPE, SIG_IGN);
	signal(SIGXFSZ, SIG_IGN);
}

void tool_say(const char *who, const char *fmt, ...)
{
	struct mh_buf line = MH_BUF_INIT(SENTENCE_MAX);
	char sentence[2048];
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(sentence, sizeof(sentence), fmt, ap);
	va_end(ap);
	mh_buf_printf(&line, "%s: ", who);
	mh_escape_terminal(&line, sentence, strlen(sentence));
	mh_buf_addc(&line, '\n');
	fputs(mh_buf_str(&line), stderr);
	mh_buf_done(&line);
}

static int status_of(int rc)
{
	switch (-rc) {
	case EDOM:
		return STATUS_USAGE;
	case ENODATA:
		return STATUS_NO_DATA;
	case EBADMSG:
		return STATUS_DAMAGED;
	default:
		return STATUS_OTHER;
	}
}

int tool_fail(const char *who, int rc, const struct mh_err *err)
{
	if (rc == -EPIPE)
		return STATUS_OK;
	if (rc != -EINTR)
		tool_say(who, "%s", err->text);
	return status_of(rc);
}

static void catch_signal(int signal_number)
{
	caught = signal_number;
}

void tool_catch_signals(void)
{
	static const int signals[] = {SIGINT, SIGTERM, SIGHUP};
	struct sigaction action = {.sa_handler = catch_signal, .sa_flags = SA_RESETHAND};

	for (size_t i = 0; i < sizeof(signals) / sizeof(signals[0]); i++) {
		struct sigaction was;

		/* nohup(1) and shells' background jobs ignore some of them on purpose */
		if (!sigaction(signals[i], NULL, &was) && was.sa_handler != SIG_IGN)
			sigaction(signals[i], &action, NULL);
	}
}

int tool_interrupted(void)
{
	return caught;
}

int tool_end(const char *who, int status)
{
	if (caught) {
		signal(caught, SIG_DFL);
		raise(caught);
	}
	/* an error may have come earlier, or come only now */
	if ((ferror(stdout) || fflush(stdout)) && errno != EPIPE) {
		struct mh_err err;

		mh_err_sys(&err, -errno, "cannot write standard output");
		return tool_fail(who, -EIO, &err);
	}
	return status;
}
