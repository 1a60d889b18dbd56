/*
 * What comes back of a request, taken in as it comes. For client.c.
 */
#ifndef MEMHIST_NET_ANSWER_H
#define MEMHIST_NET_ANSWER_H

#include "libmemhist/net/client.h"

enum { MH_ANSWER_HEADERS_MAX = 128 << 10, MH_ANSWER_DRAINED_MAX = 64 << 10 };

struct mh_answering {
	struct mh_answer *answer;
	int (*sink)(void *arg, const void *bytes, size_t len);
	void *arg;
	size_t header_bytes, dropped_bytes;
	int status;      /* of the header that comes */
	bool is_refused; /* its headers never end */
	bool is_enough;  /* its body never ends, and nobody wants more */
	int sink_rc;
};

void mh_answering_begin(struct mh_answering *a, struct mh_answer *answer,
			int (*sink)(void *arg, const void *bytes, size_t len), void *arg);

/* Of libcurl's kind: what is not taken ends the request. */
size_t mh_answering_header(char *bytes, size_t size, size_t n, void *arg);
size_t mh_answering_body(char *bytes, size_t size, size_t n, void *arg);

#endif
