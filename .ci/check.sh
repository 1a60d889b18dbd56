# ./autogen.sh --check: builds with both compilers and runs the tests in all their ways. Sourced by
# autogen.sh. The last line is "N passed, N failed, N skipped": all test points of `make check`, and
# one for each other build or repetition of the suite, however many tests that runs.
# shellcheck shell=sh disable=SC2154 # steps.sh sets attempt_status and steps_log

# results DIR WORDS: how many test points ended in one of WORDS, "PASS|XFAIL".
results()
{
    find "$1" -name '*.trs' -exec cat {} + 2>/dev/null | grep -cE "^:test-result: ($2)" || true
}

# run_tests DIR [TARGET]: a suite that hangs is a suite that fails. Many tests wait more than they
# compute, so that more of them run than there are processors.
run_tests()
{
    find "$1" -name '*.trs' -delete
    timeout 900 make -C "$1" -k -j4 "${2:-check}"
}

# logs_with DIR WORDS: the logs of the test programs that have such points.
logs_with()
{
    find "$1" -name '*.trs' -exec grep -lE "^:test-result: ($2)" {} + 2>/dev/null |
        sed 's/trs$/log/' | sort
}

# show_failures DIR: the logs of the tests that failed there.
show_failures()
{
    for log in $(logs_with "$1" 'FAIL|XPASS|ERROR'); do
        printf '\n--- the end of %s\n' "$log"
        grep -aE '^(FAIL|XPASS|ERROR): ' "$log" || true
        tail -n 40 "$log" | sed 's/^/    /'
    done
}

# show_skipped DIR: a line for each test program that skipped something, with its reasons.
show_skipped()
{
    for log in $(logs_with "$1" SKIP); do
        reasons=$(sed -n 's/^SKIP: .*# SKIP //p' "$log" | sort -u | paste -sd '|' | sed 's/|/; /g')
        printf '%d skipped in %s: %s\n' "$(grep -c '^SKIP: ' "$log")" "$(basename "$log" .log)" \
            "$reasons"
    done | sed -E 's/^(.{99}).+/\1…/'
}

# log_tail: what a build that failed printed last.
log_tail()
{
    printf '\nThe last lines of %s:\n' "$steps_log"
    tail -n 20 "$steps_log" | sed 's/^/  | /'
}

# verdict TITLE PROGRAM COMMAND…: one more build or repetition of the suite. It counts as one test,
# and as a skipped one where PROGRAM is not installed.
verdict()
{
    if ! command -v "$2" >/dev/null; then
        attempt "$1: skipped, $2 is not installed" true
        skipped=$((skipped + 1))
        return
    fi
    verdict_title=$1
    shift 2
    attempt "$verdict_title" "$@"
    if [ "$attempt_status" -eq 0 ]; then
        passed=$((passed + 1))
    else
        failed=$((failed + 1))
        show_failures build-check/gcc
        log_tail
    fi
}

# suite DIR: make check, counted by test points.
suite()
{
    attempt "all tests" run_tests "$1"
    passed=$((passed + $(results "$1" 'PASS|XFAIL')))
    skipped=$((skipped + $(results "$1" SKIP)))
    show_skipped "$1"
    suite_failed=$(results "$1" 'FAIL|XPASS|ERROR')
    failed=$((failed + suite_failed))
    if [ "$suite_failed" -gt 0 ]; then
        show_failures "$1"
    elif [ "$attempt_status" -ne 0 ]; then # did not get to its end
        failed=$((failed + 1))
        log_tail
    fi
}

finish()
{
    printf '\nFull log: %s\n%d passed, %d failed, %d skipped\n' "$steps_log" \
        "$passed" "$failed" "$skipped"
    [ "$failed" -eq 0 ]
    exit
}

check()
{
    passed=0 failed=0 skipped=0
    steps_begin 7 build-check/autogen.log
    step_packages run check
    step "bootstrap" "Is autoconf 2.71 or newer installed? See .ci/packages." bootstrap_once
    verdict "build with gcc, warnings are errors" gcc \
        build_in build-check/gcc CC=gcc --enable-werror
    [ "$failed" -eq 0 ] || finish
    suite build-check/gcc
    verdict "build with clang, warnings are errors" clang \
        build_in build-check/clang CC=clang CFLAGS=-O0 --enable-werror
    verdict "all tests with AddressSanitizer and UBSan" gcc \
        run_tests build-check/gcc check-sanitizers
    verdict "unit tests under valgrind" valgrind run_tests build-check/gcc check-valgrind
    finish
}
