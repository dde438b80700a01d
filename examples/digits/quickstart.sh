#!/usr/bin/env bash
# The quickstart behind `make run`: PBT beside a random search of equal budget, the same first
# hyperparameters and the same first weights. Killed and called again, it goes on where it was.
set -euo pipefail
cd "$(dirname "$0")/../.."
seed=${1:-1}
pbt=bin/pbt

train() { # name, experiment file
  local dir="runs/quickstart-$1-seed$seed"
  if [ -e "$dir/journal.sqlite" ]; then
    "$pbt" resume "$dir"
  else
    "$pbt" run "examples/digits/$2" --dir "$dir" --seed "$seed"
  fi
}

echo "== random search: 16 networks, each with its own constant hyperparameters"
train random random.yaml
echo
echo "== PBT: the same 16 networks; the poor copy the good and vary what they copied"
train pbt pbt.yaml
echo
go run ./examples/digits/compare "runs/quickstart-pbt-seed$seed" "runs/quickstart-random-seed$seed"
echo
echo "look closer:  $pbt serve runs                (both runs in a browser, side by side under Compare)"
echo "              $pbt status runs/quickstart-pbt-seed$seed"
echo "              $pbt verify runs/quickstart-pbt-seed$seed"
echo "again:        rm -r runs/quickstart-*-seed$seed; make run      another seed: make run SEED=2"
