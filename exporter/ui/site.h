/*
 * The live page: files that are part of the program (embed.sh), served as they are. They load
 * nothing from elsewhere, and their content security policy sees to it.
 */
#ifndef MEMHIST_EXPORTER_UI_SITE_H
#define MEMHIST_EXPORTER_UI_SITE_H

#include <microhttpd.h>
#include <stdbool.h>
#include <stddef.h>

#define SITE_FILE(name)                           \
	extern const unsigned char site_##name[]; \
	extern const size_t site_##name##_len
SITE_FILE(index_html);
SITE_FILE(ui_css);
SITE_FILE(ui_js);
SITE_FILE(chart_js);
SITE_FILE(icon_svg);
#undef SITE_FILE

/* Whether there is a file for this path. */
bool site_has(const char *path);
/* Answers a request for such a path: 200, or 304 where the client has the file. */
enum MHD_Result site_answer(struct MHD_Connection *connection, const char *path);

#endif
