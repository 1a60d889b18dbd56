#include "tests/unit/scene.h"

#include <inttypes.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <cmocka.h>

int scene_open(struct scene *scene, const char *procfs, struct mh_scan_config config)
{
	int rc;

	*scene = (struct scene){.root.fd = -1};
	rc = mh_root_open(&scene->root, procfs, &scene->err);
	if (!rc)
		rc = mh_table_new(&scene->table, 0);
	if (!rc)
		rc = mh_offload_new(&scene->offload, &scene->root);
	config.root = &scene->root;
	if (!config.offload)
		config.offload = scene->offload;
	if (config.backend == MH_SCAN_AUTO)
		config.backend = MH_SCAN_PROCFS;
	if (!rc)
		rc = mh_scan_new(&scene->scan, &config, &scene->err);
	if (rc)
		scene_close(scene);
	return rc;
}

void scene_close(struct scene *scene)
{
	mh_scan_free(scene->scan);
	mh_offload_free(scene->offload);
	mh_table_free(scene->table);
	if (scene->root.fd >= 0)
		mh_root_close(&scene->root);
}

int scene_pass(struct scene *scene)
{
	struct mh_round round = {.fields = mh_scan_fields(scene->scan)};
	int rc;

	mh_table_begin(scene->table, mh_now());
	rc = mh_scan_pass(scene->scan, scene->table, &round.partial, &scene->err);
	if (rc)
		return rc;
	mh_table_drop_unkept(scene->table);
	scene->snapshot = mh_table_end(scene->table, &round);
	return 0;
}

const struct mh_process *scene_find(const struct scene *scene, uint32_t pid)
{
	return mh_table_find(scene->table, pid);
}

void scene_must_open(struct scene *scene, struct mh_scan_config config)
{
	if (scene_open(scene, "/proc", config))
		fail_msg("%s", scene->err.text);
}

void scene_must_pass(struct scene *scene)
{
	if (scene_pass(scene))
		fail_msg("%s", scene->err.text);
}

const struct mh_process *scene_must_find(const struct scene *scene, uint32_t pid)
{
	const struct mh_process *p = scene_find(scene, pid);

	assert_non_null(p);
	return p;
}

void scene_must_be_as_statm(const struct scene *scene, uint32_t pid)
{
	const struct mh_process *p = scene_must_find(scene, pid);
	uint64_t vsz, rss;
	char path[64];
	FILE *f;

	snprintf(path, sizeof(path), "/proc/%u/statm", pid);
	f = fopen(path, "re");
	assert_non_null(f);
	assert_int_equal(fscanf(f, "%" SCNu64 " %" SCNu64, &vsz, &rss), 2);
	fclose(f);
	assert_int_equal(p->value[MH_FIELD_VSZ], vsz);
	assert_int_equal(p->value[MH_FIELD_RSS], rss);
}

static bool lists(const struct scene *scene, const uint32_t *slot, uint32_t n, uint32_t pid)
{
	for (uint32_t i = 0; i < n; i++)
		if (scene->snapshot->process[slot[i]].id.pid == pid)
			return true;
	return false;
}

bool scene_born(const struct scene *scene, uint32_t pid)
{
	return lists(scene, scene->snapshot->born, scene->snapshot->n_born, pid);
}

bool scene_renamed(const struct scene *scene, uint32_t pid)
{
	return lists(scene, scene->snapshot->renamed, scene->snapshot->n_renamed, pid);
}

bool scene_gone(const struct scene *scene, uint32_t pid)
{
	for (uint32_t i = 0; i < scene->snapshot->n_gone; i++)
		if (scene->snapshot->gone[i].process.id.pid == pid)
			return true;
	return false;
}

struct mh_scan_stats scene_stats(const struct scene *scene)
{
	struct mh_scan_stats stats;

	mh_scan_stats(scene->scan, &stats);
	return stats;
}
