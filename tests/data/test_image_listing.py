"""Which pictures a folder holds. Run: pytest tests/data/test_image_listing.py"""

import os
import re
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from cnnrun.data import image_walk
from cnnrun.data.image_listing import Listing, list_images
from cnnrun.errors import DataError

Fill = Callable[..., Path]


@pytest.fixture
def fill(tmp_path: Path) -> Fill:
    """Makes files under a root; a name that ends in a slash is a folder."""

    def make(*names: str) -> Path:
        root = tmp_path / "photos"
        root.mkdir(exist_ok=True)
        for name in names:
            path = root / name
            path.parent.mkdir(parents=True, exist_ok=True)
            if name.endswith("/"):
                path.mkdir(exist_ok=True)
            else:
                path.write_bytes(name.encode())
        return root

    return make


def paths(listing: Listing) -> list[str]:
    return [file.path for file in listing.files]


def problem(root: Path, manifest: str | None = None) -> str:
    with pytest.raises(DataError) as caught:
        list_images(root, manifest)
    return str(caught.value)


def test_sub_folders_are_classes_and_what_lies_deeper_belongs_to_the_top_one(fill: Fill) -> None:
    root = fill("cat/b.jpg", "cat/2024/may/a.png", "ant/no_suffix", "bee/x.weird")
    listing = list_images(root, None)
    assert paths(listing) == ["ant/no_suffix", "bee/x.weird", "cat/2024/may/a.png", "cat/b.jpg"]
    assert [file.label for file in listing.files] == ["ant", "bee", "cat", "cat"]
    assert listing.class_names == ("ant", "bee", "cat")
    assert {file.split for file in listing.files} == {None}
    assert listing.remarks == ()
    status = (root / "cat/b.jpg").stat()
    assert (listing.files[3].size, listing.files[3].mtime_ns) == (len("cat/b.jpg"), status.st_mtime_ns)


def test_junk_is_no_sample_and_no_class_and_what_is_no_picture_by_its_name_is_counted(fill: Fill) -> None:
    root = fill(
        *(
            "a/1.jpg",
            "b/1.jpg",
            ".git/1.jpg",
            "__MACOSX/a/1.jpg",
            ".ipynb_checkpoints/1.jpg",
            "a/.ipynb_checkpoints/1.jpg",
        ),
        *("a/Thumbs.db", "a/desktop.ini", "a/.DS_Store", "a/._1.jpg", "a/__MACOSX/2.jpg"),
        *("a/notes.TXT", "b/labels.csv", "readme.txt", "empty/"),
    )
    listing = list_images(root, None)
    assert paths(listing) == ["a/1.jpg", "b/1.jpg"]
    assert listing.class_names == ("a", "b")
    assert listing.remarks == (
        "1 folder without pictures left out: empty",
        "3 files left out that are no pictures: .txt 2, .csv 1",
    )


def test_pictures_outside_of_class_folders_are_left_out_and_said(fill: Fill) -> None:
    listing = list_images(fill("a/1.jpg", "b/1.jpg", "loose.jpg"), None)
    assert len(listing.files) == 2
    assert listing.remarks == ("1 picture left out that lies outside of any class folder",)


@pytest.mark.parametrize(
    "names",
    [
        ("train", "val", "test"),
        ("Training", "validation", "testing"),
        ("train", "valid"),
        ("train", "test"),
        ("train",),
    ],
)
def test_folders_of_splits_are_taken_as_they_are(fill: Fill, names: tuple[str, ...]) -> None:
    root = fill(*(f"{split}/{label}/{n}.jpg" for split in names for label in "ab" for n in range(2)))
    listing = list_images(root, None)
    assert listing.class_names == ("a", "b")
    assert len(listing.files) == 4 * len(names)
    meant = {"t": "train", "v": "val"}
    for file in listing.files:
        folder, label, _ = file.path.split("/")
        assert file.label == label
        assert file.split == ("test" if "test" in folder.lower() else meant[folder[0].lower()])


def test_a_class_may_be_called_train(fill: Fill) -> None:
    listing = list_images(fill("train/1.jpg", "train/old/2.jpg", "car/1.jpg"), None)
    assert listing.class_names == ("car", "train")
    assert {file.split for file in listing.files} == {None}


def test_pictures_of_a_split_without_a_label_and_folders_beside_splits_are_left_out_and_said(fill: Fill) -> None:
    listing = list_images(fill("train/a/1.jpg", "train/b/1.jpg", "test/1.jpg", "test/2.jpg", "more/x.jpg"), None)
    assert paths(listing) == ["train/a/1.jpg", "train/b/1.jpg"]
    assert listing.remarks == (
        "left out beside the splits: more",
        "2 pictures of test left out, without a class folder and so without a label",
    )


def test_two_folders_for_a_split_are_refused(fill: Fill) -> None:
    root = fill("train/a/1.jpg", "train/b/1.jpg", "val/a/1.jpg", "valid/a/1.jpg")
    assert "two folders for val, val and valid: keep one of them" in problem(root)


def test_a_folder_for_test_without_one_for_train_is_refused(fill: Fill) -> None:
    assert "a folder for test, and none for train" in problem(fill("test/a/1.jpg", "test/b/1.jpg"))


def test_classes_are_the_union_over_the_splits(fill: Fill) -> None:
    listing = list_images(fill("train/b/1.jpg", "train/c/1.jpg", "test/a/1.jpg"), None)
    assert listing.class_names == ("a", "b", "c")


def test_links_to_files_and_folders_are_followed_and_a_cycle_ends(fill: Fill) -> None:
    root = fill("a/1.jpg", "b/1.jpg", "b/deep/2.jpg", "../elsewhere/3.jpg")
    (root / "a" / "link.jpg").symlink_to(root / ".." / "elsewhere" / "3.jpg")
    (root / "a" / "up").symlink_to(root / "a")
    (root / "b" / "deep" / "round").symlink_to(root / "b")
    (root / "b" / "self").symlink_to("self")
    (root / "a" / "gone.jpg").symlink_to("nowhere.jpg")
    listing = list_images(root, None)
    assert paths(listing) == ["a/1.jpg", "a/gone.jpg", "a/link.jpg", "b/1.jpg", "b/deep/2.jpg", "b/self"]
    sizes = {file.path: file.size for file in listing.files}
    assert sizes["a/link.jpg"] == len("../elsewhere/3.jpg")


def test_many_links_between_folders_are_each_walked_once(fill: Fill) -> None:
    names = [f"c{number}" for number in range(12)]
    root = fill(*(f"{name}/1.jpg" for name in names))
    for name in names:
        for other in names:
            (root / name / f"to_{other}").symlink_to(root / other)
    assert len(list_images(root, None).files) == 12 * 12


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="no named pipes here")
def test_a_pipe_is_not_waited_for_and_stays_in_to_be_counted_as_broken(fill: Fill) -> None:
    root = fill("a/1.jpg", "b/1.jpg")
    os.mkfifo(root / "a" / "pipe.jpg")
    assert paths(list_images(root, None)) == ["a/1.jpg", "a/pipe.jpg", "b/1.jpg"]


def test_names_that_are_no_utf8_and_accents_in_two_spellings_are_readable_labels(fill: Fill) -> None:
    root = fill("train/b/1.jpg", "train/caf\u00e9/1.jpg", "test/cafe\u0301/1.jpg")
    os.makedirs(os.fsencode(root) + b"/train/f\xfcr")
    Path(os.fsdecode(os.fsencode(root) + b"/train/f\xfcr/1.jpg")).write_bytes(b"")
    listing = list_images(root, None)
    assert listing.class_names == ("b", "caf\u00e9", r"f\xfcr")
    assert all((root / file.path).is_file() for file in listing.files)


def test_names_that_would_end_a_line_or_steer_a_terminal_are_shown_escaped(fill: Fill) -> None:
    root = fill("two\nlines/1.jpg", "\x1b[31mred/1.jpg", "plain\u2028/1.jpg", "\u5317 \u4eac\u00a0\u200d/1.jpg")
    listing = list_images(root, None)
    assert listing.class_names == (r"\x1b[31mred", r"plain\u2028", r"two\nlines", "\u5317 \u4eac\u00a0\u200d")
    assert all((root / file.path).is_file() for file in listing.files)


def test_a_file_that_goes_away_during_the_scan_stays_in_to_be_counted_as_broken(
    fill: Fill, monkeypatch: pytest.MonkeyPatch
) -> None:
    root = fill("a/1.jpg", "b/1.jpg")
    plain = image_walk.entries

    def one_comes_and_goes(folder: str) -> object:
        (root / "a" / "2.jpg").touch()
        found = plain(folder)
        (root / "a" / "2.jpg").unlink()
        return found

    monkeypatch.setattr(image_walk, "entries", one_comes_and_goes)
    assert [(file.path, file.size) for file in list_images(root, None).files if file.label == "a"] == [
        ("a/1.jpg", 7),
        ("a/2.jpg", 0),
    ]


def test_a_folder_that_goes_away_during_the_scan_is_named(fill: Fill, monkeypatch: pytest.MonkeyPatch) -> None:
    root = fill("a/deep/1.jpg", "b/1.jpg")
    plain = image_walk.entries

    def one_goes(folder: str) -> object:
        found = plain(folder)
        if folder.endswith("a"):
            shutil.rmtree(root / "a" / "deep")
        return found

    monkeypatch.setattr(image_walk, "entries", one_goes)
    assert problem(root) == f"the folder {root}/a/deep cannot be read: No such file or directory"


def test_classes_that_differ_in_case_only_are_said(fill: Fill) -> None:
    listing = list_images(fill("Rose/1.jpg", "rose/1.jpg", "tulip/1.jpg"), None)
    assert listing.remarks == (
        "the classes Rose and rose differ in case only: if they are the same, put them into one folder",
    )


def test_what_holds_no_classes_says_what_to_do(fill: Fill, tmp_path: Path) -> None:
    root = fill()
    assert "photos is empty: put the pictures of each class into a sub-folder" in problem(root)
    fill("empty/")
    assert "photos has only empty folders: put" in problem(root)
    fill("notes.txt")
    assert "photos holds no pictures (1 file left out that is no picture: .txt 1): put" in problem(root)
    fill("1.jpg", "2.jpg")
    assert "photos holds 2 pictures and no class folders: put" in problem(root)
    fill("only/3.jpg")
    assert "photos holds pictures of one class only, 'only'" in problem(root)
    assert f"{root / 'only' / '3.jpg'} is a file" in problem(root / "only" / "3.jpg")


def test_a_root_that_is_missing_names_what_is_near(fill: Fill) -> None:
    root = fill("a/1.jpg")
    assert "there is no folder" in (said := problem(root.with_name("photo")))
    assert "did you mean 'photos'?" in said
    said = problem(root.with_name("fotos") / "2024")
    assert f"({root.with_name('fotos')} is not there) - did you mean 'photos'?" in said


def test_a_folder_within_a_folder_is_pointed_at(fill: Fill) -> None:
    root = fill("flowers/rose/1.jpg", "flowers/tulip/1.jpg")
    assert f"did you mean dataset.root={root / 'flowers'}?" in problem(root)


@pytest.mark.skipif(os.geteuid() == 0, reason="root reads everything")
def test_a_folder_that_may_not_be_read_is_named(fill: Fill) -> None:
    root = fill("a/1.jpg", "b/1.jpg")
    (root / "a").chmod(0)
    try:
        assert f"the folder {root / 'a'} cannot be read: Permission denied" in problem(root)
    finally:
        (root / "a").chmod(0o755)


# --- manifests


def manifest(root: Path, text: str | bytes) -> str:
    (root / "labels.csv").write_bytes(text if isinstance(text, bytes) else text.encode())
    return "labels.csv"


ROWS = [("x/1.jpg", "rose", "train"), ("x/2.jpg", "tulip", "valid"), ("x/3.jpg", "rose", "TEST")]


@pytest.mark.parametrize("separator", [",", ";", "\t", "|"])
@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "latin-1"])
def test_a_manifest_is_read_whatever_its_separator_and_encoding(fill: Fill, separator: str, encoding: str) -> None:
    root = fill(*(path for path, _, _ in ROWS))
    lines = [separator.join(["Path ", "note", "label", "split"])]
    lines += [separator.join([path, "ä", label, split]) for path, label, split in ROWS]
    listing = list_images(root, manifest(root, "\r\n".join([*lines, "", ""]).encode(encoding)))
    assert [(file.path, file.label, file.split) for file in listing.files] == [
        ("x/1.jpg", "rose", "train"),
        ("x/2.jpg", "tulip", "val"),
        ("x/3.jpg", "rose", "test"),
    ]
    assert listing.files[0].size == len("x/1.jpg")


@pytest.mark.parametrize("header", ["file,label", "Filename;Class", "class_name\timage", '"photo"|"truth"|path_of'])
def test_columns_of_a_manifest_may_have_other_names(fill: Fill, header: str) -> None:
    root = fill("1.jpg", "2.jpg")
    (separator,) = {mark for mark in ",;\t|" if mark in header}
    rows = [["1.jpg", "rose"], ["2.jpg", "tulip"]]
    turned = header.startswith("class")
    text = "\n".join([header, *(separator.join(row[::-1] if turned else row) for row in rows)])
    listing = list_images(root, manifest(root, text))
    assert [(file.path, file.label) for file in listing.files] == [("1.jpg", "rose"), ("2.jpg", "tulip")]


def test_of_several_columns_for_one_thing_the_first_that_is_listed_counts(fill: Fill) -> None:
    root = fill("1.jpg", "2.jpg")
    listing = list_images(root, manifest(root, "class,file,path,label\nx,7,1.jpg,rose\nx,8,2.jpg,tulip\n"))
    assert [(file.path, file.label) for file in listing.files] == [("1.jpg", "rose"), ("2.jpg", "tulip")]


def test_a_manifest_may_lie_elsewhere_and_name_files_in_many_ways(fill: Fill, tmp_path: Path) -> None:
    root = fill("x/1.jpg", "x/a,b.jpg", "../elsewhere/3.jpg")
    elsewhere = tmp_path / "elsewhere" / "3.jpg"
    text = f'label,path\nrose,{root / "x" / "1.jpg"}\nrose,"x/a,b.jpg"\ntulip,{elsewhere}\ntulip,x\\1.jpg\n'
    (tmp_path / "mine.csv").write_text(text.replace("tulip,x", "rose,x"))
    listing = list_images(root, str(tmp_path / "mine.csv"))
    assert paths(listing) == sorted([elsewhere.as_posix(), "x/1.jpg", "x/a,b.jpg"])
    assert listing.remarks == (f"{tmp_path / 'mine.csv'}: 1 row repeated, counted once",)


def test_a_manifest_may_leave_a_root_that_is_named_from_here(
    fill: Fill, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Not the file of the same name in the root, which is another one."""
    root = fill("x/1.jpg", "outside/2.jpg", "../outside/2.jpg")
    monkeypatch.chdir(tmp_path)
    text = f"path,label\nx/1.jpg,a\n{root / 'x' / '1.jpg'},a\n../outside/2.jpg,b\n"
    listing = list_images(Path(root.name), manifest(root, text))
    outside = tmp_path / "outside" / "2.jpg"
    assert paths(listing) == sorted([outside.as_posix(), "x/1.jpg"])
    assert [file.size for file in listing.files if file.label == "b"] == [len("../outside/2.jpg")]
    assert (listing.root / outside).samefile(outside)
    assert listing.remarks[0].endswith("1 row repeated, counted once")


def test_a_manifest_may_end_its_lines_with_carriage_returns_and_name_classes_on_two(fill: Fill) -> None:
    root = fill("1.jpg", "2.jpg")
    listing = list_images(root, manifest(root, b'path,label\r1.jpg,"a\rb"\r2.jpg,b\r'))
    assert listing.class_names == (r"a\nb", "b")


def test_a_file_of_a_manifest_that_is_missing_stays_in_to_be_counted_as_broken(fill: Fill) -> None:
    root = fill("1.jpg")
    listing = list_images(root, manifest(root, "path,label\n1.jpg,a\n2.jpg,b\n"))
    assert paths(listing) == ["1.jpg", "2.jpg"]


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("", "labels.csv has no header"),
        ("path,label\n", "labels.csv has a header and no rows below it"),
        (
            "paths,label\n1.jpg,a\n",
            "line 1: no column path (or file, filename, file_name, ...) - did you mean 'paths'?; its columns are ",
        ),
        ("filenam,class_name\n1.jpg,a\n", " - did you mean 'filenam'?; its columns are filenam, class_name"),
        ("path,clas\n1.jpg,a\n", "no column label (or class, class_name, category, ...) - did you mean 'clas'?"),
        ("path,class_index\n1.jpg,0\n", "line 1: no column label (or class, class_name, category, ...); its columns"),
        ("file,class,file\n1.jpg,a,b\n", "line 1: 2 columns are called 'file'; rename all but one"),
        ("File ,class\n1.jpg,\n", "line 2: the column 'class' is empty"),
        ("path,label,path\n1.jpg,a,b\n", "line 1: 2 columns are called 'path'; rename all but one"),
        ("path,label\n1.jpg,\n", "line 2: the column 'label' is empty"),
        ("path,label\n\n1.jpg\n", "line 3: the column 'label' is empty"),
        (
            "path,label,split\n1.jpg,a,trian\n",
            "line 2: split 'trian' - did you mean 'train'?: write train, val or test",
        ),
        ("path,label,split\n1.jpg,a,train\n2.jpg,a,\n", "line 3: no split, as in 1 row, while others have one"),
        ("path,label\n1.jpg,a\n./1.jpg,b\n", "line 3: './1.jpg' has another label or split than in line 2"),
        ("path,label\n1.jpg,a\n2.jpg,a\n", "dataset.manifest=labels.csv has one class only, 'a'; add rows of another"),
        ("path,label\n7.jpg,a\n8.jpg,a\n", "line 2: there is no file 7.jpg in "),
        ("path,label\nx,a\n", "line 2: x is no file"),
        ('path,label\n1.jpg,"a\n2.jpg,b\n', "line 2: unexpected end of data"),
        (b"\x89PNG\0\0", "is no text file; dataset.manifest names a table in CSV"),
    ],
)
def test_what_is_wrong_with_a_manifest_is_said_with_its_line(fill: Fill, text: str | bytes, said: str) -> None:
    root = fill("1.jpg", "2.jpg", "x/3.jpg")
    name = manifest(root, text)
    assert re.search(re.escape(said), problem(root, name))


def test_a_manifest_that_is_missing_names_what_is_near(fill: Fill) -> None:
    root = fill("labels.csv")
    (root / "labels").mkdir()
    assert "dataset.manifest=labels is a folder; it names a CSV with the columns" in problem(root, "labels")
    assert "there is no such file" in (said := problem(root, "label.csv"))
    assert "did you mean 'labels.csv'?" in said
