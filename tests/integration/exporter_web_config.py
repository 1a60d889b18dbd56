"""--config.check of web configurations, beside promtool check web-config: what is good here is good
there. Not the other way round, for the reasons that stand in the table."""

import os
import shutil
import subprocess

from exporter_lib import EXPORTER
from exporter_web_lib import KEY, RSA, SECRET, authority, certificate, run_tests, server, write

TLS = "cert_file: server.pem, key_file: server.key"
USER = f"basic_auth_users: {{alice: {SECRET}}}\n"


def tls(more=""):
    return f"tls_server_config: {{{TLS}{', ' + more if more else ''}}}\n"


def headers(more):
    return f"http_server_config: {{headers: {{{more}}}}}\n"


GOOD = [
    "", "# nothing\n", "{}\n", tls(), tls("min_version: TLS13"), USER,
    tls("min_version: TLS10, max_version: TLS11"),
    tls("client_auth_type: RequireAndVerifyClientCert, client_ca_file: ca.pem"),
    tls("client_auth_type: VerifyClientCertIfGiven, client_ca_file: ca.pem"),
    tls("client_auth_type: RequestClientCert"), tls("client_auth_type: RequireAnyClientCert"),
    tls("client_auth_type: RequireClientCert"), tls("client_auth_type: NoClientCert"),
    tls("client_auth_type: RequireAndVerifyClientCert"), tls("client_auth_type: ''"),
    tls("client_ca_file: ''"),
    tls("cipher_suites: [TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256, "
        "TLS_ECDHE_RSA_WITH_AES_256_CBC_SHA]"),
    tls("cipher_suites: [TLS_AES_128_GCM_SHA256, TLS_CHACHA20_POLY1305_SHA256]"),
    tls("cipher_suites: []"), tls("prefer_server_cipher_suites: false"),
    tls("prefer_server_cipher_suites: yes"),
    tls("curve_preferences: [CurveP256, CurveP384, CurveP521, X25519]"),
    tls() + USER + headers("X-Frame-Options: deny"),
    "http_server_config: {http2: false}\n", "http_server_config: {http2: true}\n",
    headers("X-Frame-Options: sameorigin, X-Content-Type-Options: nosniff, X-XSS-Protection: 0"),
    headers("Content-Security-Policy: \"default-src 'self'\", Strict-Transport-Security: max-age=9"),
    headers("Content-Security-Policy: ''"), headers(""),
    *(f"basic_auth_users: {{a: {SECRET.replace('$2y$04', f'${kind}${cost}')}}}\n"
      for kind in ("2a", "2b", "2y") for cost in ("04", "10", "12")),
    "tls_server_config:\nhttp_server_config:\nbasic_auth_users:\n",
    "tls_server_config: {cert_file: rsa.pem, key_file: rsa.key}\n",
    "tls_server_config: {cert_file: keys/../server.pem, key_file: server.key}\n",
]

BAD = [
    "x\n", "- x\n", "tls_config: {}\n", "tls_server_config: [x]\n", tls("certfile: x"),
    tls("cert_file: ca.pem"), "tls_server_config: {cert_file: server.pem}\n",
    "tls_server_config: {key_file: server.key}\n",
    "tls_server_config: {cert_file: missing.pem, key_file: server.key}\n",
    "tls_server_config: {cert_file: server.pem, key_file: missing.key}\n",
    "tls_server_config: {cert_file: server.pem, key_file: rsa.key}\n",
    "tls_server_config: {cert_file: empty.pem, key_file: server.key}\n",
    "tls_server_config: {cert_file: server.pem, key_file: empty.pem}\n",
    "tls_server_config: {cert_file: server.key, key_file: server.pem}\n",
    tls("min_version: TLS14"), tls("min_version: SSL30"), tls("max_version: '1.2'"),
    tls("client_ca_file: ca.pem"), tls("client_ca_file: ca.pem, client_auth_type: NoClientCert"),
    tls("client_ca_file: missing.pem, client_auth_type: RequireAndVerifyClientCert"),
    tls("client_auth_type: Yes"), tls("client_auth_type: requireandverifyclientcert"),
    tls("cipher_suites: [AES]"), tls("cipher_suites: TLS_AES_128_GCM_SHA256"),
    tls("curve_preferences: [P256]"), tls("prefer_server_cipher_suites: maybe"),
    "http_server_config: {http2: maybe}\n", "http_server_config: {http3: true}\n",
    headers("Server: x"), headers("X-Frame-Options: DENY"), headers("X-Frame-Options: ''"),
    headers("X-Content-Type-Options: sniff"), headers("content-security-policy: x"),
    "http_server_config: {headers: [x]}\n",
    "basic_auth_users: [alice]\n", "basic_auth_users: {alice: secret}\n",
    "basic_auth_users: {alice: }\n", "basic_auth_users: {alice: $2y$10$short}\n",
    "basic_auth_users: {alice: {x: y}}\n", "basic_auth_users: alice\n", USER + USER, tls() + "\ta: b\n",
]

# what promtool takes, and why it is refused here
STRICTER = [
    ("tls_server_config: {min_version: TLS13}\n", "it would be no TLS"),
    (tls("min_version: TLS13, max_version: TLS12"), "nobody could connect"),
    (tls("cipher_suites: [TLS_RSA_WITH_AES_128_GCM_SHA256]"), "no forward secrecy"),
    (tls("cipher_suites: [TLS_ECDHE_ECDSA_WITH_AES_128_CBC_SHA]"), "not to be said to GnuTLS"),
    (tls("max_version: TLS12, cipher_suites: [TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256]"),
     "nobody could connect: it is for another key"),
    (tls("client_ca_file: empty.pem, client_auth_type: RequireAndVerifyClientCert"),
     "nobody could connect"),
    (tls("curve_preferences: [X25519, X25519]"), "a slip"),
    (USER.replace("$04$", "$13$"), "it takes a second and more"),
    (USER.replace("$2y$", "$2x$"), "a broken bcrypt"),
    (f"basic_auth_users: {{alice: {SECRET}x}}\n", "no hash"),
    (f"basic_auth_users: {{'a:b': {SECRET}}}\n", "nobody can have that name"),
    (headers("X-XSS-Protection: \"a\\r\\nb: c\""), "two headers"),
    ("http_server_config: &a {http2: true}\n", "anchors"),
]

# keys that are younger than some promtools: of those only what is said here counts
YOUNGER_GOOD = [
    tls("client_auth_type: RequireAndVerifyClientCert, client_ca_file: ca.pem, "
        "client_allowed_sans: [a, 10.0.0.1]"),
    "rate_limit: {interval: 1s, burst: 20}\n", "rate_limit: {interval: 1m0.5s, burst: 1}\n",
    "rate_limit: {interval: 0}\n", "rate_limit: {}\n",
]
YOUNGER_BAD = [
    tls("client_allowed_sans: [a]"), tls("cert: x"), tls("key: x"),
    "tls_server_config: {cert: x, key: y}\n", "rate_limit: {interval: 1d, burst: 1}\n",
    "rate_limit: {interval: 1s}\n", "rate_limit: {burst: -1}\n",
]


def make_files():
    authority()
    server(kind=KEY)
    certificate("rsa", kind=RSA)
    os.mkdir("keys")
    with open("empty.pem", "wb"):
        pass
    os.chmod("empty.pem", 0o600)


def check(path):
    return subprocess.run([EXPORTER, "--config.file=", "--config.check", f"--web.config.file={path}"],
                          capture_output=True, text=True, timeout=60, check=False,
                          stdin=subprocess.DEVNULL)


def is_good(text):
    path = write(text)
    done = check(path)
    if done.returncode == 0:
        assert (done.stdout, done.stderr) == (f"{path} is good\n", ""), (text, done)
        return True
    assert done.returncode == 1 and not done.stdout, (text, done)
    assert done.stderr.startswith("memhist-exporter: ") and done.stderr.count("\n") == 1, done
    return False


def promtool_takes(text):
    done = subprocess.run(["promtool", "check", "web-config", write(text)], capture_output=True,
                          timeout=60, check=False)
    return done.returncode == 0


def what_is_good_and_bad():
    make_files()
    assert not [text for text in GOOD + YOUNGER_GOOD if not is_good(text)]
    assert not [text for text in BAD + YOUNGER_BAD if is_good(text)]
    assert not [text for text, _ in STRICTER if is_good(text)]


def promtool_agrees():
    make_files()
    assert not [text for text in GOOD if not promtool_takes(text)]
    assert not [text for text in BAD if promtool_takes(text)]
    assert not [text for text, _ in STRICTER if not promtool_takes(text)]


def sentences_say_where_and_what():
    make_files()
    sentences = [
        ("tls_server_config:\n  cert_fil: x\n",
         "web.yaml:2:3: unknown key “cert_fil”: did you mean “cert_file”?"),
        ("tls_server_config: {cert_file: server.pem, key_file: rsa.key}\n",
         "rsa.key is not the key of the certificate in "),
        ("tls_server_config: {cert_file: empty.pem, key_file: rsa.key}\n",
         "no certificate in "),
        (tls("client_ca_file: empty.pem, client_auth_type: RequireAndVerifyClientCert"),
         "no certificate in "),
        ("tls_server_config: {cert_file: gone.pem, key_file: rsa.key}\n", "gone.pem: No such file"),
        (tls("max_version: TLS12, cipher_suites: [TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256]"),
         "none of the cipher_suites goes with an ECDSA certificate"),
    ]
    for text, sentence in sentences:
        done = check(write(text))
        assert done.returncode == 1 and sentence in done.stderr, (text, done)


def who_may_read_them():
    make_files()
    for name, mode, sentence in (
            ("web.yaml", 0o644, "web.yaml may be read by everybody (mode 0644): chmod 0640"),
            ("web.yaml", 0o660, "may be changed by its group"),
            ("server.key", 0o604, "server.key may be read by everybody (mode 0604): chmod 0640"),
            ("server.pem", 0o666, "server.pem may be changed by everybody"),
            ("ca.pem", 0o622, "ca.pem may be changed by everybody")):
        path = write(tls("client_ca_file: ca.pem, client_auth_type: RequireAndVerifyClientCert"))
        assert check(path).returncode == 0
        was = os.stat(name).st_mode
        os.chmod(name, mode)
        done = check(path)
        assert done.returncode == 1 and sentence in done.stderr, done
        os.chmod(name, was)
    done = subprocess.run([EXPORTER, "--config.file=", "--web.config.file=missing.yaml"],
                          capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 1 and "cannot read missing.yaml" in done.stderr, done


run_tests([what_is_good_and_bad, *([promtool_agrees] if shutil.which("promtool") else []),
           sentences_say_where_and_what, who_may_read_them], "openssl")
