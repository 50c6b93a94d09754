"""RTMPose-l under the recipe of CIGPose, on COCO-WholeBody and UBody at 384 x 288: no intervention, no graph.

Its embeddings are RTMPose's, which released weights fit: `model.embedding.width=512 model.embedding.query=256` is the
control whose width is that of CIGPose.
"""

_base_ = ["cigpose-l_8xb32-420e_coco-ubody-wholebody-384x288.py"]
model = dict(intervention=None, graph=None, consistency_weight=0.0, embedding=dict(width=256, query=128))
