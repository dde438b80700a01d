"""final.py CHECKPOINT: accuracy and loss on the digits' 898 test images, by the Go program that knows the model."""

import subprocess
import sys
from pathlib import Path

subprocess.run(["go", "run", "./measure", Path(sys.argv[1]).resolve()], cwd=Path(__file__).parent, check=True)
