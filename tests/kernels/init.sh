#!/bin/sh
# The first process of the guest: runs what is in /tests, tells the host over the second serial
# port, and powers off. Lines that begin with "@" are the host's to read; see boot.py.
export PATH=/bin:/sbin CMOCKA_MESSAGE_OUTPUT=TAP LC_ALL=C

mount -t proc proc /proc
mount -t sysfs sysfs /sys
mount -t devtmpfs dev /dev
mount -t tmpfs tmp /tmp
mount -t cgroup2 cgroup2 /sys/fs/cgroup
ip link set lo up
exec >/dev/ttyS1 2>&1
stty -onlcr

echo "@kernel $(uname -r)"
for program in /tests/*; do
    echo "@begin ${program##*/}"
    "$program" </dev/null
    echo "@end $?"
done

# The exporter, by each backend: what it says, its page, and how it ends.
for backend in auto bpf bpf-seq procfs; do
    echo "@exporter $backend"
    /bin/memhist-exporter --collector.backend=$backend --history.dir= \
        --web.listen-address=127.0.0.1:19256 2>/tmp/log &
    exporter=$!
    tries=0
    until [ -s /tmp/page ] || [ $tries -ge 100 ] || ! kill -0 $exporter; do
        tries=$((tries + 1))
        usleep 100000
        wget -qO /dev/null http://127.0.0.1:19256/-/ready &&
            wget -qO /tmp/page http://127.0.0.1:19256/metrics
    done 2>/dev/null
    kill $exporter 2>/dev/null
    wait $exporter
    status=$?
    cat /tmp/log
    grep -E '^memhist_(collector_backend_info|processes)' /tmp/page 2>/dev/null
    rm -f /tmp/page
    echo "@end $status"
done
echo "@done"
poweroff -f
