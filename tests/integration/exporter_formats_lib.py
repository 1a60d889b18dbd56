"""Strict readers of the formats that memhist-exporter writes its metrics in, beside parse_page()."""

import re
import struct

from tools_lib import Skip

UNITS = "bytes", "seconds", "pages", "byte_seconds"


def varint(data, at):
    value = shift = 0
    while True:
        byte = data[at]
        value |= (byte & 0x7f) << shift
        at, shift = at + 1, shift + 7
        if byte < 0x80:
            return value, at


def message(data):
    """[(number, value)] of a protobuf message."""
    fields, at = [], 0
    while at < len(data):
        tag, at = varint(data, at)
        if tag & 7 == 0:
            value, at = varint(data, at)
        elif tag & 7 == 1:
            value, at = struct.unpack_from("<d", data, at)[0], at + 8
        else:
            assert tag & 7 == 2, tag
            length, at = varint(data, at)
            assert at + length <= len(data)
            value, at = data[at:at + length], at + length
        fields.append((tag >> 3, value))
    return fields


def parse_protobuf(data):
    """As parse_page(), of io.prometheus.client.MetricFamily."""
    samples, names, at = {}, set(), 0
    while at < len(data):
        length, at = varint(data, at)
        family, at = message(data[at:at + length]), at + length
        only = dict(family)
        name = only[1].decode()
        assert name not in names and only[2].decode() and only[3] in (0, 1), only
        names.add(name)
        assert (only[3] == 0) == name.endswith("_total"), only
        assert only.get(5, b"").decode() in ("", *UNITS), only
        for number, metric in family:
            if number != 4:
                continue
            metric = message(metric)
            labels = [dict(message(value)) for number, value in metric if number == 1]
            (value,) = [dict(message(value))[1] for number, value in metric
                        if number == (3 if only[3] == 0 else 2)]
            key = (name, frozenset((pair[1].decode(), pair[2].decode()) for pair in labels))
            assert key not in samples and len(key[1]) == len(labels), key
            samples[key] = value
    return samples


def parse_openmetrics(body):
    """As parse_page(), by the strict reader of prometheus_client."""
    try:
        from prometheus_client.openmetrics.parser import text_string_to_metric_families
    except ImportError as e:
        raise Skip("python3-prometheus-client is not installed") from e
    samples = {}
    for family in text_string_to_metric_families(body.decode()):
        assert family.documentation, family
        # a unit wherever the name has one, but there is none of infos
        last = re.search("(byte_seconds|[^_]*)$", family.name)[0]
        assert family.unit == (last if last in UNITS
                               and family.type != "info" else ""), family
        assert family.type in ("gauge", "counter", "info"), family
        for sample in family.samples:
            assert sample.timestamp is None and sample.exemplar is None
            key = (sample.name, frozenset(sample.labels.items()))
            assert key not in samples, key
            samples[key] = sample.value
    return samples
