/*
 * libcurl, loaded when the first client is made. It brings some thirty libraries along, which cost
 * whoever is linked with it 5 MiB and 6 ms from the start on, also where nobody is ever asked.
 */
#ifndef MEMHIST_NET_CURL_H
#define MEMHIST_NET_CURL_H

#include "libmemhist/base/err.h"

#include <curl/curl.h>

/* What is used of it: curl_easy_setopt() is curl.easy_setopt(). */
/* clang-format off */
#define MH_CURL_FUNCTIONS(X) \
	X(easy_cleanup) X(easy_getinfo) X(easy_init) X(easy_reset) \
	X(easy_setopt) X(easy_strerror) X(free) X(global_cleanup) \
	X(global_init) X(multi_add_handle) X(multi_cleanup) X(multi_info_read) \
	X(multi_init) X(multi_perform) X(multi_poll) X(multi_remove_handle) \
	X(multi_setopt) X(multi_wakeup) X(slist_append) X(slist_free_all) \
	X(url) X(url_cleanup) X(url_get) X(url_set)
/* clang-format on */

struct mh_curl {
#define MH_CURL_MEMBER(name) __typeof__(&(curl_##name)) name;
	MH_CURL_FUNCTIONS(MH_CURL_MEMBER)
#undef MH_CURL_MEMBER
};

/* Once loaded it stays: libraries that it brings keep threads' data. Returns 0, or -ENOENT and a
 * sentence. */
int mh_curl_load(struct mh_curl *ret, struct mh_err *err);

#endif
