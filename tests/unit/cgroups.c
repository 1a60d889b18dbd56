#include "tests/unit/cgroups.h"

#include <mntent.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static int find_root(char root[PATH_MAX])
{
	FILE *mounts = setmntent("/proc/self/mounts", "re");
	struct mntent *mount;
	int rc = -1;

	while (rc && mounts && (mount = getmntent(mounts))) {
		if (strcmp(mount->mnt_type, "cgroup2") != 0)
			continue;
		snprintf(root, PATH_MAX, "%s", mount->mnt_dir);
		rc = 0;
	}
	if (mounts)
		endmntent(mounts);
	return rc;
}

int cgroups_make(struct cgroups *ret)
{
	if (find_root(ret->root))
		return -1;
	for (int i = 0; i < 2; i++) {
		int n = snprintf(ret->own[i], PATH_MAX, "%.1000s/memhist-test-%d-%d", ret->root,
				 getpid(), i);

		if (n >= PATH_MAX || mkdir(ret->own[i], 0755))
			return -1;
	}
	return 0;
}

void cgroups_remove(struct cgroups *cgroups)
{
	for (int i = 0; i < 2; i++)
		rmdir(cgroups->own[i]);
}

void cgroups_move(const struct cgroups *cgroups, int which, pid_t pid)
{
	char path[PATH_MAX + 16];
	FILE *f;

	snprintf(path, sizeof(path), "%s/cgroup.procs", cgroups->own[which]);
	f = fopen(path, "we");
	if (!f)
		return;
	fprintf(f, "%d", pid);
	fclose(f);
}

uint64_t cgroups_inode(const struct cgroups *cgroups, pid_t pid)
{
	char path[PATH_MAX], line[PATH_MAX];
	struct stat folder;
	uint64_t inode = 0;
	FILE *f;

	snprintf(path, sizeof(path), "/proc/%d/cgroup", pid);
	f = fopen(path, "re");
	while (f && !inode && fgets(line, sizeof(line), f)) {
		if (strncmp(line, "0::", 3) != 0)
			continue;
		line[strcspn(line, "\n")] = '\0';
		snprintf(path, sizeof(path), "%.1000s%.3000s", cgroups->root, line + 3);
		if (!stat(path, &folder))
			inode = folder.st_ino;
	}
	if (f)
		fclose(f);
	return inode;
}
