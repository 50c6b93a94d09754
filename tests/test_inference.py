"""From a source to scores: the pieces that every evaluation and the demo share."""

import numpy as np
import pytest
import torch

from cape.data.drawn import Drawn
from cape.data.episodes import official_pairs, pose_table
from cape.data.transforms import from_crop, to_crop
from cape.errors import PictureError, UsageError
from cape.evaluation.pck import score_pairs
from cape.features import encode_crops, encode_pairs, encode_turned, load_encoder
from cape.inference import predict_pairs, score_predictions
from cape.models.baselines import Align, Copy, Nearest, Turned
from cape.structures import Instance


@pytest.fixture(scope="module")
def drawn() -> Drawn:
    return Drawn(seed=3, instances=16, categories=("quadruped", "chair", "arrow"))


@pytest.fixture(scope="module")
def encoder() -> torch.nn.Module:
    return load_encoder("efficientnet_lite0", device="cpu")


@pytest.fixture(scope="module")
def features(drawn: Drawn, encoder: torch.nn.Module) -> torch.Tensor:
    return encode_crops(drawn, range(len(drawn.instances)), encoder)


def test_copy_equals_its_one_line_definition(drawn: Drawn) -> None:
    table = pose_table(drawn.instances)
    pairs = official_pairs(drawn.by_category(), episodes=3)
    supports, query = pairs.table[:, 0], pairs.table[:, 1]
    by_hand = from_crop(to_crop(table.points, table.box)[supports], table.box[query])
    valid = table.visible[supports] & table.visible[query]
    found = predict_pairs(Copy(), table, pairs.table, batch_size=7)
    np.testing.assert_allclose(found[valid], by_hand[valid], atol=1e-3)
    expected = score_pairs(by_hand, table.points[query], valid, table.box[query, 2:].max(axis=1))
    np.testing.assert_allclose(score_predictions(found, table, pairs.table)["NME"], expected["NME"], atol=1e-5)


def test_features_lie_where_pairs_look_for_them(drawn: Drawn, encoder: torch.nn.Module) -> None:
    number, pool = list(drawn.by_category().items())[1]
    pairs = official_pairs({number: pool}, episodes=1)
    features = encode_pairs(drawn, pairs, encoder)
    index = int(pairs.table[4, 1])
    alone = encode_crops(drawn, [index], encoder)
    torch.testing.assert_close(features[index], alone[0], atol=1e-5, rtol=0)
    unused = sorted(set(range(len(drawn.instances))) - set(pairs.table.ravel().tolist()))
    assert features[unused].abs().sum() == 0


def test_a_query_identical_to_its_support_is_solved(drawn: Drawn, features: torch.Tensor) -> None:
    table = pose_table(drawn.instances)
    own = np.array([[index, index] for index in range(0, len(drawn.instances), 3)])
    for page in (Nearest(), Align()):
        found = predict_pairs(page, table, own, features=features)
        error = np.linalg.norm(found - table.points[own[:, 1]], axis=-1) / table.box[own[:, 1], 2:].max(axis=1)[:, None]
        hits = (error < 0.1)[table.visible[own[:, 1]]].mean()
        assert hits > 0.85, f"{type(page).__name__}: {hits:.2f}"


def test_the_query_s_visibility_never_reaches_the_method(drawn: Drawn, features: torch.Tensor) -> None:
    """Hide every keypoint of the queries that are not supports: predictions must not move."""
    table = pose_table(drawn.instances)
    pairs = np.array([[0, index] for index in range(1, 8)])
    hidden = table.visible.copy()
    hidden[1:8] = False
    moved = table.points.copy()
    moved[1:8] = -1e4
    before = predict_pairs(Align(), table, pairs, features=features)
    after = predict_pairs(Align(), table._replace(visible=hidden, points=moved), pairs, features=features)
    np.testing.assert_array_equal(before, after)


def test_batches_do_not_matter(drawn: Drawn, features: torch.Tensor) -> None:
    table = pose_table(drawn.instances)
    pairs = official_pairs(drawn.by_category(), episodes=1).table[::3]
    valid = table.visible[pairs[:, 0]]
    one = predict_pairs(Align(), table, pairs, features=features, batch_size=1)
    many = predict_pairs(Align(), table, pairs, features=features, batch_size=32)
    far = np.linalg.norm(one - many, axis=-1)[valid] > 1.0
    assert far.mean() < 0.01  # rounding may break a tie between two starts


def test_turned_supports_find_turned_and_mirrored_queries(encoder: torch.nn.Module) -> None:
    """Where the backbone alone is lost: queries are their supports turned by right angles, or mirrored."""
    drawn = Drawn(seed=3, instances=6, categories=("quadruped", "fish"), rotation=0.0, occlusion=0.0, truncation=0.0)
    source = Turnabout(drawn)
    table, count = pose_table(source.instances), len(drawn.instances)
    pairs = np.array([[index, index + turn * count] for index in range(count) for turn in (1, 2, 3)])
    features = encode_crops(source, range(len(source.instances)), encoder)
    turned = encode_turned(source, np.unique(pairs[:, 0]).tolist(), table, encoder, rotations=8)
    score = {}
    for page in (Align(), Turned()):
        found = predict_pairs(page, table, pairs, features=features, turned=turned)
        score[type(page)] = score_predictions(found, table, pairs)["PCK@0.10"].mean()
    assert score[Turned] > 97 and score[Turned] > score[Align] + 10
    with pytest.raises(UsageError, match="encode_turned"):
        predict_pairs(Turned(), table, pairs, features=features)


class Turnabout:
    """Each instance as it is, turned by 90 and by 180 degrees, and mirrored."""

    def __init__(self, drawn: Drawn) -> None:
        self.drawn, self.categories = drawn, drawn.categories
        self.instances = [self.turned(each, turn) for turn in range(4) for each in drawn.instances]

    def by_category(self) -> dict[int, list[int]]:
        return {
            number: [index for index, each in enumerate(self.instances) if each.category == number]
            for number in self.categories
        }

    def picture(self, index: int) -> np.ndarray:
        turn, number = divmod(index, len(self.drawn.instances))
        picture = self.drawn.picture(number)
        return np.ascontiguousarray(picture[:, ::-1] if turn == 3 else np.rot90(picture, turn))

    def turned(self, instance: Instance, turn: int) -> Instance:
        side, (x, y, w, h), points, visibility = (
            instance.size[0] - 1,
            instance.box,
            instance.points,
            instance.visibility,
        )
        if turn == 3:
            order = self.categories[instance.category].skeleton.mirror()
            points, visibility = points[order] * (-1, 1) + (side, 0), visibility[order]
            x = side + 1 - x - w
        for _ in range(turn % 3):
            points = points[:, ::-1] * (1, -1) + (0, side)
            x, y, w, h = y, side + 1 - x - w, h, w
        shown = (visibility > 0)[:, None]
        return instance._replace(box=np.array([x, y, w, h]), points=points * shown, visibility=visibility)


def test_an_absent_device_is_refused() -> None:
    with pytest.raises(UsageError, match="a device of this machine"):
        load_encoder("efficientnet_lite0", device="cuda:77")


def test_a_support_that_shows_nothing_scores_zero_and_stops_nothing(drawn: Drawn, features: torch.Tensor) -> None:
    table = pose_table(drawn.instances)
    visible = table.visible.copy()
    visible[0] = False
    table = table._replace(visible=visible)
    pairs = np.array([[0, 1], [2, 3], [0, 4]])
    for page in (Copy(), Align()):
        scores = score_predictions(predict_pairs(page, table, pairs, features=features), table, pairs)
        assert scores["PCK@0.25"][[0, 2]].tolist() == [0, 0] and scores["ceiling"].tolist() == [0, 100, 0]
        alone = predict_pairs(page, table, pairs[:1], features=features)
        assert np.isfinite(alone).all()


def test_a_bad_picture_is_one_error_from_a_worker_too(encoder: torch.nn.Module) -> None:
    class Holes(Drawn):
        def picture(self, index: int) -> np.ndarray:
            raise PictureError(f"{index}.png", expected="a picture", got="a hole", fix="Fill it.")

    source = Holes(instances=2, categories=("fish",))
    for workers in (0, 1):
        with pytest.raises(PictureError, match="expected a picture, got a hole"):
            encode_crops(source, [0, 1], encoder, workers=workers)
