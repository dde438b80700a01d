# With save=3 a worker keeps a member's weights in memory and goes on with them,
# before anything else. When its process is gone, the member falls back on what was
# last saved of it, and saves for a while.
> run save=3 exploit=none steps=50 silence=60s
    0s run_started
    0s decided: segment 1 of member 0, from segment 0: starts with fresh weights
    0s decided: segment 2 of member 1, from segment 0: starts with fresh weights
    0s opened
> ask a
    0s leased: segment 1 of member 0 to a, lease 1
    a: train segment 1 of member 0 from step 0 to 10, load "", lr=0.00731385
> score a 0.5
    a: saves s000000001-1
    0s finished: segment 1 of member 0 with 0.5 at step 10
    0s decided: segment 3 of member 0, from segment 1: members with a score: 1, needed before the first copy: 2; goes on
> ask a
    0s leased: segment 2 of member 1 to a, lease 2
    a: train segment 2 of member 1 from step 0 to 10, load "", lr=0.0118173
> score a 0.4
    a: saves s000000002-2
    0s finished: segment 2 of member 1 with 0.4 at step 10
    0s decided: segment 4 of member 1, from segment 2: rank 2 of 2 (0.4); nobody copies in this run; goes on
> ask a
    0s leased: segment 4 of member 1 to a, lease 3
    a: train segment 4 of member 1 from step 10 to 20, load "s000000002-2", lr=0.0118173
> score a 0.6
    a: need not save
    0s finished: segment 4 of member 1 with 0.6 at step 20
    0s decided: segment 5 of member 1, from segment 4: rank 1 of 2 (0.6); nobody copies in this run; goes on
> ask a
    0s leased: segment 5 of member 1 to a, lease 4
    a: train segment 5 of member 1 from step 20 to 30, load "", lr=0.0118173
> score a 0.7
    a: need not save
    0s finished: segment 5 of member 1 with 0.7 at step 30
    0s decided: segment 6 of member 1, from segment 5: rank 1 of 2 (0.7); nobody copies in this run; goes on
> members
    member 0: waiting, step 10, 10 spent, stands with segment 1 (0.5), lr=0.00731385
    member 1: waiting, step 30, 30 spent, stands with segment 5 (0.7), lr=0.0118173
> die a
> ask a
    0s rolled_back: member 1 to segment 2, 2 outcomes and 20 steps lost: worker a no longer holds its weights
    0s decided: segment 7 of member 1, from segment 2: rank 2 of 2 (0.4); nobody copies in this run; goes on
    0s leased: segment 7 of member 1 to a, lease 5
    a: train segment 7 of member 1 from step 10 to 20, load "s000000002-2", lr=0.0118173
> score a 0.6
    a: saves s000000007-5
    0s finished: segment 7 of member 1 with 0.6 at step 20
    0s decided: segment 8 of member 1, from segment 7: rank 1 of 2 (0.6); nobody copies in this run; goes on
> members
    member 0: waiting, step 10, 10 spent, stands with segment 1 (0.5), lr=0.00731385
    member 1: waiting, step 20, 20 spent, stands with segment 7 (0.6), lr=0.0118173
> ask b
    0s leased: segment 3 of member 0 to b, lease 6
    b: train segment 3 of member 0 from step 10 to 20, load "s000000001-1", lr=0.00731385
> score b 0.6
    b: need not save
    0s finished: segment 3 of member 0 with 0.6 at step 20
    0s decided: segment 9 of member 0, from segment 3: rank 1 of 2 (0.6); nobody copies in this run; goes on
> ask b
    0s leased: segment 9 of member 0 to b, lease 7
    b: train segment 9 of member 0 from step 20 to 30, load "", lr=0.00731385
> score b 0.7
    b: need not save
    0s finished: segment 9 of member 0 with 0.7 at step 30
    0s decided: segment 10 of member 0, from segment 9: rank 1 of 2 (0.7); nobody copies in this run; goes on
> wait 60s
    60s rolled_back: member 0 to segment 1, 2 outcomes and 20 steps lost: worker b, which holds its weights, has not asked for them in time
    60s decided: segment 11 of member 0, from segment 1: rank 2 of 2 (0.5); nobody copies in this run; goes on
> members
    member 0: waiting, step 10, 10 spent, stands with segment 1 (0.5), lr=0.00731385
    member 1: waiting, step 20, 20 spent, stands with segment 7 (0.6), lr=0.0118173
