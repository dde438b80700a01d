"""The trainer of pbt.run(function): python -m pbt._train FILE."""

import sys

from ._function import unpack

if __name__ == "__main__":
    unpack(sys.argv[1])()
