"""CapeX (Swin-V2 Small and GTE) as it was released, for the weights that `cape convert capex` writes. Any split.

It was trained on bare keypoint names, without the frame that left and right refer to.
"""

_base_ = "cape_text.py"
text_style = "name"
model = dict(matching=dict(aligned=False), decoder=dict(one_path=False))
