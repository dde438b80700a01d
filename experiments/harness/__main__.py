"""python -m harness: run the paper's experiments, and make their results of the records."""

from __future__ import annotations

import argparse
import json
import os
import re
import shutil
import signal
import sys
import time
from pathlib import Path
from types import FrameType

from . import arms, documents, domains, figures, product, records, summary
from .domains import BUILD, Domain


def main(argv: list[str] | None = None) -> None:
    """Read the command line."""
    parser = argparse.ArgumentParser(
        prog="python -m harness", description="The paper's experiments: see experiments/README.md."
    )
    verbs = parser.add_subparsers(dest="verb", required=True)
    run_ = verbs.add_parser("run", help="train, measure and record all arms; goes on where it was interrupted")
    run_.add_argument("domain", choices=domains.names())
    run_.add_argument("--seeds", help="such as 1-5 (default: those of domain.toml)")
    run_.add_argument("--variant", action="append", help="one of domain.toml's (default: all; may be repeated)")
    run_.add_argument("--smoke", action="store_true", help="a tiny budget, into build/; no results are written")
    for name, text in (("summarize", "summary.json and figures of the records"), ("smoke", "every domain at a tiny budget")):
        verbs.add_parser(name, help=text).add_argument("domain", nargs="*", help="(default: all)")
    verbs.add_parser("random", help="write each domain's random.yaml from its pbt.yaml")
    verbs.add_parser("fill", help="write the numbers in the documents")
    verbs.add_parser("check", help="recompute summaries, figures and numbers from the records: exit code 1 at a difference")
    args = parser.parse_args(argv)
    signal.signal(signal.SIGTERM, _interrupt)
    match args.verb:
        case "run":
            run(domains.read(args.domain), args.seeds, args.variant, args.smoke)
        case "summarize":
            for name in args.domain or domains.names():
                summarize(domains.read(name))
        case "smoke":
            smoke(args.domain or domains.names())
        case "random":
            for folder in (domains.EXPERIMENTS / name for name in domains.names()):
                (folder / "random.yaml").write_text(domains.random_yaml((folder / "pbt.yaml").read_text()))
        case "fill":
            fill()
        case "check":
            check()


def _interrupt(signum: int, frame: FrameType | None) -> None:
    raise KeyboardInterrupt


def run(domain: Domain, seeds: str | None, variants: list[str] | None, smoke: bool, results: Path | None = None) -> None:
    """Run what is left to do, seed by seed: so that an early stop leaves whole seeds."""
    arms.prepare(domain, smoke)
    chosen = [domain.variant(v) for v in variants] if variants else [v for v in domain.variants if not v.only_named]
    for variant in chosen:
        for seed in domains.seeds(seeds) if seeds else (variant.seeds[:1] if smoke else variant.seeds):
            began = time.monotonic()
            s = arms.Seed(domain, variant, seed, smoke)
            arms.train(s)
            arms.finals(s)
            records.export(s, results or (BUILD / domain.name / "smoke" / "results" if smoke else domain.results))
            print(f"{domain.name}/{variant.name} seed {seed}: done in {time.monotonic() - began:.0f} s", flush=True)
    if not smoke and not variants:
        records.run_programs(domain, results or domain.results)


def summarize(domain: Domain, results: Path | None = None) -> None:
    """Write summary.json and the figures."""
    folder = results or domain.results
    for name, text in made(domain, folder).items():
        (folder / name).write_text(text)


def made(domain: Domain, results: Path) -> dict[str, str]:
    """Make the files that follow from the records, by name."""
    files: dict[str, str] = {}
    found = summary.of(domain, results)
    if found:
        files["summary.json"] = summary.text(found)
    for variant in domain.variants:
        if len(variant.arms) > 2 and (runs := records.read_all(domain, variant, results)):
            files |= figures.draw(domain, variant, runs)
    for group in domain.groups:
        if group.name in found.get("groups", {}):
            files[f"group-{group.name}.svg"] = figures.draw_group(group, domain, found["groups"][group.name])
    return files


def smoke(names: list[str]) -> None:
    """Run the whole of each domain at a tiny budget, from nothing; several side by side."""
    if len(names) == 1:
        smoke_one(domains.read(names[0]))
        return
    began, running = time.monotonic(), []
    for name in names:
        log = BUILD / name / "smoke.log"
        log.unlink(missing_ok=True)
        running.append(
            (product.start([sys.executable, "-m", "harness", "smoke", name], log, smoke=True, PYTHONPATH=os.getcwd()), log)
        )
    product.wait(running)
    print(*(log.read_text().splitlines()[-1] for _, log in running), sep="\n")
    print(f"smoke: ok in {time.monotonic() - began:.0f} s")


def smoke_one(domain: Domain) -> None:
    """Run the first variant, and look whether it all came out."""
    began = time.monotonic()
    results = BUILD / domain.name / "smoke" / "results"
    shutil.rmtree(results.parent, ignore_errors=True)
    run(domain, None, [domain.variants[0].name], smoke=True)
    summarize(domain, results)
    found = json.loads((results / "summary.json").read_text())[domain.variants[0].name]
    if found["seeds"] != [domain.variants[0].seeds[0]] or set(found["measures"][domain.measure.key]["arms"]) != set(
        domain.variants[0].arms
    ):
        raise SystemExit(f"smoke of {domain.name}: {results}/summary.json has not all arms")
    print(f"smoke {domain.name}: ok in {time.monotonic() - began:.0f} s")


def values() -> documents.Values:
    """Summarise the committed records for the documents."""
    all_of_them = {name: domains.read(name) for name in domains.names()}
    return documents.Values(all_of_them, {name: summary.of(d, d.results) for name, d in all_of_them.items()})


def fill() -> None:
    """Write the numbers in the documents."""
    look_up = values()
    for path in documents.paths():
        path.write_text(documents.filled(documents.read(path), look_up))


def check() -> None:
    """Fail at the first thing that does not follow from the records."""
    wrong = []
    for name in domains.names():
        domain = domains.read(name)
        want = made(domain, domain.results)
        wrong += [domain.results / n for n, text in want.items() if not _same(domain.results / n, text)]
        stray = {p.name for p in domain.results.glob("*") if p.suffix in (".json", ".svg")} - set(want)
        wrong += [
            domain.results / n
            for n in sorted(stray)
            if n == "summary.json" or n.split("-")[-1] in ("result.svg", "curves.svg", "schedules.svg")
        ]
    look_up = values()
    wrong += [path for path in documents.paths() if documents.filled(text := documents.read(path), look_up) != text]
    if wrong:
        raise SystemExit("not what the records say: " + ", ".join(map(str, wrong)) + "\nmake results writes them anew")
    print("results: all follow from the records")


MADE = re.compile(r"summary\.json|group-.*\.svg|.*-(result|curves|schedules)\.svg")  # of the files in results/


def _same(path: Path, text: str) -> bool:
    return path.exists() and path.read_text() == text


if __name__ == "__main__":
    try:
        main()
    except KeyboardInterrupt:
        print("interrupted; the same command goes on", file=sys.stderr)
        sys.exit(130)
