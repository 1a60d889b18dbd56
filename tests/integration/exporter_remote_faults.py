"""Endpoints of remote write that are bad in every way at once, beside one that is good: that one gets
each sample, nobody is waited for, and nothing grows."""

import os
import socket
import struct
import sys
import tempfile
import time

import remote_lib
import remote_receiver as rr
from exporter_lib import EXPORTER, run_tests, series, single, wait_for
from remote_receiver import Answer

HOUR = "1h"
MIB = 1 << 20


def read_request(connection):
    """A whole request, so that the other side waits for an answer."""
    data = b""
    while b"\r\n\r\n" not in data:
        piece = connection.recv(65536)
        if not piece:
            raise OSError("it left")
        data += piece
    head, _, body = data.partition(b"\r\n\r\n")
    length = next(int(line.split(b":")[1]) for line in head.split(b"\r\n")
                  if line.lower().startswith(b"content-length"))
    while len(body) < length:
        body += connection.recv(65536)


def silent(connection):
    read_request(connection)
    while connection.recv(65536):
        pass


def drip(connection):
    read_request(connection)
    for byte in b"HTTP/1.1 204 No Content\r\nX-Long: " + b"x" * 1000:
        connection.sendall(bytes([byte]))
        time.sleep(1)


def reset(connection):
    connection.recv(100)
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))


FLOODED = [0]


def flood(connection):
    read_request(connection)
    connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 1073741824\r\n\r\n")
    for _ in range(1024):
        connection.sendall(b"\0" * MIB)
        FLOODED[0] += MIB


def rubbish(connection):
    read_request(connection)
    connection.sendall(b"\x16\x03\x01 this is no HTTP \xff\xff\r\n\r\n")


def run(folder):
    queue = {"batch_send_deadline": "100ms", "max_backoff": "100ms"}
    proc = remote_lib.SmallProc(f"{folder}/proc", 40)
    assert proc.pids
    with socket.create_server(("127.0.0.1", 0)) as probe:
        closed = probe.getsockname()[1]  # and nobody listens there after
    began = time.monotonic()
    with rr.Receiver(redirect=lambda *_: Answer(301, None, {"Location": "/stolen"})) as receiver, \
            rr.Rude(silent) as silent_one, rr.Rude(drip) as drip_one, rr.Rude(reset) as reset_one, \
            rr.Rude(flood) as flood_one, rr.Rude(rubbish) as rubbish_one:
        urls = {"good": receiver.url("good"), "refused": f"http://127.0.0.1:{closed}/",
                "silent": silent_one.url(""), "drip": drip_one.url(""), "reset": reset_one.url(""),
                "flood": flood_one.url(""), "rubbish": rubbish_one.url(""),
                "redirect": receiver.url("redirect")}
        timeouts = {"silent": HOUR, "drip": "1s"}
        config = remote_lib.configure(folder, [
            {"url": url, "name": name, "queue_config": queue, **(
                {"remote_timeout": timeouts[name]} if name in timeouts else {})}
            for name, url in urls.items()])
        with remote_lib.exporter(config, "--interval=100ms", f"--path.procfs={folder}/proc",
                                 ) as exporter:
            wait_for(lambda: len(receiver.seen("good")) >= 5, what="the good one")
            first = exporter.next_sample()
            wait_for(lambda: "remote write to drip fails" in exporter.read_log(), what="the slow one")
            so_far = len(receiver.seen("good"))
            wait_for(lambda: len(receiver.seen("good")) >= so_far + 10, what="the good one")
            wait_for(lambda: FLOODED[0], what="the flood")
            page = exporter.next_sample()
            called = time.monotonic()
            status = exporter.end()
            return {"minutes": (time.monotonic() - began) / 60, "first": first, "page": page, "status": status, "log": exporter.read_log(),
                    "took": time.monotonic() - called, "good": receiver.seen("good"),
                    "stolen": receiver.seen("stolen")}


def metric(name, endpoint):
    return next(value for labels, value in series(SEEN["page"], "memhist_remote_write_" + name)
                if labels["remote_name"] == endpoint)


def the_good_one_gets_every_sample():
    times = sorted({x.ms for r in SEEN["good"] for s in r.series if s.name == "memhist_processes"
                    for x in s.samples if not x.is_stale})
    taken = single(SEEN["page"], "memhist_sampler_samples_total")
    # between the page and the end there are some more
    assert len(times) >= taken > 10, (len(times), taken)
    assert metric("samples_failed_total", "good") == metric("samples_retried_total", "good") == 0
    assert metric("up", "good") == 1


def the_bad_ones_are_told():
    for name in ("refused", "silent", "drip", "reset", "rubbish", "redirect"):
        assert metric("up", name) == 0, name
        assert metric("samples_total", name) == 0, name
        assert metric("samples_pending", name) > 100, name
    for name in ("refused", "drip", "reset", "rubbish"):
        assert metric("samples_retried_total", name) > 0, name
        assert f"remote write to {name} fails and is tried again: " in SEEN["log"], SEEN["log"]
    assert "remote write to redirect is configured wrong: status 301" in SEEN["log"]


def redirects_are_not_followed():
    assert 1 <= metric("misconfigured_total", "redirect") <= 1 + SEEN["minutes"]
    assert not SEEN["stolen"]


def a_log_is_not_flooded():
    for name in ("refused", "silent", "drip", "reset", "rubbish", "redirect", "flood"):
        told = [line for line in SEEN["log"].splitlines()
                if f"remote write to {name} " in line and "level=info" not in line]
        assert len(told) <= 1 + SEEN["minutes"], told


def bodies_are_not_read():
    assert metric("samples_total", "flood") > 0
    batches = metric("samples_total", "flood") / 100
    assert FLOODED[0] <= max(8, batches) * 16 * MIB, FLOODED


def memory_does_not_grow():
    first, last = (single(SEEN[page], "process_resident_memory_bytes")
                   for page in ("first", "page"))
    if b"__asan_init" in open(EXPORTER, "rb").read():
        return  # counts what was freed
    assert last - first <= 8 * MIB, (first, last)


def it_ends_in_time():
    assert SEEN["status"] == 0
    assert SEEN["took"] < 60  # three seconds are for the endpoints; one would have had an hour


if not os.path.exists(EXPORTER):
    print("1..0 # SKIP memhist-exporter was not built")
    sys.exit(0)
with tempfile.TemporaryDirectory(prefix="memhist-test-") as where:
    SEEN = run(where)
run_tests([the_good_one_gets_every_sample, the_bad_ones_are_told, redirects_are_not_followed,
           a_log_is_not_flooded, bodies_are_not_read, memory_does_not_grow, it_ends_in_time])
