#!/bin/sh
# The demonstration does what the README promises: collectd records, the exporter follows, candles
# come out, and nothing is left running.
set -u
demo=$MEMHIST_SRCDIR/tests/demo/run.sh
out=$(mktemp)
trap 'rm -f "$out"' EXIT
n=0

# check NAME COMMAND…
check()
{
    name=$1
    shift
    n=$((n + 1))
    if "$@" >/dev/null 2>&1; then
        echo "ok $n - $name"
    else
        echo "not ok $n - $name"
        failed=yes
    fi
}

# says PATTERN: in what the demonstration printed.
says()
{
    grep -Eq "$1" "$out"
}

# The brackets keep grep from finding its own command line.
nobody_left()
{
    ! grep -qs "$MEMHIST_BUILDDIR/[r]un/" /proc/[0-9]*/cmdline
}

skip_all()
{
    echo "1..0 # SKIP $1"
    exit 0
}

PATH=$PATH:/usr/sbin
command -v collectd >/dev/null || skip_all "collectd is not installed"
command -v curl >/dev/null || skip_all "curl is not installed"
for program in .libs/memhist.so memhist-exporter; do
    [ -e "$MEMHIST_BUILDDIR/$program" ] || skip_all "$program is not built"
done
! grep -q '^SANITIZE = .' "$MEMHIST_BUILDDIR/Makefile" ||
    skip_all "collectd cannot load a plugin with sanitizers"

failed=no
"$demo" "$MEMHIST_BUILDDIR" 6 >"$out" 2>&1
check "it ends well" [ $? -eq 0 ]
check "it has numbered steps with their time" says '^\[1/2\] record for 6 s.* … [0-9]+\.[0-9] s$'
check "the exporter followed" says '^memhist_process_resident_memory_bytes\{pid="[0-9]+"'
check "meminfo is there" says '^memhist_meminfo_mem_total_bytes [0-9]'
check "the table has four columns per process" says '_open +[0-9]+_high'
check "with candles of five seconds" says '^[0-9-]{10} [0-9:]{6}[0-5][05] '
check "the PID map names collectd" grep -q 'collectd.* -f' "$MEMHIST_BUILDDIR/run/candles.pids.tsv"
check "collectd's csv plugin got values" ls "$MEMHIST_BUILDDIR"/run/csv/*/memhist-collectd/ps_rss-*
check "nothing is left running" nobody_left
[ "$failed" = no ] || sed 's/^/# /' "$out"
echo "1..$n"
