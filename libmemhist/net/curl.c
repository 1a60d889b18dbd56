/* The library that configure found, by the name that its interface has had since 2006. */
#include "libmemhist/net/curl.h"

#include <dlfcn.h>
#include <errno.h>
#include <string.h>

int mh_curl_load(struct mh_curl *ret, struct mh_err *err)
{
	void *library = dlopen(CURL_LIBRARY, RTLD_NOW | RTLD_LOCAL | RTLD_NODELETE), *function;
	struct mh_curl curl;

	if (!library)
		return mh_errf(err, -ENOENT, "cannot load libcurl: %s", dlerror());
#define MH_CURL_FIND(name)                                                               \
	function = dlsym(library, "curl_" #name);                                        \
	if (!function) {                                                                 \
		dlclose(library);                                                        \
		return mh_errf(err, -ENOENT, "%s has no curl_%s: it is older than 7.85", \
			       CURL_LIBRARY, #name);                                     \
	}                                                                                \
	memcpy(&curl.name, &function, sizeof(curl.name));
	MH_CURL_FUNCTIONS(MH_CURL_FIND)
#undef MH_CURL_FIND
	/* counted, and RTLD_NODELETE: the functions stay */
	dlclose(library);
	*ret = curl;
	return 0;
}
