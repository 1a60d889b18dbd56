"""Asking a Prometheus that a test has started."""

import json
import urllib.error
import urllib.parse
import urllib.request


class Api:
    """Who inherits has `port` and `process`."""

    def api(self, path, **query):
        url = f"http://127.0.0.1:{self.port}/api/v1/{path}?{urllib.parse.urlencode(query)}"
        try:
            with urllib.request.urlopen(url, timeout=60) as response:
                return json.load(response)["data"]
        except urllib.error.HTTPError as e:
            assert e.code == 503, e.read()  # it starts
            return None
        except OSError:
            assert self.process.poll() is None, "prometheus ended"
            return None  # not listening yet
