#!/bin/sh
# memhist at work on this machine: a real collectd records through the plugin, memhist-exporter
# serves what the plugin writes, memhist-candles reads it back. Everything is kept in BUILD/run and
# on 127.0.0.1; no configuration of the system is read or changed.
#
#     tests/demo/run.sh BUILD [SECONDS [STEPS-DONE STEPS-TOTAL]]
#
# BUILD is absolute or as seen from the source tree. ./autogen.sh --run builds first and then calls it; a test calls it with few seconds.
set -eu
cd "$(dirname "$0")/../.."
. .ci/steps.sh

PATH=$PATH:/usr/sbin # where Debian keeps collectd, and users do not look
build=$1 seconds=${2:-20}
steps_begin "${4:-2}" "$build/autogen.log" "${3:-0}"
mkdir -p "$build/run"
here=$build/run              # as people type it
run=$(cd "$build/run" && pwd) # as collectd, which changes its directory, wants it
history=$here/history
collectd_pid='' exporter_pid='' sleep_pid='' port=''

# --- what is started is stopped -------------------------------------------------------------------

# stop PID: the end of a process that we started; its exit status.
stop()
{
    kill "$1" 2>/dev/null || true
    wait "$1" 2>/dev/null
}

stop_all()
{
    for started in $sleep_pid $exporter_pid $collectd_pid; do
        stop "$started" || true
    done
}

trap stop_all EXIT
trap 'exit 130' INT TERM

# fail REMEDY: ends a step that was begun here.
fail()
{
    attempt_end 1
    step_failed "$1"
}

# within SECONDS PID COMMAND…: waits until the command succeeds; false when the process ends or
# the time is over before that.
within()
{
    tenths=$(($1 * 10)) pid=$2
    shift 2
    while [ "$tenths" -gt 0 ] && kill -0 "$pid" 2>/dev/null; do
        if "$@" >/dev/null 2>&1; then
            return 0
        fi
        sleep 0.1
        tenths=$((tenths - 1))
    done
    return 1
}

# --- recording ------------------------------------------------------------------------------------

write_collectd_conf()
{
    cat >"$run/collectd.conf" <<END
# collectd for a demonstration: memhist.so from the build tree, one sample a second.
BaseDir "$run"
PIDFile "$run/collectd.pid"
FQDNLookup false
Interval 1

LoadPlugin logfile
<Plugin logfile>
  LogLevel info
  File stderr
</Plugin>
LoadPlugin csv
<Plugin csv>
  DataDir "$run/csv"
</Plugin>

PluginDir "$(cd "$build/.libs" && pwd)"
LoadPlugin memhist
<Plugin memhist>
  HistoryDir "$run/history"
  HistorySealer "$(cd "$build" && pwd)/memhist"
  HistoryMinFree "none"
</Plugin>
END
}

start_collectd()
{
    collectd -f -C "$run/collectd.conf" >>"$steps_log" 2>&1 </dev/null &
    collectd_pid=$!
    within 60 "$collectd_pid" has_history ||
        fail "collectd did not start recording. Try: collectd -f -C $here/collectd.conf"
}

has_history()
{
    "$build/memhist" status --history "$history"
}

# The first port from 19256 on where nobody listens: curl's status 7 is "connection refused".
free_port()
{
    for candidate in 19256 19257 19258 19259 19260 19261 19262 19263; do
        status=0
        curl -s -o /dev/null --max-time 2 "http://127.0.0.1:$candidate/" || status=$?
        if [ "$status" -eq 7 ]; then
            echo "$candidate"
            return
        fi
    done
}

start_exporter()
{
    port=$(free_port)
    [ -n "$port" ] || fail "Ports 19256 to 19263 of 127.0.0.1 are all taken."
    "$build/memhist-exporter" --web.listen-address "127.0.0.1:$port" --history.dir "$history" \
        --history.sealer "$(cd "$build" && pwd)/memhist" >>"$steps_log" 2>&1 </dev/null &
    exporter_pid=$!
    within 60 "$exporter_pid" curl -sf "http://127.0.0.1:$port/-/ready" ||
        fail "memhist-exporter did not get ready on http://127.0.0.1:$port/-/ready"
}

record()
{
    write_collectd_conf
    start_collectd
    start_exporter
    sleep "$seconds" >/dev/null &
    sleep_pid=$!
    wait "$sleep_pid" # unlike a plain sleep, lets the trap for Ctrl-C work at once
    sleep_pid=''
    "$build/memhist" status --history "$history" --top 5 >"$run/status.txt" 2>>"$steps_log" ||
        fail "memhist status could not read $history"
    curl -sf "http://127.0.0.1:$port/metrics" >"$run/metrics.txt" 2>>"$steps_log" ||
        fail "memhist-exporter does not answer on http://127.0.0.1:$port/metrics"
    stop "$exporter_pid" || fail "memhist-exporter did not end cleanly."
    exporter_pid=''
    stop "$collectd_pid" || fail "collectd did not end cleanly."
    collectd_pid=''
}

make_candles()
{
    # all labels, however many large processes come and go meanwhile
    "$build/memhist-candles" --history "$history" --interval 5s --all --output "$here/candles.tsv"
}

# --- showing --------------------------------------------------------------------------------------

width=$( (stty size </dev/tty | cut -d' ' -f2) 2>/dev/null) || width=''
[ "${width:-0}" -ge 60 ] || width=100

# shown COMMAND: a heading that can be typed.
shown()
{
    printf '\n$ %s\n' "$1"
}

# Lines cut to the width of the terminal, tabs as columns.
cut_to_width()
{
    expand -t 21,33,45,57,69,81,93,105,117,129,141,153 | LC_ALL=C.UTF-8 sed -E "s/^(.{$((width - 1))}).+/\\1…/"
}

# What a scrape gives: of each kind of metric the three largest.
some_metrics()
{
    for metric in memhist_group_resident_memory_bytes memhist_process_resident_memory_bytes \
        memhist_meminfo_mem_; do
        awk -v metric="$metric" 'index($0, metric) == 1 { print $NF "\t" $0 }' "$run/metrics.txt" |
            sort -rg | head -n 3 | cut -f 2-
    done
}

for program in memhist memhist-candles memhist-exporter .libs/memhist.so; do
    [ -e "$build/$program" ] || {
        printf '%s is not built: configure found something missing, see .ci/packages.\n' \
            "$build/$program" >&2
        exit 1
    }
done
for folder in csv history; do
    rm -rf "${run:?}/$folder"
done

attempt_begin "record for $seconds s: collectd writes, memhist-exporter follows"
record
attempt_end 0
shown "$build/memhist status --history $history --top 5"
cut_to_width <"$run/status.txt"
shown "curl http://127.0.0.1:$port/metrics    ($(wc -l <"$run/metrics.txt") lines, some of them)"
some_metrics | cut_to_width
echo

step "candles of 5 s" "memhist-candles has said above what is wrong." make_candles
shown "$build/memhist-candles --history $history --interval 5s --all --output $here/candles.tsv"
head -n 6 "$run/candles.tsv" | cut_to_width
shown "cat $here/candles.pids.tsv    ($(wc -l <"$run/candles.pids.tsv") lines, some of them)"
head -n 6 "$run/candles.pids.tsv" | cut_to_width

cat <<END

The files stay in $here:
  history/            what the plugin recorded
  candles.tsv         open, high, low, close of every process per 5 seconds
  candles.pids.tsv    which command each label stands for
  metrics.txt         one scrape of memhist-exporter
  csv/                what collectd's csv plugin got from memhist
  collectd.conf       the configuration of this run

Next, as root: make -C $build install, and then
  with collectd, at the end of collectd.conf:
    LoadPlugin memhist
    <Plugin memhist>
      HistoryDir "/var/lib/memhist"
    </Plugin>
  or without, by itself:
    memhist-exporter --history.dir=/var/lib/memhist
  in prometheus.yml, below scrape_configs:
    - {job_name: memhist, static_configs: [{targets: ["localhost:19256"]}]}
  and any time later:
    memhist-candles --history /var/lib/memhist --hours 24 --interval 15m --output day.tsv
END
