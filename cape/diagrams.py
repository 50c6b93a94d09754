"""What confidences are worth, as PNG files: reliability diagrams, risk-coverage and occlusion curves."""

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np

from cape.errors import UsageError
from cape.evaluation.confidence import OcclusionCurve
from cape.evaluation.ranking import RiskCoverage
from cape.evaluation.reliability import Reliability
from cape.figures import new_figure, png_of

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

_BAR, _OVER, _UNDER = "#1f77b4", "#d62728", "#2ca02c"
_POINTS = 400
"""Of a curve: more are not seen."""


def reliability_diagram(panels: Mapping[str, Reliability], *, truth: str, columns: int = 3) -> bytes:
    """Mean truth against mean confidence, bin by bin; under it how much each bin holds.

    A bar as wide as its bin ends at the mean truth; a line from there to the diagonal's height at the bin's mean
    confidence is red where the confidence claims too much, green where too little.

    Args:
        panels: By title; ECE, MCE and bias are written above each.
        truth: What the confidence should be: "mean OKS", "share within 0.2".
        columns: Panels side by side.

    Raises:
        UsageError: No panel.
    """
    figure, cells = _grid(panels, columns, height=3.5)
    for (title, panel), cell in zip(panels.items(), cells, strict=False):
        upper = cell.inset_axes((0, 0.27, 1, 0.73))
        lower = cell.inset_axes((0, 0, 1, 0.2), sharex=upper)
        cell.set_axis_off()
        _draw_bins(upper, panel)
        upper.set_title(f"{title}\n{_summary(panel)}", fontsize=8.5)
        upper.set_ylabel(truth, fontsize=9)
        lower.bar(**_bars(panel), height=panel.share, color="0.6", edgecolor="white")
        lower.set_xlabel("confidence", fontsize=9)
        lower.set_ylabel("share", fontsize=8)
        upper.tick_params(labelbottom=False, labelsize=8)
        lower.tick_params(labelsize=8)
        lower.set(xlim=(0, 1), ylim=(0, 1.1 * panel.share.max()))
    figure.supxlabel("red: the confidence claims too much; green: too little", fontsize=8)
    return png_of(figure)


def _summary(panel: Reliability) -> str:
    errors = f"ECE {panel.expected_error:.3f}, MCE {panel.maximum_error:.3f}, bias {panel.bias:+.3f}"
    return f"{errors}, n {panel.held.sum():.0f}"


def _bars(panel: Reliability) -> dict[str, Any]:
    """Where bars stand; one of a single confidence is made wide enough to be seen."""
    widths = np.maximum(panel.high - panel.low, 0.01)
    return {"x": np.minimum(panel.low, 1 - widths), "width": widths, "align": "edge"}


def _draw_bins(axes: "Axes", panel: Reliability) -> None:
    axes.bar(**_bars(panel), height=panel.truth, color=_BAR, alpha=0.45, edgecolor="white", linewidth=0.8)
    colours = np.where(panel.confidence > panel.truth, _OVER, _UNDER).tolist()
    axes.vlines(panel.confidence, panel.truth, panel.confidence, colors=colours, linewidth=2, clip_on=False)
    axes.plot(panel.confidence, panel.truth, linestyle="", marker="o", markersize=4, color=_BAR, clip_on=False)
    axes.plot([0, 1], [0, 1], color="0.3", linestyle="--", linewidth=1)
    axes.set(xlim=(0, 1), ylim=(0, 1))
    axes.grid(color="0.9")
    axes.set_axisbelow(True)


def risk_coverage_diagram(curves: Mapping[str, RiskCoverage], *, error: str, title: str = "") -> bytes:
    """Mean error of the most confident share, a line a confidence, and that of a ranking by the error itself.

    Args:
        curves: By name, of the same instances.
        error: What the risk is the mean of: "1 - OKS".
        title: Above.

    Raises:
        UsageError: No curve, or curves of other instances, whose oracles differ.
    """
    figure, (axes,) = _grid(curves, 1, height=3.6, panels=1, width=5.4)
    first = next(iter(curves.values()))
    for name, curve in curves.items():
        if curve.oracle.shape != first.oracle.shape or not np.allclose(curve.oracle, first.oracle):
            got, fix = f"others for {name!r}", "Draw them one by one."
            raise UsageError("risk-coverage", expected="confidences of the same instances", got=got, fix=fix)
        shown = _thinned(len(curve.coverage))
        axes.plot(curve.coverage[shown], curve.risk[shown], label=f"{name} (area {curve.area:.3f})")
    shown = _thinned(len(first.coverage))
    label = f"oracle (area {first.oracle.mean():.3f})"
    axes.plot(first.coverage[shown], first.oracle[shown], color="0.3", linestyle="--", label=label)
    axes.set(xlim=(0, 1), ylim=(0, None))
    axes.set_xlabel("coverage: share kept, the most confident first", fontsize=9)
    axes.set_ylabel(f"risk: mean {error}", fontsize=9)
    _finish(axes, title)
    return png_of(figure)


def _thinned(count: int) -> np.ndarray:
    """Places of a curve's points to draw: all of a short one, the ends and even steps of a long one."""
    return np.unique(np.linspace(0, count - 1, min(count, _POINTS)).round().astype(int))


def occlusion_diagram(curves: Mapping[str, OcclusionCurve], *, truth: str, title: str = "") -> bytes:
    """Fig. 3: mean confidence and mean truth under patches of growing size.

    Args:
        curves: By name of the confidence, of one network on the same patches: its truth is drawn once.
        truth: What it is: "OKS".
        title: Above.

    Raises:
        UsageError: No curve, or other patches or truths.
    """
    figure, (axes,) = _grid(curves, 1, height=3.6, panels=1, width=5.4)
    first = next(iter(curves.values()))
    for name, curve in curves.items():
        alike = curve.sizes.shape == first.sizes.shape and np.allclose(curve.sizes, first.sizes)
        if not alike or not np.allclose(curve.truth, first.truth):
            got, fix = f"others for {name!r}", "Draw them one by one."
            raise UsageError("occlusion", expected="the same patches and truths", got=got, fix=fix)
        axes.plot(curve.sizes, curve.confidence, marker="o", markersize=4, label=f"{name} (r {curve.pearson:.3f})")
    axes.plot(first.sizes, first.truth, color="0.2", linestyle="--", marker="s", markersize=4, label=f"mean {truth}")
    axes.set_ylim(0, 1)
    axes.set_xlabel("size of the patch, in sides of the input", fontsize=9)
    axes.set_ylabel(f"mean confidence, mean {truth}", fontsize=9)
    _finish(axes, title)
    return png_of(figure)


def _grid(
    drawn: Mapping, columns: int, *, height: float, panels: int | None = None, width: float = 3.2
) -> "tuple[Figure, list[Axes]]":
    """A figure and axes, one for each thing drawn or as many as said."""
    if not drawn:
        raise UsageError("diagram", expected="at least one confidence", got="none", fix="Name what to draw.")
    count = len(drawn) if panels is None else panels
    columns = min(columns, count)
    rows = -(-count // columns)
    figure = new_figure(width * columns + 0.4, height * rows)
    figure.set_layout_engine("constrained")
    axes = list(figure.subplots(rows, columns, squeeze=False).ravel())
    for each in axes[count:]:
        each.set_axis_off()
    return figure, axes


def _finish(axes: "Axes", title: str) -> None:
    axes.set_title(title, fontsize=10)
    axes.grid(color="0.9")
    axes.tick_params(labelsize=8)
    axes.legend(fontsize=8, frameon=True, framealpha=0.85, edgecolor="none")
