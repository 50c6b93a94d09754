"""How much the assistance saves: a script annotates real pictures as a person would, and counts its clicks.

A point that lies farther than 0.05 of the box's longest side from the truth is moved there, the worst one first; the
others follow each time. The first picture of a category is placed by hand; pictures are shown to the model as they are
accepted, where the leave-one-out check agrees.
"""

import io
import os
import time
from pathlib import Path
from typing import Any

import annotating as an
import numpy as np
import pytest
from PIL import Image

from cape.data.mp100 import MP100

NEAR = 0.05
PICTURES = 9
SHOTS_AFTER = (2, 4)
"""Pictures after which one more is offered as a shot."""
UNSEEN = [(2, "salmon_body"), (4, "mollusk_shell"), (2, "honeybee_body")]
"""All with enough pictures of whose families cape-lite saw none, and a split that tests on them."""


class Person:
    """Annotates one category, the instances of a source one after the other."""

    def __init__(self, project: an.Project, name: str, texts: list[str], edges: Any) -> None:
        self.project = project
        self.category = project.add_category(name, texts, edges=[[f"k{a}", f"k{b}"] for a, b in edges])
        self.moves: list[int] = []
        self.by_hand: list[int] = []

    def annotate(self, pixels: np.ndarray, truth: np.ndarray, seen: np.ndarray, box: np.ndarray) -> None:
        content = io.BytesIO()
        Image.fromarray(pixels).save(content, "PNG")
        picture = self.project.send("/pictures", content.getvalue(), name="x")["picture"]
        drawn = dict(zip(("x", "y", "width", "height"), map(float, box), strict=True))
        body: dict[str, Any] = {"picture_id": picture["id"], "category_id": self.category["id"], "box": drawn}
        fixed: dict[int, np.ndarray] = {}
        points = truth.copy()
        if self.by_hand:
            points = self._asked(body)
            side = float(max(box[2:]))
            while (away := np.where(seen, np.linalg.norm(points - truth, axis=1) / side, 0)).max() > NEAR:
                worst = int(away.argmax())
                fixed[worst] = truth[worst]
                points = self._asked(body, fixed)
            self.moves.append(len(fixed))
        self.by_hand.append(int(seen.sum()))
        drafted = an.instance(picture, self.category, state="accepted", proposed=len(self.by_hand) > 1, box=drawn)
        drafted["points"] = [
            {
                "keypoint": f"k{index}", "x": float(x) if there else None, "y": float(y) if there else None,
                "visibility": 2 if there else 0, "source": "human" if index in fixed or not self.moves else "model",
            }
            for index, ((x, y), there) in enumerate(zip(points, seen, strict=True))
        ]  # fmt: skip
        self.project.operate(an.put_instance(drafted), an.set_picture(picture, "done"))
        if len(self.by_hand) in SHOTS_AFTER:
            body = {"id": an.new_id(), "client": "me", "instance_id": drafted["id"]}
            self.project.post(f"/categories/{self.category['id']}/shots", body)

    def _asked(self, body: dict[str, Any], fixed: dict[int, np.ndarray] | None = None) -> np.ndarray:
        listed = [{"keypoint": f"k{index}", "x": float(x), "y": float(y)} for index, (x, y) in (fixed or {}).items()]
        answer = self.project.post("/predict", body | {"fixed": listed})
        return np.array([[each["x"], each["y"]] for each in answer["points"]])


@pytest.mark.soak
@pytest.mark.parametrize(("split", "name"), UNSEEN)
def test_a_scripted_annotator(shared_data: Path, tmp_path: Path, split: int, name: str) -> None:
    from cape.shipped import load

    source = MP100(root=shared_data / "mp100_mini", split=split, subset="test", pictures="auto")
    (key,) = (number for number, each in source.categories.items() if each.name == name)
    category = source.categories[key]
    project = an.Project(tmp_path, predictor=load("cape-lite"))
    person = Person(project, name, list(category.texts), category.skeleton.edges)
    began = time.monotonic()
    for index in source.by_category()[key][:PICTURES]:
        each = source.instances[index]
        person.annotate(source.picture(index), each.points, each.visibility > 0, each.box)
    moves, by_hand = sum(person.moves), sum(person.by_hand[1:])
    progress = project.get("/progress")
    project.close()
    assert progress["corrections_per_picture"] == pytest.approx(moves / len(person.moves))
    with Path(os.environ.get("CAPE_SCRIPTED_REPORT", tmp_path / "scripted.txt")).open("a") as file:
        file.write(
            f"{name}: {len(person.moves)} pictures, {moves / len(person.moves):.2f} corrections a picture, "
            f"{by_hand - moves} of {by_hand} clicks saved ({1 - moves / by_hand:.0%}), "
            f"{time.monotonic() - began:.0f} s\n"
        )
    assert moves < by_hand
