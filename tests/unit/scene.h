/* A scanner with its table, and passes of them: what the scanner's tests look at. */
#ifndef MEMHIST_TESTS_UNIT_SCENE_H
#define MEMHIST_TESTS_UNIT_SCENE_H

#include "libmemhist/proc/scan.h"

struct scene {
	struct mh_root root;
	struct mh_offload *offload;
	struct mh_table *table;
	struct mh_scan *scan;
	struct mh_err err;
	const struct mh_snapshot *snapshot; /* of the last pass */
};

/*
 * Scan `procfs`, by reading it unless the config says how. Its root is set here, and its offload
 * when there is none. Returns 0 or -errno.
 */
int scene_open(struct scene *scene, const char *procfs, struct mh_scan_config config);
void scene_close(struct scene *scene);
/* One pass and its snapshot. Returns 0 or -errno. */
int scene_pass(struct scene *scene);

/* The same, and finding a process, for those who have nothing to do when it fails. */
void scene_must_open(struct scene *scene, struct mh_scan_config config); /* of /proc */
void scene_must_pass(struct scene *scene);
const struct mh_process *scene_must_find(const struct scene *scene, uint32_t pid);
/* RSS and VSZ are what statm says now. */
void scene_must_be_as_statm(const struct scene *scene, uint32_t pid);

/* The process with this pid in the table, or NULL. */
const struct mh_process *scene_find(const struct scene *scene, uint32_t pid);
/* Whether the last snapshot lists this pid as born, renamed, gone. */
bool scene_born(const struct scene *scene, uint32_t pid);
bool scene_renamed(const struct scene *scene, uint32_t pid);
bool scene_gone(const struct scene *scene, uint32_t pid);
struct mh_scan_stats scene_stats(const struct scene *scene);

#endif
