"""Labels and prompts on their way in and out of a project."""

import asyncio
import hashlib
import uuid
from collections.abc import AsyncIterator, Sequence
from pathlib import Path
from tempfile import TemporaryDirectory

from fastapi.responses import FileResponse
from pydantic import ValidationError

from cape.annotator import replies
from cape.annotator.archives import pack
from cape.annotator.assistance import Assistance
from cape.annotator.events import Events
from cape.annotator.operations import Log, now
from cape.annotator.pictures import Album
from cape.annotator.refusing import invalid
from cape.annotator.schema import OperationDraft
from cape.annotator.store import Store
from cape.errors import CapeError

MOST_EXPORTS = 10
"""Archives that are kept in the project."""


class Transfer:
    """Import and export of one project.

    Args:
        store: Of the project.
        album: Its pictures.
        log: Its operations.
        assistance: Compiles prompts.
        events: Told of imports.
    """

    def __init__(self, *, store: Store, album: Album, log: Log, assistance: Assistance, events: Events) -> None:
        self.store, self.album, self.operations, self.assistance, self.events = store, album, log, assistance, events
        self.folder = store.folder

    async def bring_in(
        self, stream: AsyncIterator[bytes], name: str, client: str, form: replies.Format, *, dry_run: bool
    ) -> replies.Imported:
        """Labels into the project."""
        path = await received(self.album, stream)
        try:
            return await asyncio.to_thread(self._bring_in, path, name, client, form, dry_run=dry_run)
        finally:
            path.unlink(missing_ok=True)

    async def take_out(self, wanted: Sequence[replies.Format], *, drafts: bool, prompts: bool) -> FileResponse:
        """One archive."""
        from cape.annotator import exchange  # with torch, by way of the formats' pictures: not at the server's start

        with TemporaryDirectory(dir=self.folder / "cache") as temporary:
            folder = Path(temporary) / "out"
            folder.mkdir()
            instances = await asyncio.to_thread(self.store.instances)
            labels = exchange.labels_of(self.store.categories(), self.store.all_pictures(), instances, drafts=drafts)
            notes = await asyncio.to_thread(exchange.write_all, labels, wanted, folder)
            for number, category in enumerate(self.store.categories() if prompts else [], start=1):
                target = folder / "prompts" / f"{number}_{exchange.file_name(category.name)}.prompt"
                try:
                    await self._write_prompt(category.id, target)
                except CapeError as error:
                    notes.append(f"prompt of {category.name}: not written: {error}")
            told = "\n".join(notes) or "Nothing was lost."
            target = self._export(f"{exchange.file_name(self.folder.name)}-{now()[:19].replace(':', '')}.zip")
            await asyncio.to_thread(pack, target, folder, {"NOTES.txt": f"{told}\n"})
        return FileResponse(target, media_type="application/zip", filename=target.name)

    async def prompt_file(self, category_id: str) -> FileResponse:
        """The compiled prompt."""
        from cape.annotator import exchange

        category = self.store.category(category_id)
        target = self._export(f"{exchange.file_name(category.name)}-{uuid.uuid4().hex[:6]}.prompt")
        await self._write_prompt(category_id, target)
        return FileResponse(target, media_type="application/octet-stream", filename=target.name)

    async def _write_prompt(self, category_id: str, target: Path) -> None:
        plan = self.assistance.usable(self.store.category(category_id))
        prompt = await self.assistance.call(lambda _: self.assistance.compiled(plan))
        await asyncio.to_thread(prompt.save, target)

    def _bring_in(self, path: Path, name: str, client: str, form: replies.Format, *, dry_run: bool) -> replies.Imported:
        from cape.annotator import exchange

        request = f"import {form} {path.stat().st_size} {_digest(path)}"
        known = self.operations.again(name, request)
        with TemporaryDirectory(dir=self.folder / "cache") as temporary:
            pictures = self.store.all_pictures()
            copies = [(each.file, self.album.shown(each.id, "shown")) for each in pictures]
            there = [(file, copy) for file, copy in copies if copy is not None]
            labels = exchange.read_labels(path, form, Path(temporary), there)
        try:
            found = exchange.incoming(labels, self.store.categories(), pictures, self.store.instances(), name)
        except ValidationError as error:
            first = error.errors()[0]
            raise invalid(
                "import", expected="names of at most 200 plain characters, and places within a million pixels",
                got=f"{'.'.join(map(str, first['loc']))}: {first['msg']}"[:160], fix="Mend the file.",
            ) from None  # fmt: skip
        operation = known
        if known is None and found.changes and not dry_run:
            made = OperationDraft.model_construct(
                id=name, client=client, label=f"import {found.instances} from {form}", changes=found.changes
            )
            operation = self.events.tell(self.operations.edit(made, request=request))
        return replies.Imported(
            categories=found.categories, pictures=found.pictures, instances=found.instances,
            unmatched=found.unmatched[:100], unmatched_count=len(found.unmatched), words=found.words,
            operation=operation,
        )  # fmt: skip

    def _export(self, name: str) -> Path:
        """Where an export goes; the oldest make room."""
        folder = self.folder / "exports"
        folder.mkdir(exist_ok=True)
        old = sorted((each for each in folder.iterdir() if each.is_file()), key=lambda each: each.stat().st_mtime)
        for each in old[: -MOST_EXPORTS + 1]:
            each.unlink(missing_ok=True)
        return folder / name


async def received(album: Album, stream: AsyncIterator[bytes]) -> Path:
    """The bytes of a request in a file of ours, which the caller removes; the guard counts them."""
    path = album.new_file()
    try:
        with path.open("xb") as file:
            async for piece in stream:
                await asyncio.to_thread(file.write, piece)
    except BaseException:
        path.unlink(missing_ok=True)
        raise
    return path


def _digest(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
