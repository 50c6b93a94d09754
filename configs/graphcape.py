"""GraphCape (Swin-V2 Small) as it was released, for the weights that `cape convert graphcape` writes. Any split."""

_base_ = "cape_visual.py"
model = dict(matching=dict(aligned=False), decoder=dict(one_path=False))
