"""`cape.annotator.review` and `counters`: reasons in words, the order of the queue, time and corrections."""

import annotating as an
import numpy as np
import pytest

from cape.annotator.replies import PredictedPoint, Prediction
from cape.annotator.review import make_queue, reasons_for, uncertainty_of
from cape.annotator.schema import Box, Category, Keypoint, Picture
from cape.annotator.tables import PredictionRow

CATEGORY = Category(
    id="c", name="cat",
    keypoints=[Keypoint(id="l", name="left eye"), Keypoint(id="r", name="right eye"), Keypoint(id="n")],
    swap=[["l", "r"]], retired=[], revision=1, deleted=False,
)  # fmt: skip


def picture(number: int = 0) -> Picture:
    return Picture(id=f"{number:020d}", file=f"{number}.png", width=100, height=100, state="open", revision=1)


def point(name: str, x: float, y: float, score: float = 0.9, **more: object) -> PredictedPoint:
    fields = {"presence": 1.0, "covariance": [[1, 0], [0, 1]], "branches": [[x, y]], "asked": True, "fixed": False}
    return PredictedPoint(keypoint=name, x=x, y=y, score=score, **(fields | more))


@pytest.mark.parametrize(
    ("points", "words"),
    [
        ([point("l", 10, 10), point("r", 90, 10), point("n", 50, 80)], []),
        ([point("l", 10, 10, 0.2), point("r", 90, 10), point("n", 50, 80)], ["low: left eye"]),
        ([point("l", 50, 10), point("r", 51, 10), point("n", 50, 80)], ["left/right tie: left eye, right eye"]),
        (
            [point("l", 10, 10), point("r", 90, 10), point("n", 50, 80, branches=[[50, 80], [50, 20]])],
            ["branches disagree: point 3"],
        ),
        ([point("l", 10, 10), point("r", 190, 10), point("n", 50, 80)], ["outside the picture: right eye"]),
        ([point("l", 10, 10, 0.1, fixed=True), point("r", 90, 10), point("n", 50, 80)], []),
        ([point("l", 0, 0, asked=False)], ["nothing to go by"]),
    ],
)
def test_reasons_in_words(points: list[PredictedPoint], words: list[str]) -> None:
    assert reasons_for(points, CATEGORY, picture()) == words


def row(number: int, confidence: float, look: list[float]) -> PredictionRow:
    told = Prediction(
        picture_id=f"{number:020d}", category_id="c", category_revision=1, prompted="names", shots=0,
        points=[point("l", 1, 1, confidence)], confidence=confidence, box=Box(x=0, y=0, width=9, height=9), reasons=[],
    )  # fmt: skip
    return PredictionRow(
        picture_id=told.picture_id, category_id="c", key="k", confidence=confidence, body=told.model_dump_json(),
        embedding=np.array(look, dtype=np.float16).tobytes(),
    )  # fmt: skip


def test_the_queue_is_uncertainty_times_diversity() -> None:
    rows = [row(0, 0.2, [1, 0]), row(1, 0.25, [1, 0.01]), row(2, 0.5, [0, 1]), row(3, 0.99, [-1, 0])]
    known = {each.picture_id: each for each in rows}
    queue = make_queue([picture(number) for number in range(5)], known, [], "c", 50)
    # 1 is nearly as unsure as 0, and looks the same: it waits; 4 has no prediction and comes last, but it comes
    assert [int(each.picture.id) for each in queue.entries] == [0, 2, 1, 3, 4]
    assert queue.entries[-1].reasons == ["not predicted yet"]
    assert (queue.predicted, queue.open) == (4, 5)
    after = make_queue([picture(1), picture(2)], known, [picture(0).id], "c", 50)
    assert [int(each.picture.id) for each in after.entries] == [2, 1]
    assert make_queue([], {}, [], "c", 5).entries == []


def test_a_failure_comes_first() -> None:
    assert uncertainty_of(None) == 1.0
    lost = Prediction.model_validate_json(row(0, 0.0, [1]).body)
    sure = Prediction.model_validate_json(row(0, 1.0, [1]).body)
    assert uncertainty_of(lost) > 0.9
    assert uncertainty_of(sure) < 0.1


def test_counters(project: an.Project) -> None:
    made = project.add_category()
    pictures = project.pictures()
    for number, each in enumerate(pictures[:4]):
        drafted = an.instance(each, made, state="accepted", proposed=True)
        for point_ in drafted["points"][number:]:
            point_["source"] = "model"
        project.operate(an.put_instance(drafted), an.set_picture(each, "done"))
    project.operate(an.set_picture(pictures[5], "skipped"))
    told = project.get("/progress", category_id=made["id"])
    assert (told["total"], told["done"], told["open"], told["skipped"]) == (6, 4, 1, 1)
    assert (told["accepted"], told["clicks"], told["clicks_saved"]) == (4, 6, 10)
    assert told["corrections_per_picture"] == 1.5
    assert told["seconds_per_picture"] is not None
    assert told["seconds_left"] == pytest.approx(told["seconds_per_picture"])
    assert project.get("/checks", category_id=made["id"]) == []
