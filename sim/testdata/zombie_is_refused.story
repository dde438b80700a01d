# A worker is cut off and counts as lost; another takes over. When the first comes
# back, its report is refused whole, and the second's is taken.
> run silence=10s
    0s run_started
    0s decided: segment 1 of member 0, from segment 0: starts with fresh weights
    0s decided: segment 2 of member 1, from segment 0: starts with fresh weights
    0s opened
> ask a
    0s leased: segment 1 of member 0 to a, lease 1
    a: train segment 1 of member 0 from step 0 to 10, load "", lr=0.00731385
> wait 6s
> beat a
> wait 6s
> wait 5s
    17s failed: segment 1 of member 0: lost (worker a has been silent for 10s), attempt 0, final: false
> ask b
    17s leased: segment 1 of member 0 to b, lease 2
    b: train segment 1 of member 0 from step 0 to 10, load "", lr=0.00731385
> report a 0.9
    17s refused: segment 1 of member 0: lease 1 on segment 1 is dead: lease 2 has replaced it
    no: lease 1 on segment 1 is dead: lease 2 has replaced it
> report b 0.2
    17s finished: segment 1 of member 0 with 0.2 at step 10
    17s decided: segment 3 of member 0, from segment 1: members with a score: 1, needed before the first copy: 2; goes on
# The process is killed and comes back: every lease from before is dead.
> ask c
    17s leased: segment 2 of member 1 to c, lease 3
    c: train segment 2 of member 1 from step 0 to 10, load "", lr=0.0118173
> restart
    17s opened
> report c 0.5
    17s refused: segment 2 of member 1: segment 2 of member 1 is not being trained
    no: segment 2 of member 1 is not being trained
> ask d
    17s leased: segment 2 of member 1 to d, lease 4
    d: train segment 2 of member 1 from step 0 to 10, load "", lr=0.0118173
> report d 0.3
    17s finished: segment 2 of member 1 with 0.3 at step 10
    17s decided: segment 4 of member 1, from segment 2: rank 1 of 2 (0.3) is not in the bottom 1; goes on
