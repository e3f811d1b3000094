"""Downloads from a server of this machine. Run: pytest tests/test_downloads.py"""

import hashlib
import io
import signal
import subprocess
import sys
import tarfile
import time
from pathlib import Path
from typing import Any

import pytest

from cnnrun.downloads import DownloadFailed, digest_of, fetch, md5_of, missing, refuse_damaged, unpack
from cnnrun.errors import DataError

BODY = bytes(range(256)) * 4000


def md5(body: bytes) -> str:
    return hashlib.md5(body, usedforsecurity=False).hexdigest()


def ignore(*_: object) -> None:
    pass


def test_a_file_arrives_whole_in_a_new_folder_and_its_progress_is_told(server: Any, tmp_path: Path) -> None:
    server.files["a.bin"] = BODY
    path = tmp_path / "new" / "folder" / "a.bin"
    told: list[tuple[int, int | None, str]] = []

    def report(done: int, total: int | None, what: str) -> None:
        assert not path.exists()
        told.append((done, total, what))

    fetch([server.url + "a.bin"], path, md5(BODY), report)
    assert path.read_bytes() == BODY
    assert [entry.name for entry in path.parent.iterdir()] == ["a.bin"]
    assert told[0] == (0, len(BODY), "a.bin")
    assert told[-1] == (len(BODY), len(BODY), "a.bin")
    assert [done for done, _, _ in told] == sorted(done for done, _, _ in told)


def test_the_next_mirror_is_asked_when_one_fails(server: Any, tmp_path: Path) -> None:
    server.files |= {"wrong/a.bin": b"other", "cut/a.bin": BODY, "good/a.bin": BODY}
    server.cut_short.add("cut/a.bin")
    urls = [f"{server.url}{mirror}/a.bin" for mirror in ("absent", "wrong", "cut", "good")]
    fetch(urls, tmp_path / "a.bin", md5(BODY), ignore)
    assert server.asked == ["absent/a.bin", "wrong/a.bin", "cut/a.bin", "good/a.bin"]
    assert md5_of(tmp_path / "a.bin") == md5(BODY)


def test_a_checksum_may_be_the_beginning_of_a_sha256(server: Any, tmp_path: Path) -> None:
    server.files |= {"good/a.bin": BODY, "wrong/a.bin": b"other"}
    beginning = hashlib.sha256(BODY).hexdigest()[:8]
    fetch([server.url + "good/a.bin"], tmp_path / "a.bin", beginning, ignore, "sha256")
    assert digest_of(tmp_path / "a.bin", "sha256") == hashlib.sha256(BODY).hexdigest()
    with pytest.raises(DownloadFailed, match=f"its sha256 is .*, the published one {beginning}"):
        fetch([server.url + "wrong/a.bin"], tmp_path / "b.bin", beginning, ignore, "sha256")


@pytest.mark.parametrize(
    ("name", "problem"),
    [
        ("absent.bin", "Not Found"),
        ("wrong.bin", f"its md5 is {md5(b'other')}, the published one {md5(BODY)}"),
        ("cut.bin", "the transfer ended after 512,000 of 1,024,000 bytes"),
    ],
)
def test_a_failed_download_says_why_and_leaves_nothing(server: Any, tmp_path: Path, name: str, problem: str) -> None:
    server.files |= {"wrong.bin": b"other", "cut.bin": BODY}
    server.cut_short.add("cut.bin")
    host = server.url.split("/")[2]
    with pytest.raises(DownloadFailed) as error:
        fetch([server.url + name], tmp_path / "new" / "folder" / name, md5(BODY), ignore)
    assert str(error.value) == f"downloading failed ({host}: {problem})"
    assert list(tmp_path.iterdir()) == []


def test_no_server_is_a_failed_download(tmp_path: Path) -> None:
    with pytest.raises(DownloadFailed) as error:
        fetch(["http://127.0.0.1:1/a", "http://127.0.0.1:2/a"], tmp_path / "a", md5(BODY), ignore)
    assert str(error.value) == "downloading failed (127.0.0.1:1, 127.0.0.1:2: Connection refused)"


def test_an_interrupted_download_leaves_nothing(server: Any, tmp_path: Path) -> None:
    def interrupt(done: int, *_: object) -> None:
        if done:
            raise KeyboardInterrupt

    server.files["a.bin"] = BODY
    with pytest.raises(KeyboardInterrupt):
        fetch([server.url + "a.bin"], tmp_path / "a.bin", md5(BODY), interrupt)
    assert list(tmp_path.iterdir()) == []


def test_a_killed_download_leaves_no_file_of_the_right_name_and_can_be_repeated(server: Any, tmp_path: Path) -> None:
    server.files["a.bin"] = BODY
    server.stuck.add("a.bin")
    path = tmp_path / "a.bin"
    program = (
        "import sys; from pathlib import Path; from cnnrun.downloads import fetch; "
        "fetch([sys.argv[1]], Path(sys.argv[2]), sys.argv[3], lambda *_: None)"
    )
    child = subprocess.Popen([sys.executable, "-c", program, server.url + "a.bin", str(path), md5(BODY)])
    deadline = time.monotonic() + 20
    while not list(tmp_path.glob(".a.bin.*.part")) and time.monotonic() < deadline:
        time.sleep(0.01)
    child.send_signal(signal.SIGKILL)
    child.wait()
    assert [entry.suffix for entry in tmp_path.iterdir()] == [".part"]
    server.stuck.clear()
    fetch([server.url + "a.bin"], path, md5(BODY), ignore)
    assert path.read_bytes() == BODY


def test_a_damaged_file_is_named_with_both_checksums(tmp_path: Path) -> None:
    path = tmp_path / "a.bin"
    path.write_bytes(b"other")
    refuse_damaged(path, md5(b"other"))
    with pytest.raises(DataError) as error:
        refuse_damaged(path, md5(BODY))
    assert str(error.value) == (
        f"{path}: its md5 is {md5(b'other')} and the published one {md5(BODY)}, so it is damaged or another data "
        "set's; move it away, and it will be looked for elsewhere or downloaded"
    )


def test_a_missing_file_is_named_with_the_places_and_the_remedy() -> None:
    error = missing(["a.gz", "b.gz"], [Path("data/X/raw"), Path("data")], "offline=true", "https://x.org/")
    assert str(error) == (
        "a.gz, b.gz: not in data/X/raw or data, and offline=true; get them from https://x.org/ "
        "and put them into data/X/raw, or point dataset.root elsewhere"
    )


def packed(path: Path, names: list[str]) -> Path:
    with tarfile.open(path, "w:gz") as tar:
        for name in names:
            member = tarfile.TarInfo(name)
            member.size = 4
            tar.addfile(member, io.BytesIO(b"data"))
    return path


def test_an_archive_is_unpacked_once_and_nothing_else_is_left(tmp_path: Path) -> None:
    archive = packed(tmp_path / "a.tar.gz", ["top/one", "top/two"])
    for _ in range(2):
        unpack(archive, tmp_path, "top")
    assert sorted(entry.name for entry in tmp_path.iterdir()) == ["a.tar.gz", "top"]
    assert (tmp_path / "top" / "two").read_bytes() == b"data"


def test_an_archive_may_not_write_outside_its_folder(tmp_path: Path) -> None:
    folder = tmp_path / "inner"
    folder.mkdir()
    archive = packed(tmp_path / "a.tar.gz", ["top/one", "../outside"])
    with pytest.raises(DataError, match=r"it could not be unpacked into .* outside the destination"):
        unpack(archive, folder, "top")
    assert list(folder.iterdir()) == []


def test_what_is_no_archive_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "a.tar.gz"
    path.write_bytes(b"not an archive")
    with pytest.raises(DataError, match=r"a\.tar\.gz: it could not be unpacked"):
        unpack(path, tmp_path, "top")
