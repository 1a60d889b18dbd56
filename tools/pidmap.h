/*
 * The PID map: what command each label stands for, in order of PID and appearance, however many
 * labels there are.
 *
 *     rc = pidmap_new(&map, dir_fd, &err);
 *     while (labels are forgotten)
 *             rc = pidmap_add(map, labels, &label, &err);
 *     rc = pidmap_write(map, labels, &out, &err);
 *     pidmap_free(map);
 *
 * Of a label that is added again, the later command counts; but "[comm]" not, where it had a
 * command line before. Memory stays below 64 MiB: what does not fit is sorted piece by piece into a
 * temporary file (spill.h), about as long as the map.
 */
#ifndef MEMHIST_TOOLS_PIDMAP_H
#define MEMHIST_TOOLS_PIDMAP_H

#include "libmemhist/view/label.h"
#include "tools/outfile.h"

struct pidmap;

/* `dir_fd`: as that of struct spill. Returns 0 or -ENOMEM. */
int pidmap_new(struct pidmap **ret, int dir_fd, struct mh_err *err);
void pidmap_free(struct pidmap *m);

/* `labels` gave the label's command as a reference, and gets it back some time before or during
 * _write. */
int pidmap_add(struct pidmap *m, struct mh_labels *labels, const struct mh_forgotten *label,
	       struct mh_err *err);
/* Header and rows; nothing can be added after that. */
int pidmap_write(struct pidmap *m, struct mh_labels *labels, struct outfile *out,
		 struct mh_err *err);

/* For who has it all in memory. */
void pidmap_write_header(struct mh_buf *out);
void pidmap_write_row(struct mh_buf *out, uint32_t pid, uint32_t nth, const char *command,
		      size_t command_len);

#endif
