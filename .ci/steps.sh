# Progress for people, in numbered steps; sourced by autogen.sh and tests/demo/run.sh.
#
#     steps_begin 6 build/autogen.log
#     step "building" "remedy" make      prints "[3/6] building … 12.4 s"
#
# What the commands print goes into the log. A step that fails shows the log's last 20 lines and the
# remedy, and ends the script; an attempt that fails only says so and leaves the decision to the
# caller. Commands are run in a subshell under `set -e`, without input.
# shellcheck shell=sh

# steps_begin TOTAL LOG [DONE]
steps_begin()
{
    steps_total=$1 steps_log=$2 steps_done=${3:-0}
    mkdir -p "$(dirname "$steps_log")"
    [ "$steps_done" -gt 0 ] || : >"$steps_log"
}

now_ms()
{
    echo $(($(date +%s%N) / 1000000))
}

# attempt_begin TITLE … attempt_end STATUS: for work that is more than a command.
attempt_begin()
{
    steps_done=$((steps_done + 1))
    printf '[%d/%d] %s … ' "$steps_done" "$steps_total" "$1"
    printf '\n=== %s\n' "$1" >>"$steps_log"
    attempt_started=$(now_ms)
}

attempt_end()
{
    attempt_ms=$(($(now_ms) - attempt_started))
    [ "$1" -eq 0 ] || printf 'failed after '
    printf '%d.%d s\n' $((attempt_ms / 1000)) $((attempt_ms % 1000 / 100))
}

# attempt TITLE COMMAND…: leaves the exit status in $attempt_status, for good or bad.
attempt()
{
    attempt_begin "$1"
    shift
    # No `if` or `||` around the subshell: either would switch its `set -e` off.
    set +e
    (
        set -e
        "$@"
    ) >>"$steps_log" 2>&1 </dev/null
    attempt_status=$?
    set -e
    attempt_end "$attempt_status"
}

# step TITLE REMEDY COMMAND…
step()
{
    step_title=$1 step_remedy=$2
    shift 2
    attempt "$step_title" "$@"
    [ "$attempt_status" -eq 0 ] || step_failed "$step_remedy"
}

# The last lines of the log and what to do about it; ends the script.
step_failed()
{
    {
        printf '\nThe last lines of %s:\n' "$steps_log"
        tail -n 20 "$steps_log" | sed 's/^/  | /'
        printf '%s\n' "$1"
    } >&2
    exit 1
}
