/*
 * What all command-line programs share: exit status, how they speak, how they are interrupted.
 */
#ifndef MEMHIST_TOOLS_TOOL_H
#define MEMHIST_TOOLS_TOOL_H

#include "libmemhist/base/err.h"

/* Where the collectd plugin and the exporter keep their history unless told otherwise. */
#define DEFAULT_HISTORY "/var/lib/memhist"

/* Exit status of every program, documented in the manual pages. */
enum exit_status {
	STATUS_OK = 0,
	STATUS_OTHER = 1,   /* something failed; the sentence says what */
	STATUS_USAGE = 2,   /* the command line does not make sense */
	STATUS_NO_DATA = 3, /* nothing there for what was asked */
	STATUS_PARTIAL = 4, /* done in part: something could not be read */
	STATUS_DAMAGED = 5, /* the history has damaged places; what is readable was used */
};

/*
 * To be called first: standard descriptors that are closed are filled, so that no file we open can
 * be taken for one of them, and a reader that goes away or a limit of file size is an error code,
 * not a signal.
 */
void tool_init(void);

/* "WHO: sentence" on standard error. Whatever the sentence holds, it cannot move the cursor. */
void tool_say(const char *who, const char *fmt, ...) __attribute__((format(printf, 2, 3)));

/*
 * Say err->text and return the exit status for `rc`, a negative errno: -EDOM (an option asks for
 * what must not be), -ENODATA and -EBADMSG have one of their own. Silent for -EPIPE (the
 * reader of our output had enough: STATUS_OK) and -EINTR (see tool_end()).
 */
int tool_fail(const char *who, int rc, const struct mh_err *err);

/*
 * From now on SIGINT, SIGTERM and SIGHUP only raise a flag: long loops ask tool_interrupted(),
 * return -EINTR and clean up on the way out. The same signal a second time ends us at once.
 */
void tool_catch_signals(void);
int tool_interrupted(void);

/*
 * The last call of main(): dies of the signal that was caught; else returns `status`, or
 * STATUS_OTHER when what was printed to standard output could not be written.
 */
int tool_end(const char *who, int status);

#endif
