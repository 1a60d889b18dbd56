"""A server on loopback that answers as a test wants it to, and certificates, good and bad."""

import os
import socket
import ssl
import struct
import subprocess
import threading


def request_of(connection):
    """(first line, {header: value}, body) of the next request, or None at the end."""
    data = b""
    while b"\r\n\r\n" not in data:
        more = connection.recv(65536)
        if not more:
            return None
        data += more
    head, body = data.split(b"\r\n\r\n", 1)
    lines = head.decode().split("\r\n")
    headers = {name.lower(): value for name, value in (line.split(": ", 1) for line in lines[1:])}
    while len(body) < int(headers.get("content-length", 0)):
        body += connection.recv(65536)
    return lines[0], headers, body


def answer(status=200, body=b"ok", *headers):
    head = [f"HTTP/1.1 {status} Words", f"Content-Length: {len(body)}", *headers]
    return "\r\n".join(head).encode() + b"\r\n\r\n" + body


def reset(connection):
    """Closed in a way that the other side notices as an error."""
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))


class Server:
    """Gives each connection to `handler(connection, server)`, in a thread of its own; for a `with`.
    What handlers wait for is server.ended, so that nothing outlives the `with`."""

    def __init__(self, handler, tls=None):
        self.handler, self.tls = handler, tls
        self.requests, self.n_connections = [], 0
        self.ended = threading.Event()
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.port = self.listener.getsockname()[1]
        self.url = f"http{'s' if tls else ''}://127.0.0.1:{self.port}"
        self.threads = [threading.Thread(target=self.serve)]
        self.threads[0].start()

    def serve(self):
        while True:
            try:
                connection, _ = self.listener.accept()
            except OSError:
                return
            if self.ended.is_set():
                connection.close()
                return
            self.n_connections += 1
            thread = threading.Thread(target=self.talk, args=(connection,))
            self.threads.append(thread)
            thread.start()

    def talk(self, connection):
        try:
            connection.settimeout(60)
            if self.tls:
                connection = self.tls.wrap_socket(connection, server_side=True)
            self.handler(connection, self)
        except OSError:
            pass  # the client went away, or refused
        finally:
            connection.close()

    def next(self, connection):
        found = request_of(connection)
        if found:
            self.requests.append(found)
        return found

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.ended.set()
        try:
            socket.create_connection(("127.0.0.1", self.port)).close()
        except OSError:
            pass
        for thread in list(self.threads):
            thread.join()
        self.listener.close()


def always(*answers):
    """A handler that gives these answers one after the other, on connections that stay."""
    given = iter(answers)

    def handler(connection, server):
        while server.next(connection):
            connection.sendall(next(given, answers[-1]))

    return handler


def certificate(name, host="127.0.0.1", when=None):
    """NAME.pem and NAME.key in the current folder, for two days from now, or from `when`. It signs
    itself, so that it is as well who has to be trusted."""
    command = ["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256",
               "-nodes", "-keyout", f"{name}.key", "-out", f"{name}.pem", "-days", "2",
               "-subj", f"/CN={name}", "-addext",
               f"subjectAltName={'IP' if host[0].isdigit() else 'DNS'}:{host}"]
    if when:
        command = ["faketime", when, *command]
    subprocess.run(command, check=True, capture_output=True)


def tls(name, client_ca=None):
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(f"{name}.pem", f"{name}.key")
    if client_ca:
        context.load_verify_locations(f"{client_ca}.pem")
        context.verify_mode = ssl.CERT_REQUIRED
    return context


def write(path, text, mode=0o600):
    with open(path, "w", encoding="utf-8") as f:
        f.write(text)
    os.chmod(path, mode)
    return path
