"""Logs a run of pbt to Weights & Biases: one W&B run per member, all in one group.

Reads requests from stdin and answers each on stdout, as lines of JSON. Ends when
stdin does, however pbt ended; what it has been given is then flushed.
"""

import json
import os
import sys


def main() -> None:
    answers = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)  # what wandb prints is not for pbt
    runs: dict[int, object] = {}
    options: dict[str, str] = {}

    def run_of(wandb, member: int, config: dict):
        if member not in runs:
            runs[member] = wandb.init(
                project=options["project"],
                mode=options["mode"],
                dir=options["dir"],
                group=options["group"],
                id=f"{options['id']}-{member:03d}",
                name=f"{options['name']}-member-{member:03d}",
                job_type="member",
                resume="allow" if options["mode"] == "online" else None,
                reinit="create_new",
                config={"pbt": {"run": options["id"], "member": member, "initial": config}},
                settings=wandb.Settings(silent=True, console="off", disable_git=True, disable_code=True),
            )
        return runs[member]

    def handle(request: dict) -> None:
        import wandb

        if request["op"] == "open":
            options.update(request["options"])
        elif request["op"] == "log":
            for row in request["rows"]:
                run = run_of(wandb, row["member"], row.get("initial") or {})
                values = {name: float(x) for name, x in (row.get("values") or {}).items()}
                values.update(row.get("texts") or {})
                if values:
                    run.log(values, step=row["step"], commit=True)
        elif request["op"] == "finish":
            finish()

    def finish() -> None:
        while runs:
            _, run = runs.popitem()
            run.finish()

    try:
        for line in sys.stdin:
            answer = {}
            try:
                handle(json.loads(line))
            except ImportError as e:
                answer["error"] = f"this Python ({sys.executable}) has no wandb: {e}"
            except Exception as e:  # whatever wandb raises, pbt tries again
                answer["error"] = f"{type(e).__name__}: {e}"
            print(json.dumps(answer), file=answers, flush=True)
    except (BrokenPipeError, KeyboardInterrupt):
        pass
    finish()


main()
