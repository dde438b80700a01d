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
    0s failed: segment 1 of member 0: error (ModuleNotFoundError: No module named 'torch'), attempt 1, final: true
    0s decided: segment 2 of member 0, from segment 0: its segment failed for good; restarts with fresh weights and hyperparameters
> ask a
    0s leased: segment 2 of member 0 to a, lease 2
    a: train segment 2 of member 0 from step 0 to 10, load "", lr=0.00026989
> fail a ModuleNotFoundError: No module named 'torch'
    0s failed: segment 2 of member 0: error (ModuleNotFoundError: No module named 'torch'), attempt 1, final: true
    0s paused: 2 attempts have failed in a row, with nothing finished between: mend the cause, then resume. The last one: ModuleNotFoundError: No module named 'torch'
> ask a
    a: no work now
> restart
    0s opened
    0s decided: segment 3 of member 0, from segment 0: its segment failed for good; restarts with fresh weights and hyperparameters
> ask a
    0s leased: segment 3 of member 0 to a, lease 3
    a: train segment 3 of member 0 from step 0 to 10, load "", lr=0.000589115
> report a 0.5
    0s finished: segment 3 of member 0 with 0.5 at step 10
    0s decided: segment 4 of member 0, from segment 3: nobody to compare with; goes on
