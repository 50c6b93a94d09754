"""Diagrams: bars, lines and curves where the figures say, any text, and what does not belong in one picture."""

import io

import numpy as np
from PIL import Image

from cape.diagrams import occlusion_diagram, reliability_diagram, risk_coverage_diagram
from cape.errors import UsageError
from cape.evaluation.confidence import occlusion_curve
from cape.evaluation.ranking import risk_coverage
from cape.evaluation.reliability import reliability

RED, GREEN, BLUE = (0xD6, 0x27, 0x28), (0x2C, 0xA0, 0x2C), (0x1F, 0x77, 0xB4)


def read(data: bytes) -> np.ndarray:
    return np.asarray(Image.open(io.BytesIO(data)).convert("RGB")).astype(int)


def coloured(drawn: np.ndarray, colour: tuple[int, int, int]) -> np.ndarray:
    return np.abs(drawn - colour).sum(axis=-1) < 40


def test_gaps_are_as_long_as_the_errors_and_in_their_colour():
    confidence = np.repeat([0.3, 0.7], 50)
    over = reliability(confidence, confidence - 0.2)
    under = reliability(confidence, confidence + 0.1)
    tall, short = (read(reliability_diagram({"a $title$ $": each}, truth="OKS")) for each in (over, under))
    assert coloured(tall, RED).sum() > 100 and not coloured(tall, GREEN).any()
    assert coloured(short, GREEN).sum() > 50 and not coloured(short, RED).any()
    lengths = [coloured(drawn, colour).any(axis=1).sum() for drawn, colour in ((tall, RED), (short, GREEN))]
    assert 1.7 < lengths[0] / lengths[1] < 2.4
    columns = np.nonzero(coloured(tall, RED).any(axis=0))[0]
    assert (np.diff(columns) > 1).sum() == 1, "two gaps, at 0.3 and 0.7"


def test_panels_fill_a_grid_and_a_constant_is_seen():
    even = np.linspace(0, 1, 60)
    panels = {str(number): reliability(even, even) for number in range(3)}
    constant = reliability(np.ones(60), even, width="equal mass")
    drawn = read(reliability_diagram({**panels, "constant": constant}, truth="OKS", columns=3))
    assert drawn.shape[:2] == (160 * 7, 160 * 10)
    assert coloured(drawn, RED).sum() > 50
    lower_left = drawn[drawn.shape[0] // 2 :, : drawn.shape[1] // 3]
    lower_right = drawn[drawn.shape[0] // 2 + 20 : -60, -drawn.shape[1] // 3 + 20 :]
    assert (lower_left < 250).any() and (lower_right > 250).all(), "the fourth is alone in its row"


def test_curves_end_where_all_are_kept():
    error = np.random.default_rng(0).random(2000)
    curves = {"good $": risk_coverage(-error, error), "bad": risk_coverage(error, error)}
    drawn = read(risk_coverage_diagram(curves, error="1 - OKS", title="a $"))
    blue, orange = coloured(drawn, BLUE), coloured(drawn, (0xFF, 0x7F, 0x0E))
    heights = [np.nonzero(each[:, 130:230].any(axis=1))[0].mean() for each in (blue, orange)]
    assert heights[1] < heights[0] - 100, "at a small coverage the bad ranking risks far more"
    right = [np.nonzero(each[:, -120:-60])[0].mean() for each in (blue, orange)]
    assert abs(right[0] - right[1]) < 60


def test_the_truth_of_an_occlusion_curve_is_drawn_once():
    sizes, fall = np.array([0.0, 0.1, 0.2]), np.array([[0.9, 0.9], [0.6, 0.6], [0.2, 0.2]])
    curves = {"flat": occlusion_curve(sizes, fall / 10 + 0.8, fall), "right": occlusion_curve(sizes, fall, fall)}
    drawn = read(occlusion_diagram(curves, truth="OKS", title="patches"))
    assert coloured(drawn, BLUE).sum() > 300 and drawn.shape[2] == 3


def test_what_does_not_belong_together(refused):
    error = np.linspace(0, 1, 20)
    for draw, extra in (
        (reliability_diagram, {"truth": "OKS"}),
        (risk_coverage_diagram, {"error": "1 - OKS"}),
        (occlusion_diagram, {"truth": "OKS"}),
    ):
        with refused(UsageError, "at least one confidence"):
            draw({}, **extra)
    one = risk_coverage(error, error)
    for other in (risk_coverage(error[1:], error[1:]), risk_coverage(error, error / 2)):
        with refused(UsageError, "'b'", "same instances"):
            risk_coverage_diagram({"a": one, "b": other}, error="1 - OKS")
    sizes, fall = np.array([0.0, 0.1]), np.array([[0.9], [0.6]])
    first = occlusion_curve(sizes, fall, fall)
    for second in (occlusion_curve(sizes + 1, fall, fall), occlusion_curve(sizes, fall, fall / 2)):
        with refused(UsageError, "'b'", "same patches"):
            occlusion_diagram({"a": first, "b": second}, truth="OKS")
