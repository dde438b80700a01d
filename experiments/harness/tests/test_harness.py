"""The harness on the engine's own toy, with the real binary: no JAX, no network."""

from __future__ import annotations

import contextlib
import csv
import io
import json
import os
import signal
import sqlite3
import subprocess
import sys
import time
from pathlib import Path

import pytest

from harness import arms, documents, domains, product, records, summary
from harness.__main__ import made, run
from harness.domains import EXPERIMENTS, Domain

DOMAIN = """
title = "Toy"
seeds = "1-2"
measure = {key = "q", goal = "maximize", label = "Q", digits = 3}
smoke = ["budget.steps=20"]
"""
PBT = """\
name: toy-pbt
population: 4
segment: {steps: 5}
budget: {steps: 40}
hyperparameters:
  h0: {uniform: [0, 1]}
  h1: {uniform: [0, 1]}
exploit: {truncation: 0.25}
trainer: {builtin: quadratic, slots: 2}
"""
JOURNALS = "toy/runs/*/*/*/journal.sqlite"
FINAL = """\
import json, os, sys
print(json.dumps({"q": float(len(os.listdir(sys.argv[1])))}))
"""


@pytest.fixture
def domain(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Domain:
    folder = tmp_path / "toy"
    folder.mkdir()
    (folder / "domain.toml").write_text(DOMAIN)
    (folder / "pbt.yaml").write_text(PBT)
    (folder / "random.yaml").write_text(domains.random_yaml(PBT))
    (folder / "final.py").write_text(FINAL)
    for module in (domains, arms, product):
        monkeypatch.setattr(module, "BUILD", tmp_path / "build")
    monkeypatch.setattr(domains, "EXPERIMENTS", tmp_path)
    return domains.read("toy")


def test_all_arms_from_nothing_and_again(domain: Domain) -> None:
    run(domain, None, None, smoke=False)
    first = {p.relative_to(domain.results): p.read_bytes() for p in domain.results.rglob("*") if p.is_file()}
    assert {p.name for p in first} == {f"{arm}.{end}" for arm in domains.ARMS for end in ("json", "csv.gz")}
    run(domain, None, None, smoke=False)
    assert first == {p.relative_to(domain.results): p.read_bytes() for p in domain.results.rglob("*") if p.is_file()}
    found = summary.of(domain, domain.results)["main"]
    assert found["seeds"] == [1, 2]
    runs = records.read_all(domain, domain.variants[0], domain.results)[1]
    # the same first hyperparameters and the same number of segments; the replay follows PBT's schedule
    starts = [[(r["hypers.h0"], r["hypers.h1"]) for r in runs[a].rows if r["turn"] == "0"] for a in ("pbt", "random")]
    assert starts[0] == starts[1] and len(set(starts[0])) == 4
    assert len(runs["pbt"].finished) == len(runs["random"].finished) == 32
    best = runs["pbt"].best
    ancestry = [r["hypers.h0"] for r in runs["pbt"].ancestry(best["segment"])]
    assert [r["hypers.h0"] for r in runs["replay"].rows] == ancestry
    assert {r["hypers.h0"] for r in runs["final"].rows} == {ancestry[-1]}
    assert sum(int(r["steps"]) for r in runs["final"].rows) == best["step"]
    assert all(r["action"] != "copy" for r in runs["random"].rows)


def test_the_same_records_give_the_same_files(domain: Domain) -> None:
    run(domain, "1", None, smoke=False)
    assert made(domain, domain.results) == made(domain, domain.results)
    assert set(made(domain, domain.results)) == {"summary.json", *(f"main-{f}.svg" for f in ("result", "curves", "schedules"))}


def test_a_changed_experiment_is_not_gone_on_with(domain: Domain) -> None:
    run(domain, "1", None, smoke=False)
    path = domain.folder / "pbt.yaml"
    path.write_text(path.read_text().replace("0.25", "0.5"))
    with pytest.raises(SystemExit, match="begun from another experiment"):
        run(domain, "1", None, smoke=False)


def test_a_run_killed_before_its_first_event_is_begun(domain: Domain) -> None:
    s = arms.Seed(domain, domain.variants[0], 1)
    assert product.state(s.run("pbt")) == "none"
    product.ask(*arms.command(s, "pbt"))
    assert product.state(s.run("pbt")) == "finished"
    with contextlib.closing(sqlite3.connect(s.run("pbt") / "journal.sqlite")) as journal, journal:
        journal.execute("DELETE FROM events")
    assert product.state(s.run("pbt")) == "none"
    run(domain, "1", None, smoke=False)
    assert product.state(s.run("pbt")) == "finished"


def test_killed_at_any_time_it_goes_on(domain: Domain, tmp_path: Path) -> None:
    path = domain.folder / "pbt.yaml"
    path.write_text(path.read_text().replace("{steps: 40}", "{steps: 2000}").replace("{steps: 5}", "{steps: 20}"))
    (domain.folder / "random.yaml").write_text(domains.random_yaml(path.read_text()))
    code = (
        "import pathlib, sys; from harness import domains, arms, product; import harness.__main__ as m\n"
        f"for x in (domains, arms, product): x.BUILD = pathlib.Path({str(tmp_path / 'build')!r})\n"
        f"domains.EXPERIMENTS = pathlib.Path({str(tmp_path)!r})\n"
        "m.run(domains.read('toy'), '1', None, smoke=False)"
    )
    env = {**os.environ, "PYTHONPATH": str(EXPERIMENTS)}
    kills = 0
    for segments in (3, 450, None):
        process = subprocess.Popen([sys.executable, "-c", code], env=env)
        while segments is not None and process.poll() is None and _segments(tmp_path) < segments:
            time.sleep(0.1)
        if segments is not None and process.poll() is None:
            process.send_signal(signal.SIGKILL)
            kills += 1
        process.wait()
    assert process.returncode == 0 and kills > 0
    runs = records.read_all(domain, domain.variants[0], domain.results)[1]
    assert len(runs["pbt"].finished) == 400


def _segments(tmp_path: Path) -> int:
    """Count outcomes in all journals there are."""
    found = 0
    for journal in (tmp_path / "build").glob(JOURNALS):
        if journal.stat().st_size:
            status = subprocess.run(
                [product.PBT, "status", journal.parent, "--json"], capture_output=True, text=True, check=False
            )
            found += json.loads(status.stdout)["segments"]["finished"] if status.returncode == 0 else 0
    return found


def test_marks() -> None:
    text = "a <!--=x-->old<!--/--> b\n<!--=t-->\n\n<!--/-->\n"
    once = documents.filled(text, {"x": "1.5", "t": "| a |\n| b |"}.__getitem__)
    assert once == "a <!--=x-->1.5<!--/--> b\n<!--=t-->\n| a |\n| b |\n<!--/-->\n"
    assert documents.filled(once, {"x": "1.5", "t": "| a |\n| b |"}.__getitem__) == once


def test_main_results_stand_between_two_lines() -> None:
    text = f"before\n{documents.BEGIN}\nold\n{documents.END}\nafter\n"
    once = documents.filled(text, lambda name: "1 to 2" if "interval" in name else "3")
    lines = once.splitlines()
    assert lines[:2] == ["before", documents.BEGIN] and lines[-2:] == [documents.END, "after"]
    assert len(lines) == 6 + len(documents.HEADLINES) and lines[4].endswith("| 3 | 3 | 3 of 3 seeds | 3 (1 to 2) |")
    assert documents.filled(once, lambda name: "1 to 2" if "interval" in name else "3") == once
    assert documents.filled(once, lambda name: "1 to 2" if "interval" in name else "4") != once


@pytest.mark.parametrize(
    "text",
    [
        "no table\n",
        f"{documents.BEGIN}\n",
        f"{documents.END}\n",
        f"{documents.BEGIN}\n{documents.BEGIN}\n{documents.END}\n",
        2 * f"{documents.BEGIN}\n{documents.END}\n",
    ],
)
def test_a_readme_without_its_table_of_main_results_is_refused(
    text: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    readme = tmp_path / "README.md"
    readme.write_text(text)
    monkeypatch.setattr(documents, "README", readme)
    with pytest.raises(SystemExit, match=r"README\.md: .*results: "):
        documents.read(readme)


def test_each_random_yaml_is_pbt_yaml_without_exploit() -> None:
    for name in domains.names():
        folder = EXPERIMENTS / name
        assert (folder / "random.yaml").read_text() == domains.random_yaml((folder / "pbt.yaml").read_text()), name


def test_with_a_barrier_slots_change_no_decision(domain: Domain) -> None:
    tables = []
    for slots in (1, 2, 4):
        run_dir = domain.folder / f"slots-{slots}"
        words = ["--set", "barrier=true", "--set", f"trainer.slots={slots}", "--no-web", "--quiet"]
        product.ask("run", domain.folder / "pbt.yaml", "--dir", run_dir, *words)
        rows = csv.DictReader(io.StringIO(product.ask("export", run_dir)))
        timing = {"decided_at", "leased_at", "finished_at", "seconds", "worker", "checkpoint"}  # and a lease's number in a name
        tables.append([{k: v for k, v in r.items() if k not in timing and not k.endswith("_s")} for r in rows])
    assert len(tables[0]) == 32 and any(r["action"] == "copy" for r in tables[0])
    assert tables[0] == tables[1] == tables[2]


def test_groups_compare_with_their_first_member(domain: Domain) -> None:
    path = domain.folder / "domain.toml"
    path.write_text(
        DOMAIN
        + """
[variants.main]
[variants.tournament]
set = ["exploit=tournament"]
arms = ["pbt"]
[groups.exploit]
members = ["main", "tournament", "main/random"]
[programs]
count = ["echo", '{"rows": [{"a": 1, "b_c": 0.25}]}']
"""
    )
    domain = domains.read("toy")
    run(domain, None, None, smoke=False)
    found = made(domain, domain.results)
    assert "group-exploit.svg" in found
    group = json.loads(found["summary.json"])["groups"]["exploit"]["measures"]["q"]
    assert set(group) == {"main", "tournament", "main/random"} and group["main"]["against_first"]["ties"] == 2
    values = documents.Values({"toy": domain}, {"toy": json.loads(found["summary.json"])})
    assert values("toy/groups/exploit").count("\n") == 4
    assert values("toy/programs/count") == "| a | b c |\n| --- | --- |\n| 1 | 0.25 |"
    assert values("toy/groups/exploit/seeds") == "1, 2"
    for table in ("table", "pairs", "by-seed", "schedules", "along", "lineages", "times", "settings"):
        assert values(f"toy/main/{table}").startswith("| ")
