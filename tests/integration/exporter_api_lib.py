"""Asking the exporter's JSON API, strictly."""

import json

ROOT = "/api/v1/"


def strict(body):
    """JSON as RFC 8259 has it: UTF-8, no member twice, no NaN, one value."""
    def members(pairs):
        assert len({name for name, _ in pairs}) == len(pairs), f"member twice: {pairs}"
        return dict(pairs)
    def refuse(word):
        raise AssertionError(word)
    return json.loads(body.decode("utf-8"), object_pairs_hook=members, parse_constant=refuse)


def ask(exporter, request, status=200, method="GET"):
    """The data of an answer, or its error."""
    got, headers, body = exporter.get(ROOT + request, method)
    assert got == status, (request, got, body)
    assert headers["Content-Type"] == "application/json", headers["Content-Type"]
    assert headers["Cache-Control"] == "no-store"
    assert headers["X-Content-Type-Options"] == "nosniff"
    assert headers["Content-Security-Policy"] == "default-src 'none'"
    if method == "HEAD":
        assert body == b""
        return int(headers["Content-Length"])
    answer = strict(body)
    if status == 200:
        assert set(answer) == {"status", "data"} and answer["status"] == "success", answer
        return answer["data"]
    assert set(answer) == {"status", "errorType", "error"} and answer["status"] == "error", answer
    kinds = {400: "bad_data", 404: "not_found", 503: "unavailable"}
    assert answer["errorType"] == kinds[status], answer
    return answer["error"]
