# A loser copies the winner, whole: weights, score and hyperparameters. It then
# stands in the population with the winner's record, and explores from there.
> run
    0s run_started
    0s decided: segment 1 of member 0, from segment 0: starts with fresh weights
    0s decided: segment 2 of member 1, from segment 0: starts with fresh weights
    0s opened
> ask a
    0s leased: segment 1 of member 0 to a, lease 1
    a: train segment 1 of member 0 from step 0 to 10, load "", lr=0.00731385
> ask b
    0s leased: segment 2 of member 1 to b, lease 2
    b: train segment 2 of member 1 from step 0 to 10, load "", lr=0.0118173
> report a 0.9
    0s finished: segment 1 of member 0 with 0.9 at step 10
    0s decided: segment 3 of member 0, from segment 1: members with a score: 1, needed before the first copy: 2; goes on
> report b 0.1
    0s finished: segment 2 of member 1 with 0.1 at step 10
    0s decided: segment 4 of member 1, from segment 1: rank 2 of 2 (0.1) is in the bottom 1; copies weights and hyperparameters of member 0 (0.9, segment 1); lr 0.00731385 × 0.8 = 0.00585108
> members
    member 0: waiting, step 10, 10 spent, stands with segment 1 (0.9), lr=0.00731385
    member 1: waiting, step 10, 10 spent, stands with segment 1 (0.9), lr=0.00585108
> ask b
    0s leased: segment 4 of member 1 to b, lease 3
    b: train segment 4 of member 1 from step 10 to 20, load "s000000001-1", lr=0.00585108
