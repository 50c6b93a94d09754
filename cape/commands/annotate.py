"""`cape annotate`: the annotator, in the browser, for one project."""

from pathlib import Path
from typing import Annotated

import typer

from cape.commands import run
from cape.errors import DependencyError, PromptError

SAMPLE = ("butterfly", 12)
"""The category of the sample project, and its pictures."""


def annotate(
    project: Annotated[Path, typer.Argument(help="The project's folder, made if need be; pictures in it are found.")],
    port: Annotated[
        int | None, typer.Option(min=0, max=65535, help="Default: the first free one from 8127 on.")
    ] = None,
    model: Annotated[
        str, typer.Option(help="cape-lite, a .safetensors file of a few-shot model, or none.")
    ] = "cape-lite",
    human: Annotated[Path | None, typer.Option(help="A whole-body model for people, as for `cape predict`.")] = None,
    device: Annotated[str, typer.Option(help="auto, cpu or cuda.")] = "auto",
    browser: Annotated[bool, typer.Option(help="Open the page.")] = True,
    sample: Annotated[bool, typer.Option(help="Put 12 drawn pictures into the project first.")] = False,
) -> None:
    """Annotate pictures with the model's help, in the browser, without network.

    Drop pictures into the page or keep them in the project's folder; originals are never written to. Annotate one,
    and the others are pre-annotated. Everything is saved as it is done.

    Example: cape annotate beetles/
    """
    from cape.commands.console import say

    try:
        from cape.annotator.server import serve
    except ModuleNotFoundError as error:
        if (error.name or "").split(".")[0] not in {
            "fastapi",
            "starlette",
            "uvicorn",
            "sqlmodel",
            "sqlalchemy",
            "alembic",
        }:
            raise
        raise DependencyError(
            "cape annotate", expected="the packages of its server", got=f"no {error.name}",
            fix="Install them: pip install 'cape-pose[web]'.",
        ) from None  # fmt: skip
    if sample:
        _draw(project)
    loads = None if model == "none" else lambda: _load(model, device, human)
    serve(project, make=loads, model=model, port=port, browser=browser, say=say)


def _load(model: str, device: str, human: Path | None) -> object:
    """The predictor, warm; one core stays with the server."""
    import contextlib
    import os

    import torch

    from cape.shipped import load

    torch.set_num_threads(max(1, min(torch.get_num_threads(), (os.cpu_count() or 2) - 1)))
    predictor = load(model, device=device, human=human)
    with contextlib.suppress(PromptError):  # of a model that reads no names
        predictor.prompt(names=["warm"])  # the text encoder takes seconds, once
    return predictor


def _draw(project: Path) -> None:
    """Drawn pictures of one category."""
    from cape.data.drawn import Drawn
    from cape.files import write_atomically
    from cape.visualize import encode_png

    category, count = SAMPLE
    source = Drawn(seed=8, instances=count, categories=(category,), size=320, rotation=20.0, rich=True)
    for index in range(count):
        target = project / "pictures" / f"{category}_{index + 1:02d}.png"
        if not target.exists():
            write_atomically(target, encode_png(source.picture(index)))


def main(argv: list[str] | None = None) -> int:
    """`python tools/annotate.py`."""
    return run(annotate, argv, name="annotate")
