/*
 * Loading objects of BPF programs with libbpf kept quiet, and saying in words why one was refused.
 *
 *     struct mh_bpf_load load;
 *
 *     mh_bpf_load_begin(&load);
 *     rc = …open, load, attach…
 *     rc = mh_bpf_load_end(&load, "BPF task iterator (Linux 6.7 or later)", rc, err);
 *
 * libbpf prints through one function for the whole process. It is ours only in between, so that
 * nothing of it reaches somebody else's terminal; its first complaint becomes part of our sentence.
 */
#ifndef MEMHIST_PROC_BPF_LOAD_H
#define MEMHIST_PROC_BPF_LOAD_H

#include "libmemhist/base/err.h"

#include <bpf/libbpf.h>

struct mh_bpf_load {
	libbpf_print_fn_t print; /* whose it was */
	char said[256];          /* the first complaint, or "" */
};

/* `load` stays where it is until _end, which is called by the same thread. */
void mh_bpf_load_begin(struct mh_bpf_load *load);

/*
 * `rc` is what became of it, 0 or -errno, and `what` names the thing and the Linux it needs.
 * Returns 0, or -errno and a sentence: -ENOTSUP (the kernel cannot), -EPERM
 * (no privilege), or what the kernel said.
 */
int mh_bpf_load_end(struct mh_bpf_load *load, const char *what, int rc, struct mh_err *err);

#endif
