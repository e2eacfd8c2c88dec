"""files.py: a file appears whole or not at all."""

import os
import stat
import threading
from pathlib import Path

import pytest

from mlproof.files import whole_file


def test_the_file_appears_when_the_block_ends(tmp_path: Path) -> None:
    path = tmp_path / "new"
    with whole_file(path) as temporary:
        temporary.write_text("whole")
        assert not path.exists()
        assert temporary.parent == tmp_path  # so that the renaming is one step
    assert path.read_text() == "whole"
    assert os.listdir(tmp_path) == ["new"]


@pytest.mark.parametrize("kind", [str, Path])
def test_an_old_file_stays_until_the_new_one_is_whole(
    tmp_path: Path, kind: type
) -> None:
    path = tmp_path / "old"
    path.write_text("before")
    with whole_file(kind(path)) as temporary:
        temporary.write_text("after")
        assert path.read_text() == "before"
    assert path.read_text() == "after"


@pytest.mark.parametrize("error", [ValueError, OSError, KeyboardInterrupt, SystemExit])
@pytest.mark.parametrize("before", [None, "before"])
def test_a_block_that_fails_changes_nothing(
    tmp_path: Path, error: type[BaseException], before: str | None
) -> None:
    path = tmp_path / "file"
    if before is not None:
        path.write_text(before)
    with pytest.raises(error), whole_file(path) as temporary:  # noqa: PT012
        temporary.write_text("half")
        raise error
    assert os.listdir(tmp_path) == ([] if before is None else ["file"])
    assert before is None or path.read_text() == before


def test_a_block_may_remove_or_replace_the_temporary_file(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError), whole_file(tmp_path / "file") as temporary:
        temporary.unlink()
    with whole_file(tmp_path / "file") as temporary:
        temporary.unlink()
        temporary.write_text("anew")
    assert (tmp_path / "file").read_text() == "anew"
    assert os.listdir(tmp_path) == ["file"]


@pytest.mark.parametrize("umask", [0o000, 0o022, 0o027, 0o077])
def test_the_mode_is_that_of_any_new_file(tmp_path: Path, umask: int) -> None:
    before = os.umask(umask)
    try:
        with whole_file(tmp_path / "file") as temporary:
            mode = stat.S_IMODE(temporary.stat().st_mode)
            assert mode == 0o600  # nobody reads a half-written file
        (tmp_path / "plain").touch()
        assert os.umask(umask) == umask
    finally:
        os.umask(before)
    expected = stat.S_IMODE((tmp_path / "plain").stat().st_mode)
    assert (
        stat.S_IMODE((tmp_path / "file").stat().st_mode) == expected == 0o666 & ~umask
    )


def test_a_folder_is_not_written_over(tmp_path: Path) -> None:
    (tmp_path / "folder").mkdir()
    with (
        pytest.raises(IsADirectoryError, match="folder is a folder"),
        whole_file(tmp_path / "folder"),
    ):
        pytest.fail("the block was entered")
    assert os.listdir(tmp_path) == ["folder"]


def test_a_folder_that_does_not_exist_is_named(tmp_path: Path) -> None:
    with (
        pytest.raises(FileNotFoundError, match=r"folder .*none does not exist"),
        whole_file(tmp_path / "none" / "file"),
    ):
        pytest.fail("the block was entered")


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="no pipes with names here")
def test_what_is_no_plain_file_is_not_replaced(tmp_path: Path) -> None:
    path = tmp_path / "pipe"  # it might as well be /dev/null
    os.mkfifo(path)
    with pytest.raises(OSError, match="pipe"), whole_file(path) as temporary:
        temporary.write_text("over it")
    assert stat.S_ISFIFO(path.stat().st_mode)
    assert os.listdir(tmp_path) == ["pipe"]


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write everywhere")
def test_a_folder_that_may_not_be_written_is_an_oserror(tmp_path: Path) -> None:
    tmp_path.chmod(0o500)
    try:
        with pytest.raises(PermissionError), whole_file(tmp_path / "file"):
            pytest.fail("the block was entered")
    finally:
        tmp_path.chmod(0o700)


@pytest.mark.parametrize(
    "name", ["größe 🎉", "x" * 255, "🎉" * 63, "é" * 127, " ", "-o", ".hidden"]
)
def test_every_name_that_a_file_may_have_can_be_written(
    tmp_path: Path, name: str
) -> None:
    with whole_file(tmp_path / name) as temporary:
        temporary.write_text("whole")
    assert os.listdir(tmp_path) == [name]


def test_a_name_without_a_folder_is_one_in_the_current_folder(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    with whole_file("file") as temporary:
        temporary.write_text("whole")
    assert (tmp_path / "file").read_text() == "whole"


def test_two_writers_at_once_leave_the_file_of_one_of_them(tmp_path: Path) -> None:
    path, together = tmp_path / "file", threading.Barrier(2)

    def write(text: str) -> None:
        with whole_file(path) as temporary:
            temporary.write_text(text)
            together.wait(timeout=10)

    writers = [threading.Thread(target=write, args=(c * 10_000,)) for c in "ab"]
    for writer in writers:
        writer.start()
    for writer in writers:
        writer.join()
    assert path.read_text() in ("a" * 10_000, "b" * 10_000)
    assert os.listdir(tmp_path) == ["file"]
