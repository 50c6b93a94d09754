"""Loss-nets: how implausible a pose is in three dimensions, given what is seen of it (SEAL-pose, specification §3).

energy: `forward(points [*B, J, 2], joints [*B, J, 3]) -> [*B]`, one number a pose, the lower the more plausible; screen
    coordinates and metres as in `structures.Lift`. Any axes may come before J, a batch or a batch of windows: every
    pose is judged for itself, as the official code does by folding frames into the batch. The attribute `joints: int`
    is J; poses of another J are a UsageError.

    Four mechanisms by which points and pose meet, `inputs` (appendix A.7):

    - "joints" (M1): the pose alone.
    - "bilinear" (M2): g(points)' W g(pose) + b, with a descriptor of each from the same network behind its own first
      layer.
    - "early" (M3, the default): both are the input, joint by joint.
    - "decomposed" (M4): the energy of the pose alone, plus a sum over joints of y' W_j b(points), as SEAL had it.

Energies are comparable between poses of one picture: no loss compares those of two pictures.
"""

from cape.models.energies.coupling import Inputs
from cape.models.energies.graph import GraphEnergy
from cape.models.energies.mlp import MLPEnergy

__all__ = ["GraphEnergy", "Inputs", "MLPEnergy"]
