"""pbt beside Ray Tune 2.60: the same no-op Python trainer, one run after the other.

    make bench-peers            # everything, about ten minutes on two idle cores
    python bench.py --rounds 1 --only each,lazy,class

Wall time per segment is taken between the first and the last outcome, so that neither
side's start counts. Rounds alternate between the systems; medians and ratios are
printed, and written to benchmarks/results/peers-<date>.json with all single values.
"""
import argparse
import datetime
import json
import os
import platform
import re
import signal
import sqlite3
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

HERE = Path(__file__).resolve().parent
ROOT = HERE.parents[1]
PBT = ROOT / "bin" / "pbt"
RAY = ROOT / "build" / "peers" / "bin" / "python"
HUGE = 100_000_000  # bytes of a large checkpoint


def experiment(directory, members, slots, segments, save, size, log=None):
    """Writes an experiment file for the no-op member; returns its path."""
    each = segments // members
    env = {"PYTHONPATH": str(ROOT / "python" / "src"), "NOOP_BYTES": str(size)}
    if log:
        env["NOOP_LOG"] = str(log)
    path = Path(directory) / "noop.yaml"
    path.write_text(
        f"""
population: {members}
metric: {{name: score, goal: maximize}}
segment: {{steps: 1}}
budget: {{steps: {each}}}
hyperparameters: {{lr: {{log: [1e-3, 1e-1]}}}}
save: {save}
trainer:
  command: [{sys.executable}, {HERE / "noop_pbt.py"}]
  slots: {slots}
  env: {json.dumps(env)}
"""
    )
    return path


def journal(run):
    return sqlite3.connect(f"file:{run}/journal.sqlite?mode=ro", uri=True)


def finished(run):
    return [at for (at,) in journal(run).execute("select at from events where kind = 'finished' order by seq")]


def pbt_run(members, slots, segments, save="each", size=64, scratch=None):
    """One run of pbt: milliseconds per segment, its own CPU time and memory."""
    with tempfile.TemporaryDirectory(dir=scratch) as d:
        run = Path(d) / "run"
        before = os.times()
        p = subprocess.Popen(
            [PBT, "run", experiment(d, members, slots, segments, save, size), "--dir", run, "--quiet"],
            stdout=subprocess.DEVNULL,
        )
        peak, cpu = 0, 0.0
        tick = os.sysconf("SC_CLK_TCK")
        while p.poll() is None:
            try:
                status = Path(f"/proc/{p.pid}/status").read_text()
                stat = Path(f"/proc/{p.pid}/stat").read_text().rsplit(")", 1)[1].split()
                peak = max(peak, int(re.search(r"VmRSS:\s+(\d+)", status)[1]) * 1024)
                cpu = (int(stat[11]) + int(stat[12])) / tick  # its own; trainers are children of its children
            except (OSError, TypeError):
                pass
            try:
                p.wait(0.05)
            except subprocess.TimeoutExpired:
                pass
        if p.returncode != 0:
            raise SystemExit(f"pbt failed with {p.returncode}")
        at = finished(run)
        return {
            "segments": len(at),
            "ms_per_segment": (at[-1] - at[0]) / (len(at) - 1) / 1e6,
            "engine_cpu_ms_per_segment": cpu / len(at) * 1e3,
            "engine_rss_mb": peak / 1e6,
        }


def ray_run(mode, members, slots, segments, size=64):
    with tempfile.TemporaryDirectory() as d:
        out = Path(d) / "out.json"
        args = [mode, segments, members, slots, size, out]
        subprocess.run([RAY, HERE / "noop_ray.py", *map(str, args)], check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        return json.loads(out.read_text())


def bare(segments, size=64):
    """What the system calls of a saved segment cost in a bare loop: files written, synced and renamed."""
    blob = os.urandom(size)
    with tempfile.TemporaryDirectory(dir=ROOT / "build") as d:
        log = os.open(f"{d}/log", os.O_WRONLY | os.O_CREAT | os.O_APPEND)
        root = os.open(d, os.O_RDONLY)
        start = time.perf_counter()
        for i in range(segments):
            os.mkdir(f"{d}/.s{i}")
            for name, data in (("weights", blob), ("manifest", blob[:200])):
                f = os.open(f"{d}/.s{i}/{name}", os.O_WRONLY | os.O_CREAT)
                os.write(f, data)
                os.fsync(f)
                os.close(f)
            f = os.open(f"{d}/.s{i}", os.O_RDONLY)
            os.fsync(f)
            os.close(f)
            os.rename(f"{d}/.s{i}", f"{d}/s{i}")
            os.fsync(root)
            os.write(log, b"x" * 600)
            os.fsync(log)
        took = time.perf_counter() - start
        return {"segments": segments, "ms_per_segment": took / segments * 1e3}


def exploit_latency(size, segments=60):
    """Milliseconds from a copy's decision in the journal to its load message in the trainer."""
    with tempfile.TemporaryDirectory(dir=ROOT / "build") as d:
        log, run = Path(d) / "loads", Path(d) / "run"
        file = experiment(d, 2, 2, segments, "each", size, log)
        subprocess.run([PBT, "run", file, "--dir", run, "--quiet", "--set", "exploit.truncation=0.5"], check=True, stdout=subprocess.DEVNULL)
        arrived = dict(map(int, line.split()) for line in log.read_text().splitlines())
        decided = journal(run).execute(
            "select segment, at from events where kind = 'decided' and json_extract(body, '$.decision.action') = 'copy'"
        )
        ms = [(arrived[s] - at) / 1e6 for s, at in decided if s in arrived]
        return {"copies": len(ms), "median_ms": statistics.median(ms), "max_ms": max(ms)}


def kill_and_resume(rounds=5):
    """SIGKILL of everything in the middle of a run, then resume: what is lost, and how long until work goes on."""
    out = []
    for i in range(rounds):
        with tempfile.TemporaryDirectory(dir=ROOT / "build") as d:
            run = Path(d) / "run"
            file = experiment(d, 4, 2, 4000, "each", 64)
            p = subprocess.Popen([PBT, "run", file, "--dir", run, "--quiet"], stdout=subprocess.DEVNULL, start_new_session=True)
            while not (run / "journal.sqlite").exists() or len(finished(run)) < 100 + 50 * i:
                time.sleep(0.01)
            os.killpg(p.pid, signal.SIGKILL)
            p.wait()
            before = {s for (s,) in journal(run).execute("select segment from events where kind = 'finished'")}
            last = journal(run).execute("select max(seq) from events").fetchone()[0]
            start = time.time_ns()
            subprocess.run([PBT, "resume", run, "--quiet"], check=True, stdout=subprocess.DEVNULL)
            db = journal(run)
            after = {s for (s,) in db.execute("select segment from events where kind = 'finished'")}
            first = db.execute("select min(at) from events where kind = 'finished' and seq > ?", (last,)).fetchone()[0]
            members = db.execute("select count(distinct member) from events where kind = 'finished' and seq > ?", (last,)).fetchone()[0]
            out.append({"recorded": len(before), "lost": len(before - after), "members_going_on": members, "first_outcome_ms": (first - start) / 1e6})
    return out


def python_start():
    """What a trainer needs to start: an interpreter that imports the client."""
    start = time.perf_counter()
    subprocess.run([sys.executable, "-c", "import pbt"], check=True, env={**os.environ, "PYTHONPATH": str(ROOT / "python" / "src")})
    return (time.perf_counter() - start) * 1e3


CASES = {
    # name: (how to run it, rounds at most)
    "pbt each": lambda: pbt_run(8, 2, 2000, scratch=ROOT / "build"),
    "ray class": lambda: ray_run("class", 8, 2, 400),
    "pbt lazy": lambda: pbt_run(8, 2, 4000, "lazy", scratch=ROOT / "build"),
    "ray quiet": lambda: ray_run("quiet", 8, 2, 400),
    "bare loop": lambda: bare(2000),
    "ray function": lambda: ray_run("function", 8, 2, 40),
    "pbt 100 MB": lambda: pbt_run(8, 2, 80, size=HUGE, scratch=ROOT / "build"),
    "ray 100 MB": lambda: ray_run("class", 8, 2, 80, HUGE),
    "pbt 16 slots": lambda: pbt_run(16, 16, 3200, scratch=ROOT / "build"),
    "ray 16 slots": lambda: ray_run("class", 16, 16, 320),
}
RATIOS = [
    ("ray class", "pbt each", 15),
    ("ray quiet", "pbt each", 15),
    ("ray function", "pbt each", 800),
    ("ray class", "pbt lazy", 60),
    ("ray quiet", "pbt lazy", 60),
    ("ray 100 MB", "pbt 100 MB", None),
    ("pbt each", "bare loop", None),
]


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--only", default="", help="cases whose name contains one of these words")
    parser.add_argument("--out", type=Path)
    options = parser.parse_args()
    (ROOT / "build").mkdir(exist_ok=True)
    words = [w for w in options.only.split(",") if w]
    runs = {name: [] for name in CASES if not words or any(w in name for w in words)}
    for i in range(options.rounds):
        for name in runs:
            runs[name].append(CASES[name]())
            print(f"round {i + 1}  {name:14} {runs[name][-1]['ms_per_segment']:9.3f} ms per segment", flush=True)
    median = {name: statistics.median(r["ms_per_segment"] for r in rs) for name, rs in runs.items()}
    result = {
        "date": datetime.datetime.now(datetime.timezone.utc).isoformat(timespec="seconds"),
        "machine": f"{platform.machine()}, {os.cpu_count()} cores, Python {platform.python_version()}, load {os.getloadavg()[0]:.1f}",
        "runs": runs,
        "ratios": {f"{a} / {b}": round(median[a] / median[b], 1) for a, b, _ in RATIOS if a in median and b in median},
    }
    if not words or "exploit" in words:
        result["exploit"] = {f"{size} bytes": exploit_latency(size, n) for size, n in ((64, 400), (HUGE, 60))}
    if not words or "kill" in words:
        result["kill_and_resume"] = kill_and_resume()
        result["python_start_ms"] = python_start()
    print()
    for a, b, target in RATIOS:
        if a in median and b in median:
            print(f"{a:14} / {b:10} {median[a]:9.2f} / {median[b]:7.3f} ms = {median[a] / median[b]:7.1f}" + (f"   (wanted: {target})" if target else ""))
    print(json.dumps({k: result[k] for k in ("exploit", "kill_and_resume", "python_start_ms") if k in result}, indent=1))
    if options.out:
        options.out.write_text(json.dumps(result, indent=1) + "\n")
        print(f"written to {options.out}")


if __name__ == "__main__":
    main()
