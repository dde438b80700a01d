"""`python -m pbt …` and the console script `pbt`: the engine's binary."""

import os
import sys

from ._run import binary


def main() -> None:
    """Become the binary."""
    try:
        path = binary()
    except FileNotFoundError as e:
        sys.exit(f"pbt: {e}")
    os.execv(path, [path, *sys.argv[1:]])


if __name__ == "__main__":
    main()
