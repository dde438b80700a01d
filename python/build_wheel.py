"""Put the engine's binary into the wheel: hatchling calls this while it builds one.

PBT_WHEEL_BINARY names the binary. It is static, so one wheel fits glibc and musl, any Python 3.
Without the variable the wheel holds the client alone and fits everywhere.
"""

import os
import platform
from typing import Any, Dict

from hatchling.builders.hooks.plugin.interface import BuildHookInterface


class BinaryHook(BuildHookInterface):  # type: ignore[misc]
    """A hook of hatchling's."""

    def initialize(self, version: str, build_data: Dict[str, Any]) -> None:
        """Add the binary and name the platform."""
        binary = os.environ.get("PBT_WHEEL_BINARY")
        if not binary:
            return
        machine = platform.machine()
        build_data["pure_python"] = False
        build_data["tag"] = f"py3-none-manylinux2014_{machine}.musllinux_1_1_{machine}"
        build_data["force_include"][os.path.abspath(binary)] = "pbt/bin/pbt"
