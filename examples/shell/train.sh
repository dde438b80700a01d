#!/bin/sh
# Logistic regression by stochastic gradient descent, in a shell and awk. It knows nothing of pbt.
#
#   sh train.sh LR DECAY STEPS SEED SAVE [LOAD]
#
# SAVE and LOAD are directories. The weights are in the file `weights`, and a line for every thousand steps
# in `log.csv`: step, loss, accuracy. pbt.yaml trains a population of it.
set -eu
lr=$1 decay=$2 steps=$3 seed=$4 save=$5 load=${6:-}

if [ -n "$load" ]; then
    cp "$load/weights" "$load/log.csv" "$save"
else
    echo "0 0 0 0 0 0 0" >"$save/weights" # one for each input
    echo "step,loss,accuracy" >"$save/log.csv"
fi

awk -v lr="$lr" -v decay="$decay" -v steps="$steps" -v seed="$seed" -v save="$save" '
# uniform gives a number in (0, 1), the same with every awk: Park and Miller, 1988
function uniform() { state = state * 16807 % 2147483647; return state / 2147483647 }

# point makes the inputs x, of quite different sizes, and returns the label: noisy, and linear in x
function point(    i, z) {
    z = 4 * (uniform() + uniform() - 1)
    for (i = 1; i <= n; i++) { x[i] = (2 * uniform() - 1) * i * i / 9; z += (i % 2 ? 5 : -5) / i * x[i] }
    return z > 0
}

function predict(    i, z) {
    for (i = 1; i <= n; i++) z += w[i] * x[i]
    return 1 / (1 + exp(z > 30 ? -30 : z < -30 ? 30 : -z))
}

function measure(    i, label, p, loss, right) {
    state = 1                                        # always the same points
    for (i = 0; i < 1000; i++) {
        label = point(); p = predict()
        loss -= log(label ? p : 1 - p); right += (p > 0.5) == label
    }
    printf "%d,%.6f,%.4f\n", from + s, loss / 1000, right / 1000 >>(save "/log.csv")
}

FILENAME ~ /log.csv$/ { from = $1 + 0; next }         # the last line says how far it was
{ n = split($0, w) }

END {
    seed = seed % 2147483646 + 1
    for (s = 1; s <= steps; s++) {
        state = seed; label = point(); seed = state
        error = predict() - label
        for (i = 1; i <= n; i++) w[i] -= lr * (error * x[i] + decay * w[i])
        if (s % 1000 == 0 || s == steps) measure()
    }
    for (i = 1; i <= n; i++) printf "%.17g%s", w[i], i < n ? " " : "\n" >(save "/weights")
}' FS=, "$save/log.csv" FS=' ' "$save/weights"
