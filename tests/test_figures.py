"""Figures: panels where they belong, marks on their pixels, any text."""

import io

import numpy as np
from PIL import Image

from cape.figures import SIDE, Cloud, Panel, bar_chart, box_plot, line_charts, picture_grid, scatter_panels

GREY = np.full((SIDE, SIDE, 3), 90, dtype=np.uint8)


def read(data: bytes) -> np.ndarray:
    return np.asarray(Image.open(io.BytesIO(data)).convert("RGB")).astype(int)


def middle(mask: np.ndarray) -> np.ndarray:
    """Mean x, y of the pixels of a mask, from the left and upper edge of the one panel of a figure."""
    y, x = np.nonzero(mask)
    return np.array([x.mean() - 0.05 * 160, y.mean() - 0.28 * 160])


def test_a_mark_and_the_peak_of_a_map_lie_on_their_pixels() -> None:
    cells = np.zeros((16, 16))
    cells[4, 11] = 1.0
    centre = np.array([11.5, 4.5]) / 16
    drawn = read(picture_grid([[Panel(GREY, "map", cells=cells)]]))
    picture = drawn[45:360, 10:320]
    brightest = picture.sum(axis=-1) > picture.sum(axis=-1).max() - 4
    y, x = np.nonzero(brightest)
    assert np.abs(np.array([x.mean() + 2, y.mean()]) - SIDE * centre).max() < 2
    click = {"click": tuple(centre)}
    drawn = read(picture_grid([[Panel(GREY, "", marks=click)]]))[:360]
    cyan = np.abs(drawn - (0, 0xE5, 0xFF)).sum(axis=-1) < 30
    assert np.abs(middle(cyan) - SIDE * centre).max() < 2


def test_sizes_labels_and_text_that_looks_like_a_formula() -> None:
    panel = Panel(GREY, "a $title$ with one $", "100 $")
    plain = read(picture_grid([[panel, panel]]))
    assert plain.shape == (round(160 * (0.05 + 2.7)), round(160 * (0.05 + 2 * 2.1)), 3)
    labelled = read(picture_grid([[panel], [panel]], labels=["first", "second"], note="note $"))
    assert labelled.shape[0] == round(160 * (0.6 + 2 * 2.7))
    assert (labelled[:, :40] < 128).any() and (plain[:, :7] > 250).all()


def test_boxes_lie_at_their_values_and_in_the_order_of_the_methods() -> None:
    rng = np.random.default_rng(0)
    groups = {name: {"first": rng.normal(20, 2, 40), "second": rng.normal(80, 2, 40)} for name in ("fish $", "chair")}
    drawn = read(box_plot(groups, title="title"))
    body = drawn[110:-50, 270:]
    blue = (np.abs(body - (0x1F, 0x77, 0xB4)).sum(axis=-1) < 60).nonzero()
    orange = (np.abs(body - (0xFF, 0x7F, 0x0E)).sum(axis=-1) < 60).nonzero()
    assert blue[1].max() < orange[1].min(), "20 lies left of 80"
    assert blue[0].min() < orange[0].min() and blue[0].max() < orange[0].max(), "the first method lies above"


def test_line_charts_draw_every_line_where_it_is() -> None:
    """A line on 80 lies above one on 20, in both panels."""
    level = {name: [(0.0, value), (0.5, value)] for name, value in (("high", 80.0), ("low", 20.0))}
    picture = read(line_charts({"a": level, "b": level}, across="x", up="y"))
    picture = picture[len(picture) // 6 :]  # without the legend
    high, low = (np.abs(picture - tone).sum(axis=-1) < 12 for tone in ([31, 119, 180], [255, 127, 14]))
    half = picture.shape[1] // 2
    for panel in (slice(None, half), slice(half, None)):
        assert np.nonzero(high[:, panel])[0].max() < np.nonzero(low[:, panel])[0].min()


def test_bars_stand_on_zero_as_high_as_they_are() -> None:
    groups = {name: {"high": (8.0, 7.0, 9.0), "low": (-2.0, -3.0, -1.0)} for name in ("a $", "b")}
    groups["none"] = {"high": (np.nan,) * 3, "low": (0.0, 0.0, 0.0)}
    drawn = read(bar_chart(groups, up="y", title="title $", level=1.0))[60:-50]
    high, low = (np.nonzero(np.abs(drawn - tone).sum(axis=-1) < 12)[0] for tone in ([31, 119, 180], [255, 127, 14]))
    assert high.max() <= low.min() + 3, "one above zero, the other below"
    assert np.ptp(high) > 3 * np.ptp(low)


def test_clouds_have_one_colour_in_all_panels_and_stars_of_it() -> None:
    left, right = np.full((9, 2), -1.0), np.full((9, 2), 1.0)
    panels = {
        "one": Cloud({"first": left, "second": right}, {"second": np.array([1.0, -1.0])}),
        "two": Cloud({"second": right, "first": left}),
    }
    drawn = read(scatter_panels(panels, axes_are="axes"))[:-110]
    half = drawn.shape[1] // 2
    for panel in (drawn[:, :half], drawn[:, half:]):
        blue = np.nonzero(np.abs(panel - (31, 119, 180)).sum(axis=-1) < 60)[1]
        orange = np.nonzero(np.abs(panel - (255, 127, 14)).sum(axis=-1) < 60)[1]
        assert len(blue) and len(orange) and blue.max() < orange.min()
    assert (drawn[:, :half].sum(axis=-1) < 60).sum() > (drawn[:, half:].sum(axis=-1) < 60).sum() + 20
