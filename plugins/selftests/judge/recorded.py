"""A small local server that answers as an API server was recorded to."""

from __future__ import annotations

import json
from http.server import BaseHTTPRequestHandler

from golive.types import Json
from selftests.judge.local_api import LocalApi

Answer = tuple[int, Json | str]


class Recorded(LocalApi):
    """``answers`` by path; a list of them is given one after another, the last one for ever. Else 404."""

    def __init__(self, answers: dict[str, Answer | list[Answer]]) -> None:
        self.asked: list[str] = []
        asked = self.asked

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_GET(self) -> None:
                path = self.path.partition("?")[0]
                asked.append(path)
                found = answers.get(path, (404, {"reason": "NotFound", "message": f"no {path}"}))
                if isinstance(found, list):
                    found = found.pop(0) if len(found) > 1 else found[0]
                status, body = found
                data = (body if isinstance(body, str) else json.dumps(body)).encode()
                self.send_response(status)
                self.send_header("Content-Length", str(len(data)))
                self.end_headers()
                self.wfile.write(data)

            def log_message(self, format: str, *args: object) -> None:
                """Nothing: the test looks at what was asked."""

        super().__init__("recorded", Handler)
