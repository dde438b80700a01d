package sim

import (
	"fmt"
	"slices"
	"strings"
)

// The families of faults, by the names that --faults takes.
const (
	faultCrash  = "crash"  // the coordinator is killed, between any two of its steps
	faultStop   = "stop"   // somebody stops the run in good order and resumes it
	faultNet    = "net"    // messages are lost, late, doubled, out of order, or make no sense
	faultDeath  = "death"  // workers die without a word
	faultSlow   = "slow"   // workers take longer than the timeout, and report all the same
	faultTrain  = "train"  // trainers return errors and panic
	faultScore  = "score"  // scores are NaN or infinite
	faultClock  = "clock"  // the clock jumps, either way
	faultDisk   = "disk"   // the disk of the checkpoints fills up
	faultChange = "change" // a run that has ended goes on with a larger budget
	faultMemory = "memory" // workers that keep weights in memory lose them
	faultSaving = "saving" // workers save what they need not, and do not save what they are told to
	faultEvict  = "evict"  // trainers are told from outside to go away
	faultSteer  = "steer"  // somebody steers the run while it goes on, with sense and without
	faultBranch = "branch" // the run begins with a segment of another
	faultOutage = "outage" // what trainers need is away for a while: for all of them, for one worker, or the store
)

// FaultNames lists the families of faults. "all" stands for every one, "none" for
// none; several are joined by commas.
func FaultNames() []string {
	return []string{
		faultCrash, faultStop, faultNet, faultDeath, faultSlow, faultTrain, faultScore, faultClock, faultDisk, faultChange,
		faultMemory, faultSaving, faultEvict, faultSteer, faultBranch, faultOutage,
	}
}

// AllFaults and NoFaults are the two levels.
const (
	AllFaults = "all"
	NoFaults  = "none"
)

// ParseFaults reads what --faults says; "" means all.
func ParseFaults(text string) ([]string, error) {
	switch text {
	case "", AllFaults:
		return FaultNames(), nil
	case NoFaults:
		return nil, nil
	}
	var names []string
	for name := range strings.SplitSeq(text, ",") {
		if !slices.Contains(FaultNames(), name) {
			return nil, fmt.Errorf("unknown fault %q: want %s, %s, or some of %s joined by commas",
				name, AllFaults, NoFaults, strings.Join(FaultNames(), ", "))
		}
		if !slices.Contains(names, name) {
			names = append(names, name)
		}
	}
	return names, nil
}

// faults are how often what goes wrong. Rates are per occasion, or per second of
// virtual time.
type faults struct {
	crash  float64 // per step of the coordinator
	kill   float64 // per second: also between its steps
	stop   float64 // per second
	lost   float64 // per message
	late   float64 // per message
	twice  float64 // per message
	stray  float64 // per second
	death  float64 // per segment
	slow   float64 // per segment
	jump   float64 // per second
	full   float64 // per checkpoint
	change float64 // per end of the run
	forget float64 // per segment, and per message about it
	ignore float64 // per answer about saving
	evict  float64 // per segment
	steer  float64 // per second
	outage float64 // per second
	gentle bool    // steering changes no decision: it pauses, gives segments up, and pins
	local  bool    // workers are part of the coordinator's process: they die with it, and no network lies between
}

// drawFaults says what goes wrong in this run. Of many families each run leaves
// some out and draws the others' rates: a run in which everything always breaks
// reaches few states.
func drawFaults(d, more, hand, away dice, names []string) (faults, model) {
	var f faults
	var m model
	f.local = d.yes(0.3)
	for _, name := range names {
		from := d
		if name == faultOutage {
			from = away
		}
		if len(names) > 1 && from.yes(0.35) {
			continue
		}
		switch name {
		case faultCrash:
			f.crash, f.kill = d.rate(0.0005, 0.05), d.rate(0.003, 0.3)
		case faultStop:
			f.stop = d.rate(0.005, 0.2)
		case faultNet:
			f.lost, f.late, f.twice, f.stray = d.rate(0.005, 0.3), d.rate(0.005, 0.3), d.rate(0.005, 0.3), d.rate(0.005, 0.3)
		case faultDeath:
			f.death = d.rate(0.01, 0.3)
		case faultSlow:
			f.slow = d.rate(0.01, 0.3)
		case faultTrain:
			m.fail = d.rate(0.01, 0.5)
			if d.yes(0.4) {
				m.poison = d.rate(0.01, 0.4)
			}
			if more.yes(0.3) {
				m.cliff = more.rate(0.01, 0.3)
			}
		case faultScore:
			m.diverge, m.glitch = d.rate(0.003, 0.3), d.rate(0.01, 0.3)
		case faultClock:
			f.jump = d.rate(0.01, 0.5)
		case faultDisk:
			f.full = d.rate(0.005, 0.1)
		case faultChange:
			f.change = 0.5
		case faultMemory:
			f.forget = more.rate(0.01, 0.5)
		case faultSaving:
			f.ignore = more.rate(0.01, 0.5)
		case faultEvict:
			f.evict = more.rate(0.01, 0.4)
		case faultSteer:
			f.steer = hand.rate(0.1, 4)
		case faultOutage:
			f.outage = away.rate(0.01, 0.5)
		}
	}
	if f.local {
		f.lost, f.late, f.twice, f.death = 0, 0, 0, 0
	}
	return f, m
}

// lossy tells whether leases can be left without anybody who works on them.
func (f *faults) lossy() bool {
	return f.lost > 0 || f.death > 0 || f.twice > 0 || f.late > 0 || !f.local
}

// Tally counts what was done to the runs, to show that the faults do happen.
type Tally struct {
	Crashes    int64 `json:"crashes"`
	Stops      int64 `json:"stops"`
	Resumes    int64 `json:"resumes"`
	Lost       int64 `json:"lost"`
	Late       int64 `json:"late"`
	Twice      int64 `json:"twice"`
	Stray      int64 `json:"stray"`
	Deaths     int64 `json:"deaths"`
	Slow       int64 `json:"slow"`
	Refused    int64 `json:"refused"`
	Failures   int64 `json:"failures"`
	NotFinite  int64 `json:"not_finite"`
	ClockJumps int64 `json:"clock_jumps"`
	DiskFull   int64 `json:"disk_full"`
	Pauses     int64 `json:"pauses"`
	Changes    int64 `json:"changes"`
	Copies     int64 `json:"copies"`
	Repairs    int64 `json:"repairs"`
	Restarts   int64 `json:"restarts"`
	Deleted    int64 `json:"deleted"`
	Zombies    int64 `json:"zombies"`   // reports on leases that others hold by then
	Unsaved    int64 `json:"unsaved"`   // outcomes without a checkpoint
	InMemory   int64 `json:"in_memory"` // segments that started from weights that only their worker had
	Spared     int64 `json:"spared"`    // checkpoints that need not be loaded: their worker had the weights
	RolledBack int64 `json:"rolled_back"`
	Forgotten  int64 `json:"forgotten"` // memories lost
	Ignored    int64 `json:"ignored"`   // answers about saving
	Evicted    int64 `json:"evicted"`
	Steered    int64 `json:"steered"` // wishes fulfilled
	Added      int64 `json:"added"`   // members
	Retired    int64 `json:"retired"`
	Killed     int64 `json:"killed"` // segments, by hand
	Pinned     int64 `json:"pinned"`
	Held       int64 `json:"held"`      // pauses by hand
	Resumed    int64 `json:"resumed"`   // of these
	Reset      int64 `json:"reset"`     // changes of settings while the run goes on
	Replaced   int64 `json:"replaced"`  // planned segments that a wish has taken back
	Senseless  int64 `json:"senseless"` // what was said by hand and refused
	Branched   int64 `json:"branched"`  // runs that began with a segment of another
	Ended      int64 `json:"ended"`     // members that ended by themselves
	Impatient  int64 `json:"impatient"` // runs that ended for want of a new best score
	Miscounts  int64 `json:"miscounts"` // outcomes with fewer or more steps than were asked for
	Outages    int64 `json:"outages"`
	Away       int64 `json:"away"`      // attempts that failed in an outage
	Probes     int64 `json:"probes"`    // segments trained again to see whether the machine works
	Confirmed  int64 `json:"confirmed"` // failures that were charged to a member
	Recovered  int64 `json:"recovered"` // outages that a run waited for
}

func (t *Tally) add(o Tally) {
	mine, other := t.fields(), o.fields()
	for i := range mine {
		*mine[i] += *other[i]
	}
}

func (t *Tally) fields() []*int64 {
	return []*int64{
		&t.Crashes, &t.Stops, &t.Resumes, &t.Lost, &t.Late, &t.Twice, &t.Stray, &t.Deaths, &t.Slow, &t.Refused, &t.Failures,
		&t.NotFinite, &t.ClockJumps, &t.DiskFull, &t.Pauses, &t.Changes, &t.Copies, &t.Repairs, &t.Restarts, &t.Deleted, &t.Zombies,
		&t.Unsaved, &t.InMemory, &t.Spared, &t.RolledBack, &t.Forgotten, &t.Ignored, &t.Evicted,
		&t.Steered, &t.Added, &t.Retired, &t.Killed, &t.Pinned, &t.Held, &t.Resumed, &t.Reset, &t.Replaced, &t.Senseless,
		&t.Branched, &t.Miscounts, &t.Ended, &t.Impatient, &t.Outages, &t.Away, &t.Probes, &t.Confirmed, &t.Recovered,
	}
}
