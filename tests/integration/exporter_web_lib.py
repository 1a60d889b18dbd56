"""What tests of the web configuration share: files, certificates made by openssl, and curl."""

import json
import os
import re
import shutil
import subprocess
import sys

import exporter_lib
from exporter_lib import Exporter, wait_for

# bcrypt with cost 4, of “secret”
SECRET = "$2y$04$UdrWR9/cORlpJi8SwR5W2OtIh3CT9YoRa.CwNSGsII/Uz3Crkp3JC"


def run_tests(tests, *programs):
    for program in programs:
        if not shutil.which(program):
            print(f"1..0 # SKIP {program} is not installed")
            sys.exit(0)
    exporter_lib.run_tests(tests)


def write(config, name="web.yaml", mode=0o640):
    """A configuration, which is text or will be JSON, put in its place at once; its path."""
    with open(name + ".new", "w", encoding="utf-8") as file:
        file.write(config if isinstance(config, str) else json.dumps(config, ensure_ascii=False))
    os.chmod(name + ".new", mode)
    os.replace(name + ".new", name)
    return os.path.abspath(name)


def openssl(*args):
    subprocess.run(["openssl", *args], check=True, timeout=60, capture_output=True)


KEY = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes"]
RSA = ["-newkey", "rsa:2048", "-nodes"]


def authority(name="ca", kind=KEY):
    """NAME.pem, signed by itself, and NAME.key."""
    openssl("req", "-x509", *kind, "-keyout", f"{name}.key", "-out", f"{name}.pem",
            "-subj", f"/CN={name}", "-days", "30")
    os.chmod(f"{name}.key", 0o600)


def certificate(name, *extensions, by="ca", kind=KEY, days=30):
    """NAME.pem and NAME.key, signed by another, with lines such as subjectAltName=DNS:x."""
    openssl("req", *kind, "-keyout", f"{name}.key", "-out", f"{name}.csr", "-subj", f"/CN={name}")
    with open(f"{name}.ext", "w", encoding="ascii") as file:
        file.write("".join(line + "\n" for line in extensions))
    openssl("x509", "-req", "-in", f"{name}.csr", "-CA", f"{by}.pem", "-CAkey", f"{by}.key",
            "-CAcreateserial", "-out", f"{name}.new", "-days", str(days),
            "-extfile", f"{name}.ext")
    os.chmod(f"{name}.key", 0o600)
    os.replace(f"{name}.new", f"{name}.pem")


def server(*more, name="server", **options):
    certificate(name, "subjectAltName=IP:127.0.0.1", *more, **options)


class Answer:
    """What curl got. `status` is 0 when there was no answer, and `failed` what curl ended with."""

    def __init__(self, done):
        self.failed = done.returncode
        head, _, self.body = done.stdout.decode("utf-8").partition("\r\n\r\n")
        found = re.match(r"HTTP/1\.1 (\d{3}) ", head)
        self.status = int(found[1]) if found else 0
        self.headers = {}
        for line in head.split("\r\n")[1:]:
            name, _, value = line.partition(": ")
            assert name not in self.headers, f"header twice: {line}"
            self.headers[name] = value
        self.errors = done.stderr.decode("utf-8", "replace")

    def __repr__(self):
        return f"{self.status} ({self.failed}) {self.headers} {self.errors}"


def curl(exporter, *args, path="/-/healthy", tls=False):
    """One request; with `tls` the server must be one that ca.pem has signed."""
    way = ["--cacert", "ca.pem", f"https://127.0.0.1:{exporter.port}{path}"] if tls \
        else [f"http://127.0.0.1:{exporter.port}{path}"]
    return Answer(subprocess.run(["curl", "-q", "-sS", "-i", "--max-time", "60", "--noproxy", "*", *args, *way],
                                 capture_output=True, timeout=90, check=False))


def exporter_with(config, *flags):
    """A running exporter with this web configuration."""
    return Exporter("--config.file=", f"--web.config.file={write(config)}",
                    *flags, ready=False)


def until(condition, what):
    """Files are looked at once a second, when somebody asks."""
    return wait_for(condition, what=what)
