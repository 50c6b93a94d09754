"""The project's pictures: originals that are never written to, and the copies that are shown.

A picture is known by its content: its id is the beginning of its SHA-256, so one that was moved is found again, and one
that is there twice is one. Files from outside are opened in a child process alone (`decoding`).
"""

import hashlib
import json
import os
import re
import secrets
import select as waiting
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

from sqlmodel import Session, select

from cape.annotator import decoding
from cape.annotator.decoding import MOST_PIXELS, READ
from cape.annotator.schema import Picture
from cape.annotator.store import Store, picture_of
from cape.annotator.tables import PictureRow
from cape.errors import PictureError

SUFFIXES = {".jpg", ".jpeg", ".png", ".webp", ".tif", ".tiff"}
OWN = {"cache", "exports"}
"""Folders of ours, in which no pictures are looked for."""
UPLOADS = "pictures"
MOST_BYTES = 50 * 2**20
MOST_PICTURES = 100_000
SECONDS = 30.0
"""For one picture to be decoded."""
_UNSAFE = re.compile(r"[^\w .()+-]")
_RESERVED = re.compile(r"(?i)^(con|prn|aux|nul|com\d|lpt\d)(\..*)?$")
__all__ = ["MOST_BYTES", "MOST_PIXELS", "Album"]


class _File(NamedTuple):
    """A picture that was decoded."""

    sha256: str
    bytes: int
    modified: int
    width: int
    height: int


class _Child:
    """The decoding process; started when it is first needed, and again after it was ended."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._process: subprocess.Popen[bytes] | None = None

    def ask(self, question: dict[str, str], where: str) -> dict[str, Any]:
        """Decode one picture.

        Raises:
            PictureError: It is refused, or it took the child down.
        """
        with self._lock:
            process = self._process = self._running()
            try:
                line = self._talk(process, json.dumps(question).encode() + b"\n")
                answer = json.loads(line)
            except (OSError, ValueError):
                self._end()
                raise PictureError(
                    where, expected="a picture that can be decoded within the limits", got="one that cannot",
                    fix="Open it in another program, save it again, or take it out.",
                ) from None  # fmt: skip
        if "error" in answer:
            expected, got, fix = answer["error"]
            raise PictureError(where, expected=expected, got=got, fix=fix)
        return answer

    def close(self) -> None:
        """End the child."""
        with self._lock:
            self._end()

    def _running(self) -> "subprocess.Popen[bytes]":
        if self._process is not None and self._process.poll() is None:
            return self._process
        self._end()
        # As a file, isolated: it needs Pillow and nothing of ours, and starts in a tenth of the time
        command = [sys.executable, "-I", str(decoding.__file__)]
        return subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL)

    def _talk(self, process: "subprocess.Popen[bytes]", question: bytes) -> bytes:
        to, back = process.stdin, process.stdout
        if to is None or back is None:
            raise OSError("no pipes")
        to.write(question)
        to.flush()
        there, _, _ = waiting.select([back], [], [], SECONDS)
        if not there:
            raise OSError("too slow")
        return back.readline()

    def _end(self) -> None:
        if self._process is None:
            return
        self._process.kill()
        self._process.wait()
        for pipe in (self._process.stdin, self._process.stdout):
            if pipe is not None:
                pipe.close()
        self._process = None


class Album:
    """Pictures of a project.

    Args:
        store: Of the project.
    """

    def __init__(self, store: Store) -> None:
        self._store, self.folder = store, store.folder
        self._child, self._keeping = _Child(), threading.Lock()
        for name in ("shown", "thumbnails"):
            (self.folder / "cache" / name).mkdir(parents=True, exist_ok=True)

    def close(self) -> None:
        """End the decoding process."""
        self._child.close()

    def scan(self) -> Iterator[Picture | PictureError]:
        """Look through the folder: new pictures one by one, and why one is left out.

        Files that did not change since are not opened; a picture that was moved gets its new name.
        """
        for path in sorted(self._files()):
            file = path.relative_to(self.folder).as_posix()
            try:
                if not self._known(file, path):
                    picture, existing = self.add(path)
                    if not existing:
                        yield picture
            except (OSError, UnicodeError) as error:
                yield PictureError(ascii(file), expected="a file that can be read", got=str(error), fix="Check it.")
            except PictureError as error:
                yield error

    def add(self, path: Path) -> tuple[Picture, bool]:
        """A file of the project's folder as a picture of the project.

        Returns:
            The picture, and whether the project had it already.

        Raises:
            PictureError: It is no picture that is read, or too large.
        """
        file = path.relative_to(self.folder).as_posix()
        file.encode()  # a name that is not text cannot be told to anybody
        found = self._decoded(path, file)
        with self._store.writing() as session:
            row = session.get(PictureRow, found.sha256[:20])
            existing = row is not None and not row.deleted
            if row is None:
                row = PictureRow(id=found.sha256[:20], revision=1, file=file, **found._asdict())
            elif not (self.folder / row.file).is_file():
                row.file = file
            row.bytes, row.modified, row.deleted = found.bytes, found.modified, False
            session.add(row)
            session.flush()
            return picture_of(row), existing

    def keep(self, content: Path, name: str) -> tuple[Picture, bool]:
        """A picture that was sent: under a name of ours, like the one it came with.

        Args:
            content: The file, in the project's folder; it is moved or removed.
            name: As the sender calls it: text, not a path.

        Raises:
            PictureError: As `add`.
        """
        try:
            probe = self._decoded(content, name)
            with self._keeping:  # two of one name at once must not become one file
                with self._store.reading() as session:
                    row = session.get(PictureRow, probe.sha256[:20])
                if row is not None and not row.deleted and (self.folder / row.file).is_file():
                    return picture_of(row), True
                target = self._free_name(content, name)
                target.parent.mkdir(exist_ok=True)
                content.replace(target)
                return self.add(target)
        finally:
            content.unlink(missing_ok=True)

    def new_file(self) -> Path:
        """Where the bytes of an upload go while they come."""
        return self.folder / "cache" / f".upload-{secrets.token_hex(8)}"

    def shown(self, name: str, kind: str) -> Path | None:
        """The copy of a picture: `shown` or `thumbnails`."""
        stem = self.folder / "cache" / kind / name
        return next((each for each in (stem.with_suffix(".jpg"), stem.with_suffix(".png")) if each.is_file()), None)

    def restore(self, picture: Picture) -> Path:
        """Make the copies again, where somebody emptied the cache; the copy that is shown.

        Raises:
            PictureError: The original is gone, or was changed.
        """
        path = self.folder / picture.file
        found = self._decoded(path, picture.file)
        shown = self.shown(picture.id, "shown")
        if found.sha256[:20] != picture.id or shown is None:
            raise PictureError(
                picture.file, expected="the picture that was annotated", got="another one under its name",
                fix="Put the original back.",
            )  # fmt: skip
        return shown

    def _files(self) -> Iterator[Path]:
        count = 0
        for folder, below, names in os.walk(self.folder):
            top = Path(folder) == self.folder
            below[:] = sorted(each for each in below if not each.startswith(".") and not (top and each in OWN))
            for name in names:
                path = Path(folder) / name
                plain = path.suffix.lower() in SUFFIXES and not name.startswith(".") and path.is_file()
                if plain and not path.is_symlink() and count < MOST_PICTURES:
                    count += 1
                    yield path

    def _known(self, file: str, path: Path) -> bool:
        told = path.stat()
        with self._store.reading() as session:
            rows = _of_file(session, file)
        return any(row.bytes == told.st_size and row.modified == told.st_mtime_ns for row in rows)

    def _decoded(self, path: Path, name: str) -> _File:
        """Hash a file and, where its copies are missing, have them made."""
        if not path.is_file():
            raise PictureError(name, expected="a picture", got="no such file", fix="Put it back.")
        told = path.stat()
        if not 0 < told.st_size <= MOST_BYTES:
            raise PictureError(
                name,
                expected=f"{READ} of at most {MOST_BYTES >> 20} MB",
                got=f"{told.st_size} bytes",
                fix="Scale it down.",
            )
        with path.open("rb") as file:
            sha256 = hashlib.file_digest(file, "sha256").hexdigest()
        with self._store.reading() as session:
            row = session.get(PictureRow, sha256[:20])
        size = None if row is None else (row.width, row.height)
        if size is None or self.shown(sha256[:20], "shown") is None or self.shown(sha256[:20], "thumbnails") is None:
            size = self._copied(path, sha256[:20], name)
        return _File(sha256, told.st_size, told.st_mtime_ns, *size)

    def _copied(self, path: Path, name: str, where: str) -> tuple[int, int]:
        mark = secrets.token_hex(8)
        shown = self.folder / "cache" / "shown" / f".{mark}"
        thumbnail = self.folder / "cache" / "thumbnails" / f".{mark}"
        try:
            told = self._child.ask({"source": str(path), "shown": f"{shown}.x", "thumbnail": f"{thumbnail}.x"}, where)
            for made, suffix in ((shown, told["shown"]), (thumbnail, told["thumbnail"])):
                Path(f"{made}{suffix}").replace(made.with_name(name + suffix))
            return told["width"], told["height"]
        finally:
            for made in (shown, thumbnail):
                for suffix in (".jpg", ".png"):
                    Path(f"{made}{suffix}").unlink(missing_ok=True)

    def _free_name(self, content: Path, name: str) -> Path:
        """A name in pictures/ that says what the sender called it, and is harmless on any system."""
        bare = name.replace("\\", "/").rsplit("/", 1)[-1]
        stem = _UNSAFE.sub("_", bare.rsplit(".", 1)[0])[:80].strip(" .") or "picture"
        with content.open("rb") as file:
            head = file.read(12)
        suffix = ".jpg" if head[:2] == b"\xff\xd8" else ".png" if head[:4] == b"\x89PNG" else ".tif"
        suffix = ".webp" if head[:4] == b"RIFF" else suffix
        stem = f"_{stem}" if _RESERVED.match(stem) else stem
        folder, number = self.folder / UPLOADS, 1
        while (folder / f"{stem}{suffix}").exists():
            number += 1
            stem = f"{stem.rsplit('~', 1)[0]}~{number}"
        return folder / f"{stem}{suffix}"


def _of_file(session: Session, file: str) -> list[PictureRow]:
    return list(session.exec(select(PictureRow).where(PictureRow.file == file, PictureRow.deleted == False)))  # noqa: E712
