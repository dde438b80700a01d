# Somebody steers a run. What is planned and not at work yet is planned anew; a
# member at work does as wished with its next segment. What makes no sense is refused.
> run steps=30 exploit=none
    0s run_started
    0s decided: segment 1 of member 0, from segment 0: starts with fresh weights
    0s decided: segment 2 of member 1, from segment 0: starts with fresh weights
    0s opened
> ask a
    0s leased: segment 1 of member 0 to a, lease 1
    a: train segment 1 of member 0 from step 0 to 10, load "", lr=0.00731385
> set 0 0.02
    0s steered: member 0, set 0
> set 1 0.03
    0s steered: member 1, set 0
    0s decided: segment 3 of member 1, from segment 0: as somebody wished; goes on; lr 0.0118173 set by hand = 0.03
> set 1 7
    no: lr: 7 is not a number in [0.0001, 0.1]
> report a 0.5
    0s finished: segment 1 of member 0 with 0.5 at step 10
    0s decided: segment 4 of member 0, from segment 1: as somebody wished; goes on; lr 0.00731385 set by hand = 0.02
> hold
    0s paused: paused by hand me
> ask a
    a: no work now
> pin 1
    0s pinned: segment 1, off: false
> inject 0.05
    0s member_added: member 2, fresh 0
> kill 1
    no: member 1 is waiting: no segment of it is being trained
> resume
    0s resumed
    0s decided: segment 5 of member 2, from segment 0: as somebody wished; restarts with fresh weights and hyperparameters
> ask a
    0s leased: segment 5 of member 2 to a, lease 2
    a: train segment 5 of member 2 from step 0 to 10, load "", lr=0.05
> kill 2
    0s failed: segment 5 of member 2: lost (given up by hand (me)), attempt 0, final: false
> ask a
    0s leased: segment 5 of member 2 to a, lease 3
    a: train segment 5 of member 2 from step 0 to 10, load "", lr=0.05
> report a 0.7
    0s finished: segment 5 of member 2 with 0.7 at step 10
    0s decided: segment 6 of member 2, from segment 5: rank 1 of 2 (0.7); nobody copies in this run; goes on
> copy 0 2
    0s steered: member 0, copy 5
    0s decided: segment 7 of member 0, from segment 5: as somebody wished; copies weights and hyperparameters of member 2 (0.7, segment 5)
> restart-member 1
    0s steered: member 1, restart 0
    0s decided: segment 8 of member 1, from segment 0: as somebody wished; restarts with fresh weights and hyperparameters
> retire 2
    0s member_done: member 2, retired
> retire 2
    no: member 2 is retired: it trains no more
> members
    member 0: waiting, step 10, 10 spent, stands with segment 5 (0.7), lr=0.05
    member 1: waiting, step 0, 0 spent, stands with segment 0 (NaN), lr=0.00742616
    member 2: retired, step 10, 10 spent, stands with segment 5 (0.7), lr=0.05
> ask a
    0s leased: segment 8 of member 1 to a, lease 4
    a: train segment 8 of member 1 from step 0 to 10, load "", lr=0.00742616
> report a 0.9
    0s finished: segment 8 of member 1 with 0.9 at step 10
    0s decided: segment 9 of member 1, from segment 8: members with a score: 1, needed before the first copy: 2; goes on
> unpin 1
    0s pinned: segment 1, off: true
> restart
    0s opened
> members
    member 0: waiting, step 10, 10 spent, stands with segment 5 (0.7), lr=0.05
    member 1: waiting, step 10, 10 spent, stands with segment 8 (0.9), lr=0.00742616
    member 2: retired, step 10, 10 spent, stands with segment 5 (0.7), lr=0.05
