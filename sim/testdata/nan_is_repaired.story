# A score that is not finite ranks worst and is never copied; its member gets a
# healthy one's weights. With nobody healthy, it starts again.
> run members=3
    0s run_started
    0s decided: segment 1 of member 0, from segment 0: starts with fresh weights
    0s decided: segment 2 of member 1, from segment 0: starts with fresh weights
    0s decided: segment 3 of member 2, from segment 0: starts with fresh weights
    0s opened
> ask a
    0s leased: segment 1 of member 0 to a, lease 1
    a: train segment 1 of member 0 from step 0 to 10, load "", lr=0.00731385
> report a NaN
    0s finished: segment 1 of member 0 with NaN at step 10
    0s decided: segment 4 of member 0, from segment 0: its score is NaN; restarts with fresh weights and hyperparameters
> ask b
    0s leased: segment 3 of member 2 to b, lease 2
    b: train segment 3 of member 2 from step 0 to 10, load "", lr=0.000152722
> ask c
    0s leased: segment 2 of member 1 to c, lease 3
    c: train segment 2 of member 1 from step 0 to 10, load "", lr=0.0118173
> report b 0.5
    0s finished: segment 3 of member 2 with 0.5 at step 10
    0s decided: segment 5 of member 2, from segment 3: rank 1 of 2 (0.5) is not in the bottom 1; goes on
> report c +Inf
    0s finished: segment 2 of member 1 with +Inf at step 10
    0s decided: segment 6 of member 1, from segment 3: its score is +Inf; repaired from member 2 (0.5, segment 3); lr 0.000152722 × 0.8 = 0.000122177
> members
    member 0: waiting, step 10, 10 spent, stands with segment 1 (NaN), lr=0.00026989
    member 1: waiting, step 10, 10 spent, stands with segment 3 (0.5), lr=0.000122177
    member 2: waiting, step 10, 10 spent, stands with segment 3 (0.5), lr=0.000152722
