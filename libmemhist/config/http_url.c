/* What a URL has to be like. The sentences repeat nothing of it. */
#include "libmemhist/config/http.h"

#include <errno.h>
#include <string.h>
#include <strings.h>

enum { URL_MAX = 2048 };

int mh_http_url_check(const char *url, struct mh_err *err)
{
	const char *host, *end;

	if (!strncasecmp(url, "http://", 7))
		host = url + 7;
	else if (!strncasecmp(url, "https://", 8))
		host = url + 8;
	else
		return mh_errf(err, -EINVAL,
			       "a URL begins with http:// or https://: http://localhost:9090");
	for (const char *p = url; *p; p++)
		if ((unsigned char)*p <= 0x20 || (unsigned char)*p >= 0x7f)
			return mh_errf(err, -EINVAL,
				       "a URL has no blanks and is of ASCII: others are %%XX");
	end = host + strcspn(host, "/?#");
	if (memchr(host, '@', (size_t)(end - host)))
		return mh_errf(err, -EINVAL,
			       "users and passwords do not belong into a URL, which many can see: "
			       "basic_auth is for them");
	if (host == end || *host == ':')
		return mh_errf(err, -EINVAL, "there is no host in the URL");
	if (strchr(end, '#'))
		return mh_errf(err, -EINVAL, "a “#” in a URL is for browsers only");
	if (strlen(url) > URL_MAX)
		return mh_errf(err, -EINVAL, "the URL is longer than %d bytes", URL_MAX);
	return 0;
}
