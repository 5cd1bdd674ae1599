"""A service of the standard library alone, for demonstrations and measurements.

GET  /      the text of greeting.txt
GET  /slow  the same text again and again, 1 MiB in all
POST *      the body that came

Connections are kept open (HTTP/1.1), one thread each. It listens within some 60 ms: only what it
needs is imported, and http.server, which would double that, is not needed for this little.
"""

import os
import signal
import socket
import threading

SLOW_BYTES = 1 << 20
MAX_HEAD_BYTES = 64 << 10

with open(os.path.join(os.path.dirname(__file__), "greeting.txt"), "rb") as file:
    GREETING = file.read()
VERSION = GREETING.strip()
SLOW = GREETING * (SLOW_BYTES // len(GREETING))


def read_head(reader):
    """The request line's words and the headers, names in lower case; None at the connection's end."""
    line = reader.readline(MAX_HEAD_BYTES)
    if not line.strip():
        return None
    headers = {}
    while (header := reader.readline(MAX_HEAD_BYTES).strip()):
        name, _, value = header.partition(b":")
        headers[name.strip().lower()] = value.strip()
    return line.split(), headers


def read_body(reader, headers):
    """The request's body, by its length or in chunks."""
    if headers.get(b"transfer-encoding", b"").lower() != b"chunked":
        return reader.read(int(headers.get(b"content-length", 0)))
    pieces = []
    while (size := int(reader.readline().split(b";")[0], 16)):
        pieces.append(reader.read(size))
        reader.readline()
    while reader.readline().strip():
        pass
    return b"".join(pieces)


def answer(method, path, body):
    """The status and the body."""
    if method == b"POST":
        return b"200 OK", body
    if path == b"/slow":
        return b"200 OK", SLOW
    if path == b"/":
        return b"200 OK", GREETING
    return b"404 Not Found", b"There is nothing here.\n"


def serve(connection):
    """Answers one request after the other until either side closes."""
    connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    with connection, connection.makefile("rb") as reader:
        while (head := read_head(reader)) is not None:
            (method, target, _), headers = head
            status, body = answer(method, target.partition(b"?")[0], read_body(reader, headers))
            connection.sendall(
                b"HTTP/1.1 %s\r\nX-Version: %s\r\nContent-Type: text/plain\r\n"
                b"Content-Length: %d\r\n\r\n%s"
                % (status, VERSION, len(body), b"" if method == b"HEAD" else body)
            )
            if headers.get(b"connection", b"").lower() == b"close":
                return


def guarded(connection):
    try:
        serve(connection)
    except (OSError, ValueError):
        pass  # The other side went away, or does not speak HTTP: either way it is done.


# The first process of a container ignores signals that it has no handler for. When this one comes,
# the router has long sent the last request.
signal.signal(signal.SIGTERM, lambda *_: os._exit(0))

listener = socket.create_server(("0.0.0.0", int(os.environ.get("PORT", 8080))), backlog=512)
print(f"{VERSION.decode()} listens.", flush=True)
while True:
    accepted, _ = listener.accept()
    threading.Thread(target=guarded, args=(accepted,), daemon=True).start()
