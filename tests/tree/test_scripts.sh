#!/bin/sh
# The shell scripts pass shellcheck, the manual pages podchecker; autogen.sh understands its own
# command line.
set -u
cd "$MEMHIST_SRCDIR" || exit 1
n=0

# passes NAME COMMAND…
passes()
{
    name=$1
    shift
    n=$((n + 1))
    if output=$("$@" 2>&1); then
        echo "ok $n - $name"
    else
        echo "not ok $n - $name"
        printf '%s\n' "$output" | sed 's/^/# /'
    fi
}

skip()
{
    n=$((n + 1))
    echo "ok $n - $1 # SKIP $2"
}

page_is_clean()
{
    ! podchecker -warnings "$1" 2>&1 | grep -E 'ERROR|WARNING'
}

# refuses MESSAGE OPTION…: a usage error that says MESSAGE.
refuses()
{
    expected=$1
    shift
    message=$(./autogen.sh "$@" 2>&1 </dev/null)
    [ $? -eq 2 ] && [ "${message#*"$expected"}" != "$message" ]
}

scripts=$(find .ci tests tools exporter plugin -name '*.sh' | sort)
if command -v shellcheck >/dev/null; then
    for script in autogen.sh .ci/run .ci/lint tests/apart tests/unit/tap tools/completion.bash $scripts; do
        passes "shellcheck $script" shellcheck -x "$script"
    done
else
    skip shellcheck "shellcheck is not installed"
fi

if command -v podchecker >/dev/null; then
    for page in docs/*.pod; do
        [ -e "$page" ] || continue
        passes "podchecker $page" page_is_clean "$page"
    done
else
    skip podchecker "podchecker is not installed"
fi

passes "autogen.sh names an unknown option" refuses "unknown option '--chekc'" --chekc
passes "autogen.sh names an extra argument" refuses "unexpected argument 'now'" --check now
passes "autogen.sh wants seconds as a number" refuses "not '10x'" --run 10x
passes "autogen.sh --help" ./autogen.sh --help
echo "1..$n"
