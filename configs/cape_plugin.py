"""Text plugged into a finished visual model (`cape_visual`), which stays frozen: `--start-from best.safetensors`."""

_base_ = ["_base_/mp100.py", "_base_/swinv2_small_gte.py", "_base_/schedule_200.py", "_base_/runtime.py"]
model = dict(
    alignment=dict(gamma=0.0, norm="none"),
    frozen=("visual", "feature_projection", "visual_projection", "matching", "decoder"),
)
