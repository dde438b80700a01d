#!/usr/bin/env bash
# The real runs behind PREREGISTERED.md: every policy on the same seed, seed by seed, so that an early stop leaves whole
# seeds. Interrupted in any way, the same command continues. Usage: real.sh [FIRST-LAST] (default 6-35); needs bin/pbt and build/venv.
set -euo pipefail
cd "$(dirname "$0")/.."
seeds=${1:-6-35}
policies=("" -founders-c -founders-a -founders-bold -burn-in)
for seed in $(seq "${seeds%-*}" "${seeds#*-}"); do
  for domain in analysis:digits rl:breakout rl:invaders; do
    for policy in "${policies[@]}"; do
      ../build/venv/bin/python -m harness run "${domain%:*}" --variant "${domain#*:}-many$policy" --seeds "$seed"
    done
  done
done
