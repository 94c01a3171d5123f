"""Files that are kept for readers of parts."""

import os
from pathlib import Path
from typing import IO

import pytest

from tandem_metadata.transfer.export import kept_files
from tandem_metadata.transfer.export.kept_files import KeptFiles, TooLarge


def _writing(content: bytes) -> object:
    def write(sink: IO[bytes]) -> None:
        sink.write(content)

    return write


@pytest.fixture
def kept(tmp_path: Path) -> KeptFiles:
    return KeptFiles(tmp_path / "kept", 10 * 1024 * 1024)


def _unused_for(path: Path, seconds: float) -> None:
    moment = path.stat().st_mtime - seconds
    os.utime(path, (moment, moment))


def test_a_kept_file_is_found_by_its_key_until_it_is_old(kept: KeptFiles) -> None:
    assert kept.find("k", begins=True) is None
    made = kept.make("k", _writing(b"abc"))
    assert made.path.read_bytes() == b"abc"
    assert kept.find("other", begins=False) is None
    for begins in (True, False):
        found = kept.find("k", begins=begins)
        assert found is not None
        assert (found.path, found.tag) == (made.path, made.tag)
    _unused_for(made.path, kept_files.FRESH_SECONDS + 1)
    assert kept.find("k", begins=True) is None
    assert kept.find("k", begins=False) is not None  # which is a use
    assert kept.find("k", begins=True) is not None
    _unused_for(made.path, kept_files.KEPT_SECONDS + 1)
    assert kept.find("k", begins=False) is None
    kept.make("other", _writing(b""))
    assert not made.path.exists()


def test_a_kept_file_of_the_same_content_has_the_same_tag_and_the_newest_is_found(
    kept: KeptFiles,
) -> None:
    first, second = kept.make("k", _writing(b"abc")), kept.make("k", _writing(b"abc"))
    third = kept.make("k", _writing(b"abd"))
    assert first.tag == second.tag != third.tag
    found = kept.find("k", begins=True)
    assert found is not None
    assert found.path == third.path


def test_kept_files_are_shared_by_processes_and_private_to_the_user(kept: KeptFiles) -> None:
    made = kept.make("k", _writing(b"abc"))
    folder = made.path.parent
    assert folder.stat().st_mode & 0o777 == 0o700
    other = KeptFiles(folder, 1024)
    found = other.find("k", begins=True)
    assert found is not None
    folder.chmod(0o755)
    assert other.find("k", begins=True) is None
    with pytest.raises(OSError, match="of this user alone"):
        other.make("k", _writing(b"abc"))


def test_kept_files_end_with_who_made_them_and_the_folder_with_the_last(kept: KeptFiles) -> None:
    made = kept.make("k", _writing(b"abc"))
    other = KeptFiles(made.path.parent, 1024)
    others = other.make("k", _writing(b"abc"))
    kept.close()
    assert not made.path.exists()
    assert others.path.exists()
    other.close()
    assert not made.path.parent.exists()
    kept.close()


def test_kept_files_have_a_limit_for_which_those_not_in_use_go_first(kept: KeptFiles) -> None:
    mebibytes = 1024 * 1024
    old = kept.make("old", _writing(bytes(4 * mebibytes)))
    used = kept.make("used", _writing(bytes(4 * mebibytes)))
    _unused_for(old.path, kept_files.FRESH_SECONDS + 1)
    kept.make("new", _writing(bytes(4 * mebibytes)))
    assert not old.path.exists()
    with pytest.raises(TooLarge):
        kept.make("newest", _writing(bytes(4 * mebibytes)))
    assert used.path.exists()
    assert not [*used.path.parent.glob("partial-*")]
