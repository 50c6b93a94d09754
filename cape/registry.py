"""The registries of cape: children of mmengine's, of scope "cape", so that a config says `type="MP100"`.

A registry imports its locations at the first build; nothing needs `from cape.data import *`. A type that cape does not
have is looked up in mmengine's registry. Constructors take no `**kwargs`, so a misspelt key in a config is an error
that names it.
"""

from mmengine import registry as mmengine
from mmengine.registry import Registry

DATASETS = Registry("dataset", parent=mmengine.DATASETS, scope="cape", locations=["cape.data"])
MODELS = Registry("model", parent=mmengine.MODELS, scope="cape", locations=["cape.models"])
METRICS = Registry("metric", parent=mmengine.METRICS, scope="cape", locations=["cape.evaluation.fewshot"])
HOOKS = Registry("hook", parent=mmengine.HOOKS, scope="cape", locations=["cape.hooks"])
LOOPS = Registry("loop", parent=mmengine.LOOPS, scope="cape", locations=["cape.hooks"])

# mmengine warns about each registry that a scope does not have; these hold nothing of ours.
for _name in (
    "OPTIMIZERS",
    "OPTIM_WRAPPERS",
    "OPTIM_WRAPPER_CONSTRUCTORS",
    "PARAM_SCHEDULERS",
    "VISUALIZERS",
    "VISBACKENDS",
):
    _parent = getattr(mmengine, _name)
    Registry(_parent.name, parent=_parent, scope="cape")
