"""Checkpoints of NumPy arrays and plain numbers: one .npz file, without pickle.

segment.report(score, save=lambda directory: pbt.numpy.save(directory, w=w, b=b, epoch=3))
state = pbt.numpy.load(segment.load)          # {"w": array, "b": array, "epoch": 3}
"""

from __future__ import annotations

import os
import zipfile
from typing import Any, BinaryIO, Dict, Mapping, Optional, Union

import numpy as np

FILE = "state.npz"

PathLike = Union[str, "os.PathLike[str]"]


def save(directory: PathLike, state: Optional[Mapping[str, Any]] = None, **named: Any) -> None:
    """Write arrays, numbers, truth values and texts by name."""
    arrays = {name: np.asarray(value) for name, value in {**(state or {}), **named}.items()}
    for name, array in arrays.items():
        if array.dtype.hasobject or array.dtype.isbuiltin == 2:  # Python objects; bfloat16 and its like
            raise TypeError(f"{name} is {type(arrays[name])} of {array.dtype}: want numbers, truth values or texts")
    write(directory, FILE, arrays)


def load(directory: PathLike) -> Dict[str, Any]:
    """Read what save wrote. What has no dimension is a plain Python value again."""
    arrays = read(directory, FILE)
    return {name: array if array.ndim else array.item() for name, array in arrays.items()}


def write(directory: PathLike, file: str, arrays: Mapping[str, Any]) -> None:
    """Write arrays to one file of a directory, whole or not at all."""
    path = os.path.join(directory, file)
    with zipfile.ZipFile(path + ".tmp", "w", allowZip64=True) as archive:
        for name, array in arrays.items():
            with archive.open(name + ".npy", "w", force_zip64=True) as out:
                np.lib.format.write_array(_binary(out), array, allow_pickle=False)
    os.replace(path + ".tmp", path)


def read(directory: PathLike, file: str) -> Dict[str, Any]:
    """Read what write wrote."""
    with np.load(os.path.join(directory, file), allow_pickle=False) as stored:
        return dict(stored)


def _binary(out: Any) -> BinaryIO:
    stream: BinaryIO = out
    return stream
