"""Names plugged into a finished small visual model (`cape_lite_visual`), which stays frozen: `--start-from WEIGHTS`."""

_base_ = ["_base_/lite.py"]
model = dict(
    alignment=dict(gamma=0.0, norm="none"),
    frozen=("visual", "feature_projection", "visual_projection", "matching", "decoder"),
)
