# A generation waits for three of four; when the deadline comes first, those who
# are there go on without the others, and nobody waits for ever.
> run members=4 barrier=yes quorum=0.75 deadline=30s
    0s run_started
    0s decided: segment 1 of member 0, from segment 0: starts with fresh weights
    0s decided: segment 2 of member 1, from segment 0: starts with fresh weights
    0s decided: segment 3 of member 2, from segment 0: starts with fresh weights
    0s decided: segment 4 of member 3, from segment 0: starts with fresh weights
    0s opened
> ask a
    0s leased: segment 1 of member 0 to a, lease 1
    a: train segment 1 of member 0 from step 0 to 10, load "", lr=0.00731385
> ask b
    0s leased: segment 3 of member 2 to b, lease 2
    b: train segment 3 of member 2 from step 0 to 10, load "", lr=0.000152722
> ask c
    0s leased: segment 4 of member 3 to c, lease 3
    c: train segment 4 of member 3 from step 0 to 10, load "", lr=0.00134187
> report a 0.1
    0s finished: segment 1 of member 0 with 0.1 at step 10
> wait 10s
> report b 0.4
    10s finished: segment 3 of member 2 with 0.4 at step 10
> ask a
    10s leased: segment 2 of member 1 to a, lease 4
    a: train segment 2 of member 1 from step 0 to 10, load "", lr=0.0118173
> wait 19s
> wait 1s
    30s decided: segment 5 of member 0, from segment 3: rank 2 of 2 (0.1) is in the bottom 1; copies weights and hyperparameters of member 2 (0.4, segment 3); lr 0.000152722 × 1.2 = 0.000183266
    30s decided: segment 6 of member 2, from segment 3: rank 1 of 2 (0.4) is not in the bottom 1; goes on
> ask a
    30s leased: segment 5 of member 0 to a, lease 5
    a: train segment 5 of member 0 from step 10 to 20, load "s000000003-2", lr=0.000183266
> ask b
    30s leased: segment 6 of member 2 to b, lease 6
    b: train segment 6 of member 2 from step 10 to 20, load "s000000003-2", lr=0.000152722
> report c 0.3
    30s finished: segment 4 of member 3 with 0.3 at step 10
> report a 0.2
    30s finished: segment 5 of member 0 with 0.2 at step 20
> report b 0.5
    30s finished: segment 6 of member 2 with 0.5 at step 20
    30s decided: segment 7 of member 0, from segment 6: rank 3 of 3 (0.2) is in the bottom 1; copies weights and hyperparameters of member 2 (0.5, segment 6); lr 0.000152722 × 1.2 = 0.000183266
    30s decided: segment 8 of member 2, from segment 6: rank 1 of 3 (0.5) is not in the bottom 1; goes on
    30s decided: segment 9 of member 3, from segment 4: rank 2 of 3 (0.3) is not in the bottom 1; goes on
