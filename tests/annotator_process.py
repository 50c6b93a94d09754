"""A server process of the annotator that tests kill, end and load."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import annotating as an
import httpx

from cape.annotator.server import listen, token_of

TESTS = Path(__file__).parent


class Server:
    """A server process that can be killed and started again at the same address."""

    def __init__(self, folder: Path, *, seconds: float = 0.0) -> None:
        self.folder, self.seconds = folder, seconds
        with listen(0) as free:
            self.port = free.getsockname()[1]
        self.address = f"http://127.0.0.1:{self.port}"
        self.start()

    def start(self) -> None:
        path = os.pathsep.join([str(TESTS.parent), str(TESTS)])
        command = [
            sys.executable,
            str(TESTS / "annotator_server.py"),
            str(self.folder),
            str(self.port),
            str(self.seconds),
        ]
        self.process = subprocess.Popen(
            command, env={**os.environ, "PYTHONPATH": path}, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE
        )
        until = time.monotonic() + 180
        while time.monotonic() < until:
            try:
                with self.client() as client:
                    state = client.get("/api/project", params={"client": "me"}).json()
                if state["model"]["state"] == "ready" and not state["scanning"]:
                    return
            except (httpx.TransportError, OSError):
                pass
            assert self.process.poll() is None, self.process.stderr.read()[-2000:]
            time.sleep(0.05)
        raise AssertionError("the server did not start")

    def client(self, **options: Any) -> httpx.Client:
        token = token_of(self.folder)
        # Without TLS there is nothing to verify; reading the certificates takes longer than a hundred saves
        tokened = {"Authorization": f"Bearer {token}"}
        return httpx.Client(base_url=self.address, headers=tokened, timeout=20, verify=False, **options)

    def kill(self) -> None:
        self.process.kill()
        self.process.wait()
        self.process.stderr.close()

    def end(self) -> int:
        self.process.send_signal(signal.SIGTERM)
        code = self.process.wait(20)
        self.process.stderr.close()
        return code


def first_things(client: httpx.Client) -> tuple[dict[str, Any], dict[str, Any]]:
    """A category, and the first picture."""
    body = {"id": an.new_id(), "client": "me", "label": "", "changes": [an.put_category(an.category())]}
    made = client.post("/api/operations", json=body).json()["changed"]["categories"][0]
    return made, client.get("/api/pictures").json()["pictures"][0]
