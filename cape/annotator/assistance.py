"""The model's side: prompts that grow, predictions, corrections that the other points follow.

A prompt is compiled once for what it says: the category's keypoints and the instances that are shown to the model. What
it was made of is its key; predictions are kept with the key and are old when it changes. All of it happens in the
worker's thread; the routes wait, and hang up when their page does.
"""

import asyncio
from collections import OrderedDict
from collections.abc import Awaitable, Callable, Sequence
from concurrent.futures import Future
from typing import Any, NamedTuple, TypeVar

import numpy as np

from cape.annotator import replies
from cape.annotator.events import Events
from cape.annotator.pictures import Album
from cape.annotator.planning import Plan, clicks_of, plan_of, reply_of
from cape.annotator.refusing import RequestError, busy, unknown
from cape.annotator.schema import Category, Picture
from cape.annotator.store import Store
from cape.annotator.tables import PredictionRow
from cape.annotator.worker import Worker
from cape.errors import CapeError

MOST_SHOTS = 5
"""The model is shown no more: a prompt costs a forward for each."""
PROMPTS, RECENT, FILL = 16, 128, 200
"""Compiled prompts and predictions that are kept for corrections, and pictures that are predicted on in advance."""
HUNG_UP = 0.2
"""Seconds between two looks whether the page still waits."""
Result = TypeVar("Result")
Gone = Callable[[], Awaitable[bool]]


class Asked(NamedTuple):
    """One look at one picture."""

    picture: Picture
    box: tuple[float, float, float, float] | None
    fixed: tuple[tuple[int, float, float], ...] = ()


class Assistance:
    """Answers about pictures.

    Args:
        store: Of the project.
        album: Where the pictures are.
        worker: That the model runs in.
        events: Told of each prediction that was wanted for later.
        make: Makes the predictor, `cape.load` for example; called in the worker's thread. None: there is no model.
        name: Of the model.
    """

    def __init__(
        self, *, store: Store, album: Album, worker: Worker, events: Events, make: Callable[[], Any] | None, name: str
    ) -> None:
        self._store, self._album, self._worker, self._events = store, album, worker, events
        self._predictor: Any = None
        self._name, self._state = name, "off" if make is None else "loading"
        self._words = "No model: place the points by hand." if make is None else "The model is being loaded."
        self._prompts: OrderedDict[str, Any] = OrderedDict()
        self._recent: OrderedDict[Any, Any] = OrderedDict()
        if make is not None:
            worker.submit("load", lambda contents: [self._load(make) for _ in contents], None)

    @property
    def state(self) -> replies.ModelState:
        """For the page."""
        judge = getattr(self._predictor, "judge", None)
        return replies.ModelState(
            name=self._name, state=self._state, words=self._words,  # pyright: ignore[reportArgumentType]
            calibrated=any(getattr(judge, each, None) is not None for each in ("page", "curve")),
            waiting=self._worker.waiting, most_waiting=self._worker.most_waiting,
        )  # fmt: skip

    def plan(self, category: Category) -> Plan:
        """What the category's prompt is made of now: the shots, or the first instance that was accepted."""
        return plan_of(category, tuple(self._store.shots(category.id, MOST_SHOTS)))

    async def predict(self, draft: replies.PredictDraft, gone: Gone) -> replies.Prediction:
        """One pose.

        Raises:
            RequestError: 404, 409 no_prompt, 422, 503.
        """
        self._worker.check_room()
        asked, plan = await asyncio.to_thread(self._asked, draft)
        return await self._wait(("pose", plan.key), self._answer(plan), asked, gone)

    async def search(self, draft: replies.SearchDraft, gone: Gone) -> list[replies.Prediction]:
        """Several poses.

        Raises:
            RequestError: As `predict`.
        """
        self._worker.check_room()
        wanted = replies.PredictDraft(picture_id=draft.picture_id, category_id=draft.category_id, fixed=[])
        asked, plan = await asyncio.to_thread(self._asked, wanted)

        def run(contents: list[Any]) -> list[Any]:
            return [self._search(plan, each.picture, draft.most) for each in contents]

        return await self._wait(("search", plan.key, draft.most), run, asked, gone)

    async def call(self, work: Callable[[Any], Result], gone: Gone | None = None) -> Result:
        """Do something else with the predictor, in the worker's thread.

        Raises:
            RequestError: 503.
        """

        def run(contents: list[Any]) -> list[Any]:
            return [work(self._predictor) for _ in contents]

        return await self._wait(object(), run, None, gone)

    def prefetch(self, draft: replies.PrefetchDraft) -> int:
        """Predict on pictures when nothing else is to be done; how many there are.

        Raises:
            RequestError: 404.
        """
        category = self._store.category(draft.category_id)
        pictures = [self._store.picture(each) for each in dict.fromkeys(draft.picture_ids)]
        return self._later(f"page {draft.client}", category, pictures)

    def fill(self, category: Category, pictures: Sequence[Picture]) -> None:
        """Predict on what the review queue does not know yet."""
        self._later(f"queue {category.id}", category, pictures)

    def known(self, category: Category) -> dict[str, PredictionRow]:
        """Predictions of the present prompt, by picture."""
        rows = self._store.predictions(category_id=category.id, key=self.plan(category).key)
        return {row.picture_id: row for row in rows}

    def compiled(self, plan: Plan) -> Any:
        """The plan's prompt; in the worker's thread only.

        Raises:
            PromptError: There is nothing to look for.
        """
        if plan.key not in self._prompts:
            self._prompts[plan.key] = self._predictor.prompt(**self._given(plan))
            while len(self._prompts) > PROMPTS:
                self._prompts.popitem(last=False)
        self._prompts.move_to_end(plan.key)
        return self._prompts[plan.key]

    def found(self, prompt: Any, asked: Sequence[Asked]) -> list[Any]:
        """The library's predictions; in the worker's thread only."""
        paths = [self.path(each.picture) for each in asked]
        return list(self._predictor(prompt, paths, [each.box for each in asked]))

    def path(self, picture: Picture) -> str:
        """The file that is shown, which is the one that the model looks at."""
        return str(self._album.shown(picture.id, "shown") or self._album.restore(picture))

    def _load(self, make: Callable[[], Any]) -> None:
        try:
            self._predictor = make()
            self._state, self._words = "ready", "The model is ready."
        except CapeError as error:
            self._state, self._words = "failed", str(error)
        self._events.publish("model", self.state.model_dump())

    def _given(self, plan: Plan) -> dict[str, Any]:
        """What `Predictor.prompt` is given."""
        place = {each.id: index for index, each in enumerate(plan.category.keypoints)}
        given: dict[str, Any] = {
            "names": [each.name for each in plan.category.keypoints],
            "edges": [[place[a], place[b]] for a, b in plan.category.edges],
            "swap": [[place[a], place[b]] for a, b in plan.category.swap],
            "parts": {part.name: [place[each] for each in part.keypoints] for part in plan.category.parts},
        }
        if plan.shots:
            pictures = [self._store.picture(each.picture_id) for each in plan.shots]
            given["images"] = [self.path(each) for each in pictures]
            given["points"] = [clicks_of(each, plan.category) for each in plan.shots]
            boxes = [each.box and (each.box.x, each.box.y, each.box.width, each.box.height) for each in plan.shots]
            given["boxes"] = [box if box and min(box[2:]) > 0 else None for box in boxes]
        return given

    def _asked(self, draft: replies.PredictDraft) -> tuple[Asked, Plan]:
        picture, category = self._store.picture(draft.picture_id), self._store.category(draft.category_id)
        place = {each.id: index for index, each in enumerate(category.keypoints)}
        for point in draft.fixed:
            if point.keypoint not in place:
                raise unknown("keypoint", point.keypoint)
        box = draft.box and (draft.box.x, draft.box.y, draft.box.width, draft.box.height)
        fixed = sorted({place[each.keypoint]: (each.x, each.y) for each in draft.fixed}.items())
        usable = box if box and min(box[2:]) > 0 else None
        return Asked(picture, usable, tuple((index, x, y) for index, (x, y) in fixed)), self.usable(category)

    def usable(self, category: Category) -> Plan:
        """The plan, where there is a model and something to look for.

        Raises:
            RequestError: 409 no_prompt or no_model; 503: it is still being loaded.
        """
        plan = self.plan(category)
        if not category.keypoints or plan.prompted == "none":
            raise RequestError(
                category.name[:40], status=409, code="no_prompt", expected="a name or a finished picture to go by",
                got="neither", fix="Name the keypoints, or annotate one picture and accept it.",
            )  # fmt: skip
        if self._state in ("off", "failed"):
            raise RequestError(
                "model", status=409, code="no_model", expected="a model", got=self._words, fix="Place points by hand."
            )
        if self._state == "loading":
            raise busy("model", got="a model that is still being loaded", retry_after=3)
        return plan

    async def _wait(self, group: Any, run: Callable[[list[Any]], list[Any]], content: Any, gone: Gone | None) -> Any:
        future: Future[Any] = self._worker.submit(group, run, content)
        waiting = asyncio.wrap_future(future)
        while not waiting.done():
            await asyncio.wait({waiting}, timeout=HUNG_UP)
            if not waiting.done() and gone is not None and await gone():
                future.cancel()
                raise busy("request", got="a page that hung up")
        if waiting.cancelled():
            raise busy("model", got="a server that is being closed")
        return waiting.result()

    def _answer(self, plan: Plan) -> Callable[[list[Any]], list[Any]]:
        return Batch(self, plan)

    def _search(self, plan: Plan, picture: Picture, most: int) -> list[replies.Prediction]:
        found = next(iter(self._predictor.search(self.compiled(plan), [self.path(picture)], most=most)))
        return [reply_of(each, picture, plan) for each in found]

    def looked(self, plan: Plan, asked: Sequence[Asked]) -> list[replies.Prediction]:
        """Answers to a batch, in the worker's thread: one call of the model for what was not looked at before."""
        prompt = self.compiled(plan)
        keys = [(plan.key, each.picture.id, each.box) for each in asked]
        new = {key: each for key, each in zip(keys, asked, strict=True) if key not in self._recent}
        for key, prediction in zip(new, self.found(prompt, list(new.values())), strict=True) if new else ():
            self._recent[key] = prediction
            if key[2] is None:
                self._keep(reply_of(prediction, new[key].picture, plan), prediction, plan)
        found = []
        for key, each in zip(keys, asked, strict=True):
            self._recent.move_to_end(key)
            prediction = self._recent[key]
            if each.fixed:
                prediction = self._predictor.refine(prediction, fixed={index: (x, y) for index, x, y in each.fixed})
            found.append(reply_of(prediction, each.picture, plan))
        while len(self._recent) > RECENT:
            self._recent.popitem(last=False)
        return found

    def _keep(self, reply: replies.Prediction, prediction: Any, plan: Plan) -> None:
        feature = getattr(getattr(prediction, "seen", None), "feature", None)
        embedding = np.zeros(1) if feature is None else feature.float().mean(dim=(1, 2)).cpu().numpy()
        row = PredictionRow(
            picture_id=reply.picture_id, category_id=reply.category_id, key=plan.key, confidence=reply.confidence,
            body=reply.model_dump_json(), embedding=np.asarray(embedding, dtype=np.float16).tobytes(),
        )  # fmt: skip
        with self._store.writing() as session:
            session.merge(row)
        told = {"picture_id": row.picture_id, "category_id": row.category_id, "confidence": reply.confidence}
        self._events.publish("prediction", told)

    def _later(self, client: str, category: Category, pictures: Sequence[Picture]) -> int:
        plan = self.plan(category)
        if self._state not in ("ready", "loading") or plan.prompted == "none" or not category.keypoints:
            return 0
        have = {row.picture_id for row in self._store.predictions(category_id=category.id, key=plan.key)}
        wanted = [each for each in pictures if each.id not in have][:FILL]
        self._worker.later(client, [(("pose", plan.key), self._answer(plan), Asked(each, None)) for each in wanted])
        return len(wanted)


class Batch(NamedTuple):
    """What the worker runs for one plan; two of one plan are equal, so their jobs go together."""

    assistance: Assistance
    plan: Plan

    def __call__(self, contents: list[Asked]) -> list[Any]:
        """Answers; where a batch fails, each is asked alone, so that one bad picture is nobody else's fault."""
        try:
            return list(self.assistance.looked(self.plan, contents))
        except CapeError as error:
            return [error] if len(contents) == 1 else [answer for each in contents for answer in self([each])]
