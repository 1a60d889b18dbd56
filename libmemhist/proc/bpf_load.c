/* libbpf's messages, caught; and the reasons of a refusal. */
#include "libmemhist/proc/bpf_load.h"

#include <errno.h>
#ifdef __GLIBC__
#include <malloc.h>
#endif
#include <stdio.h>
#include <string.h>
#include <unistd.h>

/* What this thread loads now. */
static __thread struct mh_bpf_load *loading;

__attribute__((format(printf, 2, 0))) static int note_complaint(enum libbpf_print_level level,
								const char *fmt, va_list ap)
{
	if (level == LIBBPF_WARN && loading && !*loading->said) {
		vsnprintf(loading->said, sizeof(loading->said), fmt, ap);
		loading->said[strcspn(loading->said, "\n")] = '\0';
	}
	return 0;
}

void mh_bpf_load_begin(struct mh_bpf_load *load)
{
	load->said[0] = '\0';
	loading = load;
	load->print = libbpf_set_print(note_complaint);
}

int mh_bpf_load_end(struct mh_bpf_load *load, const char *what, int rc, struct mh_err *err)
{
	libbpf_set_print(load->print);
	loading = NULL;
#ifdef __GLIBC__
	/* the kernel's types, which libbpf has freed by now; the heap would keep their 10 MB */
	malloc_trim(0);
#endif
	if (!rc)
		return 0;
	if (access("/sys/kernel/btf/vmlinux", R_OK))
		return mh_errf(err, -ENOTSUP,
			       "%s: this kernel does not describe its types "
			       "(/sys/kernel/btf/vmlinux cannot be read)",
			       what);
	if (strstr(load->said, "ksym") && strstr(load->said, "not found"))
		return mh_errf(err, -ENOTSUP, "%s: this kernel does not have it", what);
	/* -EACCES, with all privileges, is what the verifier says */
	if (rc == -EPERM || (rc == -EACCES && geteuid()))
		return mh_errf(err, -EPERM,
			       "%s: not permitted; it needs CAP_BPF and CAP_PERFMON, and a kernel "
			       "that is not locked down",
			       what);
	return mh_err_sys(err, rc, "%s: the kernel refused it (%s)", what,
			  *load->said ? load->said : "no reason given");
}
