#!/bin/sh
# Writes files as arrays of C, for od(1) and awk(1) alone:
#
#     embed.sh FILE... >OUT.c
#
# Each becomes `const unsigned char site_NAME[]` and `const size_t site_NAME_len`, where NAME is the
# file's name with _ for what C has no place for.
set -eu
LC_ALL=C
export LC_ALL

echo '/* Made by exporter/ui/embed.sh. */'
echo '#include "exporter/ui/site.h"'
for file; do
	name=$(basename "$file" | tr -c 'A-Za-z0-9\n' _)
	printf '\nconst unsigned char site_%s[] = {\n' "$name"
	od -An -v -tu1 "$file" | awk '{ line = ""; for (i = 1; i <= NF; i++) line = line $i ","; print line }'
	printf '};\nconst size_t site_%s_len = sizeof(site_%s);\n' "$name" "$name"
done
