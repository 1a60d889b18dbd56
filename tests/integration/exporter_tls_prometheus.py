"""A real Prometheus scrapes with TLS, a certificate of its own and a password, while the exporter's
certificate is exchanged."""

import json
import os
import socket
import subprocess

from exporter_lib import wait_for
from exporter_prometheus_lib import Api
from exporter_web_lib import SECRET, authority, certificate, exporter_with, run_tests, server, write


class Prometheus(Api):
    """Scrapes one target every two seconds, from this folder; for a `with`."""

    def __init__(self, target_port):
        with socket.create_server(("127.0.0.1", 0)) as probe:
            self.port = probe.getsockname()[1]
        with open("prometheus.yml", "w", encoding="ascii") as f:
            json.dump({"global": {"scrape_interval": "2s", "scrape_timeout": "2s"},
                       "scrape_configs": [{
                           "job_name": "memhist", "scheme": "https",
                           "tls_config": {"ca_file": "ca.pem", "cert_file": "prometheus.pem",
                                          "key_file": "prometheus.key"},
                           "basic_auth": {"username": "prometheus", "password": "secret"},
                           "static_configs": [{"targets": [f"127.0.0.1:{target_port}"]}]}]}, f)
        with open("prometheus.log", "wb") as log:
            self.process = subprocess.Popen(
                ["prometheus", "--config.file=prometheus.yml",
                 f"--storage.tsdb.path={os.getcwd()}/tsdb",
                 f"--web.listen-address=127.0.0.1:{self.port}"],
                stdin=subprocess.DEVNULL, stdout=log, stderr=log)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.process.kill()
        self.process.wait()

    def value(self, expression):
        data = self.api("query", query=expression)
        return float(data["result"][0]["value"][1]) if data and data["result"] else None


def it_scrapes_through_a_change():
    authority()
    server()
    certificate("prometheus", "subjectAltName=DNS:prometheus.example", "extendedKeyUsage=clientAuth")
    tls = {"cert_file": "server.pem", "key_file": "server.key", "client_ca_file": "ca.pem",
           "client_auth_type": "RequireAndVerifyClientCert",
           "client_allowed_sans": ["prometheus.example"], "min_version": "TLS13"}
    users = {"prometheus": SECRET}
    with exporter_with({"tls_server_config": tls, "basic_auth_users": users}) as exporter, \
            Prometheus(exporter.port) as prometheus:
        def last():
            return prometheus.value("memhist_last_sample_timestamp_seconds")
        wait_for(lambda: prometheus.value("up") == 1, what="the target up")
        wait_for(last, what="a sample")
        server()
        write({"tls_server_config": {**tls, "max_version": "TLS13"}, "basic_auth_users": users})
        wait_for(lambda: "the web configuration was read again" in exporter.read_log(),
                 what="the change")
        before = last()
        wait_for(lambda: (last() or 0) > before, what="a sample after the change")
        write({"tls_server_config": tls, "basic_auth_users": {"somebody": SECRET}})
        wait_for(lambda: "401" in prometheus.api("targets")["activeTargets"][0]["lastError"],
                 what="refusal")
        assert exporter.end() == 0


run_tests([it_scrapes_through_a_change], "prometheus", "openssl")
