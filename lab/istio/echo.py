"""The lab's HTTP server in pods: answers every request with what it saw of it, as JSON, so that tests see who asked."""

from __future__ import annotations

import http.server
import json
import os
import socket
import sys


class Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_GET(self) -> None:
        seen = {"host": socket.gethostname(), "path": self.path, "headers": dict(self.headers.items())}
        body = json.dumps(seen | {"uid": os.getuid()}, indent=1).encode() + b"\n"
        self.send_response(200)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)


def main() -> None:
    http.server.ThreadingHTTPServer(("", int(sys.argv[1])), Handler).serve_forever()


if __name__ == "__main__":
    main()
