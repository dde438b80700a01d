# A trainer that can never work does not burn hours: the run pauses. Resumed, with
# the trainer mended, it goes on from where it was.
> run members=1 limit=2
    0s run_started
    0s decided: segment 1 of member 0, from segment 0: starts with fresh weights
    0s opened
> ask a
    0s leased: segment 1 of member 0 to a, lease 1
    a: train segment 1 of member 0 from step 0 to 10, load "", lr=0.00731385
> fail a ModuleNotFoundError: No module named 'torch'
    0s failed: segment 1 of member 0: error (ModuleNotFoundError: No module named 'torch'), attempt 0, final: false
> ask a
    0s leased: segment 1 of member 0 to a, lease 2
    a: train segment 1 of member 0 from step 0 to 10, load "", lr=0.00731385
> fail a ModuleNotFoundError: No module named 'torch'
    0s failed: segment 1 of member 0: error (ModuleNotFoundError: No module named 'torch'), attempt 0, final: false
    0s paused: no segment has finished since pbt started, and every trainer fails in the same way: ModuleNotFoundError: No module named 'torch'
> ask a
    a: no work now
> restart
    0s opened
> ask a
    0s leased: segment 1 of member 0 to a, lease 3
    a: train segment 1 of member 0 from step 0 to 10, load "", lr=0.00731385
> report a 0.5
    0s finished: segment 1 of member 0 with 0.5 at step 10
    0s decided: segment 2 of member 0, from segment 1: nobody to compare with; goes on
