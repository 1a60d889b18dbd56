"""The formats of the metrics page: who gets which, and that all of them say the same."""

import gzip
import re
import shutil
import subprocess
import threading

from exporter_formats_lib import parse_openmetrics, parse_protobuf
from exporter_lib import (Child, Exporter, fake_proc, parse_page, run_tests, series, single,
                          wait_for)
from tools_lib import Skip

TEXT = "text/plain; version=0.0.4; charset=utf-8"
OPENMETRICS = "application/openmetrics-text; version=1.0.0; charset=utf-8"
PROTOBUF = "application/vnd.google.protobuf; proto=io.prometheus.client.MetricFamily; " \
    "encoding=delimited"
TYPES = TEXT, OPENMETRICS, PROTOBUF

# What Prometheus 2.42 sends, by itself and with the feature native-histograms; what 3 sends.
PROMETHEUS_2 = "application/openmetrics-text;version=1.0.0,application/openmetrics-text;" \
    "version=0.0.1;q=0.75,text/plain;version=0.0.4;q=0.5,*/*;q=0.1"
PROMETHEUS_2_PROTOBUF = "application/vnd.google.protobuf;" \
    "proto=io.prometheus.client.MetricFamily;encoding=delimited," \
    "application/openmetrics-text;version=1.0.0;q=0.8,application/openmetrics-text;" \
    "version=0.0.1;q=0.75,text/plain;version=0.0.4;q=0.5,*/*;q=0.1"
PROMETHEUS_3 = "application/openmetrics-text;version=1.0.0;escaping=allow-utf-8;q=0.6," \
    "application/openmetrics-text;version=0.0.1;q=0.5," \
    "text/plain;version=1.0.0;escaping=allow-utf-8;q=0.4,text/plain;version=0.0.4;q=0.3,*/*;q=0.2"

# (Accept, Accept-Encoding, type or status, whether gzip)
TABLE = [
    (None, None, TEXT, False),
    ("*/*", "gzip", TEXT, True),
    (PROMETHEUS_2, "gzip", OPENMETRICS, True),
    (PROMETHEUS_2_PROTOBUF, "gzip", PROTOBUF, True),
    (PROMETHEUS_3, "gzip", OPENMETRICS, True),
    (PROMETHEUS_3, "zstd, gzip;q=0.5", OPENMETRICS, True),
    ("text/plain", "identity", TEXT, False),
    (PROTOBUF, "", PROTOBUF, False),
    (OPENMETRICS, "gzip;q=0", OPENMETRICS, False),
    ("image/png", "br", TEXT, False),
    ("application/openmetrics-text;q=one", None, TEXT, False),
    ("\"", "\"", TEXT, False),
    ("*/*", "identity;q=0", 406, False),
    ("*/*", "*;q=0", 406, False),
    ("*/*", "gzip;q=0.1, *;q=0", TEXT, True),
]

HOSTILE = [b'q"uote', b"new\nline", b"back\\slash", b"\\n", b"# EOF", b"\xff\xfe", b"\xe2\x82",
           b"{},=", b" ", b"\x01\t\r"]


PARSERS = {TEXT: parse_page, OPENMETRICS: parse_openmetrics, PROTOBUF: parse_protobuf}


def page(exporter, accept, coding="gzip"):
    """The page in a format, unpacked."""
    status, headers, body = exporter.get(Accept=accept, Accept_Encoding=coding)
    assert status == 200 and headers["Content-Type"] == accept, (status, headers)
    return gzip.decompress(body) if headers["Content-Encoding"] == "gzip" else body


def everybody_gets_what_was_asked_for():
    with Exporter("--interval=1h") as exporter:
        for accept, coding, expected, packed in TABLE:
            headers = {name: value for name, value in
                       (("Accept", accept), ("Accept_Encoding", coding)) if value is not None}
            for method in "GET", "HEAD":
                status, answer, body = exporter.get("/metrics", method, **headers)
                what = (accept, coding, method, status, answer.items())
                assert answer["Vary"] == "Accept, Accept-Encoding", what
                if expected == 406:
                    assert status == 406, what
                    continue
                assert status == 200 and answer["Content-Type"] == expected, what
                assert answer["Content-Encoding"] == ("gzip" if packed else None), what
                if method == "GET":
                    length = len(body)
                    assert PARSERS[expected](gzip.decompress(body) if packed else body), what
                else:
                    assert not body and int(answer["Content-Length"]) == length, what


def without_accept_encoding_nothing_is_packed():
    """http.client says identity by itself."""
    with Exporter("--interval=1h") as exporter:
        import socket
        with socket.create_connection(("127.0.0.1", exporter.port), timeout=60) as s:
            s.sendall(b"GET /metrics HTTP/1.0\r\n\r\n")
            data = b""
            while got := s.recv(65536):
                data += got
    head, _, body = data.partition(b"\r\n\r\n")
    assert b"Content-Encoding" not in head and parse_page(body)


def all_formats_say_the_same():
    children = [Child(name, 1) for name in HOSTILE]
    try:
        with Exporter("--interval=1h", "--process.top=1000") as exporter:
            shown = {accept: PARSERS[accept](page(exporter, accept)) for accept in TYPES}
    finally:
        for child in children:
            child.__exit__()
    assert len(shown[TEXT]) > 100
    assert shown[TEXT] == shown[OPENMETRICS] == shown[PROTOBUF]
    names = {labels["comm"] for labels, _ in
             series(shown[PROTOBUF], "memhist_process_resident_memory_bytes")}
    for name in HOSTILE:
        text = re.sub("[\udc80-\udcff]", "\ufffd", name.decode("utf-8", "surrogateescape"))
        assert text in names, (name, names)


def gzip_is_the_page():
    with Exporter("--interval=1h") as exporter:
        for accept in TYPES:
            plain = page(exporter, accept, "identity")
            assert page(exporter, accept, "gzip") == plain
            assert len(exporter.get(Accept=accept, Accept_Encoding="gzip")[2]) < len(plain) / 2


def promtool_finds_nothing_in_openmetrics_either():
    """It checks text only: so with what text does not have taken out."""
    if not shutil.which("promtool"):
        raise Skip("promtool is not installed")
    with Exporter() as exporter:
        body = page(exporter, OPENMETRICS)
    assert body.endswith(b"# EOF\n")
    # create-blocks-from reads OpenMetrics strictly, and wants a time behind each value
    lines = [line if line.startswith(b"#") else line + b" 1795206528"
             for line in body.splitlines()]
    with open("page", "wb") as file:
        file.write(b"\n".join(lines) + b"\n")
    result = subprocess.run(["promtool", "tsdb", "create-blocks-from", "openmetrics", "page",
                             "blocks"], capture_output=True, check=False)
    assert result.returncode == 0, result.stderr.decode()


def scrapers_share_one_page_per_sample():
    """A hundred at a time, of each format with and without gzip."""
    with Exporter("--interval=2s", "--groups.max=50") as exporter:
        wrong, pages, written = [], {}, {}

        def scrape(accept, coding):
            status, headers, body = exporter.get(Accept=accept, Accept_Encoding=coding)
            if status != 200 or headers["Content-Type"] != accept:
                wrong.append((status, headers))
                return
            body = gzip.decompress(body) if headers["Content-Encoding"] == "gzip" else body
            shown = PARSERS[accept](body)
            sample = single(shown, "memhist_sampler_samples_total")
            pages.setdefault((sample, accept, coding), set()).add(body)
            written[sample] = single(shown, "memhist_pages_written_total")
            if single(shown, "memhist_up") != 1:
                wrong.append("the machine is too busy to sample")

        def round_of_scrapes():
            threads = [threading.Thread(target=scrape,
                                        args=(TYPES[i % 3], ("gzip", "identity")[i % 2]))
                       for i in range(100)]
            for t in threads:
                t.start()
            for t in threads:
                t.join()
            return wrong or len(written) >= 3

        parse_openmetrics(page(exporter, OPENMETRICS))  # skips here and not in a thread
        wait_for(round_of_scrapes, 120, "pages of three samples")
        if "the machine is too busy to sample" in wrong:
            raise Skip(wrong[0])
        assert not wrong, wrong[:3]
        assert all(len(bodies) == 1 for bodies in pages.values())
        samples = sorted(written)
        # six kinds of page at most from one sample to the next, however many asked
        for before, after in zip(samples, samples[1:]):
            kinds = sum(sample == before for sample, _, _ in pages)
            assert kinds <= written[after] - written[before] <= 6 * (after - before), \
                (kinds, before, after, written)


def a_limit_of_series_is_kept_and_told():
    fake_proc()
    with Exporter("--path.procfs=proc", "--interval=100ms", "--web.max-series=500") as exporter:
        assert exporter.value("memhist_series_dropped_total") == 0
    children = [Child(b"memhist-%d" % i) for i in range(60)]
    try:
        with Exporter("--interval=200ms", "--web.max-series=500") as exporter:
            shown = exporter.next_sample()
            assert len(shown) == 500
            assert single(shown, "memhist_up") == 1
            dropped = single(shown, "memhist_series_dropped_total")
            assert dropped > 0
            assert single(exporter.next_sample(), "memhist_series_dropped_total") > dropped
            assert exporter.read_log().count("--web.max-series") == 1
    finally:
        for child in children:
            child.__exit__()


run_tests([
    everybody_gets_what_was_asked_for,
    without_accept_encoding_nothing_is_packed,
    all_formats_say_the_same,
    gzip_is_the_page,
    promtool_finds_nothing_in_openmetrics_either,
    scrapers_share_one_page_per_sample,
    a_limit_of_series_is_kept_and_told,
])
