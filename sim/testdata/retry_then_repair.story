# A failed segment is tried again; when no retry is left, its member goes on with a
# healthy one's weights. A failure counts once it is confirmed: the worker has meanwhile
# trained another segment again, a probe, and the same attempt fails again.
> run retries=1 timeout=60s
    0s run_started
    0s decided: segment 1 of member 0, from segment 0: starts with fresh weights
    0s decided: segment 2 of member 1, from segment 0: starts with fresh weights
    0s opened
> ask a
    0s leased: segment 1 of member 0 to a, lease 1
    a: train segment 1 of member 0 from step 0 to 10, load "", lr=0.00731385
> report a 0.7
    0s finished: segment 1 of member 0 with 0.7 at step 10
    0s decided: segment 3 of member 0, from segment 1: members with a score: 1, needed before the first copy: 2; goes on
> ask b
    0s leased: segment 2 of member 1 to b, lease 2
    b: train segment 2 of member 1 from step 0 to 10, load "", lr=0.0118173
> fail b out of memory
    0s failed: segment 2 of member 1: error (out of memory), attempt 0, final: false
> ask b
    0s probing: segment 1 of member 0 to b, lease 3
    b: train segment 1 of member 0 from step 10 to 20, load "s000000001-1", lr=0.00731385
> report b 0.7
    0s probed: segment 1 of member 0: lease 3
> ask b
    0s leased: segment 2 of member 1 to b, lease 4
    b: train segment 2 of member 1 from step 0 to 10, load "", lr=0.0118173
> fail b out of memory
    0s failed: segment 2 of member 1: error (out of memory), attempt 1, final: false
> members
    member 0: waiting, step 10, 10 spent, stands with segment 1 (0.7), lr=0.00731385
    member 1: waiting, step 0, 0 spent, stands with segment 0 (NaN), lr=0.0118173
> ask b
    0s leased: segment 2 of member 1 to b, lease 5
    b: train segment 2 of member 1 from step 0 to 10, load "", lr=0.0118173
> wait 60s
    60s failed: segment 2 of member 1: timeout (no outcome within the timeout of 1m0s), attempt 1, final: false
> ask b
    60s probing: segment 1 of member 0 to b, lease 6
    b: train segment 1 of member 0 from step 10 to 20, load "s000000001-1", lr=0.00731385
> report b 0.7
    60s probed: segment 1 of member 0: lease 6
> ask b
    60s leased: segment 2 of member 1 to b, lease 7
    b: train segment 2 of member 1 from step 0 to 10, load "", lr=0.0118173
> wait 60s
    120s failed: segment 2 of member 1: timeout (no outcome within the timeout of 1m0s), attempt 2, final: true
    120s decided: segment 4 of member 1, from segment 1: its segment failed for good; repaired from member 0 (0.7, segment 1); lr 0.00731385 × 0.8 = 0.00585108
> members
    member 0: waiting, step 10, 10 spent, stands with segment 1 (0.7), lr=0.00731385
    member 1: waiting, step 10, 0 spent, stands with segment 1 (0.7), lr=0.00585108
> ask b
    120s leased: segment 4 of member 1 to b, lease 8
    b: train segment 4 of member 1 from step 10 to 20, load "s000000001-1", lr=0.00585108
> report b 0.8
    120s finished: segment 4 of member 1 with 0.8 at step 20
    120s decided: segment 5 of member 1, from segment 4: rank 1 of 2 (0.8) is not in the bottom 1; goes on
