/* A configuration file: understood in full, or refused by a sentence that says where. */
#include "libmemhist/config/config.h"
#include "tests/fuzz/fuzz.h"

#include <ctype.h>
#include <errno.h>
#include <string.h>

/* The rules are asked for somebody, whose arguments are theirs too. */
static void classify(struct mh_rules *rules, struct mh_rules *choice)
{
	static char cmdline[] = "/usr/bin/x\0-D\0/srv\0a\xff";
	struct mh_process p = {.id = {7, 0, 1234},
			       .comm = "bash",
			       .comm_len = 4,
			       .cmdline = cmdline,
			       .cmdline_len = sizeof(cmdline) - 1};
	struct mh_named named;
	bool undecided;

	if (choice) {
		mh_rules_tick(choice, (struct mh_instant){.boot_ns = 1});
		mh_rules_choose(choice, &p, &undecided);
	}
	if (!rules)
		return;
	mh_rules_tick(rules, (struct mh_instant){.wall_ms = 1795231810250, .boot_ns = 1});
	if (mh_rules_classify(rules, &p, &named, &undecided) >= 0)
		fuzz_assert(named.len <= MH_RULES_NAME_BYTES);
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t len)
{
	struct mh_config config = {0};
	struct mh_err err = {""};
	int rc = mh_config_parse(&config, (const char *)bytes, len, &err);

	if (!rc) {
		classify(config.rules, config.choice);
		mh_config_done(&config);
		return 0;
	}
	fuzz_assert(rc == -EBADMSG || rc == -ENOMEM);
	fuzz_assert(rc == -ENOMEM ||
		    (isdigit((unsigned char)err.text[0]) && strchr(err.text, ':')));
	return 0;
}

uint8_t *fuzz_seed(unsigned n, size_t *ret_len)
{
	static const char *const seeds[] = {
		("# all of it\nallowed_output_paths:\n  - /srv/memory # here\n  - \"/srv/a b\"\n"
		 "history:\n  dir: /var/lib/memhist\n"),
		"allowed_output_paths: [/srv/a, '/srv/it''s']\n",
		"---\nhistory:\n    dir: \"/srv/\\u00e4\\n\"\n...\n",
		"history: {dir: /srv/x}\r\n",
		("export_processes:\n"
		 "  - comm: [bash, 'vim']\n    min_rss: 10M\n    cmdline: ['-D\\s+\\S+', '^a|b$']\n"
		 "  - {user: root, class: user, unit: ['/\\.scope$/'], cgroup: [/a], min_rss: 1}\n"
		 "  - min_rss: 1G\n"),
		("groups: {by: unit, tree: no, min_rss: 10M, top: 5, max: 300}\n"
		 "process_names:\n"
		 "  - comm: [bash, 'vim']\n"
		 "    name: \"{{.Comm}}: {{ .Username }}\"\n"
		 "  - exe: [postgres, /usr/bin/x]\n    tree: false\n"
		 "    cmdline: ['-D\\s+(?P<dir>\\S+)', '^a|b$']\n"
		 "    name: \"{{.ExeBase}} {{.Matches.dir}} {{.PID}}\"\n"
		 "  - {by: user, class: user, unit: ['/\\.scope$/'], cgroup: [/user.slice]}\n"),
	};

	if (n >= sizeof(seeds) / sizeof(seeds[0]))
		return NULL;
	return fuzz_copy(seeds[n], strlen(seeds[n]), ret_len);
}

void fuzz_mend(uint8_t *bytes, size_t len)
{
	(void)bytes;
	(void)len;
}
