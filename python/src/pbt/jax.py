"""Checkpoints of JAX pytrees: one file, without pickle; and hyperparameters inside optax states.

state = {"params": params, "opt": opt_state, "step": 0}
for segment in pbt.segments():
    if segment.load:
        state = pbt.jax.load(segment.load, like=state)
    state["opt"] = pbt.jax.set_hypers(state["opt"], segment.hypers)    # optax.inject_hyperparams
    segment.in_force(pbt.jax.get_hypers(state["opt"], segment.hypers))
    …
    segment.report(score, save=lambda directory: pbt.jax.save(directory, state))
"""

from __future__ import annotations

import json
import os
from typing import Any, Dict, List, Mapping, Tuple, Union

import jax
import jax.numpy as jnp
import numpy as np

from . import numpy as _files

FILE = "tree.npz"
INDEX = "index"  # the leaves' paths and types, as JSON

PathLike = Union[str, "os.PathLike[str]"]


def save(directory: PathLike, tree: Any) -> None:
    """Write a pytree of arrays and plain numbers. Random keys are refused: clones must not share them."""
    arrays: Dict[str, Any] = {}
    index = []
    for path, leaf in _leaves(tree):
        if jnp.issubdtype(getattr(leaf, "dtype", None), jax.dtypes.prng_key):
            raise TypeError(f"{path} is a random key: leave it out, and make keys from segment.seed")
        if not isinstance(leaf, (bool, int, float, complex, np.generic, np.ndarray, jax.Array)):
            raise TypeError(f"{path} is a {type(leaf).__name__}: want arrays and numbers")
        array = np.asarray(leaf)
        index.append([path, str(array.dtype)])
        arrays[str(len(arrays))] = array.view(f"u{array.itemsize}") if _foreign(array.dtype) else array
    arrays[INDEX] = np.asarray(json.dumps(index))
    _files.write(directory, FILE, arrays)


def load(directory: PathLike, like: Any) -> Any:
    """Read a pytree with the structure, shapes, types and placement of `like`."""
    arrays = _files.read(directory, FILE)
    index = json.loads(str(arrays[INDEX]))
    leaves = _leaves(like)
    for (path, _), (wanted, _) in zip(index, leaves):
        if path != wanted:
            raise ValueError(f"the checkpoint has {path} where {wanted} is wanted: it is of another model")
    if len(index) != len(leaves):
        extra = (index[len(leaves) :] or leaves[len(index) :])[0][0]
        raise ValueError(f"the checkpoint has {len(index)} leaves, and {len(leaves)} are wanted; the first other is {extra}")
    read = [_restore(arrays[str(i)], dtype, path, leaf) for i, ((_, dtype), (path, leaf)) in enumerate(zip(index, leaves))]
    return jax.tree_util.tree_unflatten(jax.tree_util.tree_structure(like), read)


def _restore(array: Any, dtype: str, path: str, like: Any) -> Any:
    array = array.view(jnp.dtype(dtype))
    if isinstance(like, (bool, int, float, complex)):
        return type(like)(array.item())
    if array.shape != like.shape or array.dtype != like.dtype:
        raise ValueError(f"{path} is {array.dtype}{list(array.shape)} in the checkpoint; want {like.dtype}{list(like.shape)}")
    if isinstance(like, (np.ndarray, np.generic)):
        return array
    sharding = getattr(like, "sharding", None)
    if sharding is None or not getattr(like, "committed", True):
        return jnp.asarray(array)  # not bound to a device, as `like` is not: else jit would compile anew
    return jax.device_put(array, sharding)


def _leaves(tree: Any) -> List[Tuple[str, Any]]:
    return [(jax.tree_util.keystr(path), leaf) for path, leaf in jax.tree_util.tree_flatten_with_path(tree)[0]]


def _foreign(dtype: Any) -> bool:
    """Whether NumPy itself does not know a type: bfloat16, float8, int4."""
    return bool(np.dtype(dtype).isbuiltin == 2 or np.dtype(dtype).kind == "V")


def set_hypers(opt_state: Any, hypers: Mapping[str, Any]) -> Any:
    """Give the state of an optimiser with these hyperparameters in force.

    A state that was loaded brings the donor's values along; this replaces them, in every
    optax.inject_hyperparams within. A name in the state is looked up as it is, or after `optimizer.`.
    A hyperparameter that inject_hyperparams computes by a schedule raises ValueError: the next update would
    replace the value.
    """

    def replace(node: Any) -> Any:
        if not _injected(node):
            return node
        for name in getattr(node, "hyperparams_states", None) or {}:
            if _named(hypers, name) is not None:
                raise ValueError(
                    f"cannot set {name}: a schedule in optax.inject_hyperparams computes it, and the next update would replace"
                    f" the value; inject a number for {name}, and apply the schedule as a factor with optax.scale_by_schedule"
                )
        found = {
            name: jnp.asarray(_named(hypers, name), dtype=jnp.asarray(old).dtype) if _named(hypers, name) is not None else old
            for name, old in node.hyperparams.items()
        }
        return node._replace(hyperparams=found, inner_state=set_hypers(node.inner_state, hypers))

    return jax.tree_util.tree_map(replace, opt_state, is_leaf=_injected)


def get_hypers(opt_state: Any, hypers: Mapping[str, Any]) -> Dict[str, float]:
    """Read those of the hyperparameters that an optimiser's state holds, for segment.in_force."""
    found: Dict[str, float] = {}
    for node in jax.tree_util.tree_leaves(opt_state, is_leaf=_injected):
        if _injected(node):
            for name, value in node.hyperparams.items():
                for full in (name, f"optimizer.{name}"):
                    if full in hypers:
                        found[full] = float(value)
            found.update(get_hypers(node.inner_state, hypers))
    return found


def _named(hypers: Mapping[str, Any], name: str) -> Any:
    return hypers.get(name, hypers.get(f"optimizer.{name}"))


def _injected(node: Any) -> bool:
    return hasattr(node, "hyperparams") and hasattr(node, "inner_state") and hasattr(node, "_replace")
