"""The same member under Ray Tune: python noop_ray.py MODE SEGMENTS MEMBERS SLOTS BYTES OUT

MODE is class (one actor per slot lives on: reuse_actors), quiet (the same, all loggers
off) or function (the function API). OUT gets one line of JSON.
"""
import json
import os
import random
import sys
import tempfile
import time

mode, segments, members, slots, size, out = sys.argv[1], *map(int, sys.argv[2:6]), sys.argv[6]
os.environ["RAY_DEDUP_LOGS"] = "0"
os.environ["RAY_USAGE_STATS_ENABLED"] = "0"
if mode == "quiet":
    os.environ["TUNE_DISABLE_AUTO_CALLBACK_LOGGERS"] = "1"
    os.environ["TUNE_DISABLE_AUTO_CALLBACK_SYNCER"] = "1"

import psutil  # noqa: E402
import ray  # noqa: E402
from ray import tune  # noqa: E402
from ray.tune.schedulers import PopulationBasedTraining  # noqa: E402

blob = os.urandom(1 << 20)


def write(directory, x):
    with open(os.path.join(directory, "weights"), "wb") as f:
        f.write(b"%-64a" % x)
        left = size - 64
        while left > 0:
            left -= f.write(blob[: min(left, len(blob))])


def read(directory):
    with open(os.path.join(directory, "weights"), "rb") as f:
        x = float(f.read(64).strip(b" '\""))
        while f.read(1 << 20):
            pass
    return x


class Member(tune.Trainable):
    def setup(self, config):
        self.x, self.lr = 0.0, config["lr"]

    def step(self):
        self.x += self.lr * random.random()
        return {"score": self.x}

    def save_checkpoint(self, directory):
        write(directory, self.x)

    def load_checkpoint(self, directory):
        self.x = read(directory)

    def reset_config(self, config):
        self.lr, self.x = config["lr"], 0.0
        return True


def member(config):
    x, i = 0.0, 0
    if checkpoint := tune.get_checkpoint():
        with checkpoint.as_directory() as directory:
            x = read(directory)
    while True:
        x += config["lr"] * random.random()
        with tempfile.TemporaryDirectory() as directory:
            write(directory, x)
            tune.report({"score": x}, checkpoint=tune.Checkpoint.from_directory(directory))


class Clock(tune.Callback):
    def __init__(self):
        self.times = []

    def on_trial_result(self, iteration, trials, trial, result, **info):
        self.times.append(time.perf_counter())


def usage():
    """CPU seconds and resident bytes of all of Ray but the trainers themselves."""
    cpu, rss = 0.0, 0
    for p in [psutil.Process()] + psutil.Process().children(recursive=True):
        try:
            if "ray::" in " ".join(p.cmdline()):
                continue
            t = p.cpu_times()
            cpu, rss = cpu + t.user + t.system, rss + p.memory_info().rss
        except psutil.Error:
            pass
    return cpu, rss


ray.init(num_cpus=slots, include_dashboard=False, log_to_driver=False, logging_level="ERROR")
clock = Clock()
with tempfile.TemporaryDirectory() as storage:
    tuner = tune.Tuner(
        member if mode == "function" else Member,
        param_space={"lr": tune.loguniform(1e-3, 1e-1)},
        tune_config=tune.TuneConfig(
            num_samples=members,
            metric="score",
            mode="max",
            reuse_actors=mode != "function",
            scheduler=PopulationBasedTraining(
                time_attr="training_iteration",
                perturbation_interval=1,
                hyperparam_mutations={"lr": tune.loguniform(1e-3, 1e-1)},
            ),
        ),
        run_config=tune.RunConfig(
            storage_path=storage, stop={"training_iteration": segments // members}, verbose=0, callbacks=[clock]
        ),
    )
    before = usage()[0]
    tuner.fit()
    cpu, rss = usage()
t = clock.times
with open(out, "w") as f:
    json.dump(
        {
            "segments": len(t),
            "ms_per_segment": (t[-1] - t[0]) / (len(t) - 1) * 1e3,
            "engine_cpu_ms_per_segment": (cpu - before) / len(t) * 1e3,
            "engine_rss_mb": rss / 1e6,
        },
        f,
    )
ray.shutdown()
