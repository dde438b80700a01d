"""Check what docs/algorithm.md and docs/coming-from-ray-tune.md say of Ray Tune, in the installed package."""

import math
from types import SimpleNamespace

import ray
from ray import tune
from ray.tune.schedulers.pbt import PopulationBasedTraining, _explore

DOCUMENTED = "2.60.0"


def explored(value, distribution, factor):
    return _explore({"x": value}, {"x": distribution}, 0.0, (factor,), None)[0]["x"]


def ranked(scores):
    scheduler = PopulationBasedTraining(metric="score", mode="max", quantile_fraction=0.25, hyperparam_mutations={"x": [1, 2]})
    for i, score in enumerate(scores):
        trial = Trial(i)
        scheduler._trial_state[trial] = SimpleNamespace(last_score=score)
    return [[trial.i for trial in part] for part in scheduler._quantiles()]


class Trial:
    def __init__(self, i):
        self.i = i

    def is_finished(self):
        return False

    def __lt__(self, other):
        return self.i < other.i


def main():
    assert ray.__version__ == DOCUMENTED, f"the documents are about {DOCUMENTED}, and {ray.__version__} is installed: read them again"
    numbers = tune.uniform(0, 10)
    assert [explored(x, numbers, f) for x in (1, 2) for f in (1.2, 0.8)] == [1, 1, 2, 2], "whole numbers"
    assert math.isclose(explored(2.0, numbers, 1.2), 2.4), "a float stays a float"
    assert explored(9.0, numbers, 1.2) > 10, "values leave the range"
    assert explored(32, tune.choice([16, 32, 64]), 0.8) == 26, "a choice over numbers is multiplied"
    bottom, top = ranked([1.0, math.nan, 3.0, 2.0, 4.0, 5.0])
    assert (bottom, top) == ([0, 3], [4, 5]), f"NaN is left out of the ranking, and k is rounded up: {bottom}, {top}"
    print(f"ray {ray.__version__} is as the documents say")


if __name__ == "__main__":
    main()
