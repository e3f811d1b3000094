"""What several test files share: a small data set that a small network can learn, a toy command line, a web server."""

import os
import shutil
import signal
import threading
from collections.abc import Iterator
from dataclasses import replace
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

if "PYTEST_XDIST_WORKER" in os.environ:  # several at a time: a core for each, as torch takes all when it is imported
    os.environ.setdefault("OMP_NUM_THREADS", "1")

import torch

from cnnrun import cli
from cnnrun.config import callables, options
from cnnrun.data.preprocessing import fit_preprocessing
from cnnrun.data.splits import LabelledData, Split
from cnnrun.training import crowding

TESTS = Path(__file__).parent


def blobs(num_samples: int, seed: int) -> tuple[torch.Tensor, torch.Tensor]:
    """Grey 8x8 images with a bright patch whose corner tells the class (0, 1, 2)."""
    generator = torch.Generator().manual_seed(seed)
    targets = torch.arange(num_samples) % 3
    images = torch.randint(0, 120, (num_samples, 1, 8, 8), generator=generator)
    for image, target in zip(images, targets.tolist(), strict=True):
        row, column = ((0, 0), (0, 5), (5, 2))[target]
        image[0, row : row + 3, column : column + 3] += 60
    return images.to(torch.uint8), targets


@pytest.fixture(scope="session")
def blob_data() -> LabelledData:
    """52 training samples, 21 for val, 24 for test, of 3 classes."""
    splits = []
    for seed, (name, size) in enumerate({"train": 52, "val": 21, "test": 24}.items()):
        inputs, targets = blobs(size, seed)
        splits.append(Split(name, inputs, targets, [f"{name}/{row:05d}" for row in range(size)]))
    train, val, test = splits
    return LabelledData(train, val, test, ("a", "b", "c"), fit_preprocessing(train, "standardize"))


@pytest.fixture(autouse=True)
def machine_of_our_own(tmp_path, monkeypatch):
    """What is said of other programs would stand between the lines that are tested."""
    monkeypatch.setattr(crowding, "LOAD", tmp_path / "not there")


@pytest.fixture
def toy(tmp_path, monkeypatch):
    """The command line with parts that need no torch; `toy_parts.CALLS` tells what ran. Works in an empty folder."""
    conf, here = tmp_path / "packaged", tmp_path / "work"
    shutil.copytree(TESTS / "toy" / "conf", conf)
    shutil.copytree(TESTS.parent / "conf" / "hydra", conf / "hydra")
    for command in ("train", "eval", "predict"):
        text = (TESTS.parent / "conf" / f"{command}.yaml").read_text()
        # One process, whose parts a test can look into and change.
        (conf / f"{command}.yaml").write_text(text.replace("hydra/launcher: processes", "hydra/launcher: serial"))
    here.mkdir()
    monkeypatch.chdir(here)
    monkeypatch.delenv("CNNRUN_DATA", raising=False)
    monkeypatch.setenv("COLUMNS", "100")
    monkeypatch.syspath_prepend(TESTS / "toy")
    monkeypatch.setattr(options, "packaged", lambda: conf)
    for group, names in callables.GROUPS.items():
        monkeypatch.setitem(callables.GROUPS, group, f"toy_parts:{names.partition(':')[2]}")
    for command, function in {"train": "toy_parts:train", "eval": "toy_parts:evaluate"}.items():
        monkeypatch.setitem(cli.COMMANDS, command, replace(cli.COMMANDS[command], function=function))
    import toy_parts

    toy_parts.CALLS.clear()
    toy_parts.ENDS.clear()
    return toy_parts


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


@pytest.fixture(scope="session", autouse=True)
def _no_cache_of_the_user(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """What tests cache, in processes that they start too, goes with their temporary folder."""
    with pytest.MonkeyPatch.context() as patched:
        patched.setenv("CNNRUN_CACHE", str(tmp_path_factory.mktemp("cache")))
        yield


@pytest.fixture(scope="session", autouse=True)
def _ctrl_c_works() -> Iterator[None]:
    """A shell starts what it runs in the background with SIGINT ignored, and programs that tests start inherit that."""
    before = signal.getsignal(signal.SIGINT)
    signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, before)
