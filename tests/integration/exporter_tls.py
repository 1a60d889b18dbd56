"""TLS of the web configuration: versions, ciphers, certificates of clients, and files that change."""

import http.client
import os
import socket
import ssl
import subprocess

from exporter_lib import wait_for
from exporter_web_lib import (RSA, SECRET, authority, certificate, curl, exporter_with, run_tests,
                              server, until, write)

FILES = {"cert_file": "server.pem", "key_file": "server.key"}
OLD = ["--tlsv1.0", "--ciphers", "DEFAULT:@SECLEVEL=0"]  # openssl's way to speak them at all


def tls(**more):
    return {"tls_server_config": {**FILES, **more}}


def own(name):
    return ["--cert", f"{name}.pem", "--key", f"{name}.key"]


def prepare(*more, **options):
    authority()
    server(*more, **options)


def status(exporter, *args):
    return curl(exporter, *args, tls=True).status


def served(exporter, *args):
    """A busy machine may take longer for a handshake than a client has time."""
    until(lambda: status(exporter, *args) == 200, f"an answer {args}")


def versions():
    prepare()
    with exporter_with(tls()) as exporter:
        served(exporter)
        served(exporter, "--tls-max", "1.2")
        assert status(exporter, *OLD, "--tls-max", "1.1") == 0
        assert status(exporter, *OLD, "--tls-max", "1.0") == 0
        assert curl(exporter).status == 0, "answered without TLS"
        write(tls(min_version="TLS13"))
        until(lambda: status(exporter, "--tls-max", "1.2") == 0, "no TLS 1.2")
        served(exporter)
        write(tls(min_version="TLS10", max_version="TLS12"))
        until(lambda: status(exporter, *OLD, "--tls-max", "1.0") == 200, "TLS 1.0")
        assert status(exporter, "--tlsv1.3") == 0
        served(exporter)


def spoken(exporter, *args):
    """What openssl agrees on: (cipher, group)."""
    done = subprocess.run(["openssl", "s_client", "-connect", f"127.0.0.1:{exporter.port}", *args],
                          input=b"", capture_output=True, timeout=60, check=False)
    text = done.stdout.decode("utf-8", "replace")
    cipher = text.partition("Cipher is ")[2].partition("\n")[0]
    return cipher, text.partition("Server Temp Key: ")[2].partition(",")[0]


def ciphers_and_curves():
    """Of the suites that are listed those of the key, in the order of the list; and no other."""
    prepare(kind=RSA)
    suites = ["TLS_ECDHE_RSA_WITH_CHACHA20_POLY1305_SHA256", "TLS_ECDHE_RSA_WITH_AES_256_GCM_SHA384",
              "TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256"]
    with exporter_with(tls(cipher_suites=suites, curve_preferences=["CurveP384"])) as exporter:
        def agreed(*args):
            return spoken(exporter, "-tls1_2", *args)[0]
        until(lambda: agreed("-cipher", "AES256:CHACHA20") == "ECDHE-RSA-CHACHA20-POLY1305",
              "the first of the list")
        until(lambda: agreed("-cipher", "AES128:AES256") == "ECDHE-RSA-AES256-GCM-SHA384",
              "the second of the list")
        assert agreed("-cipher", "AES128") == "(NONE)"
        until(lambda: spoken(exporter, "-tls1_3") == ("TLS_CHACHA20_POLY1305_SHA256", "ECDH"),
              "the first of the list in TLS 1.3")
        assert spoken(exporter, "-groups", "X25519")[0] == "(NONE)"
        write(tls(max_version="TLS12", cipher_suites=["TLS_ECDHE_RSA_WITH_AES_128_CBC_SHA"]))
        until(lambda: agreed("-cipher", "AES128") == "ECDHE-RSA-AES128-SHA", "CBC alone")
        write(tls())
        until(lambda: agreed("-cipher", "AES128") == "ECDHE-RSA-AES128-GCM-SHA256", "all")
        assert agreed("-cipher", "AES256-GCM-SHA384") == "(NONE)", "without forward secrecy"


def clients():
    """The five values of client_auth_type, for everybody who may come."""
    prepare()
    certificate("good", "extendedKeyUsage=clientAuth")
    certificate("plain")
    certificate("wrong use", "extendedKeyUsage=serverAuth")
    authority("other")
    certificate("foreign", by="other")
    certificate("over", days=-1)
    come = {"": [], **{name: own(name) for name in ("good", "plain", "wrong use", "foreign", "other", "over")}}
    let_in = {
        "NoClientCert": set(come),
        "RequestClientCert": set(come),
        "RequireAnyClientCert": set(come) - {""},
        "VerifyClientCertIfGiven": {"", "good", "plain"},
        "RequireAndVerifyClientCert": {"good", "plain"},
    }
    with exporter_with(tls()) as exporter:
        for policy, expected in let_in.items():
            ca = {} if policy == "NoClientCert" else {"client_ca_file": "ca.pem"}
            # the header says that it is in force
            write({**tls(client_auth_type=policy, **ca),
                   "http_server_config": {"headers": {"X-XSS-Protection": policy}}})
            until(lambda p=policy: curl(exporter, *own("good"), tls=True).headers.get(
                "X-XSS-Protection") == p, policy)
            for version in ("1.2", "1.3"):
                for name, args in come.items():
                    if name in expected:
                        served(exporter, "--tls-max", version, *args)
                    else:
                        assert status(exporter, "--tls-max", version, *args) == 0, (policy, name)
        # whom the machine trusts, as there is no client_ca: nobody of ours
        write(tls(client_auth_type="RequireAndVerifyClientCert"))
        until(lambda: status(exporter, *own("good")) == 0, "no authority of ours")


def names_of_clients():
    prepare()
    names = {"dns": "DNS:prometheus.example", "ip": "IP:10.0.0.1", "six": "IP:2001:db8::1",
             "uri": "URI:spiffe://a/b", "mail": "email:a@example.org",
             "near": "DNS:prometheus.example.org", "none": None,
             "several": "DNS:x,DNS:prometheus.example"}
    for name, san in names.items():
        certificate(name, *([f"subjectAltName={san}"] if san else []))
    allowed = {"dns": "prometheus.example", "ip": "10.0.0.1", "six": "2001:db8::1",
               "uri": "spiffe://a/b", "mail": "a@example.org"}
    config = tls(client_ca_file="ca.pem", client_auth_type="RequireAndVerifyClientCert",
                 client_allowed_sans=list(allowed.values()))
    with exporter_with(config) as exporter:
        for name in names:
            if name in (*allowed, "several"):
                served(exporter, *own(name))
            else:
                assert status(exporter, *own(name)) == 0, name
        assert status(exporter) == 0


def certificates_change():
    """A new certificate counts from the next connection on; one that is wrong changes nothing."""
    prepare()
    with exporter_with(tls()) as exporter:
        def serial():
            done = subprocess.run(
                f"openssl s_client -connect 127.0.0.1:{exporter.port} </dev/null 2>/dev/null | "
                "openssl x509 -noout -serial", shell=True, capture_output=True, timeout=60,
                check=False)
            return done.stdout
        first = until(serial, "the certificate")
        # a key without its certificate: the old ones stay, and the log says so
        certificate("lonely")
        os.replace("lonely.key", "server.key")
        until(lambda: (serial(), exporter.read_log().count("is not the key of"))[1] == 1,
              "a word on the key")
        until(lambda: serial() == first, "the old certificate")
        server()
        until(lambda: serial() not in (first, b""), "the new certificate")
        served(exporter)
        assert exporter.read_log().count("stays as it was") == 1, exporter.read_log()
        os.chmod("server.key", 0o644)
        until(lambda: (serial(), "server.key may be read by everybody" in exporter.read_log())[1],
              "a word on the mode")
        served(exporter)


def scrapes_go_on_through_a_change():
    """One connection over changes of everything: it has the TLS that it began with, and what is
    asked of requests counts for it at once. On a busy machine it may be too slow, and be closed."""
    prepare()
    server(name="next")
    context = ssl.create_default_context(cafile="ca.pem")

    def attempt():
        """Whether the connection has stayed."""
        write(tls())
        with exporter_with(tls()) as exporter:
            connection = http.client.HTTPSConnection("127.0.0.1", exporter.port, timeout=60,
                                                     context=context)
            def ask():
                connection.request("GET", "/-/healthy")
                response = connection.getresponse()
                response.read()
                return response.status
            try:
                assert ask() == 200
                sock = connection.sock
                write({"tls_server_config": {"cert_file": "next.pem", "key_file": "next.key",
                                             "min_version": "TLS13"},
                       "basic_auth_users": {"alice": SECRET}})
                until(lambda: ask() == 401, "users")
                assert "the web configuration was read again" in exporter.read_log()
                return connection.sock is sock
            except (OSError, http.client.HTTPException):
                return False
            finally:
                connection.close()

    assert any(attempt() for _ in range(10))


def tls_neither_begins_nor_ends():
    prepare()
    with exporter_with(tls()) as exporter:
        write({})
        until(lambda: (status(exporter), "has no TLS any more" in exporter.read_log())[1], "a word")
        served(exporter)
        assert curl(exporter).status == 0


def everything_in_one_file():
    prepare()
    def text(name):
        with open(name, encoding="ascii") as file:
            return file.read()
    config = {"tls_server_config": {"cert": text("server.pem"), "key": text("server.key"),
                                    "client_ca": text("ca.pem"),
                                    "client_auth_type": "RequireAndVerifyClientCert"},
              "basic_auth_users": {"alice": SECRET}}
    certificate("good")
    with exporter_with(config) as exporter:
        assert status(exporter) == 0
        until(lambda: status(exporter, *own("good")) == 401, "refusal")
        served(exporter, *own("good"), "-u", "alice:secret")
        assert exporter.end() == 0
        assert "(TLS, 1 user)" in exporter.read_log()


def noise_and_half_handshakes():
    """Whatever bytes come, and whoever leaves in the middle, others are served."""
    prepare()
    with exporter_with(tls()) as exporter:
        hello = bytes.fromhex("16030100") + b"\xff" * 300
        for first in (b"GET / HTTP/1.1\r\n\r\n", hello, b"\0" * 500, b"\x16\x03\x01\x02\x00", b""):
            with socket.create_connection(("127.0.0.1", exporter.port), timeout=60) as client:
                client.sendall(first)
                served(exporter)
        def descriptors():
            return len(os.listdir(f"/proc/{exporter.process.pid}/fd"))
        before = descriptors()
        held = [socket.create_connection(("127.0.0.1", exporter.port)) for _ in range(50)]
        for client in held:
            client.sendall(b"\x16\x03\x01\x02\x00")
        served(exporter)
        for client in held:
            client.close()
        wait_for(lambda: descriptors() <= before + 3, what="the descriptors back")
        assert exporter.end() == 0


run_tests([versions, ciphers_and_curves, clients, names_of_clients, certificates_change,
           scrapes_go_on_through_a_change, tls_neither_begins_nor_ends, everything_in_one_file,
           noise_and_half_handshakes], "curl", "openssl")
