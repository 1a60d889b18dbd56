"""What the tests of the exporter's web side share: requests, as they are sent."""

GET = "GET {} HTTP/1.1\r\nHost: x\r\n{}\r\n"
# The beginning of a TLS handshake, as Latin-1.
HELLO = "\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" + "".join(map(chr, range(64)))
