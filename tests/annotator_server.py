"""A real server process with the fake predictor: `python annotator_server.py FOLDER PORT [SECONDS a prediction]`."""

import sys
from pathlib import Path

from annotating import FakePredictor

from cape.annotator.server import serve

if __name__ == "__main__":
    seconds = float(sys.argv[3]) if len(sys.argv) > 3 else 0.0
    serve(
        Path(sys.argv[1]), make=lambda: FakePredictor(seconds=seconds), model="fake", port=int(sys.argv[2]),
        browser=False, say=lambda text: None,
    )  # fmt: skip
