#!/bin/sh
# From a fresh clone to a configure script, a demonstration or a verdict. See usage() below.
set -eu
cd "$(dirname "$0")"
. .ci/steps.sh
. .ci/check.sh

usage()
{
    cat <<END
Usage: ./autogen.sh                    make the configure script, nothing else
       ./autogen.sh --run [SECONDS]    build memhist and show it at work on this machine for
                                       SECONDS (default 20)
       ./autogen.sh --check            build memhist and run all its tests
       ./autogen.sh --help

  --no-install    with --run or --check: do not install Debian packages that are missing

--run builds in build/, --check in build-check/. Both install the missing packages of .ci/packages,
which needs root or a sudo that asks no password; where neither is at hand they print the line to
type and exit with status 3. Nothing else needs root. (Debian starts a prometheus that is installed
for the tests as a service: systemctl disable --now prometheus, if you do not want it.)
END
}

usage_error()
{
    printf 'autogen.sh: %s\nTry ./autogen.sh --help.\n' "$1" >&2
    exit 2
}

# --- the packages ---------------------------------------------------------------------------------

# missing_packages CLASS…: names from .ci/packages that are not installed, on one line.
missing_packages()
{
    awk -v classes=" $* " 'index(classes, " " $1 " ") { print $2 }' .ci/packages |
        while read -r package; do
            status=$(dpkg-query -W -f '${db:Status-Status}' "$package" 2>/dev/null) || true
            [ "$status" = installed ] || printf '%s ' "$package"
        done
}

# What runs a command as root: `false` when there is no way.
root_command()
{
    if [ "$(id -u)" -eq 0 ]; then
        echo env
    elif sudo -n true 2>/dev/null; then
        echo "sudo -n env"
    else
        echo false
    fi
}

# apt_install PACKAGE…: the lists are fetched only when the packages are not found without.
apt_install()
{
    apt="$(root_command) DEBIAN_FRONTEND=noninteractive apt-get -y -o DPkg::Lock::Timeout=300"
    $apt install --no-install-recommends "$@" && return
    $apt update
    $apt install --no-install-recommends "$@"
}

# step_packages CLASS…
step_packages()
{
    if [ "$install" = no ]; then
        step "packages: taking what is there" "" true
        return
    elif ! command -v dpkg-query >/dev/null; then
        step "packages: not a Debian system, taking what is there" "" true
        return
    fi
    missing=$(missing_packages "$@")
    if [ -z "$missing" ]; then
        step "packages: all there" "" true
        return
    fi
    by_hand="apt-get update && apt-get install --no-install-recommends ${missing% }"
    if [ "$(root_command)" = false ]; then
        printf 'Debian packages are missing. Please run as root:\n\n  %s\n\n' "$by_hand" >&2
        exit 3
    fi
    # shellcheck disable=SC2086 # a list of words
    step "packages: installing ${missing% }" "Please run as root: $by_hand" apt_install $missing
    rm -rf build/.configured build-check/*/ # configured with less than there is now
}

# --- building -------------------------------------------------------------------------------------

bootstrap_once()
{
    # Later changes are make's business.
    if [ ! -e configure ] || [ ! -e Makefile.in ]; then
        autoreconf -fi
    fi
}

# configure_in DIR OPTION…: does nothing where that was done before with the same options.
configure_in()
{
    dir=$1 source=$PWD
    shift
    if [ ! -e "$dir/Makefile" ] || [ "$(cat "$dir/.configured" 2>/dev/null)" != "$*" ]; then
        mkdir -p "$dir"
        (cd "$dir" && "$source/configure" "$@")
        printf '%s\n' "$*" >"$dir/.configured"
    fi
}

# build_in DIR OPTION…: everything, the test programs included.
build_in()
{
    configure_in "$@"
    make -C "$1" -j"$(nproc)" all
    make -C "$1" -j"$(nproc)" check TESTS=
}

# --- ./autogen.sh --run ---------------------------------------------------------------------------

run()
{
    steps_begin 6 build/autogen.log
    step_packages run
    step "bootstrap" "Is autoconf 2.71 or newer installed? See .ci/packages." bootstrap_once
    step "configure" "The line above names what is missing; build/config.log has the reason." \
        configure_in build
    step "build" "If the sources were changed by hand, undo that; else please report it." \
        make -C build -j"$(nproc)"
    exec tests/demo/run.sh build "$1" "$steps_done" "$steps_total"
}

# --- the command line -----------------------------------------------------------------------------

install=yes action=bootstrap seconds=20
while [ $# -gt 0 ]; do
    case $1 in
    --run | --check)
        action=${1#--}
        ;;
    --no-install)
        install=no
        ;;
    --help | -h)
        usage
        exit 0
        ;;
    -*)
        usage_error "unknown option '$1'"
        ;;
    *)
        [ "$action" = run ] || usage_error "unexpected argument '$1'"
        case $1 in
        *[!0-9]* | '' | ?????*) usage_error "--run takes a number of seconds, not '$1'" ;;
        esac
        seconds=$1
        ;;
    esac
    shift
done

case $action in
bootstrap) autoreconf -fi ;;
run) run "$seconds" ;;
check) check ;;
esac
