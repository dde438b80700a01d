package pbt

// Train is Algorithm 1 of the paper (Jaderberg et al. 2017), in one goroutine: the
// reference that the engine is tested against, and all of PBT for a small model.
//
//	for each member (θ, h, p, t) of the population P:
//	  while not end of training:
//	    θ ← step(θ | h)
//	    p ← eval(θ)
//	    if ready(p, t, P):
//	      h′, θ′ ← exploit(h, θ, p, P)
//	      if θ ≠ θ′:
//	        h, θ ← explore(h′, θ′, P)
//	        p ← eval(θ)
//	    update P with the new (θ, h, p, t+1)
//	return θ with the highest p in P
//
// Three things are said more exactly here. Explore follows a copy only. After a
// copy the member stands in P with its donor's p, which is the score of those very
// weights, so that no loser's score stands beside a winner's weights. And members
// that decide at the same time see the same P.
func Train[W any](o Options, model Model[W]) (Result[W], error) {
	run, err := begin(o, model) // θ, h, p and t of every member
	if err != nil {
		return Result[W]{}, err
	}
	for turn := range run.turns() { // while not end of training
		for _, i := range turn {
			m := &run.members[i]
			m.theta = model.Step(m.theta, m.hypers, run.random(i)) // θ ← step(θ | h)
			run.update(i, Score(model.Eval(m.theta)))              // p ← eval(θ); update P
		}
		deciding := run.deciding(turn)
		for _, i := range deciding {
			run.decisions[i] = run.policy.Decide(run.population, run.space, run.standing(i)) // ready, exploit, explore
		}
		run.adopt(deciding) // h, θ, p ← h′, θ′, p′
	}
	return run.result(), nil // θ with the highest p in P
}

// Decide says how a member goes on after a ready point: ready, then exploit, then
// explore. It reads the population and changes nothing. The member's own record
// must be in the population already.
func (p *Policy) Decide(pop *Population, space *Space, s Standing) Decision {
	own, _ := pop.Record(s.Member)
	d := p.open(pop, s, own)
	if !own.Score.Finite() { // nothing to rank, nothing to learn from: healthy weights first
		return p.repair(d, pop, space, s, WhyDiverged)
	}
	if p.isReady(&d, s) { // ready(p, t, P)
		p.exploit(&d, pop, s)        // h′, θ′ ← exploit(h, θ, p, P)
		p.explore(&d, pop, space, s) // if θ ≠ θ′: h ← explore(h′, θ′, P)
	} else {
		p.followOn(&d, pop, space, s)
	}
	return d
}
