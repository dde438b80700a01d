"""The digits' training and validation images as CSV, for uneven.py: from the Go program that has the split."""

import os
import subprocess
from pathlib import Path

data = Path(os.environ["EXPERIMENT_DATA"]) / "analysis" / "data"
data.mkdir(parents=True, exist_ok=True)
for name in ("train", "validation"):
    path = data / f"{name}.csv"
    if not path.exists():
        done = subprocess.run(
            ["go", "run", "./measure", "-images", name], cwd=Path(__file__).parent, check=True, capture_output=True
        )
        partial = path.with_suffix(".partial")
        partial.write_bytes(done.stdout)
        partial.replace(path)
