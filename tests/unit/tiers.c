#include "tests/unit/tiers.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

const enum mh_scan_backend tiers[3] = {MH_SCAN_BPF, MH_SCAN_BPF_SEQ, MH_SCAN_PROCFS};

void tiers_open(struct scene *scene, void **state)
{
	const struct mh_scan_config config = {.backend = *(const enum mh_scan_backend *)*state};

	if (!scene_open(scene, "/proc", config))
		return;
	if (config.backend == MH_SCAN_PROCFS)
		fail_msg("%s", scene->err.text);
	print_message("# skipped: %s\n", scene->err.text);
	skip();
}

enum mh_scan_backend tiers_of(void **state)
{
	struct scene scene;

	tiers_open(&scene, state);
	scene_close(&scene);
	return *(const enum mh_scan_backend *)*state;
}
