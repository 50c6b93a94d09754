"""Sketches: measures become ranges, pairs take their sides, limbs hang together."""

import numpy as np
import pytest

from cape.data.blueprints import build_blueprint
from cape.data.layout import Style, lay_out
from cape.data.sketch import Sketch


def sketch(frame="viewer", seed=0):
    made = Sketch(np.random.default_rng(seed))
    made.frame = frame
    made.paint("main")
    return made


@pytest.mark.parametrize(("frame", "sign"), [("viewer", 1), ("subject", -1)])
def test_pairs_on_one_part_take_the_sides_of_the_frame(frame, sign):
    """As pairs of parts do, which `blueprints` puts on their sides."""
    made = sketch(frame)
    made.part("body", "box", (1, 1), angle=-90)
    made.part("{side} arm", "limb", (0.5, 0.1), "body", (0.8, 0.9), angle=90, sides="mirror")
    made.edge(made.point("{side} shoulder", "{side} arm"), made.point("{side} hip", "body", 0.1, 0.8))
    blueprint = build_blueprint(made.content(1, "toy", "toy"))
    draws = np.full((1, blueprint.draws), 0.5)
    points = dict(
        zip(blueprint.category.texts, lay_out(blueprint, draws, Style(truncation=0.0)).points[0], strict=True)
    )
    for word in ("shoulder", "hip"):
        assert (points[f"right {word}"][0] - points[f"left {word}"][0]) * sign > 20


def test_a_chain_is_as_long_as_said_and_joints_bend():
    made = sketch()
    made.part("body", "disc", (None, 0.4))
    links = made.chain("arm", 3, (0.9, 0.2), "body", angle=10, swing=20, bend=-30, thin=0.5)
    arms = [part for part in made.parts if part["name"] in links]
    assert [part.get("parent") for part in arms] == ["body", *links[:-1]]
    assert [np.mean(part["angle"]) for part in arms] == pytest.approx([10, -30, -30])
    assert sum(np.mean(part["length"]) for part in arms) == pytest.approx(0.9)
    assert [np.mean(part["width"]) for part in arms] == pytest.approx([0.2, 0.1, 0.05])
    assert np.ptp(arms[0]["angle"]) == pytest.approx(2 * 20 * made.play)


def test_categories_differ_in_play_and_in_manner():
    made = [sketch(seed=seed) for seed in range(200)]
    rigid = np.mean([one.play < 0.1 for one in made])
    assert 0.05 < rigid < 0.3
    assert {one.of("tail", "tip") for one in made} == {"tail tip", "tip of the tail"}


def test_outlines_are_the_same_on_both_sides():
    outline = np.array(sketch().profile(0.4, ends=(0.3, 0.6)))
    half = len(outline) // 2
    assert np.allclose(outline[:half] * (1, -1), outline[half:][::-1])
    assert np.abs(outline[:, 1]).max() == pytest.approx(1) and outline[:, 0].min() == 0 and outline[:, 0].max() == 1


def test_groups_name_both_sides_or_keep_to_one():
    made = sketch()
    made.group("head", ["nose", "{side} eye"])
    made.group("{side} leg", ["{side} knee", "{side} foot"])
    assert made.groups["head"] == ["nose", "left eye", "right eye"]
    assert made.groups["{side} leg"] == ["{side} knee", "{side} foot"]
