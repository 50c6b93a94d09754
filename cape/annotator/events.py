"""Server-sent events: what other threads have to tell, to every page that listens."""

import asyncio
import contextlib
import json
from collections.abc import AsyncIterator, Callable
from typing import TYPE_CHECKING, Any

from cape.annotator.schema import Operation

if TYPE_CHECKING:
    from cape.annotator.operations import Log

Telling = tuple[str, dict[str, Any]]
"""An event: its kind and its data."""
MOST_WAITING, MOST_MISSED = 500, 500
MOST_TOLD = 500
"""Documents of an operation, above which a page had better load everything again."""
HEARTBEAT = 15.0
"""Seconds of silence after which a comment is sent, so that both ends notice a broken line."""


class Events:
    """The events of a project; `publish` may be called from any thread."""

    def __init__(self) -> None:
        self._listeners: dict[asyncio.Queue[str | None], asyncio.AbstractEventLoop] = {}
        self._closed = False

    def publish(self, kind: str, data: dict[str, Any], *, seq: int | None = None) -> None:
        """Tell everybody who listens.

        Args:
            kind: Name of the event.
            data: Its JSON object.
            seq: Of the operation that it tells of; a page that reconnects says the last one it has.
        """
        text = _text(kind, data, seq)
        for queue, loop in list(self._listeners.items()):
            with contextlib.suppress(RuntimeError):  # its loop has ended
                loop.call_soon_threadsafe(_put, queue, text)

    def tell(self, operation: Operation) -> Operation:
        """Tell everybody of an operation that is on disk; not of one that was only asked for again."""
        changed = operation.changed
        if len(changed.instances) + len(changed.pictures) + len(changed.categories) > MOST_TOLD:
            self.publish("resync", {"seq": operation.seq}, seq=operation.seq)
        elif not operation.repeated:
            self.publish("operation", operation.model_dump(exclude={"history"}), seq=operation.seq)
        return operation

    async def stream(self, after: int | None, log: "Log", standing: Callable[[], list[Telling]]) -> AsyncIterator[str]:
        """Events as text: first what was missed, then what comes.

        Args:
            after: The last operation that the listener has; None: it has all.
            log: Of the project.
            standing: How things stand that no operation tells of. A listener may have asked before they changed, and
                begun to listen after that was told.
        """
        queue: asyncio.Queue[str | None] = asyncio.Queue(MOST_WAITING)
        self._listeners[queue] = asyncio.get_running_loop()
        try:
            yield "retry: 1000\n\n"
            for kind, data in await asyncio.to_thread(standing):
                yield _text(kind, data, None)
            if after is not None:
                for text in await asyncio.to_thread(_missed, after, log):
                    yield text
            while not self._closed:
                try:
                    text = await asyncio.wait_for(queue.get(), HEARTBEAT)
                except TimeoutError:
                    yield ":\n\n"
                    continue
                if text is None:
                    return
                yield text
        finally:
            self._listeners.pop(queue, None)

    def close(self) -> None:
        """End all streams."""
        self._closed = True
        for queue, loop in list(self._listeners.items()):
            with contextlib.suppress(RuntimeError):
                loop.call_soon_threadsafe(_put, queue, None)


def _put(queue: "asyncio.Queue[str | None]", text: str | None) -> None:
    """A listener that does not listen loses its line: it reconnects and says where it was."""
    try:
        queue.put_nowait(text)
    except asyncio.QueueFull:
        while not queue.empty():
            queue.get_nowait()
        queue.put_nowait(None)


def _missed(after: int, log: "Log") -> list[str]:
    found = log.log(after=after, limit=MOST_MISSED + 1)
    if len(found.operations) > MOST_MISSED or after > found.seq:
        return [_text("resync", {"seq": found.seq}, found.seq)]
    return [_text("operation", each.model_dump(exclude={"history"}), each.seq) for each in found.operations]


def _text(kind: str, data: dict[str, Any], seq: int | None) -> str:
    """One event; JSON has no line breaks of its own."""
    head = "" if seq is None else f"id: {seq}\n"
    return f"{head}event: {kind}\ndata: {json.dumps(data, separators=(',', ':'))}\n\n"
