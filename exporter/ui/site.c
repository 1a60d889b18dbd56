/* The table of files, and their headers. */
#include "exporter/ui/site.h"

#include "exporter/answers.h"
#include "exporter/flags.h"
#include "libmemhist/base/crc32c.h"

#include <stdio.h>
#include <string.h>

static const char POLICY[] = "default-src 'none'; script-src 'self'; style-src 'self'; "
			     "connect-src 'self'; img-src 'self'; base-uri 'none'; "
			     "form-action 'none'; frame-ancestors 'none'";

static const struct file {
	const char *path;
	const char *type;
	const unsigned char *bytes;
	const size_t *len;
} files[] = {
	{EXPORTER_UI_PATH, "text/html; charset=utf-8", site_index_html, &site_index_html_len},
	{EXPORTER_UI_PATH "/ui.css", "text/css; charset=utf-8", site_ui_css, &site_ui_css_len},
	{EXPORTER_UI_PATH "/ui.js", "text/javascript; charset=utf-8", site_ui_js, &site_ui_js_len},
	{EXPORTER_UI_PATH "/chart.js", "text/javascript; charset=utf-8", site_chart_js,
	 &site_chart_js_len},
	{EXPORTER_UI_PATH "/icon.svg", "image/svg+xml", site_icon_svg, &site_icon_svg_len},
};

static const struct file *find(const char *path)
{
	for (size_t i = 0; i < sizeof(files) / sizeof(files[0]); i++)
		if (!strcmp(files[i].path, path))
			return &files[i];
	return NULL;
}

bool site_has(const char *path)
{
	return find(path);
}

/* A list of tags, or one; a weak one is as good, since the bytes are compared. */
static bool has_tag(struct MHD_Connection *connection, const char *etag)
{
	const char *known = MHD_lookup_connection_value(connection, MHD_HEADER_KIND,
							MHD_HTTP_HEADER_IF_NONE_MATCH);

	return known && strstr(known, etag);
}

enum MHD_Result site_answer(struct MHD_Connection *connection, const char *path)
{
	const struct file *file = find(path);
	char etag[32];
	struct answer_head head = {
		.type = file->type,
		.policy = POLICY,
		.cache_control = "no-cache", /* to be asked for again, by its tag */
		.etag = etag,
		.lives_on = true,
	};

	snprintf(etag, sizeof(etag), "\"%08x-%zx\"", mh_crc32c(0, file->bytes, *file->len),
		 *file->len);
	if (has_tag(connection, etag))
		return answer_bytes(connection, MHD_HTTP_NOT_MODIFIED, &head, "", 0);
	return answer_bytes(connection, MHD_HTTP_OK, &head, file->bytes, *file->len);
}
