"""Population Based Training: the trainer's side of pbt.

    import pbt

    for segment in pbt.segments():               # run by the engine, or stand-alone
        if segment.load:
            model.load(segment.load)             # a directory; None: go on with what you hold
        opt.lr = segment.hypers["lr"]            # after loading
        for step in segment:                     # segment.steps steps
            train_step(model)
        segment.report(evaluate(model), save=model.save)   # save(directory)

`python train.py --pbt.lr=1e-3` trains alone; named in an experiment file, it is a member of a population.
pbt.torch, pbt.jax and pbt.numpy save and load; pbt.run starts a run and pbt.open looks at one.
"""

from ._client import Hypers, Segment, Stopped, segments, weight_seed
from ._run import Run, open, run
from ._version import __version__
from ._wire import ProtocolError

__all__ = ["Hypers", "ProtocolError", "Run", "Segment", "Stopped", "__version__", "open", "run", "segments", "weight_seed"]
