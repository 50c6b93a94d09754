"""Archives from outside, unpacked as if everything in them meant harm; and ours, packed."""

import stat
import zipfile
from collections.abc import Mapping
from pathlib import Path, PurePosixPath

from cape.annotator.refusing import RequestError

MOST_MEMBERS, MOST_BYTES, MOST_RATIO = 20_000, 500 * 2**20, 200
FREE = 2**20
"""Bytes that a member may have however well it is packed."""
PIECE = 2**20


def is_archive(file: Path) -> bool:
    """Whether a file begins as a zip archive does."""
    with file.open("rb") as content:
        return content.read(4) in (b"PK\x03\x04", b"PK\x05\x06")


def unpack(file: Path, target: Path) -> None:
    """Unpack an archive into an empty folder: plain files, inside it, within the limits, or nothing at all.

    Raises:
        RequestError: 413: too much; 422: a member that is no plain file inside the folder, or a damaged archive.
    """
    try:
        with zipfile.ZipFile(file) as archive:
            members = archive.infolist()
            _check_all(members)
            for member in members:
                if not member.is_dir():
                    _unpack_one(archive, member, target)
    except RequestError:
        raise
    except Exception as error:  # zipfile, zlib and lzma raise a dozen types
        raise _bad("a whole zip archive", f"{type(error).__name__}: {error}"[:120]) from None


def pack(target: Path, folder: Path, texts: Mapping[str, str]) -> Path:
    """Pack a folder, and texts beside it, whole or not at all.

    Args:
        target: The archive.
        folder: Whose files go into it, by their relative names.
        texts: More files.
    """
    aside = target.with_name(f".{target.name}")
    with zipfile.ZipFile(aside, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, text in texts.items():
            archive.writestr(name, text)
        for path in sorted(folder.rglob("*")):
            if path.is_file():
                archive.write(path, path.relative_to(folder).as_posix())
    return aside.replace(target)


def _check_all(members: list[zipfile.ZipInfo]) -> None:
    names = [each.filename for each in members]
    total = sum(each.file_size for each in members)
    if len(members) > MOST_MEMBERS or total > MOST_BYTES:
        raise _large(f"{len(members)} members of {total} bytes")
    if len(set(names)) != len(names):
        raise _bad("each name once", "a name twice")
    for member in members:
        raw = member.orig_filename
        parts = PurePosixPath(raw).parts
        outside = not parts or ".." in parts or raw.startswith(("/", "\\")) or "\\" in raw or "\0" in raw
        if outside or raw[1:2] == ":" or any(each in ("", ".") for each in raw.rstrip("/").split("/")):
            raise _bad("members inside the archive's folder", ascii(raw)[:80])
        kind = stat.S_IFMT(member.external_attr >> 16)
        if kind not in (0, stat.S_IFREG, stat.S_IFDIR) or member.flag_bits & 1:
            raise _bad("plain files", f"a link, a device or an encrypted member: {ascii(raw)[:60]}")
        if member.file_size > max(FREE, MOST_RATIO * member.compress_size):
            raise _large(f"a member packed {member.file_size // max(member.compress_size, 1)} times smaller")


def _unpack_one(archive: zipfile.ZipFile, member: zipfile.ZipInfo, target: Path) -> None:
    path = target / member.filename
    path.parent.mkdir(parents=True, exist_ok=True)
    left = member.file_size
    with archive.open(member) as source, path.open("xb") as file:
        while piece := source.read(PIECE):
            left -= len(piece)
            if left < 0:
                raise _large("a member that is larger than it says")
            file.write(piece)


def _large(got: str) -> RequestError:
    return RequestError(
        "archive", status=413, code="too_large",
        expected=f"at most {MOST_MEMBERS} members and {MOST_BYTES >> 20} MB, packed at most {MOST_RATIO} times smaller",
        got=got, fix="Split it.",
    )  # fmt: skip


def _bad(expected: str, got: str) -> RequestError:
    return RequestError("archive", status=422, code="invalid", expected=expected, got=got, fix="Pack it again.")
