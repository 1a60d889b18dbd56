/* What a URL has to be like. The sentences repeat nothing of it. */
#include "libmemhist/config/http.h"

#include <errno.h>
#include <string.h>
#include <strings.h>

enum { URL_MAX = 2048, PORT_MAX = 65535 };

/* From the colon on; or nothing. */
static bool is_port(const char *text, size_t len)
{
	unsigned long port = 0;

	if (!len)
		return true;
	if (text[0] != ':' || len < 2 || len > 6)
		return false;
	for (size_t i = 1; i < len; i++) {
		if (text[i] < '0' || text[i] > '9')
			return false;
		port = port * 10 + (unsigned long)(text[i] - '0');
	}
	return port && port <= PORT_MAX;
}

/* HOST or HOST:PORT, where an address of IPv6 is in brackets. */
static int check_place(const char *place, size_t len, struct mh_err *err)
{
	static const char ipv6[] = "0123456789abcdefABCDEF:.";
	static const char no_host[] = "!\"$&'()*+,;<=>@[\\]^`{|}";
	size_t host;

	if (len && place[0] == '[') {
		host = 1 + strspn(place + 1, ipv6);
		if (place[host] == '%') /* the interface of a link-local one */
			host += strcspn(place + host, "]/?#@");
		if (host == 1 || host >= len || place[host] != ']')
			return mh_errf(err, -EINVAL,
				       "an IPv6 address is in brackets: http://[::1]:9090");
		host++;
	} else {
		const char *colon = memchr(place, ':', len);

		host = colon ? (size_t)(colon - place) : len;
		if (!host)
			return mh_errf(err, -EINVAL, "there is no host in the URL");
		if (strcspn(place, no_host) < host)
			return mh_errf(err, -EINVAL, "that is no name of a host");
	}
	if (!is_port(place + host, len - host))
		return mh_errf(err, -EINVAL, "a port is a number from 1 to %d", PORT_MAX);
	return 0;
}

int mh_http_url_check(const char *url, struct mh_err *err)
{
	const char *host, *end;
	int rc;

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
	rc = check_place(host, (size_t)(end - host), err);
	if (rc)
		return rc;
	if (strchr(end, '#'))
		return mh_errf(err, -EINVAL, "a “#” in a URL is for browsers only");
	if (strlen(url) > URL_MAX)
		return mh_errf(err, -EINVAL, "the URL is longer than %d bytes", URL_MAX);
	return 0;
}

int mh_http_proxy_check(const char *url, struct mh_err *err)
{
	static const char sentence[] = "it is http://HOST:PORT of a proxy for HTTP";
	const char *place, *end;
	struct mh_err why;

	if (strncasecmp(url, "http://", 7) != 0)
		return mh_errf(err, -EINVAL, "%s", sentence);
	for (const char *p = url; *p; p++)
		if ((unsigned char)*p <= 0x20 || (unsigned char)*p >= 0x7f || strchr("#?", *p))
			return mh_errf(err, -EINVAL, "%s, without blanks, “#” and “?”", sentence);
	place = url + 7;
	end = place + strcspn(place, "/");
	if (end[0] && end[1])
		return mh_errf(err, -EINVAL, "%s: a “/” in a password is %%2F", sentence);
	for (const char *p = place; p < end; p++)
		if (*p == '@')
			place = p + 1;
	if (check_place(place, (size_t)(end - place), &why))
		return mh_errf(err, -EINVAL, "%s: %s", sentence, why.text);
	if (strlen(url) > URL_MAX)
		return mh_errf(err, -EINVAL, "the URL is longer than %d bytes", URL_MAX);
	return 0;
}
