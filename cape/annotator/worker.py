"""The one thread in which the model runs, behind a queue that has an end.

What somebody waits for comes first, in order; jobs of one group (the same prompt) that wait together are run together.
What is wanted later is done when nothing else is. A job that was cancelled before its turn is never run.
"""

import threading
from collections import deque
from collections.abc import Callable, Hashable, Iterator
from concurrent.futures import Future
from typing import Any, NamedTuple

from cape.annotator.refusing import busy

MOST_WAITING, BATCH, MOST_CLIENTS = 24, 4, 50


class Job(NamedTuple):
    """One thing to do."""

    group: Hashable
    """Jobs of one group may be run in one batch."""
    run: Callable[[list[Any]], list[Any]]
    """Gets the contents of a batch, gives back as many results; an exception among them is that job's alone."""
    content: Any
    future: "Future[Any]"


class Worker:
    """The thread and its queue.

    Args:
        most_waiting: Jobs that may wait; one more is refused.
        batch: Jobs that are run together at most.
    """

    def __init__(self, *, most_waiting: int = MOST_WAITING, batch: int = BATCH) -> None:
        self.most_waiting, self._batch = most_waiting, batch
        self._urgent: deque[Job] = deque()
        self._later: dict[str, deque[Job]] = {}
        self._changed = threading.Condition()
        self._closed = False
        self._thread = threading.Thread(target=self._serve, name="model", daemon=True)
        self._thread.start()

    @property
    def waiting(self) -> int:
        """Jobs that somebody waits for."""
        with self._changed:
            self._forget()
            return len(self._urgent)

    def submit(self, group: Hashable, run: Callable[[list[Any]], list[Any]], content: Any) -> "Future[Any]":
        """Queue a job that somebody waits for.

        Raises:
            RequestError: 503: the queue is full.
        """
        job = Job(group, run, content, Future())
        with self._changed:
            self.check_room()
            self._urgent.append(job)
            self._changed.notify()
        return job.future

    def check_room(self) -> None:
        """Raise where the queue is full; asked first, a request that cannot be served costs next to nothing.

        Raises:
            RequestError: 503.
        """
        with self._changed:
            self._forget()
            if len(self._urgent) >= self.most_waiting:
                raise busy("model", got=f"{len(self._urgent)} requests waiting")

    def later(self, client: str, jobs: list[tuple[Hashable, Callable[[list[Any]], list[Any]], Any]]) -> None:
        """What a client may want next, in place of what it wanted before."""
        with self._changed:
            self._later.pop(client, None)
            self._later[client] = deque(Job(*each, Future()) for each in jobs)
            while len(self._later) > MOST_CLIENTS:
                self._later.pop(next(iter(self._later)))
            self._changed.notify()

    def close(self) -> None:
        """Finish what is being done, and nothing else."""
        with self._changed:
            self._closed = True
            for job in self._urgent:
                job.future.cancel()
            self._changed.notify()
        self._thread.join(timeout=10)

    def _forget(self) -> None:
        if any(job.future.cancelled() for job in self._urgent):
            self._urgent = deque(job for job in self._urgent if not job.future.cancelled())

    def _serve(self) -> None:
        while True:
            with self._changed:
                while not self._closed and not self._urgent and not any(self._later.values()):
                    self._changed.wait()
                if self._closed:
                    return
                jobs = list(self._next())
            _run(jobs)

    def _next(self) -> Iterator[Job]:
        """The next batch, taken out of the queue."""
        queue = self._urgent or next(each for each in self._later.values() if each)
        first = queue[0]
        chosen = [job for job in queue if job.group == first.group and job.run == first.run][: self._batch]
        for job in chosen:
            queue.remove(job)
            if job.future.set_running_or_notify_cancel():
                yield job


def _run(jobs: list[Job]) -> None:
    if not jobs:
        return
    try:
        results = jobs[0].run([job.content for job in jobs])
    except BaseException as error:  # the thread must outlive whatever a model raises
        results = [error] * len(jobs)
    for job, result in zip(jobs, results, strict=True):
        if isinstance(result, BaseException):
            job.future.set_exception(result)
        else:
            job.future.set_result(result)
