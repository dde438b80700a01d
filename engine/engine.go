// Package engine runs a population: the only loop that receives, lets the machine
// decide, journals, and answers. It decides nothing itself.
package engine

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"time"

	"github.com/seed-7a1a2db0/pbt/checkpoint"
	"github.com/seed-7a1a2db0/pbt/internal/awake"
	"github.com/seed-7a1a2db0/pbt/internal/disk"
	"github.com/seed-7a1a2db0/pbt/internal/hardware"
	"github.com/seed-7a1a2db0/pbt/internal/safe"
	"github.com/seed-7a1a2db0/pbt/journal"
	"github.com/seed-7a1a2db0/pbt/machine"
	"github.com/seed-7a1a2db0/pbt/trainer"
)

// Config is what a run needs besides what its journal holds.
type Config struct {
	Dir     string
	Version string // of the program, for the journal

	// Spec and Experiment begin a run. Experiment is what a later process makes the
	// spec from: SpecOf(Experiment) must be Spec. Source is the user's own file.
	Spec       machine.Spec
	Experiment []byte
	Source     []byte
	Origin     []byte // where that file is, kept beside it; nil: not known
	SpecOf     machine.SpecFunc
	Branch     *Branch // what a new run begins with; nil for fresh weights

	Change *machine.Change // settings that a resumed run changes; nil for none
	Charge bool            // failures that are not confirmed are the members' own, if they happen again
	Revive bool            // members that have failed train on

	// AcceptAltered lets Open take a run whose journal or checkpoints are not as they were
	// recorded. The journal then says so.
	AcceptAltered bool

	Slots    int                      // trainers at a time
	NewSlot  func(n int) trainer.Slot // makes the n-th place to train in, from 1
	Observe  func(View)               // sees every batch of events once it is recorded; may be nil
	Progress func(trainer.Progress)   // hears how far segments are, from any goroutine; may be nil
	Grace    time.Duration            // how long Drain lets segments finish; 0 means DefaultGrace
	Patience time.Duration            // how long a trainer may take to stop when asked; 0 means DefaultPatience
	Disk     []checkpoint.Option      // for tests that break disks
	Clock    func() int64             // Unix nanoseconds; nil means the system's, kept from going back

	journalFault func(rows []journal.Row) error         // for tests: why these rows cannot be written; nil for none
	journalled   func(rows []journal.Row, durable bool) // for tests: they have been written; nil for nobody
}

// View is a batch of recorded events with the state after them. It is valid during
// the call.
type View struct {
	Events  []machine.Event
	Machine *machine.Machine
}

// Limits and defaults of the engine.
const (
	MaxSlots        = 4096
	maxBatch        = 256 // messages that share a commit
	DefaultPatience = 10 * time.Second
	DefaultGrace    = 30 * time.Second
	maxAbandoned    = 16 // trainers that ignored their timeout, before the run pauses
)

// Files in a run's directory.
const (
	JournalFile    = "journal.sqlite"
	CheckpointDir  = "checkpoints"
	ExperimentFile = "experiment.yaml"
	OriginFile     = "origin.json" // where the experiment file and the code were; decides nothing

	journalDraft = ".creating-journal-" // how journal.Create begins the names of its drafts
)

// ErrExists says that a directory holds a run already.
var ErrExists = errors.New("holds a run already")

// Engine is one run in the hands of this process.
type Engine struct {
	config  Config
	lock    *journal.Lock
	journal *journal.Journal
	store   *checkpoint.Store
	machine *machine.Machine
	clock   func() int64
	running *awake.Clock // that clock; nil for another
	place   *place       // of a run that was not made; else nil
	opened  bool         // the journal says that this process has taken the run
	seq     int64        // of the newest row in the journal
	sweeper *sweeper
	hasher  *checkpoint.Hasher
	trust   trust

	accepted []machine.Accepted // what was found altered on opening

	inbox     chan message
	stuck     chan *slot
	stopping  bool   // nobody gets work any more
	draining  string // why the run is to stop once its segments have finished; "" while it is not
	hurried   bool   // and those that take longer than Config.Grace are given up
	drains    chan string
	finishes  chan string
	lazy      atomic.Bool // segments are saved only when the machine wants it
	unsynced  bool        // events wait for the disk
	syncBy    int64
	garbage   []string // checkpoints that nobody needs, once the events say so
	orders    chan order
	finished  chan struct{} // closed when the loop is over
	most      int           // slots there may be
	gone      []*slot       // that were let go
	slots     []*slot
	parked    []*slot // that wait for work
	abandoned int     // slots that were given up and have not come back
	faults    []error
	rows      []journal.Row
	bodies    []byte
	events    []machine.Event
}

// Create makes a run in a directory that holds none, and opens it.
func Create(c Config) (*Engine, error) {
	if err := journal.CheckPath(filepath.Join(c.Dir, JournalFile)); err != nil {
		return nil, err
	}
	p, err := prepareDir(c.Dir)
	if err != nil {
		return nil, fmt.Errorf("make the run's directory: %w", err)
	}
	e, err := prepare(c)
	if err != nil {
		p.takeBack()
		return nil, err
	}
	if err := e.create(); err != nil {
		if e.journal == nil {
			e.place = p
		}
		return nil, errors.Join(err, e.release())
	}
	return e, nil
}

// Open takes over a run that a process has left, in good order or not.
func Open(c Config) (*Engine, error) {
	e, err := prepare(c)
	if err != nil {
		return nil, err
	}
	if err := e.open(); err != nil {
		return nil, errors.Join(err, e.release())
	}
	return e, nil
}

func prepare(c Config) (*Engine, error) {
	if c.Slots < 1 || c.Slots > MaxSlots {
		return nil, fmt.Errorf("%d slots: want 1 to %d", c.Slots, MaxSlots)
	}
	if c.Patience == 0 {
		c.Patience = DefaultPatience
	}
	if c.Grace == 0 {
		c.Grace = DefaultGrace
	}
	e := &Engine{config: c, clock: c.Clock, drains: make(chan string, 1), finishes: make(chan string, 1), orders: make(chan order), finished: make(chan struct{}), most: min(MaxSlots, c.Slots+MaxMoreSlots)}
	if e.clock == nil {
		e.running = awake.NewClock()
		e.clock = e.running.Now
	}
	host, _ := os.Hostname() // an owner without a host name is still one
	var err error
	e.lock, err = journal.Own(c.Dir, journal.Owner{Host: host, PID: os.Getpid(), Since: time.Now()})
	if err != nil {
		return nil, err
	}
	if err := e.sweepDrafts(); err != nil {
		return nil, errors.Join(err, e.release())
	}
	return e, nil
}

// sweepDrafts removes what a process left that was killed while it made the journal.
func (e *Engine) sweepDrafts() error {
	entries, err := disk.In(e.config.Dir).ReadDir(".")
	for _, entry := range entries {
		if strings.HasPrefix(entry.Name(), journalDraft) {
			err = errors.Join(err, disk.In(e.config.Dir).RemoveAll(entry.Name()))
		}
	}
	return err
}

func (e *Engine) path(name string) string { return filepath.Join(e.config.Dir, name) }

func (e *Engine) create() error {
	if err := e.openEmpty(); err != nil {
		return err
	}
	return e.start()
}

// openEmpty opens a journal in which nothing is recorded: its process was killed
// before the run's first event. Any other journal is refused; none is fine.
func (e *Engine) openEmpty() error {
	if _, err := os.Stat(e.path(JournalFile)); errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	var err error
	if e.journal, err = journal.Open(e.path(JournalFile)); err != nil {
		return err
	}
	last, err := e.journal.Last()
	if err == nil && last > 0 {
		err = fmt.Errorf("%s %w: go on with `pbt resume %s`, or choose another --dir", e.config.Dir, ErrExists, safe.Path(e.config.Dir))
	}
	return err
}

// start begins a run that has no event yet.
func (e *Engine) start() error {
	var err error
	if e.machine, err = machine.New(e.config.Spec, e.config.SpecOf); err != nil {
		return err
	}
	if err := e.openStore(); err != nil {
		return err
	}
	first, err := e.firstInput()
	if err != nil {
		return err
	}
	if len(e.config.Source) > 0 {
		if err := disk.In(e.config.Dir).WriteFileAlone(ExperimentFile, e.config.Source, 0o666); err != nil {
			return fmt.Errorf("keep the experiment file: %w", err)
		}
	}
	if len(e.config.Origin) > 0 {
		if err := disk.In(e.config.Dir).WriteFileAlone(OriginFile, e.config.Origin, 0o666); err != nil {
			return fmt.Errorf("note where the experiment file is: %w", err)
		}
	}
	if e.journal == nil {
		if e.journal, err = journal.Create(e.path(JournalFile)); err != nil {
			return err
		}
	}
	return e.begin(first)
}

func (e *Engine) open() error {
	var err error
	if e.journal, err = e.openJournal(); err != nil {
		return err
	}
	var altered error
	e.machine, e.seq, altered, err = foldVerified(e.journal, e.config.SpecOf)
	if err == nil || altered != nil {
		err = errors.Join(e.distrust(altered), err)
	}
	if err != nil {
		return err
	}
	if e.machine == nil {
		return fmt.Errorf("%s: the run has not begun, no event is recorded: start it with `pbt run FILE --dir %s`", e.config.Dir, safe.Path(e.config.Dir))
	}
	if err := e.openStore(); err != nil {
		return err
	}
	if err := e.checkNeeded(); err != nil {
		return err
	}
	over, err := e.isOver()
	if err != nil {
		return err
	}
	if over {
		return e.sweepOrphans() // a process killed at the very end may have left some
	}
	return e.begin()
}

// isOver tells whether nothing is left to say about a run: it has ended and was
// closed, and no setting is to change.
func (e *Engine) isOver() (over bool, err error) {
	if phase, _ := e.machine.Phase(); phase != machine.PhaseEnded || e.config.Change != nil || e.config.Revive && e.machine.Failed() > 0 {
		return false, nil
	}
	err = e.journal.Read(e.seq-1, func(r journal.Row) error {
		over = r.Kind == string(machine.KindClosed)
		return nil
	})
	return over, err
}

// begin hands the first inputs of a sitting to the machine.
func (e *Engine) begin(first ...machine.Input) error {
	host, _ := os.Hostname()
	for _, in := range append(first, machine.Open{Host: host, PID: os.Getpid(), Version: e.config.Version, Machine: hardware.Describe(), Change: e.config.Change, Accepted: e.accepted, Charge: e.config.Charge, Revive: e.config.Revive}) {
		if a := e.handle(in); a.Refused != nil {
			return a.Refused
		}
	}
	if err := e.commit(); err != nil {
		return err
	}
	e.opened = true
	return e.sweepOrphans()
}

func (e *Engine) openStore() error {
	var err error
	e.store, err = checkpoint.Open(e.path(CheckpointDir), e.config.Disk...)
	if err == nil {
		e.sweeper = newSweeper(e.store)
		e.hasher = checkpoint.NewHasher(e.store, hashed)
	}
	return err
}

// sweepOrphans deletes checkpoints that no event names: published by a process
// that was killed before it could report.
func (e *Engine) sweepOrphans() error {
	ids, err := e.store.List()
	if err != nil {
		return err
	}
	e.machine.Garbage() // whatever the replay found unneeded is among the orphans
	for _, id := range ids {
		if !e.machine.Keeps(id) {
			e.sweeper.sweep(id)
		}
	}
	unhashed, err := e.store.Unhashed()
	e.hasher.Add(unhashed...)
	return err
}

// release gives the run up.
func (e *Engine) release() error {
	var faults []error
	if e.hasher != nil {
		e.endHashing()
	}
	if e.sweeper != nil {
		faults = append(faults, e.sweeper.close())
	}
	if e.journal != nil {
		faults = append(faults, e.journal.Close())
	}
	if e.place != nil {
		return errors.Join(append(faults, e.place.clear(e.lock))...)
	}
	return errors.Join(append(faults, e.lock.Release())...)
}

// Machine is the run's state. It may be read before and after Run, not during it.
func (e *Engine) Machine() *machine.Machine { return e.machine }

// Drain lets a run that is being Run finish the segments it is at, save them all,
// and then stop; what has not finished within Config.Grace is given up, without
// blame. It returns at once, and may be called from any goroutine, more than once.
func (e *Engine) Drain(reason string) { tell(e.drains, reason) }

// Finish lets a run that is being Run finish the segments it is at, however long they
// take, save them all, and then stop. It returns at once, and may be called from any
// goroutine. A Drain after it hurries.
func (e *Engine) Finish(reason string) { tell(e.finishes, reason) }

func tell(c chan<- string, reason string) {
	select {
	case c <- reason:
	default: // it has been told already
	}
}

// Close gives up a run that was opened but is not to be Run.
func (e *Engine) Close() error {
	var err error
	if e.opened {
		err = e.bow("not run")
	}
	return errors.Join(err, e.release())
}

// Run trains until the run ends, pauses, or ctx is done, and gives the run up.
// It returns the phase that the run is in then; an error means that the run could
// not go on, and everything recorded is safe.
func (e *Engine) Run(ctx context.Context) (machine.Phase, error) {
	var err error
	if e.opened {
		err = e.loop(ctx)
	}
	close(e.finished)
	err = errors.Join(err, e.release())
	phase, _ := e.machine.Phase()
	return phase, err
}
