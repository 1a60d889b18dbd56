/* Which configuration files are trusted: by mode and owner, and as they are found on the disk. */
#include "libmemhist/config/confile.h"
#include "libmemhist/config/config.h"
#include "tests/unit/tree.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#include <cmocka.h>

enum { ME = 1234567, OTHER = 1234568 };

static int judge(mode_t mode, uid_t owner, mode_t dir_mode, uid_t dir_owner, struct mh_err *err)
{
	const struct stat file = {.st_mode = mode, .st_uid = owner};
	const struct stat dir = {.st_mode = S_IFDIR | dir_mode, .st_uid = dir_owner};

	return mh_confile_judge("f.yaml", MH_CONFILE_SECRET, &file, &dir, ME, err);
}

/* Every mode that there is. */
static void test_modes(void **state)
{
	struct mh_err err = {""};

	(void)state;
	for (mode_t mode = 0; mode < 010000; mode++) {
		const char *expected = mode & 02    ? "changed by everybody"
				       : mode & 020 ? "changed by its group"
				       : mode & 04  ? "read by everybody"
				       : mode & 01  ? "executed by everybody"
						    : NULL;
		int rc = judge(S_IFREG | mode, ME, 0755, 0, &err);

		assert_int_equal(rc, expected ? -EPERM : 0);
		if (expected &&
		    (!strstr(err.text, expected) || !strstr(err.text, ": chmod 0640 f.yaml")))
			fail_msg("%04o: %s", (unsigned)mode, err.text);
	}
	assert_int_equal(judge(S_IFREG | 0644, ME, 0755, 0, &err), -EPERM);
	assert_string_equal(err.text,
			    "f.yaml may be read by everybody (mode 0644): chmod 0640 f.yaml");
}

static void test_modes_of_directories(void **state)
{
	struct mh_err err = {""};

	(void)state;
	for (mode_t mode = 0; mode < 010000; mode++) {
		bool good = mode & 01000 || !(mode & 022);
		int rc = judge(S_IFREG | 0640, ME, mode, 0, &err);

		assert_int_equal(rc, good ? 0 : -EPERM);
		if (!good)
			assert_non_null(strstr(err.text, "chmod go-w that directory"));
	}
}

static void test_owners(void **state)
{
	struct mh_err err = {""};

	(void)state;
	assert_int_equal(judge(S_IFREG | 0640, 0, 0755, 0, &err), 0);
	assert_int_equal(judge(S_IFREG | 0640, ME, 0755, ME, &err), 0);
	assert_int_equal(judge(S_IFREG | 0640, OTHER, 0755, 0, &err), -EPERM);
	assert_string_equal(err.text, "f.yaml belongs to user 1234568: only root and who runs "
				      "memhist may decide what it does (chown root f.yaml)");
	assert_int_equal(judge(S_IFREG | 0640, ME, 0755, OTHER, &err), -EPERM);
	assert_string_equal(err.text, "f.yaml is in a directory of user 1234568, who can exchange "
				      "it: put it where only root or you can");
}

static void test_kinds(void **state)
{
	static const mode_t kinds[] = {S_IFDIR, S_IFIFO, S_IFCHR, S_IFBLK, S_IFSOCK};
	struct mh_err err = {""};

	(void)state;
	for (size_t i = 0; i < sizeof(kinds) / sizeof(kinds[0]); i++) {
		assert_int_equal(judge(kinds[i] | 0600, ME, 0755, 0, &err), -EINVAL);
		assert_string_equal(err.text, "f.yaml is no regular file");
	}
}

struct fixture {
	struct tree tree;
	char path[4][512];
	unsigned i;
};

static const char *in(struct fixture *f, const char *name)
{
	return tree_path(&f->tree, name, f->path[f->i++ % 4]);
}

static void put(struct fixture *f, const char *name, const char *text, mode_t mode)
{
	tree_write(&f->tree, name, text, strlen(text));
	assert_int_equal(chmod(in(f, name), mode), 0);
}

static void refuse(struct fixture *f, const char *name, int expected, const char *words)
{
	struct mh_err err = {""};
	struct mh_config c;
	char path[512];

	assert_int_equal(mh_config_read(&c, tree_path(&f->tree, name, path), &err), expected);
	if (!strstr(err.text, words) || !strstr(err.text, name))
		fail_msg("“%s” is not in: %s", words, err.text);
}

static void test_files(void **state)
{
	char big[MH_DOCUMENT_MAX + 2];
	struct mh_err err = {""};
	struct fixture f = {.i = 0};
	struct mh_config c;

	(void)state;
	tree_make(&f.tree);
	put(&f, "good.yaml", "history:\n  dir: /srv/x\n", 0640);
	put(&f, "open.yaml", "history:\n  dir: /srv/x\n", 0644);
	put(&f, "bad.yaml", "history:\n  dri: /srv/x\n", 0600);
	assert_int_equal(mh_config_read(&c, in(&f, "good.yaml"), &err), 0);
	assert_string_equal(c.file, in(&f, "good.yaml"));
	assert_string_equal(c.text[MH_CONFIG_HISTORY_DIR], "/srv/x");
	mh_config_done(&c);
	assert_int_equal(symlink("good.yaml", in(&f, "link.yaml")), 0);
	assert_int_equal(mh_config_read(&c, in(&f, "link.yaml"), &err), 0);
	mh_config_done(&c);
	refuse(&f, "open.yaml", -EPERM, "read by everybody (mode 0644): chmod 0640 ");
	refuse(&f, "bad.yaml", -EBADMSG, "/bad.yaml:2:3: unknown key “dri”: did you mean “dir”?");
	refuse(&f, "missing.yaml", -ENOENT, "cannot read ");
	assert_int_equal(symlink("nothing", in(&f, "dangling.yaml")), 0);
	refuse(&f, "dangling.yaml", -EINVAL, "a symbolic link to nothing");
	alarm(60);
	assert_int_equal(mkfifo(in(&f, "fifo.yaml"), 0600), 0);
	refuse(&f, "fifo.yaml", -EINVAL, "no regular file");
	assert_int_equal(mkdir(in(&f, "dir.yaml"), 0700), 0);
	refuse(&f, "dir.yaml", -EINVAL, "no regular file");
	alarm(0);
	assert_int_equal(mh_config_read(&c, "/dev/null", &err), -EINVAL);
	memset(big, '#', sizeof(big));
	big[sizeof(big) - 1] = '\0';
	put(&f, "big.yaml", big, 0600);
	refuse(&f, "big.yaml", -EFBIG, "larger than a configuration may be (1024 KiB)");
	big[MH_DOCUMENT_MAX] = '\0';
	put(&f, "full.yaml", big, 0600);
	assert_int_equal(mh_config_read(&c, in(&f, "full.yaml"), &err), 0);
	mh_config_done(&c);
	assert_int_equal(chmod(f.tree.path, 0777), 0);
	refuse(&f, "good.yaml", -EPERM, "a directory that everybody may write to (mode 0777)");
	assert_int_equal(chmod(f.tree.path, 01777), 0);
	assert_int_equal(mh_config_read(&c, in(&f, "good.yaml"), &err), 0);
	mh_config_done(&c);
	tree_remove(&f.tree);
}

static void test_files_of_others(void **state)
{
	struct fixture f = {.i = 0};
	struct mh_err err = {""};
	struct mh_config c;

	(void)state;
	if (geteuid() != 0)
		skip();
	tree_make(&f.tree);
	put(&f, "file.yaml", "history:\n", 0600);
	assert_int_equal(symlink("file.yaml", in(&f, "link.yaml")), 0);
	assert_int_equal(lchown(in(&f, "link.yaml"), ME, ME), 0);
	refuse(&f, "link.yaml", -EPERM, "by a symbolic link of another user");
	assert_int_equal(chown(in(&f, "file.yaml"), ME, ME), 0);
	refuse(&f, "file.yaml", -EPERM, "belongs to user 1234567");
	/* that user, and one that may not read it */
	assert_int_equal(seteuid(ME), 0);
	assert_int_equal(mh_config_read(&c, in(&f, "file.yaml"), &err), 0);
	mh_config_done(&c);
	assert_int_equal(mh_config_read(&c, in(&f, "link.yaml"), &err), 0);
	mh_config_done(&c);
	assert_int_equal(seteuid(0), 0);
	assert_int_equal(chown(in(&f, "file.yaml"), 0, 0), 0);
	assert_int_equal(seteuid(ME), 0);
	refuse(&f, "file.yaml", -EACCES, "Permission denied");
	assert_int_equal(seteuid(0), 0);
	tree_remove(&f.tree);
}

/* Which file is read: the one that is named, that of the environment, none. */
static void test_choice(void **state)
{
	struct fixture f = {.i = 0};
	struct mh_err err = {""};
	struct mh_config c;

	(void)state;
	tree_make(&f.tree);
	put(&f, "a.yaml", "history: {dir: /a}\n", 0600);
	put(&f, "b.yaml", "history: {dir: /b}\n", 0600);
	assert_int_equal(setenv("MEMHIST_CONFIG", in(&f, "a.yaml"), 1), 0);
	assert_int_equal(mh_config_load(&c, NULL, MH_CONFIG_DAEMON, &err), 0);
	assert_string_equal(c.text[MH_CONFIG_HISTORY_DIR], "/a");
	mh_config_done(&c);
	assert_int_equal(mh_config_load(&c, in(&f, "b.yaml"), MH_CONFIG_TOOL, &err), 0);
	assert_string_equal(c.text[MH_CONFIG_HISTORY_DIR], "/b");
	mh_config_done(&c);
	assert_int_equal(mh_config_load(&c, "", MH_CONFIG_DAEMON, &err), 0);
	assert_null(c.file);
	mh_config_done(&c);
	assert_int_equal(mh_config_load(&c, in(&f, "no"), MH_CONFIG_TOOL, &err), -ENOENT);
	assert_int_equal(setenv("MEMHIST_CONFIG", in(&f, "no"), 1), 0);
	assert_int_equal(mh_config_load(&c, NULL, MH_CONFIG_TOOL, &err), -ENOENT);
	assert_int_equal(setenv("MEMHIST_CONFIG", "", 1), 0);
	assert_int_equal(mh_config_load(&c, NULL, MH_CONFIG_TOOL, &err), 0);
	assert_null(c.file);
	mh_config_done(&c);
	assert_non_null(strstr(mh_config_default_file(), "/memhist/memhist.yaml"));
	tree_remove(&f.tree);
}

/* The file that nobody named: it may be missing; who may not read it must not be stopped by that.
 */
static void test_default_file(void **state)
{
	struct fixture f = {.i = 0};
	struct mh_err err = {""};
	struct mh_config c;

	(void)state;
	assert_int_equal(unsetenv("MEMHIST_CONFIG"), 0);
	tree_make(&f.tree);
	for (int reader = MH_CONFIG_DAEMON; reader <= MH_CONFIG_TOOL; reader++) {
		assert_int_equal(mh_config_load_or(&c, NULL, in(&f, "no/no"), reader, &err), 0);
		assert_true(!c.file && !c.is_closed);
		put(&f, "a.yaml", "history: {dir: /a}\n", 0640);
		assert_int_equal(mh_config_load_or(&c, NULL, in(&f, "a.yaml"), reader, &err), 0);
		assert_string_equal(c.text[MH_CONFIG_HISTORY_DIR], "/a");
		mh_config_done(&c);
		put(&f, "a.yaml", "history: {dir: /a}\n", 0644);
		assert_int_equal(mh_config_load_or(&c, NULL, in(&f, "a.yaml"), reader, &err),
				 -EPERM);
		put(&f, "a.yaml", "history: {dor: /a}\n", 0600);
		assert_int_equal(mh_config_load_or(&c, NULL, in(&f, "a.yaml"), reader, &err),
				 -EBADMSG);
	}
	if (geteuid() == 0) {
		assert_int_equal(seteuid(ME), 0);
		assert_int_equal(
			mh_config_load_or(&c, NULL, in(&f, "a.yaml"), MH_CONFIG_DAEMON, &err),
			-EACCES);
		assert_int_equal(
			mh_config_load_or(&c, NULL, in(&f, "a.yaml"), MH_CONFIG_TOOL, &err), 0);
		assert_true(c.is_closed && !c.file);
		assert_int_equal(mh_config_load_or(&c, in(&f, "a.yaml"), "/", MH_CONFIG_TOOL, &err),
				 -EACCES);
		assert_int_equal(seteuid(0), 0);
	}
	tree_remove(&f.tree);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_modes),  cmocka_unit_test(test_modes_of_directories),
		cmocka_unit_test(test_owners), cmocka_unit_test(test_kinds),
		cmocka_unit_test(test_files),  cmocka_unit_test(test_files_of_others),
		cmocka_unit_test(test_choice), cmocka_unit_test(test_default_file),
	};

	return cmocka_run_group_tests_name("confile", tests, NULL, NULL);
}
