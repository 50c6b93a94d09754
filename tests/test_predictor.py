"""`cape.predictor`: from clicks to points in pixels, with an untrained model, which matches as its backbone does."""

import itertools
import json
from collections.abc import Iterator
from pathlib import Path

import cv2
import numpy as np
import pytest
import torch

import cape
from cape import prompting
from cape.checkpoints import save_weights
from cape.data.drawn import Drawn
from cape.errors import CapeError, DataError, PictureError, PromptError, UsageError
from cape.models.encoders.visual import load_pretrained
from cape.predictor import Predictor
from cape.prompting import Prompt, fingerprint
from cape.registry import MODELS
from cape.shipped import load

OPTIONS = {
    "type": "FewShotPose",
    "visual": {"type": "VisualEncoder", "name": "efficientnet_lite0", "unit_length": True, "frozen": True},
    "support": {"type": "SupportEncoder"},
    "text": {"type": "TextEncoder"},
    "prior": {"type": "TurnedFit", "rotations": 4},
    "matching": {"type": "Matching", "heads": 4, "layers": 1, "hidden": 32, "gate": 16, "prior": 12.0},
    "decoder": {"type": "KeypointDecoder", "heads": 4, "layers": 1, "reach": 0.1, "graph": {"hidden": 32}},
    "width": 32,
    "unit_inputs": True,
}


def make(seed: int = 0, **changes: object) -> Predictor:
    torch.manual_seed(seed)
    model = MODELS.build({**OPTIONS, **changes})
    load_pretrained(model.visual)
    return Predictor(model, name="test")


@pytest.fixture(scope="module")
def predictor() -> Predictor:
    return make()


class Cat:
    """A drawn animal, its clicks, and others of its kind."""

    def __init__(self) -> None:
        source = Drawn(seed=5, instances=6, categories=("quadruped",), occlusion=0.0, truncation=0.0, rotation=10.0)
        category = next(iter(source.categories.values()))
        self.names, self.edges = category.texts, category.skeleton.edges
        self.pictures = [source.picture(index) for index in range(6)]
        self.instances = source.instances
        self.boxes = [list(each.box) for each in self.instances]

    def clicks(self, index: int) -> list[list[float] | None]:
        each = self.instances[index]
        return [list(point) if shown else None for point, shown in zip(each.points, each.visibility > 0, strict=True)]

    def error(self, prediction: cape.Prediction, index: int) -> np.ndarray:
        """Distances as shares of the box, of keypoints that are there."""
        each = self.instances[index]
        far = np.linalg.norm(prediction.points - each.points, axis=1) / max(each.box[2:])
        return far[(each.visibility > 0) & prediction.asked]


@pytest.fixture(scope="module")
def cat() -> Cat:
    return Cat()


@pytest.fixture(scope="module")
def prompt(predictor: Predictor, cat: Cat) -> Prompt:
    return predictor.prompt(
        images=cat.pictures[0], points=cat.clicks(0), names=cat.names, edges=cat.edges, boxes=cat.boxes[0]
    )


def same(one: cape.Prediction, other: cape.Prediction, *, within: float = 1e-2) -> bool:
    return bool(np.abs(one.points - other.points).max() < within)


def test_the_clicked_picture_itself_is_solved(predictor: Predictor, cat: Cat, prompt: Prompt) -> None:
    (found,) = predictor(prompt, cat.pictures[0], boxes=cat.boxes[0])
    assert cat.error(found, 0).max() < 0.05
    assert found.size == (192, 192) and found.source == "" and found.skeleton.names[0] == cat.names[0]
    assert found.box.tolist() == pytest.approx(cat.boxes[0])


def test_others_of_its_kind_are_found_with_and_without_boxes(predictor: Predictor, cat: Cat, prompt: Prompt) -> None:
    boxed = predictor(prompt, cat.pictures[1:], boxes=cat.boxes[1:])
    whole = predictor(prompt, cat.pictures[1:])
    for predictions in (boxed, whole):
        errors = np.concatenate([cat.error(found, place) for place, found in enumerate(predictions, start=1)])
        assert (errors < 0.2).mean() > 0.7
    assert whole[0].box.tolist() == [0, 0, 192, 192]


def test_batches_and_company_do_not_matter(predictor: Predictor, cat: Cat, prompt: Prompt) -> None:
    together = predictor(prompt, cat.pictures, boxes=cat.boxes)
    for place, found in enumerate(predictor(prompt, cat.pictures, boxes=cat.boxes, batch_size=2)):
        assert same(found, together[place])
    assert same(predictor(prompt, cat.pictures[3], boxes=[cat.boxes[3]])[0], together[3])


def test_a_second_look_is_nearer(predictor: Predictor, cat: Cat, prompt: Prompt) -> None:
    """An object in a corner of a large picture; whichever answer is surer counts, and boxes are looked at once."""
    corners = [cv2.copyMakeBorder(each, 10, 120, 130, 0, cv2.BORDER_REPLICATE) for each in cat.pictures[1:]]
    once, twice = (predictor(prompt, corners, zoom=zoom) for zoom in (False, True))
    errors = [
        np.concatenate([cat.error(found._replace(points=found.points - (130, 10)), place)
                        for place, found in enumerate(several, start=1)])
        for several in (once, twice)
    ]  # fmt: skip
    assert np.median(errors[1]) < 0.6 * np.median(errors[0])
    assert all(each.confidence >= other.confidence for each, other in zip(twice, once, strict=True))
    assert all(each.box.tolist() == [0, 0, 322, 322] for each in twice)
    assert any(each.seen.side < 322 for each in twice) and all(each.seen.side == 322 for each in once)
    boxed = {"images": corners[0], "boxes": [130 + cat.boxes[1][0], 10 + cat.boxes[1][1], *cat.boxes[1][2:]]}
    (given,), (plain,) = predictor(prompt, **boxed), predictor(prompt, **boxed, zoom=False)
    assert same(given, plain, within=1e-9) and given.seen.side == max(cat.boxes[1][2:])


def test_points_follow_the_picture(predictor: Predictor, cat: Cat, prompt: Prompt) -> None:
    """A wider frame moves them, a larger picture scales them."""
    (plain,) = predictor(prompt, cat.pictures[2], boxes=cat.boxes[2])
    framed = cv2.copyMakeBorder(cat.pictures[2], 30, 60, 50, 10, cv2.BORDER_CONSTANT)
    x, y, width, height = cat.boxes[2]
    (moved,) = predictor(prompt, framed, boxes=[x + 50, y + 30, width, height])
    assert np.abs(moved.points - plain.points - (50, 30)).max() < 4
    large = cv2.resize(cat.pictures[2], (384, 384), interpolation=cv2.INTER_LINEAR)
    (scaled,) = predictor(prompt, large, boxes=[2 * x, 2 * y, 2 * width, 2 * height])
    assert np.median(np.abs(scaled.points - 2 * plain.points)) < 8


def test_several_boxes_in_a_picture_are_several_predictions(predictor: Predictor, cat: Cat, prompt: Prompt) -> None:
    both = np.concatenate(cat.pictures[1:3], axis=1)
    x, y, width, height = cat.boxes[2]
    found = predictor(prompt, [both, cat.pictures[1]], boxes=[[cat.boxes[1], [x + 192, y, width, height]], None])
    assert [each.size for each in found] == [(384, 192), (384, 192), (192, 192)]
    alone = predictor(prompt, cat.pictures[1:3], boxes=cat.boxes[1:3])
    assert np.median(np.abs(found[0].points - alone[0].points)) < 2
    assert np.median(np.abs(found[1].points - (192, 0) - alone[1].points)) < 2


def test_a_stream_reads_no_faster_than_it_is_asked(predictor: Predictor, cat: Cat, prompt: Prompt) -> None:
    read = []

    def endless() -> Iterator[np.ndarray]:
        for number in itertools.count():
            read.append(number)
            yield cat.pictures[number % 6]

    for boxes in (None, itertools.repeat([0, 0, 192, 192])):
        read.clear()
        found = list(itertools.islice(predictor.stream(prompt, endless(), boxes, batch_size=2), 3))
        assert len(found) == 3 and len(read) == 4


def test_scores_and_covariances_are_what_they_say(predictor: Predictor, cat: Cat, prompt: Prompt) -> None:
    itself, other = predictor(prompt, [cat.pictures[0], np.zeros_like(cat.pictures[0])])
    assert itself.confidence > other.confidence
    for found in (itself, other):
        assert (found.scores >= 0).all() and (found.scores <= 1).all()
        assert (np.linalg.eigvalsh(found.covariance) > 0).all()


def test_a_prompt_survives_its_file(predictor: Predictor, cat: Cat, prompt: Prompt, tmp_path: Path) -> None:
    again = Prompt.load(prompt.save(tmp_path / "cat.prompt"))
    assert again.skeleton == prompt.skeleton and again.texts == prompt.texts and again.shots[0].picture
    assert predictor.compiled(again) is again
    assert same(predictor(again, cat.pictures[1])[0], predictor(prompt, cat.pictures[1])[0], within=1e-6)


def test_another_model_compiles_it_again(cat: Cat, prompt: Prompt, predictor: Predictor, tmp_path: Path) -> None:
    other = make(prior={"type": "TurnedFit", "rotations": 2})
    assert other.fingerprint != predictor.fingerprint
    again = other.compiled(Prompt.load(prompt.save(tmp_path / "cat.prompt")))
    assert again.model == other.fingerprint and again.tokens.doubt.shape == (1, 4)
    anew = other.prompt(
        images=cat.pictures[0], points=cat.clicks(0), names=cat.names, edges=cat.edges, boxes=cat.boxes[0]
    )
    assert same(other(again, cat.pictures[1])[0], other(anew, cat.pictures[1])[0], within=1e-6)


def test_prompts_that_keep_other_tokens_are_compiled_again(
    predictor: Predictor, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = fingerprint(predictor.model)
    monkeypatch.setattr(prompting, "TOKENS", "another layout")
    assert fingerprint(predictor.model) != before == predictor.fingerprint


def test_a_correction_stays_and_its_neighbours_follow(predictor: Predictor, cat: Cat, prompt: Prompt) -> None:
    (found,) = predictor(prompt, cat.pictures[1], boxes=cat.boxes[1])
    ear = cat.names.index("left ear tip")
    move = np.array([14.0, -6.0])
    refined = predictor.refine(found, fixed={ear: found.points[ear] + move})
    assert refined.fixed == {ear} and np.abs(refined.points[ear] - found.points[ear] - move).max() < 1e-6
    moved = refined.points - found.points
    near = np.argsort(np.linalg.norm(cat.instances[0].points - cat.instances[0].points[ear], axis=1))[1:3]
    assert (moved[near] @ move > 0).all()
    twice = predictor.refine(refined, fixed={0: found.points[0]})
    assert twice.fixed == {0, ear} and np.abs(twice.points[ear] - refined.points[ear]).max() < 1e-6
    assert same(predictor.refine(found, fixed={}), found)


def test_corrections_help_the_others(predictor: Predictor, cat: Cat, prompt: Prompt) -> None:
    """Each of the three worst corrected in turn, the rest is nearer than before."""
    before, after = [], []
    for index in range(1, 6):
        (first,) = predictor(prompt, cat.pictures[index], boxes=cat.boxes[index])
        truth, there = cat.instances[index].points, cat.instances[index].visibility > 0
        found, fixed = first, []
        for _ in range(3):
            far = np.where(there & found.asked, np.linalg.norm(found.points - truth, axis=1), -1)
            far[fixed] = -1
            fixed.append(int(far.argmax()))
            found = predictor.refine(found, fixed={fixed[-1]: truth[fixed[-1]]})
        rest = there & found.asked
        rest[fixed] = False
        before.append(np.linalg.norm(first.points - truth, axis=1)[rest].mean())
        after.append(np.linalg.norm(found.points - truth, axis=1)[rest].mean())
    assert np.mean(after) < np.mean(before)


def test_an_accepted_picture_is_another_shot(predictor: Predictor, cat: Cat, prompt: Prompt) -> None:
    (found,) = predictor(prompt, cat.pictures[1], boxes=cat.boxes[1])
    truth = {index: point for index, point in enumerate(cat.clicks(1)) if point is not None}
    larger = predictor.accept(predictor.refine(found, fixed=truth), cat.pictures[1])
    assert len(larger.shots) == 2 and larger.tokens.doubt.shape == (1, 16)
    (again,) = predictor(larger, cat.pictures[1], boxes=cat.boxes[1])
    assert cat.error(again, 1).mean() < min(0.04, cat.error(found, 1).mean())


def test_what_was_found_outside_an_accepted_picture_is_not_shown_by_it(
    predictor: Predictor, cat: Cat, prompt: Prompt
) -> None:
    (found,) = predictor(prompt, cat.pictures[1], boxes=cat.boxes[1])
    found.points[2] = -40, 50
    larger = predictor.accept(found, cat.pictures[1])
    assert not larger.shots[1].visible[2] and larger.shots[1].visible[3]


def test_names_alone_and_clicks_for_some(predictor: Predictor, cat: Cat) -> None:
    named = predictor.prompt(names=cat.names)
    assert named.asked.all() and not named.shots
    assert np.isfinite(predictor(named, cat.pictures[0])[0].points).all()
    clicks = cat.clicks(0)
    mixed = predictor.prompt(
        images=cat.pictures[0], points=[clicks[0], None, clicks[2]], names=[cat.names[0], cat.names[1], ""]
    )
    assert mixed.asked.all()
    bare = predictor.prompt(images=cat.pictures[0], points=[clicks[0], None, clicks[2]])
    assert bare.asked.tolist() == [True, False, True]
    (found,) = predictor(bare, cat.pictures[0])
    assert found.scores[1] == 0 and found.to_coco()["keypoints"][3:6] == [0, 0, 0]


def test_what_was_not_asked_for_has_no_score(cat: Cat) -> None:
    """Whatever a trained model's map of it looks like."""
    trained = make()
    torch.nn.init.constant_(trained.model.matching.project_tokens.bias, 3.0)
    clicks = cat.clicks(0)
    bare = trained.prompt(images=cat.pictures[0], points=[clicks[0], None, clicks[2]])
    assert (trained(bare, cat.pictures[0])[0].scores > 0).tolist() == [True, False, True]


def test_sides_are_inferred_from_names(predictor: Predictor, cat: Cat) -> None:
    clicks = cat.clicks(0)[:3]
    for swap, expected in ((None, ((1, 2),)), ([], ())):
        made = predictor.prompt(
            images=cat.pictures[0], points=clicks, names=["tail", "left ear", "right ear"], swap=swap
        )
        assert made.skeleton.swap == expected
    twice = predictor.prompt(images=cat.pictures[0], points=clicks, names=["ear", "ear", ""])
    assert twice.texts == ("ear", "ear", "") and len(set(twice.skeleton.names)) == 3
    taken = predictor.prompt(images=cat.pictures[0], points=clicks, names=["ear", "ear", "ear 0"])
    assert taken.skeleton.names == ("ear 1", "ear 2", "ear 0")


def test_sides_change_places_in_the_mirrored_turns(predictor: Predictor, cat: Cat) -> None:
    given = {"images": cat.pictures[0], "points": cat.clicks(0)[:3], "boxes": cat.boxes[0]}
    swapped, plain = (predictor.prompt(**given, swap=swap).tokens for swap in ([[0, 2]], []))
    torch.testing.assert_close(swapped.places[:, :4], plain.places[:, :4])
    torch.testing.assert_close(swapped.places[:, 4:], plain.places[:, 4:][:, :, [2, 1, 0]])


def test_the_edges_reach_the_model(
    predictor: Predictor, cat: Cat, prompt: Prompt, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen, locate = [], predictor.model.locate
    monkeypatch.setattr(predictor.model, "locate", lambda *args: seen.append(args[2]) or locate(*args))
    predictor(prompt, cat.pictures[:2])
    expected = torch.from_numpy(prompt.skeleton.adjacency())
    assert expected.any() and all(torch.equal(each, expected) for each in seen[0])


def test_exports(predictor: Predictor, cat: Cat, prompt: Prompt) -> None:
    (found,) = predictor(prompt, cat.pictures[1], boxes=cat.boxes[1])
    record = json.loads(json.dumps(found.to_coco()))
    assert np.array(record["keypoints"]).reshape(-1, 3)[:, :2] == pytest.approx(found.points * found.asked[:, None])
    assert record["bbox"] == pytest.approx(cat.boxes[1]) and record["num_keypoints"] == found.asked.sum()
    poses = found.to_supervision()
    assert poses.xy.shape == (1, len(cat.names), 2) and poses.data["covariance"].shape == (1, len(cat.names), 2, 2)
    drawn = found.draw(cat.pictures[1])
    assert drawn.shape == cat.pictures[1].shape and (drawn != cat.pictures[1]).any()
    assert (found.draw(cat.pictures[1], least=1.1) == cat.pictures[1]).all()
    with pytest.raises(UsageError, match="192 x 192"):
        found.draw(cat.pictures[1][:100])


CLICK = [[50.0, 50.0], [80.0, 60.0]]


@pytest.mark.parametrize(
    ("options", "kind", "words"),
    [
        ({}, PromptError, "points or names"),
        ({"names": []}, PromptError, "points or names"),
        ({"points": CLICK}, PromptError, "pictures with points"),
        ({"images": True}, PromptError, "pictures with points"),
        ({"images": True, "points": [None, None]}, PromptError, "at least one point"),
        ({"images": True, "points": CLICK, "names": ["a"]}, PromptError, "2 strings"),
        ({"images": True, "points": CLICK, "names": ["a", 3]}, PromptError, "2 strings"),
        ({"images": True, "points": CLICK, "edges": [[0, 2]]}, PromptError, "from 0 to 1"),
        ({"images": True, "points": CLICK, "swap": [[0, "x"]]}, PromptError, "from 0 to 1"),
        ({"images": True, "points": [[50.0, 500.0], None]}, PromptError, "192 x 192"),
        ({"images": True, "points": [[50.0, float("inf")], None]}, PromptError, "x, y"),
        ({"images": True, "points": [[50.0, float("nan")], None]}, PromptError, "x, y"),
        ({"images": True, "points": [[50.0], None]}, PromptError, "x, y"),
        ({"images": True, "points": ["abc", None]}, PromptError, "x, y"),
        ({"images": True, "points": CLICK, "boxes": [0, 0, -3, 5]}, UsageError, "above 0"),
        ({"images": True, "points": CLICK, "boxes": [0, 0, 5]}, UsageError, "above 0"),
        ({"images": ["no-such.png"], "points": [CLICK]}, PictureError, "no such file"),
        ({"images": [True, True], "points": [CLICK, CLICK[:1]]}, PromptError, "equally long"),
    ],
)
def test_a_prompt_that_says_nothing_or_nonsense_is_refused(
    predictor: Predictor, cat: Cat, options: dict, kind: type[CapeError], words: str
) -> None:
    given = options.get("images")
    if given is True:
        options = options | {"images": cat.pictures[0]}
    elif given == [True, True]:
        options = options | {"images": cat.pictures[:2]}
    with pytest.raises(kind, match=words):
        predictor.prompt(**options)


def test_a_model_without_names_refuses_them(cat: Cat) -> None:
    with pytest.raises(PromptError, match="pictures alone"):
        make(text=None).prompt(names=cat.names)


@pytest.mark.parametrize(
    ("boxes", "words"),
    [([[0, 0, 5, 5]], "fewer"), ([None] * 3, "more"), ([[0, 0, 5], None], "above 0"), (["x", None], "above 0")],
)
def test_boxes_that_do_not_fit_are_refused(
    predictor: Predictor, cat: Cat, prompt: Prompt, boxes: list, words: str
) -> None:
    with pytest.raises(UsageError, match=words):
        predictor(prompt, cat.pictures[:2], boxes=boxes)


@pytest.mark.parametrize(
    "fixed",
    [{99: [1, 1]}, {-1: [1, 1]}, {0: [1]}, {0: [float("nan"), 1]}, {True: [1, 1]}, {"a": [1, 1]}, {0: "ab"}, {0: None}],
)
def test_corrections_that_are_none_are_refused(predictor: Predictor, cat: Cat, prompt: Prompt, fixed: dict) -> None:
    (found,) = predictor(prompt, cat.pictures[1])
    with pytest.raises(UsageError, match="fixed"):
        predictor.refine(found, fixed=fixed)


def test_loaded_from_a_checkpoint_that_says_what_it_is(
    predictor: Predictor, cat: Cat, prompt: Prompt, tmp_path: Path
) -> None:
    from mmengine.config import Config

    from cape.runs import identity

    path = tmp_path / "model.safetensors"
    about = {"run": json.dumps(identity(Config({"model": OPTIONS})))}
    save_weights(path, predictor.model.state_dict(), about=about)
    loaded = cape.load(path, device="cpu")
    assert loaded.fingerprint == predictor.fingerprint
    assert same(loaded(prompt, cat.pictures[1])[0], predictor(prompt, cat.pictures[1])[0], within=1e-6)
    fewer = load(path, device="cpu", options={"prior": {"type": "TurnedFit", "rotations": 1}})
    assert fewer.model.prior.rotations == 1
    save_weights(path, predictor.model.state_dict(), about={})
    with pytest.raises(DataError, match="does not say what model"):
        load(path)
    with pytest.raises(DataError, match="no such file"):
        load(tmp_path / "none.safetensors")
    path.write_bytes(path.read_bytes()[:50])
    with pytest.raises(DataError, match="whole file"):
        load(path)
