"""One open project: store, pictures, model and log together, and what the routes ask of them."""

import asyncio
import contextlib
import shutil
import threading
from collections.abc import AsyncIterator, Callable, Sequence
from pathlib import Path
from typing import Any

from fastapi.responses import FileResponse

import cape
from cape.annotator import checks, counters, editing, replies, review
from cape.annotator.assistance import Assistance
from cape.annotator.events import Events, Telling
from cape.annotator.operations import Log
from cape.annotator.pictures import MOST_BYTES, MOST_PIXELS, Album
from cape.annotator.refusing import RequestError, invalid, unknown
from cape.annotator.safety import BODIES
from cape.annotator.schema import (
    MOST_CHANGES,
    MOST_KEYPOINTS,
    CategoryDraft,
    Keypoint,
    Operation,
    OperationDraft,
    Picture,
)
from cape.annotator.shots import check_shot
from cape.annotator.store import Store
from cape.annotator.transfer import Transfer, received
from cape.annotator.worker import Worker
from cape.errors import PictureError

TOLD = 25
"""Pictures after which the page is told that there are more."""


class Desk:
    """An open project.

    Args:
        folder: Of the project.
        make: Makes the predictor, in the worker's thread; None: there is no model.
        model: Its name.
        worker: For tests of a full queue.

    Raises:
        UsageError: Another server has it open, or it cannot be written.
    """

    def __init__(
        self, folder: Path, *, make: Callable[[], Any] | None, model: str = "cape-lite", worker: Worker | None = None
    ) -> None:
        self.folder = folder.resolve()
        self.name = self.folder.name
        self.store = Store(self.folder)
        self.operations = Log(self.store)
        self.events = Events()
        self.album = Album(self.store)
        self.worker = worker or Worker()
        self.assistance = Assistance(
            store=self.store, album=self.album, worker=self.worker, events=self.events, make=make, name=model
        )
        self.transfer = Transfer(
            store=self.store, album=self.album, log=self.operations, assistance=self.assistance, events=self.events
        )
        self.scanning, self._closed = False, False
        self.left_out: list[str] = []
        """Pictures of the folder that cannot be read, and why."""

    def close(self) -> None:
        """Finish what is being written, and let go of the folder."""
        self._closed = True
        self.events.close()
        self.worker.close()
        self.album.close()
        self.store.close()

    def scan(self) -> threading.Thread:
        """Look through the folder for pictures, beside everything else."""
        self.scanning = True
        thread = threading.Thread(target=self._scan, name="scan", daemon=True)
        thread.start()
        return thread

    def done(self, operation: Operation) -> Operation:
        """Tell the other pages of an operation that is on disk."""
        return self.events.tell(operation)

    # Documents

    def project(self, client: str) -> replies.Project:
        """What the page asks first."""
        return replies.Project(
            name=self.name, version=cape.__version__, pictures=self.store.pictures(limit=0).total,
            categories=self.store.categories(), model=self.assistance.state, history=self.operations.history(client),
            seq=self.operations.last(), scanning=self.scanning,
            limits=replies.Limits(
                picture_bytes=MOST_BYTES, picture_pixels=MOST_PIXELS, import_bytes=BODIES["/api/import"],
                keypoints=MOST_KEYPOINTS, changes=MOST_CHANGES,
            ),
        )  # fmt: skip

    def preview(self, category_id: str, draft: CategoryDraft) -> replies.CategoryPreview:
        """What a change of a category would do."""
        if draft.id != category_id:
            raise invalid("category", expected=f"the id {category_id}", got=draft.id, fix="Send it to its own address.")
        return editing.preview(self.store, draft)

    def suggest_names(self, text: str, limit: int) -> list[replies.SuggestedName]:
        """Names of the text packs."""
        return editing.suggest_names(text, limit)

    def suggest_swap(self, keypoints: Sequence[Keypoint]) -> replies.SwapPairs:
        """Left and right."""
        return editing.suggest_swap(keypoints)

    def detail(self, picture_id: str) -> replies.PictureDetail:
        """A picture and all that is in it."""
        picture = self.store.picture(picture_id)
        instances = self.store.instances(picture_id=picture_id)
        there = {each.category_id for each in instances}
        keys = {each.id: self.assistance.plan(each).key for each in self.store.categories() if each.id not in there}
        rows = [row for row in self.store.predictions(picture_id=picture_id) if keys.get(row.category_id) == row.key]
        before, after = self.store.neighbours(picture)
        known = {each.id for each in self.store.categories()}
        return replies.PictureDetail(
            picture=picture, instances=[each for each in instances if each.category_id in known],
            predictions=[replies.Prediction.model_validate_json(row.body) for row in rows], previous=before, next=after,
        )  # fmt: skip

    def image(self, picture_id: str, kind: str) -> FileResponse:
        """The copy that is shown, or the thumbnail."""
        picture = self.store.picture(picture_id)
        path = self.album.shown(picture_id, kind)
        if path is None:
            self.album.restore(picture)
            path = self.album.shown(picture_id, kind)
        if path is None:
            raise unknown("picture", picture_id)
        forever = {"Cache-Control": "private, max-age=31536000, immutable"}
        media = "image/png" if path.suffix == ".png" else "image/jpeg"
        return FileResponse(path, media_type=media, headers=forever)

    async def upload(self, stream: AsyncIterator[bytes], name: str) -> replies.Uploaded:
        """One picture from outside."""
        path = await received(self.album, stream)
        try:
            picture, existing = await asyncio.to_thread(self.album.keep, path, name)
        finally:
            path.unlink(missing_ok=True)
        if not existing:
            self._tell_pictures([picture])
        return replies.Uploaded(picture=picture, existing=existing)

    # Assistance

    def accept(self, draft: replies.AcceptDraft) -> Operation:
        """All predictions that are sure enough."""
        request = f"accept {draft.model_dump_json()}"
        known = self.operations.again(draft.id, request)
        if known is not None:
            return known
        category = self.store.category(draft.category_id)
        have = {each.picture_id for each in self.store.instances(category_id=category.id)}
        wanted = None if draft.picture_ids is None else set(draft.picture_ids)
        predictions = self.assistance.known(category)
        pictures = [
            each for each in self.store.all_pictures()
            if each.state == "open" and each.id in predictions and each.id not in have
            and (wanted is None or each.id in wanted) and predictions[each.id].confidence >= draft.least
        ]  # fmt: skip
        if not pictures:
            raise RequestError(
                "accept", status=409, code="nothing", expected="an open picture with a prediction that is sure enough",
                got="none", fix="Lower the probability, or wait for the predictions.",
            )  # fmt: skip
        told = [replies.Prediction.model_validate_json(predictions[each.id].body) for each in pictures]
        changes = editing.accepted(draft.id, pictures, told)
        label = f"accept {len(pictures)} above {draft.least:g}"
        made = OperationDraft.model_construct(id=draft.id, client=draft.client, label=label, changes=changes)
        return self.operations.edit(made, request=request)

    async def grow(self, category_id: str, draft: replies.ShotDraft) -> replies.ShotCheck:
        """Show the model one more instance."""
        category = self.store.category(category_id)
        request = f"grow {category_id} {draft.model_dump_json()}"
        known = self.operations.again(draft.id, request)
        instances = self.store.instances(category_id=category_id, state="accepted")
        candidate = next((each for each in instances if each.id == draft.instance_id), None)
        if candidate is None:
            raise unknown("accepted instance", draft.instance_id)
        if known is not None:
            return replies.ShotCheck(
                added=True, pictures=0, before=None, after=None, words="It was added before.", operation=known
            )
        plan = self.assistance.plan(category)
        others = [(each, self.store.picture(each.picture_id)) for each in instances]
        verdict = await self.assistance.call(lambda _: check_shot(self.assistance, plan, candidate, others))
        operation = None
        if verdict.helps or draft.force:
            changes = editing.shown([*plan.shots, candidate])
            made = OperationDraft.model_construct(
                id=draft.id,
                client=draft.client,
                label=f"show the model one more {category.name}"[:200],
                changes=changes,
            )
            operation = self.done(await asyncio.to_thread(self.operations.edit, made, request=request))
        return replies.ShotCheck(
            added=operation is not None, pictures=verdict.pictures, before=verdict.before, after=verdict.after,
            words=verdict.words, operation=operation,
        )  # fmt: skip

    def standing(self) -> list[Telling]:
        """Events for a page that begins to listen: how the model and the pictures stand."""
        return [("model", self.assistance.state.model_dump()), ("pictures", self._pictures([]))]

    def queue(self, category_id: str, limit: int) -> replies.Queue:
        """What to look at next; what it does not know yet is predicted on meanwhile."""
        category = self.store.category(category_id)
        pictures = self.store.all_pictures()
        known = self.assistance.known(category)
        opened = [each for each in pictures if each.state == "open"]
        finished = [each.id for each in pictures if each.state == "done"]
        self.assistance.fill(category, [each for each in opened if each.id not in known])
        return review.make_queue(opened, known, finished, category_id, limit)

    def checks(self, category_id: str | None) -> list[replies.Check]:
        """What looks odd."""
        chosen = self.store.categories() if category_id is None else [self.store.category(category_id)]
        pictures = {each.id: each for each in self.store.all_pictures()}
        found = [
            each
            for category in chosen
            for each in checks.find_checks(
                category, self.store.instances(category_id=category.id, state="accepted"), pictures
            )
        ]
        return sorted(found, key=lambda each: -each.severity)[:500]

    def progress(self, category_id: str | None) -> replies.Progress:
        """How far the work is."""
        if category_id is not None:
            self.store.category(category_id)
        known = {each.id for each in self.store.categories()}
        instances = [each for each in self.store.instances(category_id=category_id) if each.category_id in known]
        return counters.count(self.store.all_pictures(), instances, counters.seconds_per_picture(self.store))

    def _scan(self) -> None:
        for old in (self.folder / "cache").glob(".upload-*"):
            old.unlink(missing_ok=True)
        for old in (self.folder / "cache").glob("tmp*"):
            shutil.rmtree(old, ignore_errors=True)
        fresh: list[Picture] = []
        try:
            for found in self.album.scan():
                if self._closed:
                    return
                if isinstance(found, PictureError):
                    self.left_out.append(str(found))
                    continue
                fresh.append(found)
                if len(fresh) >= TOLD:
                    self._tell_pictures(fresh)
                    fresh = []
        finally:
            self.scanning = False
            with contextlib.suppress(Exception):
                self._tell_pictures(fresh)

    def _tell_pictures(self, added: list[Picture]) -> None:
        self.events.publish("pictures", self._pictures(added))

    def _pictures(self, added: list[Picture]) -> dict[str, Any]:
        told = {"added": [each.model_dump() for each in added], "scanning": self.scanning}
        return {**told, "total": self.store.pictures(limit=0).total}
