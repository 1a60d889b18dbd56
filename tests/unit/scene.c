#include "tests/unit/scene.h"

int scene_open(struct scene *scene, const char *procfs, struct mh_scan_config config)
{
	int rc;

	*scene = (struct scene){.root.fd = -1};
	rc = mh_root_open(&scene->root, procfs, &scene->err);
	if (!rc)
		rc = mh_table_new(&scene->table, 0);
	config.root = &scene->root;
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
