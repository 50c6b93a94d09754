"""The small model with decision-level fusion, to compare `cape_lite` with. Any split by `--split`.

Its maps are pooled: on some twenty categories a gate learns which names it knows, not when a branch is right. The powers
are learnt from categories that the branches do not see.
"""

_base_ = ["_base_/lite.py"]
model = dict(decision=dict(type="Decision", rule="pool", powers=(1.0, 0.25)), decision_share=0.25)
