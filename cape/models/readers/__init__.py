"""Readers: where a family of pose networks keeps what a confidence head can judge by (CCNet, specification §3.2).

A reader is registered, has no parameters, and states `cues`, how many it gives. `forward(network, *batch) -> Reading`
runs the frozen network on a batch as its data loader gives it; `width_of(network)` and `channels_of(network)` are the
sizes of tokens and feature maps, 0 for what the family has not, and `keypoints_of(network)` the K of a fixed skeleton,
or None. The network is of the kind that the reader says; it is used through its public methods, never changed.
"""

from cape.models.readers.fewshot import FewShotReader
from cape.models.readers.heatmap import HeatmapReader
from cape.models.readers.regression import IntegralReader, RegressionReader
from cape.models.readers.wholebody import WholeBodyReader

__all__ = ["FewShotReader", "HeatmapReader", "IntegralReader", "RegressionReader", "WholeBodyReader"]
