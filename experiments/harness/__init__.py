"""The paper's experiments, run through the product: `python -m harness --help` in experiments/."""
