"""A function as a trainer: how it is written into a run's directory, and found again."""

from __future__ import annotations

import base64
import functools
import json
import os
import pathlib
import pickle
import re
import sys
import sysconfig
from typing import Any, Callable, Dict, List

FILE = "function.json"  # in the run's directory


def name_of(function: Callable[[], object]) -> str:
    """Give a function's name as a run may have it."""
    name = re.sub(r"[^A-Za-z0-9_]+", "-", getattr(function, "__name__", "")).strip("-_")
    return name if name and name != "lambda" else "run"


def pack(function: Callable[[], object]) -> str:
    """Write down where a function is, or, if no other process can import it, the function itself."""
    path = [os.path.abspath(entry) for entry in sys.path]  # "" is the working directory
    module, name = getattr(function, "__module__", None), getattr(function, "__qualname__", "")
    if module and module != "__main__" and _imported(module, name) is function:
        return json.dumps({"path": path, "module": module, "name": name})
    try:
        import cloudpickle
    except ImportError:
        raise RuntimeError(
            f"pbt.run cannot hand {name or function!r} to a trainer's process: it is no module's function, and"
            " cloudpickle, which writes down such functions, is not installed. Put the function into a module and"
            " import it, or: pip install cloudpickle"
        ) from None
    try:
        text = cloudpickle.dumps(function)
    except Exception as e:  # whatever an object's __reduce__ raises
        raise RuntimeError(
            f"pbt.run cannot hand {name or function!r} to a trainer's process: cloudpickle fails ({e}). Make inside the"
            " function what cannot be pickled, such as open files, locks and connections, or put the function into a module"
        ) from e
    return json.dumps({"path": path, "name": name, "pickle": base64.b64encode(text).decode()})


def _imported(module: str, name: str) -> Any:
    """Give what a module has under a dotted name, None if it has nothing."""
    return functools.reduce(lambda thing, part: getattr(thing, part, None), name.split("."), sys.modules.get(module))


def command(path: pathlib.Path) -> List[str]:
    """Give the command of the trainer that calls a packed function."""
    return [sys.executable, "-m", "pbt._train", str(path)]


def environment() -> Dict[str, str]:
    """Give what a trainer needs in its environment to import this package, which may not be installed."""
    home = str(pathlib.Path(__file__).parents[1])
    if home in (sysconfig.get_path("purelib"), sysconfig.get_path("platlib")):
        return {}
    return {"PYTHONPATH": os.pathsep.join(filter(None, [home, os.environ.get("PYTHONPATH")]))}


def unpack(path: str) -> Callable[[], object]:
    """Find a packed function, in a trainer's process: under this path, or, if the run was moved, in the run's directory."""
    if not os.path.exists(path):
        path = os.path.join(os.environ.get("PBT_RUN_DIR", ""), FILE)
    with open(path) as file:
        packed = json.load(file)
    sys.path.extend(entry for entry in packed["path"] if entry not in sys.path)
    if "module" in packed:
        __import__(packed["module"])
        function = _imported(packed["module"], packed["name"])
        if function is None:
            raise RuntimeError(
                f"there is no {packed['name']} in module {packed['module']}, whose function this run trains: it was"
                " renamed or removed since the run began. Put it back, and resume the run"
            )
    else:
        try:
            function = pickle.loads(base64.b64decode(packed["pickle"]))
        except ModuleNotFoundError as e:
            raise RuntimeError(
                f"{packed['name']} of {path} cannot be loaded: {e}. Install that module for"
                f" {sys.executable}, and resume the run"
            ) from e
    return function  # type: ignore[no-any-return]
