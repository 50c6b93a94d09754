"""Figures with captions and scales, drawn with matplotlib into PNG bytes."""

import io
import itertools
import textwrap
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, NamedTuple, cast

import numpy as np
from jaxtyping import Float, UInt8

from cape.visualize import enlarge

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

SIDE = 320
"""Pixels of a panel's picture."""
_DPI, _INCHES = 160, 2.0
_WIDTH = 38
"""Letters of a caption's line; it has two at most."""
_COLOURS, _FAINT = "inferno", 0.45
"""Of maps, and how much of the mixture is the picture."""
_MARKS = {
    "click": {"marker": "o", "c": "#00e5ff", "s": 46, "edgecolors": "black", "linewidths": 1.2},
    "truth": {"marker": "o", "c": "none", "s": 90, "edgecolors": "#39ff14", "linewidths": 1.8},
    "prediction": {"marker": "X", "c": "#ff3b30", "s": 52, "edgecolors": "black", "linewidths": 0.9},
    "fused": {"marker": "D", "c": "#ffd60a", "s": 30, "edgecolors": "black", "linewidths": 0.9},
}


class Panel(NamedTuple):
    """One picture of a figure."""

    picture: UInt8[np.ndarray, "H W 3"]
    title: str
    caption: str = ""
    cells: Float[np.ndarray, "h w"] | None = None
    """A map over the picture that sums to 1, with a colour scale from 0 to its maximum under it."""
    marks: Mapping[str, Sequence[float]] = {}
    """Points in the crop frame: click, truth, prediction, fused."""


def picture_grid(
    rows: Sequence[Sequence[Panel]], *, labels: Sequence[str] = (), note: str = "", inches: float = _INCHES
) -> bytes:
    """Rows of panels with titles above, captions or colour scales under them, as a PNG file.

    Args:
        rows: Of equal length.
        labels: One a row, at its left.
        note: A line under all.
        inches: Side of a picture, at 160 dots each.
    """
    columns, head, foot = len(rows[0]), 0.28, 0.42
    left, bottom = 0.3 if labels else 0.05, 0.6 if note else 0.05
    pitch = head + inches + foot
    width, height = left + columns * (inches + 0.1), bottom + len(rows) * pitch
    figure = new_figure(width, height)
    for i, row in enumerate(rows):
        base = height - (i + 1) * pitch + foot
        for j, panel in enumerate(row):
            place = (left + j * (inches + 0.1)) / width, base / height, inches / width, inches / height
            _draw(figure.add_axes(place), panel)
        if labels:
            figure.text(
                left / 2 / width, (base + inches / 2) / height, labels[i], rotation=90, ha="center", va="center"
            )
    kinds = [kind for kind in _MARKS if any(kind in panel.marks for row in rows for panel in row)]
    if note:
        figure.text(0.5, 0.1 / height, note, ha="center", va="bottom", fontsize=7.5)
    if kinds:
        _legend(figure, kinds, 0.28 / height)
    return png_of(figure)


def _draw(axes: "Axes", panel: Panel) -> None:
    axes.set_axis_off()
    axes.set_title(panel.title, fontsize=8.5, pad=4)
    caption = "\n".join(textwrap.wrap(panel.caption, _WIDTH, max_lines=2, placeholder=" …"))
    axes.text(0.5, -0.03, caption, transform=axes.transAxes, ha="center", va="top", fontsize=7.5)
    side = len(panel.picture)
    if panel.cells is None:
        axes.imshow(panel.picture)
    else:
        _draw_map(axes, panel.picture, panel.cells)
    for kind, (x, y) in panel.marks.items():
        axes.scatter(x * side, y * side, zorder=3, **_MARKS[kind])
    axes.set(xlim=(-0.5, side - 0.5), ylim=(side - 0.5, -0.5))


def _draw_map(axes: "Axes", picture: UInt8[np.ndarray, "H W 3"], cells: Float[np.ndarray, "h w"]) -> None:
    """The picture in grey, the brighter and the more colourful the more of the map lies there."""
    import matplotlib

    colours, top = matplotlib.colormaps[_COLOURS], float(cells.max())
    level = enlarge(cells / top, len(picture)).clip(0, 1)
    grey = picture.mean(axis=-1, keepdims=True).repeat(3, axis=-1) / 255
    axes.imshow(_FAINT * (0.25 + 0.75 * grey) + (1 - _FAINT) * colours(level)[..., :3])
    scale = axes.inset_axes((0, -0.075, 1, 0.045))
    ramp = 0.6 * _FAINT + (1 - _FAINT) * colours(np.linspace(0, 1, 256))[None, :, :3]  # over the middle of the grey
    scale.imshow(ramp, aspect="auto", extent=(0, 1, 0, 1))
    scale.set(yticks=[], xticks=[])
    for place, align, value in ((0, "left", "0"), (1, "right", f"{top:.2g}")):
        scale.text(place, -0.25, value, transform=scale.transAxes, ha=align, va="top", fontsize=7)
    scale.axvline(1 / cells.size / top, color="white", linewidth=1.2)


def _legend(figure: "Figure", kinds: Sequence[str], height: float) -> None:
    from matplotlib.lines import Line2D

    entries = [
        Line2D(
            [], [], linestyle="", label=kind, marker=_MARKS[kind]["marker"], markersize=_MARKS[kind]["s"] ** 0.5,
            mfc=_MARKS[kind]["c"], mec=_MARKS[kind]["edgecolors"], mew=_MARKS[kind]["linewidths"],
        )
        for kind in kinds
    ]  # fmt: skip
    figure.legend(
        handles=entries, loc="lower center", bbox_to_anchor=(0.5, height), ncols=len(kinds), frameon=False, fontsize=8
    )


def box_plot(groups: Mapping[str, Mapping[str, Float[np.ndarray, "_"]]], *, title: str) -> bytes:
    """Lying boxes over their dots, a group a row and a colour a method, as a PNG file.

    A box runs from the first to the third quartile with the median in it, its whiskers over all dots.

    Args:
        groups: Percentages by group, by method; every group has the same methods.
        title: Above.
    """
    import matplotlib

    methods = list(next(iter(groups.values())))
    tones = matplotlib.color_sequences["tab10"]
    colours = [tones[place % len(tones)] for place in range(len(methods))]
    pitch = 1 / (len(methods) + 0.6)
    height = 0.16 * len(groups) * (len(methods) + 0.6) + 1.0
    figure = new_figure(8.0, height)
    axes = figure.add_axes((0.2, 0.3 / height, 0.78, 1 - 1 / height))
    rng = np.random.default_rng(0)
    for row, values in enumerate(groups.values()):
        for place, (name, colour) in enumerate(zip(methods, colours, strict=True)):
            y = row + (place - (len(methods) - 1) / 2) * pitch
            dots = values[name]
            shaken = y + pitch * rng.uniform(-0.28, 0.28, len(dots))
            axes.scatter(dots, shaken, s=5, color=colour, alpha=0.45, linewidths=0)
            axes.boxplot(
                [dots], positions=[y], widths=0.75 * pitch, orientation="horizontal", whis=(0, 100), patch_artist=True,
                boxprops={"facecolor": (*colour, 0.25), "edgecolor": colour}, medianprops={"color": "black"},
                whiskerprops={"color": colour}, capprops={"color": colour},
            )  # fmt: skip
        if row:
            axes.axhline(row - 0.5, color="0.88", linewidth=0.8, zorder=0)
    axes.set(xlim=(-2, 104), ylim=(len(groups) - 0.5, -0.5))
    axes.set_yticks(range(len(groups)), labels=list(groups), fontsize=8)
    axes.tick_params(axis="x", labelsize=8)
    axes.grid(axis="x", color="0.92", linewidth=0.8)
    axes.set_axisbelow(True)
    axes.set_title(title, fontsize=9, pad=32)
    for name, colour in zip(methods, colours, strict=True):
        axes.scatter([], [], marker="s", color=colour, label=name)
    figure.legend(
        loc="upper center", bbox_to_anchor=(0.59, 1 - 0.34 / height), ncols=len(methods), frameon=False, fontsize=8
    )
    return png_of(figure)


def bar_chart(groups: Mapping[str, Mapping[str, Sequence[float]]], *, up: str, title: str, level: float = 0) -> bytes:
    """Standing bars with intervals, a cluster a group and a colour a method, as a PNG file.

    Args:
        groups: By group, by method: value, and the lower and upper end of its interval; every group has the same
            methods. NaN is no bar.
        up: Label of the vertical axis.
        title: Above.
        level: A dashed line.
    """
    methods = list(next(iter(groups.values())))
    figure = new_figure(max(4.0, 0.35 * len(groups) * (len(methods) + 1) + 1.5), 3.2)
    figure.set_layout_engine("constrained")
    axes = figure.add_subplot()
    pitch = 0.8 / len(methods)
    for place, name in enumerate(methods):
        values = np.array([each[name] for each in groups.values()], dtype=np.float64)
        x = np.arange(len(values)) + (place - (len(methods) - 1) / 2) * pitch
        ends = np.abs(values[:, 1:] - values[:, :1]).T
        style = {"elinewidth": 1.0, "ecolor": "0.25"}
        axes.bar(x, values[:, 0], width=0.9 * pitch, yerr=ends, capsize=2, label=name, error_kw=style)
    axes.axhline(level, color="0.4", linewidth=0.9, linestyle="--" if level else "-")
    axes.set_xticks(range(len(groups)), labels=list(groups), fontsize=8)
    axes.set_ylabel(up, fontsize=9)
    axes.tick_params(axis="y", labelsize=8)
    axes.grid(axis="y", color="0.92", linewidth=0.8)
    axes.set_axisbelow(True)
    figure.suptitle(title, fontsize=9)
    figure.legend(loc="outside lower center", ncols=min(6, len(methods)), frameon=False, fontsize=8)
    return png_of(figure)


class Cloud(NamedTuple):
    """One panel of `scatter_panels`."""

    clouds: Mapping[str, Float[np.ndarray, "N 2"]]
    """Dots by name."""
    stars: Mapping[str, Float[np.ndarray, "2"]] = {}
    """One large mark of some of the names."""


def scatter_panels(panels: Mapping[str, Cloud], *, axes_are: str) -> bytes:
    """Clouds of dots side by side, each name in its colour everywhere, as a PNG file.

    Args:
        panels: By title.
        axes_are: What the two axes of each are, under it.
    """
    import matplotlib
    from matplotlib.lines import Line2D

    names = list(dict.fromkeys(name for panel in panels.values() for name in panel.clouds))
    tones = matplotlib.color_sequences["tab20"]
    colours = {name: tones[(2 * place + place // 10) % len(tones)] for place, name in enumerate(names)}
    figure = new_figure(3.6 * len(panels), 4.4)
    figure.set_layout_engine("constrained")
    for axes, (title, panel) in zip(figure.subplots(1, len(panels), squeeze=False)[0], panels.items(), strict=True):
        for name, dots in panel.clouds.items():
            axes.scatter(*dots.T, s=9, color=colours[name], alpha=0.55, linewidths=0)
        for name, star in panel.stars.items():
            axes.scatter(*star, marker="*", s=130, color=colours[name], edgecolors="black", linewidths=0.8, zorder=3)
        axes.set_title(title, fontsize=9)
        axes.set_xlabel(axes_are, fontsize=8)
        axes.tick_params(labelsize=7)
        axes.grid(visible=True, color="0.93", linewidth=0.8)
        axes.set_axisbelow(True)
    entries = [
        Line2D([], [], linestyle="", marker="o", markersize=5, color=colours[name], label=name) for name in names
    ]
    figure.legend(handles=entries, loc="outside lower center", ncols=min(5, len(names)), frameon=False, fontsize=8)
    return png_of(figure)


def line_charts(
    panels: Mapping[str, Mapping[str, Sequence[tuple[float, float]]]], *, across: str, up: str, columns: int = 4
) -> bytes:
    """A PNG of small line charts that share their axes.

    Args:
        panels: By title, by line: its points.
        across: Label of the horizontal axis.
        up: Of the vertical one.
        columns: Panels side by side.
    """
    columns = min(columns, len(panels))
    rows = -(-len(panels) // columns)
    figure = new_figure(3.2 * columns, 2.7 * rows + 0.6)
    figure.set_layout_engine("constrained")
    axes = figure.subplots(rows, columns, sharex=True, sharey=True, squeeze=False).ravel()
    for axis, (title, lines) in zip(axes, panels.items(), strict=False):
        for (name, points), marker in zip(lines.items(), itertools.cycle("osD^vP"), strict=False):
            axis.plot(*zip(*points, strict=True), marker=marker, markersize=4, label=name)
        axis.set_title(title, fontsize=10)
        axis.grid(visible=True, color="0.88")
        axis.tick_params(labelbottom=True)
    for axis in axes[len(panels) :]:
        axis.set_axis_off()
    figure.supxlabel(across, fontsize=10)
    figure.supylabel(up, fontsize=10)
    handles, labels = axes[0].get_legend_handles_labels()
    figure.legend(handles, labels, loc="outside upper center", ncols=min(6, len(labels)), frameon=False)
    return png_of(figure)


def new_figure(width: float, height: float) -> "Figure":
    """An empty figure of so many inches. Not pyplot's: nothing global is kept, and no display is looked for."""
    from matplotlib.figure import Figure

    return Figure(figsize=(width, height), dpi=_DPI)


def png_of(figure: "Figure") -> bytes:
    """The figure as a PNG file, its texts as they stand."""
    from matplotlib.text import Text

    for text in figure.findobj(Text):
        cast(Text, text).set_parse_math(False)  # a dollar sign in a name is no formula
    file = io.BytesIO()
    figure.savefig(file, format="png")
    return file.getvalue()
