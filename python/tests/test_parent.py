"""Runs of the real binary, bin/pbt (`make build`), whose parent is killed."""

from __future__ import annotations

import os
import pathlib
import signal
import subprocess
import sys

import pytest
from engine import SOURCE
from test_run import experiment  # noqa: F401

import pbt

SCRIPT = """
import os, subprocess, sys, time, pbt
how, detach = sys.argv[1], sys.argv[2] == "detach"
if how != "run":
    old = pbt.run("bowl.yaml", dir="old").wait()
more = {"detach": detach, "budget__steps": 10**9}
if how == "run":
    run = pbt.run("bowl.yaml", dir="r", **more)
elif how == "resume":
    os.rename("old", "r")
    run = pbt.open("r").resume(**more)
else:
    run = old.branch("best", "r", **more)
child = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(60)"], close_fds=False)
fork = os.fork()
if fork == 0:
    time.sleep(60)
    os._exit(0)
print("children", child.pid, fork, flush=True)
time.sleep(60)
"""


@pytest.mark.parametrize("how", ["run", "resume", "branch"])
@pytest.mark.parametrize("detach", ["attach", "detach"])
def test_a_parent_that_is_killed(how: str, detach: str, tmp_path: pathlib.Path) -> None:
    env = {**os.environ, "PYTHONPATH": SOURCE}
    parent = subprocess.Popen(
        [sys.executable, "-W", "ignore", "-c", SCRIPT, how, detach], env=env, stdout=subprocess.PIPE, stderr=subprocess.PIPE
    )
    assert parent.stdout and parent.stderr
    line = next(line for line in parent.stdout if line.startswith(b"children"))  # the runs print there as well
    others = [int(pid) for pid in line.split()[1:]]
    try:
        run = pbt.open("r")
        parent.kill()
        parent.wait()
        parent.stdout.close()  # the run's own output has no reader any more
        parent.stderr.close()
        if detach == "detach":
            begun = run._last_event()
            while run._last_event() < begun + 10:
                pass
            assert run.status()["owner"] is not None
            run.stop(now=True)
        while run.status().get("owner") is not None:
            pass
        assert run.status()["state"] == "stopped"
        closed = run.events().iloc[-1]
        assert closed["kind"] == "closed"
        if detach == "attach":
            assert "SIGTERM" in closed["event"]["reason"]
        assert run.resume(detach=True).stop(now=True).status()["state"] == "stopped"
    finally:
        for pid in others:
            os.kill(pid, signal.SIGKILL)
