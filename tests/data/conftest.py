"""A web server of this machine, for downloads without a network; a CSV that is written, then read."""

import threading
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

from cnnrun.data.csv_tables import open_csv
from cnnrun.data.series import Reading, Series, series_of

READING: dict[str, Any] = {
    "time": "auto",
    "frequency": None,
    "timezone": None,
    "decimal": "auto",
    "separator": "auto",
    "date_format": "auto",
    "duplicates": "mean",
    "gaps": "forward",
    "gap_limit": 24,
}


class Server:
    """Serves `files`; those in `cut_short` end in the middle, those in `stuck` wait there until `close`."""

    def __init__(self) -> None:
        self.files: dict[str, bytes] = {}
        self.cut_short: set[str] = set()
        self.stuck: set[str] = set()
        self.asked: list[str] = []
        self.closing = threading.Event()
        outer = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                outer.answer(self)

            def log_message(self, *_: object) -> None:
                pass

        self.http = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.http.server_address[1]}/"
        self.thread = threading.Thread(target=self.http.serve_forever, kwargs={"poll_interval": 0.01})
        self.thread.start()

    def answer(self, request: BaseHTTPRequestHandler) -> None:
        name = request.path.lstrip("/")
        self.asked.append(name)
        if name not in self.files:
            request.send_error(404)
            return
        body = self.files[name]
        request.send_response(200)
        request.send_header("Content-Length", str(len(body)))
        request.end_headers()
        whole = name not in self.cut_short | self.stuck
        request.wfile.write(body if whole else body[: len(body) // 2])
        if name in self.stuck:
            self.closing.wait(30)

    def close(self) -> None:
        self.closing.set()
        self.http.shutdown()
        self.thread.join()
        self.http.server_close()


@pytest.fixture
def server() -> Iterator[Server]:
    running = Server()
    yield running
    running.close()


@pytest.fixture
def read(tmp_path: Path) -> Callable[..., Series]:
    """`read(text or bytes, columns=["y"], **settings)` of a file `data.csv`."""

    def write_and_read(content: str | bytes, **settings: Any) -> Series:
        path = tmp_path / "data.csv"
        path.write_bytes(content.encode() if isinstance(content, str) else content)
        columns, num_targets = settings.pop("columns", ["y"]), settings.pop("num_targets", 1)
        reading = Reading(**(READING | settings))
        return series_of(open_csv(path, reading.separator), columns, reading, num_targets)

    return write_and_read
