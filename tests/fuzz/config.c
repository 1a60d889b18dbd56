/* A configuration file: understood in full, or refused by a sentence that says where. */
#include "libmemhist/config/config.h"
#include "tests/fuzz/fuzz.h"

#include <ctype.h>
#include <errno.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t len)
{
	struct mh_config config = {0};
	struct mh_err err = {""};
	int rc = mh_config_parse(&config, (const char *)bytes, len, &err);

	if (!rc) {
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
