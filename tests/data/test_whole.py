"""Evaluation without boxes: the whole picture is seen, and errors stay on the scale of the true box."""

import numpy as np
import pytest
import torch

from cape.data.drawn import Drawn
from cape.data.episodes import Episodes, official_pairs, pose_table
from cape.data.transforms import crop_square, normalise
from cape.data.whole import WholePicture, whole_box
from cape.evaluation.pck import score_pairs
from cape.features import encode_crops
from cape.inference import predict_pairs, score_predictions
from cape.models.baselines import Center, Copy
from cape.models.encoders.visual import VisualEncoder


@pytest.fixture(scope="module")
def drawn() -> Drawn:
    return Drawn(seed=3, instances=16, categories=("quadruped", "chair"))


@pytest.mark.parametrize("size", [(640, 480), (300, 500), (96, 96)])
def test_the_crop_is_the_square_around_the_picture(size: tuple[int, int]) -> None:
    square = crop_square(whole_box(size))
    assert (square.x, square.y) == (size[0] / 2, size[1] / 2)
    assert square.side == pytest.approx(max(size))


def test_views_show_the_whole_picture(drawn: Drawn) -> None:
    whole = WholePicture(drawn)
    width, height = drawn.instances[0].size
    episodes = Episodes(source=whole, pairs={"episodes": 1}, size=width)
    view = episodes.view(0)
    np.testing.assert_allclose(view.to_pixels, [[width, 0, 0], [0, height, 0]], atol=1e-4)
    given = Episodes(source=drawn, pairs={"episodes": 1}, size=width)
    assert not np.allclose(given.view(0).image, view.image)
    for row in (0, 20):
        item, labels = episodes[row], episodes.labels(row)
        np.testing.assert_allclose(labels.query.points, item.query.points, atol=1e-6)
        np.testing.assert_allclose(labels.support.points, item.support.points, atol=1e-6)
        assert (item.query.visible == given[row].query.visible).all()


def test_encoders_see_the_whole_picture(drawn: Drawn) -> None:
    """With crops as large as the picture an encoder that changes nothing gives it back."""

    class Identity(VisualEncoder):
        size = drawn.instances[0].size[0]

        def __init__(self) -> None:
            torch.nn.Module.__init__(self)
            self.weight = torch.nn.Parameter(torch.zeros(1))

        def forward(self, image: torch.Tensor) -> torch.Tensor:
            return image

    seen = encode_crops(WholePicture(drawn), [3], Identity())
    torch.testing.assert_close(seen[0], normalise(drawn.picture(3)))


def test_errors_are_divided_by_the_true_box(drawn: Drawn) -> None:
    """The middle of the picture is predicted, and scored by the box's longest side."""
    whole = WholePicture(drawn)
    pairs = official_pairs(whole.by_category(), episodes=2)
    table, given = pose_table(whole.instances), pose_table(drawn.instances)
    np.testing.assert_array_equal(table.box, given.box)
    np.testing.assert_array_equal(table.side, given.box[:, 2:].max(axis=1))
    query = pairs.table[:, 1]
    found = predict_pairs(Center(), table, pairs.table)
    middle = np.array([drawn.instances[index].size for index in query])[:, None] / 2
    np.testing.assert_allclose(found, np.broadcast_to(middle, found.shape), atol=1e-3)
    valid = given.visible[pairs.table].all(axis=1)
    expected = score_pairs(found, given.points[query], valid, given.side[query])
    np.testing.assert_array_equal(score_predictions(found, table, pairs.table)["NME"], expected["NME"])


def test_support_and_query_are_in_the_same_frame(drawn: Drawn) -> None:
    """Copy takes the places of the points in the support's picture, not in its box, to the query's."""
    whole = WholePicture(drawn)
    pairs = official_pairs(whole.by_category(), episodes=1)
    table = pose_table(whole.instances)
    support, query = pairs.table.T
    sizes = np.array([each.size for each in whole.instances], dtype=float)
    share = table.points[support] / sizes[support, None]
    expected = share * sizes[query, None]
    valid = table.visible[pairs.table].all(axis=1)
    np.testing.assert_allclose(predict_pairs(Copy(), table, pairs.table)[valid], expected[valid], atol=1e-3)


def test_what_a_run_learns_from_is_another(drawn: Drawn) -> None:
    digests = {Episodes(source=source).digest() for source in (drawn, WholePicture(drawn))}
    assert len(digests) == 2
