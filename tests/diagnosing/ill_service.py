"""A service whose every answer is 500: it starts well, and is broken."""

from __future__ import annotations

import os
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer


class Ill(BaseHTTPRequestHandler):
    def answer(self) -> None:
        self.rfile.read(int(self.headers.get("content-length") or 0))
        self.send_error(500, "ill")

    do_GET = do_POST = do_DELETE = answer  # noqa: N815 - the library's names

    def log_message(self, *_args: object) -> None:
        pass


if __name__ == "__main__":
    ThreadingHTTPServer(("127.0.0.1", int(os.environ["PORT"])), Ill).serve_forever()
