"""English-German sentence pairs from Debian: LibreOffice's help texts and the package descriptions.

python3 prepare.py              # downloads 22 MB, writes build/experiments/translation/data; a minute
python3 prepare.py --sample     # the 590 pairs in sample/, for a smoke test (so too if EXPERIMENT_SMOKE is set): no download
python3 prepare.py --verify     # what is there is what was made
python3 prepare.py --draw-sample    # draw sample/ from the data

Needs apt-get, dpkg-deb and /usr/lib/apt/apt-helper, the network of a Debian mirror, and no root. apt keeps what it fetches
in a directory of its own: nothing is installed, and the machine's package lists stay as they are.

Done once, it finds its work done. What it counts on the way is in counts.json, beside the data.
"""

import argparse
import collections
import hashlib
import html.parser
import io
import json
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import sentencepiece

HERE = Path(__file__).resolve().parent
BUILD = Path(os.environ.get("EXPERIMENT_DATA") or HERE.parents[1] / "build" / "experiments") / "translation"
SAMPLE = HERE / "sample"

SUITE = "bookworm"  # whatever the machine itself runs
MIRROR = os.environ.get("DEBIAN_MIRROR", "http://deb.debian.org/debian")
HELP = {"en": ("libreoffice-help-en-us", "en-US"), "de": ("libreoffice-help-de", "de")}  # package, directory

WORDS = (3, 25)  # in a sentence, both languages
WORD_RATIO = 2.0  # the longer over the shorter
LETTERS = 0.9  # letters and blanks among the characters
MARKUP = re.compile(r"[<>{}\[\]\\|=_*~^@#]|://|www\.|\.\w{2,4}/|--")
SHARES = {"dev": 0.06, "test": 0.08}  # of the files and of the packages; the rest is for training
SCORED = {"dev": 512, "test": 2000}  # sentences at most
SAMPLED = {"train": 500, "dev": 40, "test": 60}  # pairs of help texts in sample/
SAMPLED_CHARACTERS = 28  # of a sentence there: one bucket of train.py's, and so one compilation
NEAR = 0.6  # Jaccard similarity of two sentences' character 4-grams, at which one is a near-duplicate of the other
VOCABULARY = {"data": 3000, "sample": 500}
LONGEST = 24  # tokens of a sentence, with its end
PAD, UNKNOWN, START, END = 0, 1, 2, 3
VERSION = 4  # of this recipe: another one makes the data anew


# --- fetch ----------------------------------------------------------------------


def apt(work, *command):
    """Run an apt program with lists, cache and sources of its own. -c is read last, so that it wins over the machine's."""
    run = subprocess.run(
        [*command[:1], "-c", str(work / "apt.conf"), *command[1:]],
        cwd=work,
        env={**os.environ, "LC_ALL": "C.UTF-8"},
        capture_output=True,
    )
    if run.returncode:
        error = run.stderr.decode(errors="replace").strip()
        sys.exit(f"{' '.join(command)}: {error}\nCan {MIRROR} be reached? For another mirror, set DEBIAN_MIRROR=http://…")
    return run.stdout


def fetch(work):
    """Download into work, once, and give the versions of what was downloaded."""
    done = work / "versions.json"
    if done.exists():
        return json.loads(done.read_text())
    for part in ("lists/partial", "cache/archives/partial"):
        (work / part).mkdir(parents=True, exist_ok=True)
    (work / "sources.list").write_text(
        f"deb [signed-by=/usr/share/keyrings/debian-archive-keyring.gpg] {MIRROR} {SUITE} main\n"
    )
    (work / "apt.conf").write_text(
        f"""#clear Acquire::Languages;
Acquire::Languages {{ "en"; "de"; }};
Acquire::IndexTargets::deb::DEP-11::DefaultEnabled "false";
Dir::State "{work}"; Dir::State::Lists "{work}/lists"; Dir::State::status "/var/lib/dpkg/status";
Dir::Cache "{work}/cache"; Dir::Etc::SourceList "{work}/sources.list"; Dir::Etc::SourceParts "/dev/null";
APT::Sandbox::User "";
"""
    )
    print("fetching the package lists and LibreOffice's help (22 MB)", file=sys.stderr)
    apt(work, "apt-get", "-qq", "update")
    apt(work, "apt-get", "-qq", "download", *(package for package, _ in HELP.values()))
    versions = {}
    for package, _ in HELP.values():
        deb = newest(work.glob(f"{package}_*.deb"))
        subprocess.run(["dpkg-deb", "-x", deb, work / "help"], check=True)
        versions[package] = subprocess.run(
            ["dpkg-deb", "-f", deb, "Version"], check=True, capture_output=True, text=True
        ).stdout.strip()
    for language in HELP:
        listed = newest((work / "lists").glob(f"*_i18n_Translation-{language}*"))
        text = apt(work, "/usr/lib/apt/apt-helper", "cat-file", str(listed))
        (work / f"descriptions.{language}").write_bytes(text)
        versions[f"Translation-{language}"] = hashlib.sha256(text).hexdigest()[:16]
    done.write_text(json.dumps(versions))
    return versions


def newest(paths):
    return max(paths, key=lambda path: path.stat().st_mtime)


# --- align ----------------------------------------------------------------------


class Paragraphs(html.parser.HTMLParser):
    """The paragraphs and headings of a help page, by their id. What a browser hides for this system is left out."""

    VOID = {"area", "base", "br", "col", "embed", "hr", "img", "input", "link", "meta", "source", "track", "wbr"}

    def __init__(self):
        super().__init__(convert_charrefs=True)
        self.found = collections.defaultdict(list)
        self._name = self._text = None
        self._stack = []  # whether each open element is left out
        self._outer = 0

    def handle_starttag(self, tag, attributes):
        if tag in self.VOID:
            if tag == "br":
                self.handle_data(" ")
            return
        attributes = dict(attributes)
        skip = tag in ("script", "style", "button") or attributes.get("class") == "MAC"
        self._stack.append((tag, skip or bool(self._stack and self._stack[-1][1])))
        name = attributes.get("id") or ""
        if tag in ("p", "h1", "h2", "h3", "h4", "h5", "h6") and re.match(r"(par|hd|tit)_", name):
            self._name, self._text, self._outer = name, io.StringIO(), len(self._stack)

    def handle_endtag(self, tag):
        if tag not in [name for name, _ in self._stack]:
            return
        while self._stack:
            name, _ = self._stack.pop()
            if self._text is not None and len(self._stack) < self._outer:
                self.found[self._name].append(" ".join(self._text.getvalue().split()))
                self._text = None
            if name == tag:
                break

    def handle_data(self, data):
        if self._text is not None and not self._stack[-1][1]:
            self._text.write(data)


def align_help(work):
    """Give (file, English, German) for every paragraph that both languages have under one id of one file."""
    root = {language: work / "help/usr/share/libreoffice/help" / directory for language, (_, directory) in HELP.items()}
    for path in sorted((root["en"] / "text").rglob("*.html")):
        name = path.relative_to(root["en"])
        if not (root["de"] / name).exists():
            continue
        pages = {}
        for language in root:
            parser = Paragraphs()
            parser.feed((root[language] / name).read_text(encoding="utf-8"))
            pages[language] = parser.found
        for key, english in pages["en"].items():
            german = pages["de"].get(key, [])
            if len(english) == len(german):
                yield from ((f"help/{name}", *pair) for pair in zip(english, german, strict=True))


def align_descriptions(work):
    """Give (package, English, German) for every paragraph of a description that is the same text, by its MD5."""
    known = {}
    for language in HELP:
        known[language] = {}
        for record in (work / f"descriptions.{language}").read_text(encoding="utf-8").split("\n\n"):
            head = re.match(rf"Package: (\S+)\nDescription-md5: (\S+)\nDescription-{language}: (.*)\n?", record)
            if head:
                known[language].setdefault(head[2], (head[1], paragraphs(head[3], record[head.end() :])))
    for key, (package, german) in known["de"].items():
        _, english = known["en"].get(key, (package, []))
        if len(english) == len(german):
            yield from ((f"package/{package}", *pair) for pair in zip(english, german, strict=True))


def paragraphs(first, rest):
    """Split a description: its first line, then paragraphs between lines with a dot, and the points of lists."""
    found = [first.strip(), ""]
    for line in rest.splitlines():
        if line.strip() == ".":
            found.append("")
        elif re.match(r"\s{2,}[-*•o+]\s", line):
            found.append(re.sub(r"^\s+\S\s+", "", line))
        else:
            found[-1] += " " + line.strip()
    return [text for text in (" ".join(text.split()) for text in found) if text]


# --- clean and split -----------------------------------------------------------------


def clean(english, german):
    """Say why a pair is left out, or None."""
    pair = (english, german)
    words = [len(text.split()) for text in pair]
    if min(words) < WORDS[0] or max(words) > WORDS[1]:
        return "not 3 to 25 words"
    if max(words) > WORD_RATIO * min(words):
        return "length ratio above 2"
    if any(MARKUP.search(text) for text in pair):
        return "markup"
    if min(sum(c.isalpha() or c == " " for c in text) / len(text) for text in pair) < LETTERS:
        return "fewer than 90 % letters"
    if normal(english) == normal(german):
        return "not translated"
    return None


def normal(text):
    """Fold case, digits and signs, so that what only differs there is the same."""
    return " ".join(re.sub(r"[^\w]+", " ", re.sub(r"\d+", "0", text.casefold())).split())


def part(group):
    """Draw a file's or a package's part from its name: it stays when Debian adds others."""
    x = int.from_bytes(hashlib.sha256(f"pbt {group}".encode()).digest()[:8], "big") / 2**64
    return "dev" if x < SHARES["dev"] else "test" if x < SHARES["dev"] + SHARES["test"] else "train"


def split(pairs, counts):
    """Give {part: [(group, English, German)]}: cleaned, each sentence once, no near-duplicate across parts."""
    seen, parts = set(), {"train": [], "dev": [], "test": []}
    for group, english, german in pairs:
        source = group.split("/")[0]
        counts[source]["aligned"] += 1
        why = clean(english, german)
        if why is None and (normal(english) in seen or normal(german) in seen):
            why = "said before"
        if why:
            counts[source][f"left out: {why}"] += 1
            continue
        seen |= {normal(english), normal(german)}
        counts[source]["pairs"] += 1
        parts[part(group)].append((group, english, german))
    for poor, good in (("train", "test"), ("train", "dev"), ("dev", "test")):
        close = near(parts[poor], parts[good])
        counts["near-duplicates removed"][f"from {poor}, of {good}"] = int(sum(close))
        parts[poor] = [pair for pair, like in zip(parts[poor], close, strict=True) if not like]
    return parts


def near(pairs, others):
    """Say of each pair whether some other pair says nearly the same, in either language."""
    found = np.zeros(len(pairs), bool)
    for side in (1, 2):
        ids = {}
        grams = [{ids.setdefault(g, len(ids)) for g in shingles(pair[side])} for pair in [*pairs, *others]]
        mine, theirs = grams[: len(pairs)], grams[len(pairs) :]
        sizes = np.array([len(g) for g in mine])
        where = collections.defaultdict(list)
        for row, gram in enumerate(mine):
            for g in gram:
                where[g].append(row)
        where = {g: np.array(rows, np.int32) for g, rows in where.items()}
        for gram in theirs:
            rows = [where[g] for g in gram if g in where]
            if rows:
                common = np.bincount(np.concatenate(rows), minlength=len(pairs))
                found |= common >= NEAR * (sizes + len(gram) - common)
    return found


def shingles(text):
    text = f" {normal(text)} "
    return {text[i : i + 4] for i in range(max(1, len(text) - 3))}


def counters():
    """Begin to count what becomes of the pairs: {where: {what: how many}}."""
    return collections.defaultdict(collections.Counter)


def lot(pair):
    """Give a number to draw lots with, which is the same whatever other pairs there are."""
    return hashlib.sha256("\t".join(pair).encode()).digest()


# --- encode ---------------------------------------------------------------------


def encode(parts, directory, vocabulary, counts):
    """Train sentencepiece on the training part, and write the parts as text and as token numbers."""
    model = io.BytesIO()
    sentencepiece.SentencePieceTrainer.train(
        sentence_iterator=iter([text for pair in parts["train"] for text in pair[1:]]),
        model_writer=model,
        vocab_size=vocabulary,
        model_type="unigram",
        character_coverage=0.9995,
        pad_id=PAD,
        unk_id=UNKNOWN,
        bos_id=START,
        eos_id=END,
        num_threads=1,
        minloglevel=2,
    )
    (directory / "spm.model").write_bytes(model.getvalue())
    pieces = sentencepiece.SentencePieceProcessor(model_proto=model.getvalue())
    for name, pairs in parts.items():
        rows = [(pieces.encode(english), pieces.encode(german)) for _, english, german in pairs]
        fit = [max(map(len, row)) + 1 <= LONGEST for row in rows]
        kept = [(pair, row) for pair, row, f in zip(pairs, rows, fit, strict=True) if f]
        counts["too long in tokens"][name] = len(rows) - len(kept)
        if name in SCORED:  # the same ones whatever else is there
            kept = sorted(kept, key=lambda item: lot(item[0]))[: SCORED[name]]
        counts["used"][name] = len(kept)
        for source in ("help", "package"):
            counts["used"][f"{name}, {source}"] = sum(pair[0].startswith(source) for pair, _ in kept)
        (directory / f"{name}.tsv").write_text("".join("\t".join(pair) + "\n" for pair, _ in kept), encoding="utf-8")
        arrays = {}
        for side, language in enumerate(HELP):
            arrays[language] = np.full((len(kept), LONGEST), PAD, np.int16)
            for i, (_, row) in enumerate(kept):
                arrays[language][i, : len(row[side]) + 1] = [*row[side], END]
        np.savez(directory / f"{name}.npz", **arrays, help=np.array([pair[0].startswith("help") for pair, _ in kept]))
    counts["tokens"]["vocabulary"] = pieces.get_piece_size()


# --- put together ------------------------------------------------------------------


def read(path):
    return [tuple(line.split("\t")) for line in path.read_text(encoding="utf-8").splitlines()]


def write(target, parts, vocabulary, counts, facts):
    """Make the directory in one step, so that what is there is whole."""
    made = target.with_name(target.name + ".new")
    shutil.rmtree(made, ignore_errors=True)
    made.mkdir(parents=True)
    encode(parts, made, vocabulary, counts)
    files = {path.name: hashlib.sha256(path.read_bytes()).hexdigest() for path in sorted(made.iterdir())}
    facts = {"recipe": VERSION, **facts, "counts": {name: dict(sorted(count.items())) for name, count in counts.items()}}
    (made / "counts.json").write_text(json.dumps({**facts, "sha256": files}, indent=1, ensure_ascii=False) + "\n")
    shutil.rmtree(target, ignore_errors=True)
    made.rename(target)


def current(target):
    """Say whether the directory is there, whole, and of this recipe."""
    try:
        facts = json.loads((target / "counts.json").read_text())
    except FileNotFoundError:
        return False
    return facts["recipe"] == VERSION and all((target / name).exists() for name in facts["sha256"])


def draw_sample(source):
    """Draw sample/ from the help texts, which are under MPL-2.0; the descriptions' licences are those of their packages."""
    for name, size in SAMPLED.items():
        short = [
            p for p in read(source / f"{name}.tsv") if p[0].startswith("help/") and max(map(len, p[1:])) <= SAMPLED_CHARACTERS
        ]
        (SAMPLE / f"{name}.tsv").write_text(
            "".join("\t".join(p) + "\n" for p in sorted(short, key=lot)[:size]), encoding="utf-8"
        )


def verify(target):
    facts = json.loads((target / "counts.json").read_text())
    for name, digest in facts["sha256"].items():
        if hashlib.sha256((target / name).read_bytes()).hexdigest() != digest:
            sys.exit(f"{target / name} is not what prepare.py made: remove {target} and run it again")


def main():
    options = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    options.add_argument("--sample", action="store_true", help="the small committed part only, without a download")
    options.add_argument("--verify", action="store_true", help="compare the files with their checksums")
    options.add_argument("--draw-sample", action="store_true", help="draw the small part anew from the data")
    chosen = options.parse_args()
    kind = "sample" if chosen.sample or os.environ.get("EXPERIMENT_SMOKE") else "data"
    target = BUILD / kind
    if not current(target):
        counts = counters()
        if kind == "sample":
            parts, facts = {name: read(SAMPLE / f"{name}.tsv") for name in ("train", "dev", "test")}, {}
        else:
            work = BUILD / "fetched"
            facts = {"suite": SUITE, "versions": fetch(work)}
            parts = split([*align_help(work), *align_descriptions(work)], counts)
        write(target, parts, VOCABULARY[kind], counts, facts)
    if chosen.draw_sample:
        draw_sample(BUILD / "data")
    if chosen.verify:
        verify(target)
    print(target)


if __name__ == "__main__":
    main()
