package pbt

import (
	"errors"
	"fmt"
	"math"
	"time"
)

// Policy is how a population learns from itself: the paper's ready, exploit and
// explore, and what is left open around them. The zero Policy is the paper's
// default: truncation selection at 20 %, perturbation by 0.8 or 1.2.
type Policy struct {
	Ready   Ready   // when a member may exploit; nil means Every{}
	Exploit Exploit // whether and whom it copies; nil means Truncation{}
	Explore Explore // how hyperparameters vary after a copy; nil means Perturb{}

	Inherit       Inherit  // what a copy takes over
	Margin        float64  // a donor's score must be better by more than this, in the score's units
	Window        int64    // compare only with records at most this many steps away; 0: with everybody's newest
	MinScored     int      // no copy before so many members have a score; 0 means half the population
	ExploreAlways bool     // explore at every ready point, also without a copy (the paper does not)
	Repair        Repair   // what becomes of a member whose score is not finite, or that fails for good
	Barrier       *Barrier // nil: asynchronous, as in the paper
}

// Inherit is what a copy takes over from its donor.
type Inherit uint8

// What a copy takes over.
const (
	InheritBoth    Inherit = iota // weights and hyperparameters: the paper's rule
	InheritWeights                // weights only; explore then varies one's own hyperparameters
	InheritHypers                 // hyperparameters only; one's own weights train on
)

// String returns both, weights or hypers.
func (i Inherit) String() string { return [...]string{"both", "weights", "hypers"}[i] }

// Repair is what becomes of a member whose score is not finite, or whose trainer
// fails for good.
type Repair uint8

// The repairs.
const (
	RepairCopy    Repair = iota // copy a healthy member; restart if there is none. With NoExploit: leave it
	RepairRestart               // fresh weights, hyperparameters drawn anew
	RepairNone                  // leave it: a diverged member trains on, a failed one ends
)

// String returns copy, restart or none.
func (r Repair) String() string { return [...]string{"copy", "restart", "none"}[r] }

// Standing is a member at a ready point, as far as its own history goes.
type Standing struct {
	Member  int
	Turn    int64  // ordinal of the segment being decided on: the address of its draws
	Segment int64  // whose weights the member holds; 0 for none
	Hypers  Hypers // in force so far

	Spent      int64 // steps this member has trained since the run began
	SinceReady int64 // steps since its last ready point
	SinceCopy  int64 // steps since it last copied; Spent if it never did

	// Split tells that the member is between two ready points, where the next stage of a schedule
	// begins: it is not ready, whatever the rule says, and continues with that stage.
	Split bool

	Progress float64 // share of its budget in steps that it has spent; 0 if there is no such budget
}

// Ready decides whether a member has trained long enough to exploit.
type Ready interface {
	Ready(s Standing) (bool, Why)
}

// Every is ready after each so many steps, but not during a burn-in at the start
// or after a copy, while a score does not yet tell what the weights are worth.
type Every struct {
	Steps     int64 // since the last ready point; 0 or 1: always
	BurnIn    int64 // steps a member must have trained at all
	AfterCopy int64 // steps a member must have trained since it last copied
}

// Ready implements Ready.
func (e Every) Ready(s Standing) (bool, Why) {
	switch {
	case s.SinceReady < e.Steps:
		return false, WhyNotReady
	case s.Spent < e.BurnIn:
		return false, WhyBurnIn
	case s.SinceCopy < s.Spent && s.SinceCopy < e.AfterCopy:
		return false, WhyAfterCopy
	}
	return true, WhyReady
}

func (e Every) validate() error {
	if e.Steps < 0 || e.BurnIn < 0 || e.AfterCopy < 0 {
		return errors.New("the steps between ready points and the burn-ins cannot be negative")
	}
	return nil
}

// Barrier makes members wait for each other: a generation is decided at once,
// from one snapshot of the population (the paper's appendix A.1, partial
// synchrony). Quorum and deadline keep a slow member from holding everybody.
type Barrier struct {
	Quorum   float64       // share of the active members that must be waiting, in (0, 1]; 0 means 1: all
	Deadline time.Duration // open anyway so long after the first one came; 0: wait for the quorum
}

// Opens tells whether the waiting members go on now.
func (b Barrier) Opens(waiting, active int, waited time.Duration) bool {
	if waiting == 0 {
		return false
	}
	if b.Deadline > 0 && waited >= b.Deadline {
		return true
	}
	need := int(math.Ceil(orDefault(b.Quorum, 1)*float64(active) - 1e-9))
	return waiting >= max(1, min(need, active))
}

func (b Barrier) validate() error {
	if b.Deadline < 0 {
		return errors.New("the barrier's deadline cannot be negative")
	}
	if b.Quorum == 0 {
		return nil
	}
	return checkFraction("the barrier's quorum", b.Quorum, 1)
}

// Validate checks a policy's settings.
func (p *Policy) Validate() error {
	var faults []error
	if math.IsNaN(p.Margin) || math.IsInf(p.Margin, 0) || p.Margin < 0 {
		faults = append(faults, fmt.Errorf("the margin is %g: want 0 or more", p.Margin))
	}
	if p.Window < 0 || p.MinScored < 0 {
		faults = append(faults, errors.New("the comparison window and the least number of scored members cannot be negative"))
	}
	if _, founders := p.Exploit.(Founders); founders && p.Inherit != InheritBoth {
		faults = append(faults, fmt.Errorf("exploit: founders copies weights and hyperparameters: inherit: %s cannot be combined with it", p.Inherit))
	}
	if p.Inherit > InheritHypers || p.Repair > RepairNone {
		faults = append(faults, errors.New("unknown inherit or repair"))
	}
	rules := []any{p.Ready, p.Exploit, p.Explore}
	if p.Barrier != nil {
		rules = append(rules, *p.Barrier)
	}
	for _, rule := range rules {
		faults = append(faults, validateRule(rule))
	}
	return errors.Join(faults...)
}

func (p *Policy) ready() Ready {
	if p.Ready == nil {
		return Every{}
	}
	return p.Ready
}

func (p *Policy) exploiter() Exploit {
	if p.Exploit == nil {
		return Truncation{}
	}
	return p.Exploit
}

func (p *Policy) explorer() Explore {
	if p.Explore == nil {
		return Perturb{}
	}
	return p.Explore
}

// minScored is never more than there are members: that would be never.
func (p *Policy) minScored(population int) int {
	least := p.MinScored
	if least == 0 {
		least = (population + 1) / 2
	}
	return min(max(2, least), population)
}

// repairs tells what to do about a broken member. A random search, which never
// copies, copies no repair either.
func (p *Policy) repairs() Repair {
	if _, none := p.exploiter().(NoExploit); none && p.Repair == RepairCopy {
		return RepairNone
	}
	return p.Repair
}

// DecideFailed says how a member goes on whose segment could not be trained, for
// all its retries. ok is false if it cannot go on at all.
func (p *Policy) DecideFailed(pop *Population, space *Space, s Standing) (d Decision, ok bool) {
	own, _ := pop.Record(s.Member)
	d = p.repair(p.open(pop, s, own), pop, space, s, WhyFailed)
	return d, d.Action != Continue
}

// Start is a member's first decision: fresh weights, hyperparameters as given or
// drawn from the space.
func Start(space *Space, seed uint64, member int, given Hypers) (Decision, error) {
	h, err := space.Complete(given, seed, member, 0)
	return Decision{Action: Begin, Why: WhyStart, Hypers: h}, err
}

func (p *Policy) open(pop *Population, s Standing, own Record) Decision {
	return Decision{
		Action: Continue, Rule: p.exploiter().Name(), Segment: own.Segment, Score: own.Score,
		Hypers: s.Hypers, Parent: s.Segment,
	}
}

// isReady is the paper's ready(p, t, P).
func (p *Policy) isReady(d *Decision, s Standing) bool {
	if s.Split {
		d.Why = WhyNotReady
		return false
	}
	ok, why := p.ready().Ready(s)
	d.Why = why
	return ok
}

// exploit is the paper's exploit(h, θ, p, P).
func (p *Policy) exploit(d *Decision, pop *Population, s Standing) {
	if scored, need := pop.Scored(), p.minScored(pop.Size()); scored < need {
		d.Why, d.Of, d.Need = WhyFewScored, scored, need
		return
	}
	if !pop.ranked[s.Member] { // no score of its own yet: neither loser nor donor
		d.Why = WhyAlone
		return
	}
	peers := pop.peers(s.Member, p.Window)
	d.Of, d.Rank = peers.Len(), peers.Rank()+1
	if d.Of < 2 {
		d.Why = WhyAlone
		return
	}
	peers.standing = s
	r := randAt(pop.seed, s.Member, s.Turn, purposeExploit, "")
	v := p.exploiter().Exploit(peers, p.Margin, &r)
	d.Why, d.Cut, d.Test, d.Founders, d.Quota = v.Why, v.Cut, v.Test, v.Founders, v.Quota
	if v.Of > 0 {
		d.Rank, d.Of = v.Rank, v.Of
	}
	if p.Margin > 0 {
		d.Margin = p.Margin
	}
	if v.Rival >= 0 {
		d.Rival = donorOf(pop, v.Rival)
	}
	if v.Donor >= 0 && !peers.mayDonate(v.Donor) { // a user's own rule may err
		d.Why, d.Rival = WhyNotSaved, donorOf(pop, v.Donor)
		return
	}
	if v.Donor >= 0 {
		d.Action, d.Inherit, d.Rival = Copy, p.Inherit, donorOf(pop, v.Donor)
		if v.Probe {
			d.Probe = donorOf(pop, v.HypersOf)
		}
	}
}

func donorOf(pop *Population, member int) *Donor {
	r := pop.records[member]
	return &Donor{Member: member, Segment: r.Segment, Score: r.Score, Step: r.Step}
}

// explore is the paper's explore(h′, θ′, P): after a copy only, unless the policy
// says always, or follows a schedule.
func (p *Policy) explore(d *Decision, pop *Population, space *Space, s Standing) {
	at := Address{Seed: pop.seed, Member: s.Member, Turn: s.Turn, Step: pop.records[s.Member].Step}
	if d.Action == Copy || d.Action == Mend {
		if d.Inherit != InheritHypers {
			d.Parent, at.Step = d.Rival.Segment, d.Rival.Step
		}
		if d.Probe != nil {
			d.Hypers = space.inherit(s.Hypers, pop.records[d.Probe.Member].Hypers, at)
			return
		}
		if d.Inherit != InheritWeights {
			d.Hypers = space.inherit(s.Hypers, pop.records[d.Rival.Member].Hypers, at)
		}
	} else if _, follows := p.Following(); !follows && !p.ExploreAlways {
		return
	}
	p.vary(d, space, at)
}

// repairFraction is the share of healthy members at the top among which the donor
// of a repair is drawn, as in truncation selection.
const repairFraction = DefaultFraction

// healthyDonor draws a saved member at the top of those with a finite score, or
// anywhere among them when nobody at the top is saved; -1 if there is none.
func healthyDonor(peers Peers, at Address) int {
	healthy := peers.healthy()
	top := min(healthy, max(1, Truncation{repairFraction}.cut(healthy)))
	if peers.pop.ranked[peers.self] && peers.Rank() < top { // oneself, failed at the top, is no donor: the next one is
		top = min(healthy, top+1)
	}
	r := at.rand(purposeExploit, "")
	if donor := peers.pick(top, &r); donor >= 0 {
		return donor
	}
	return peers.pick(healthy, &r)
}

// repair gives a broken member healthy weights. It waits for no burn-in and
// minds no margin.
func (p *Policy) repair(d Decision, pop *Population, space *Space, s Standing, why Why) Decision {
	d.Why = why
	at := Address{Seed: pop.seed, Member: s.Member, Turn: s.Turn}
	how := p.repairs()
	if how == RepairNone {
		p.followOn(&d, pop, space, s)
		return d
	}
	if how == RepairCopy {
		if donor := healthyDonor(pop.peers(s.Member, 0), at); donor >= 0 {
			d.Action, d.Inherit, d.Rival = Mend, InheritBoth, donorOf(pop, donor)
			p.explore(&d, pop, space, s)
			return d
		}
	}
	p.restart(&d, space, s.Hypers, at)
	return d
}

// followOn is for a member that continues with its own weights and does not explore: what
// a schedule has for them holds all the same.
func (p *Policy) followOn(d *Decision, pop *Population, space *Space, s Standing) {
	if _, follows := p.Following(); follows {
		p.explore(d, pop, space, s)
	}
}
