"""bin/pbt and the scripts of a domain, called as a person would call them."""

from __future__ import annotations

import ctypes
import json
import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from .domains import BUILD, REPO

PBT = REPO / "bin" / "pbt"
PR_SET_PDEATHSIG = 1
_libc = ctypes.CDLL(None)


def environment(smoke: bool) -> dict[str, str]:
    """Give what scripts run with: this Python, the client of this checkout, one thread each, a cache of compilations."""
    env = dict(os.environ)
    env["PATH"] = f"{Path(sys.executable).parent}{os.pathsep}{env['PATH']}"
    env["PYTHONPATH"] = str(REPO / "python" / "src")
    env["XLA_FLAGS"] = "--xla_cpu_multi_thread_eigen=false intra_op_parallelism_threads=1"
    env["OMP_NUM_THREADS"] = env["OPENBLAS_NUM_THREADS"] = "1"
    env["JAX_PLATFORMS"] = "cpu"
    env["MALLOC_MMAP_THRESHOLD_"] = env["MALLOC_TRIM_THRESHOLD_"] = str(4 << 30)  # else JAX's buffers come and go as pages
    env["JAX_COMPILATION_CACHE_DIR"] = str(BUILD / "jax-cache")
    env["JAX_PERSISTENT_CACHE_MIN_COMPILE_TIME_SECS"] = "0.2"
    env["EXPERIMENT_DATA"] = str(BUILD)
    env["EXPERIMENT_SMOKE"] = "1" if smoke else ""
    return env


def _end_with_parent() -> None:
    """Get SIGTERM when the harness dies, however it dies: then pbt stops in good order."""
    _libc.prctl(PR_SET_PDEATHSIG, signal.SIGTERM)


def start(command: list[str | Path], log: Path, smoke: bool, **more: str) -> subprocess.Popen[bytes]:
    """Start a program whose output goes to a log."""
    log.parent.mkdir(parents=True, exist_ok=True)
    with log.open("ab") as out:
        out.write(f"\n$ {' '.join(map(str, command))}\n".encode())
        out.flush()
        return subprocess.Popen(
            command,
            stdout=out,
            stderr=subprocess.STDOUT,
            stdin=subprocess.DEVNULL,
            env=environment(smoke) | more,
            preexec_fn=_end_with_parent,
        )


Started = tuple[subprocess.Popen[bytes], Path]


def wait(starting: Iterable[Started | None]) -> None:
    """Start programs and wait for all. If one fails or we are interrupted, none of them is left running."""
    running: list[Started] = []
    try:
        for started in starting:
            if started:
                running.append(started)
        for process, log in running:
            if code := process.wait():
                tail = log.read_text(errors="replace").splitlines()[-15:]
                command = " ".join(map(str, process.args)) if isinstance(process.args, list) else str(process.args)
                raise SystemExit("\n".join([*tail, f"{command}: exit code {code}; its log: {log}"]))
    finally:
        for process, _ in running:
            if process.poll() is None:
                process.send_signal(signal.SIGTERM)
        for process, _ in running:
            process.wait()


def ask(*arguments: str | Path) -> str:
    """Give the output of a pbt command."""
    done = _call(*arguments)
    if done.returncode:
        raise SystemExit(f"pbt {' '.join(map(str, arguments))}: {done.stderr.strip()}")
    return done.stdout


def _call(*arguments: str | Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run([PBT, *arguments], capture_output=True, text=True, check=False)


def state(run: Path) -> str:
    """Give a run's state, such as finished or stopped; none where there is no run yet, or none that has begun."""
    if not (run / "journal.sqlite").exists():
        shutil.rmtree(run, ignore_errors=True)  # killed before there was a journal: nothing is in it
        return "none"
    done = _call("status", run, "--json")
    if done.returncode and "has not begun" in done.stderr:
        return "none"  # killed between the journal's creation and its first event
    if done.returncode:
        raise SystemExit(f"pbt status {run}: {done.stderr.strip()}")
    return str(json.loads(done.stdout)["state"])


def best(run: Path) -> dict[str, Any]:
    """Give the best record of a run by its validation score."""
    record: dict[str, Any] = json.loads(ask("best", run, "--json"))
    return record
