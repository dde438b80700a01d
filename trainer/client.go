package trainer

import (
	"context"
	"errors"
	"fmt"
	"math"
	"strconv"
	"time"

	"github.com/seed-7a1a2db0/pbt"
	"github.com/seed-7a1a2db0/pbt/internal/awake"
	"github.com/seed-7a1a2db0/pbt/protocol"
)

// Client trains through a program that stays alive and speaks pbt's protocol
// (docs/protocol.md): copying a member, or changing to another one, is a message.
type Client struct {
	Host
	Args    []string // the program
	Version string   // of pbt, for its welcome

	StartTimeout time.Duration // until it has said hello; 0: none
	StepTimeout  time.Duration // from being told to train until its report; 0: none
	SaveTimeout  time.Duration // 0: none
	Silence      time.Duration // a client with heartbeats may be silent so long; 0: for ever
	Backoff      time.Duration // before a new start after one that failed, doubled each time; 0 means DefaultBackoff
}

// How often a trainer is started that does not stay alive.
const (
	DefaultBackoff = time.Second
	MaxBackoff     = 30 * time.Second
)

// echoTolerance is how far a float read back from a trainer may be off, relatively:
// optimisers keep single precision.
const echoTolerance = 1e-6

// NewClient returns a slot that trains through a living program.
func NewClient(c Client) (Slot, error) {
	if len(c.Args) == 0 || c.Args[0] == "" {
		return nil, errors.New("the command is empty")
	}
	if c.Backoff == 0 {
		c.Backoff = DefaultBackoff
	}
	return &clientSlot{Client: c}, nil
}

type clientSlot struct {
	Client
	live    *session   // with the living program; nil for none
	holds   memory     // whose weights it has
	used    bool       // it has been given a segment
	failed  bool       // its last one failed, and it may be about to end
	hypers  pbt.Hypers // of that one
	crashes int        // programs in a row that finished nothing
}

func (s *clientSlot) Holds() int64 {
	if s.live == nil || s.unfit() != nil {
		return 0
	}
	return s.holds.segment
}

// Close lets the program go: it is told that there is no more work.
func (s *clientSlot) Close() error {
	if s.live != nil {
		s.live.leave(s.grace())
		s.live = nil
	}
	return nil
}

func (s *clientSlot) Train(ctx context.Context, job Job) (Result, error) {
	res, again, err := s.try(ctx, &job)
	if again {
		res, _, err = s.try(ctx, &job)
	}
	return res, err
}

// try trains a segment, once. Again says that it was given to a program that was
// about to end anyway: another one is to have it.
func (s *clientSlot) try(ctx context.Context, job *Job) (res Result, again bool, err error) {
	why := s.unfit()
	if why == nil && s.live != nil {
		why = s.mustRestart(job)
	}
	why = s.letGo(ctx, why)
	if job.fromMemory() && (s.live == nil || !s.holds.serves(job)) {
		return res, false, lost(why)
	}
	s.mark(job)
	if err := s.prepare(ctx, job, &res); err != nil {
		return res, false, err
	}
	veteran, failed, held := s.used, s.failed, s.holds
	s.used, s.hypers, s.holds = true, job.Hypers, memory{}
	t := turn{session: s.live, slot: s, ctx: ctx, job: job}
	err = t.run(held, &res)
	t.close()
	s.failed = err != nil
	switch {
	case err == nil:
		s.holds, s.crashes = memory{job.ID, job.Name}, 0
		return res, false, nil
	case t.alive:
		return res, false, err
	case ctx.Err() != nil:
		s.live.callOff(s.grace())
	default: // nobody knows what it holds, or does
		s.live.kill()
	}
	again = veteran && !t.loaded && (t.ended && (failed || s.live.process.Err() == nil) || t.hungUp && failed)
	if s.live = nil; again {
		s.note("the trainer was about to end: another one gets the segment")
	} else {
		s.crashes++
	}
	return res, again, err
}

func lost(why error) error {
	if why == nil {
		return ErrLost
	}
	return fmt.Errorf("%w: %v", ErrLost, why) // whatever it is, it is not this segment's fault
}

// unfit is why the program cannot be given another segment, whichever that is.
func (s *clientSlot) unfit() error {
	if s.live == nil {
		return nil
	}
	return s.live.idle()
}

// mustRestart is why a segment needs a new process.
func (s *clientSlot) mustRestart(job *Job) error {
	if !s.used {
		return nil
	}
	if job.Parent == 0 && !s.live.hello.Fresh {
		return errors.New("it makes fresh weights only at its start")
	}
	for _, name := range s.live.hello.RestartOn {
		before, _ := s.hypers.Get(name)
		now, _ := job.Hypers.Get(name)
		if before != now {
			return fmt.Errorf("its restart_on names %s, which changes", name)
		}
	}
	return nil
}

// letGo ends the program, if there is a reason why. The log tells it.
func (s *clientSlot) letGo(ctx context.Context, why error) error {
	switch {
	case why == nil:
		return nil
	case errors.Is(why, errHungUp): // it may be on its way out
		why = s.live.gone(ctx, s.grace(), "between two segments", s.live.readErr)
		s.live.kill()
	case errors.Is(why, errRefused):
		s.live.kill()
	default:
		s.live.leave(s.grace())
	}
	s.note("the trainer was let go: " + why.Error())
	s.live = nil
	return why
}

// prepare has a living program, started if need be. A stop of the run ends that too:
// what has not begun is not finished in time.
func (s *clientSlot) prepare(ctx context.Context, job *Job, res *Result) error {
	if s.live != nil {
		return nil
	}
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	go func() {
		select {
		case <-job.Stop:
			cancel(ErrPreempted)
		case <-ctx.Done():
		}
	}()
	if err := s.backOff(ctx); err != nil {
		return err
	}
	start := time.Now()
	var extra []string
	if job.Parent == 0 {
		extra = append(extra, protocol.EnvWeightSeed+"="+strconv.FormatUint(job.WeightSeed>>1, 10))
	}
	live, err := s.begin(ctx, extra)
	if err != nil {
		s.crashes++
		return err
	}
	s.live, s.holds, s.used, s.failed = live, memory{}, false, false
	res.Start = time.Since(start)
	return nil
}

// backOff waits before a program is started that has crashed before.
func (s *clientSlot) backOff(ctx context.Context) error {
	if s.crashes == 0 {
		return nil
	}
	wait := MaxBackoff
	if shift := s.crashes - 1; shift < 16 {
		wait = min(MaxBackoff, s.Backoff<<shift)
	}
	timer := time.NewTimer(wait)
	defer timer.Stop()
	select {
	case <-timer.C:
		return nil
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}

// turn is the conversation about one segment.
type turn struct {
	*session
	slot   *clientSlot
	ctx    context.Context
	job    *Job
	told   bool // that the run is to stop
	loaded bool // it has said so
	ended  bool // the program, by itself
	hungUp bool // the program has, by itself
	alive  bool // the program may go on living though the segment failed
	timer  *awake.Timer
	limit  string // what the timer is for
}

func (t *turn) close() {
	if t.timer != nil {
		t.timer.Stop()
	}
	t.unwatch()
}

// gone says what a connection that has ended means.
func (t *turn) gone(err error) error {
	t.hungUp = isEnd(err) && t.ctx.Err() == nil
	err = t.session.gone(t.ctx, t.slot.grace(), "in the middle of a segment", err)
	select {
	case <-t.process.Done():
		t.ended = t.ctx.Err() == nil
	default:
	}
	return err
}

// run is the whole of it: segment, loaded, report, save, saved.
func (t *turn) run(held memory, res *Result) error {
	var watcher func(*protocol.Progress)
	if t.job.Progress != nil {
		watcher = t.progress
	}
	t.watch(watcher, t.job.Lease)
	defer context.AfterFunc(t.ctx, func() { t.conn.Close() })() // nobody waits for a trainer that does not read
	start := time.Now()
	t.within(t.slot.StepTimeout, "step_timeout", "from the start of a segment to its report")
	if err := t.send(t.segment(held)); err != nil {
		return t.gone(err)
	}
	loaded, err := await[*protocol.Loaded](t)
	if err != nil {
		return err
	}
	if t.loaded = true; !t.isAbout(loaded.Lease) {
		return t.wrongLease(loaded, loaded.Lease)
	}
	if err := t.checkEcho(loaded); err != nil {
		return err
	}
	res.Load, start = since(start)
	report, err := await[*protocol.Report](t)
	if err != nil {
		return err
	}
	if !t.isAbout(report.Lease) {
		return t.wrongLease(report, report.Lease)
	}
	took, start := since(start)
	res.Eval = time.Duration(min(report.Eval, took.Seconds()) * float64(time.Second))
	res.Train = took - res.Eval
	res.Evaluation = evaluation(report)
	return t.save(res, start)
}

// save has the weights saved, or not.
func (t *turn) save(res *Result, start time.Time) error {
	res.Saved = t.job.Varies && len(t.hello.RestartOn) > 0 || t.job.wanted(res)
	if !res.Saved {
		if err := t.send(&protocol.Skip{Lease: t.job.Lease}); err != nil {
			return t.gone(err)
		}
		return nil
	}
	t.within(t.slot.SaveTimeout, "save_timeout", "to save a checkpoint")
	if err := t.send(&protocol.Save{Lease: t.job.Lease, Dir: t.job.Save}); err != nil {
		return t.gone(err)
	}
	saved, err := await[*protocol.Saved](t)
	if err != nil {
		return whileSaving(t.job.Save, err)
	}
	if !t.isAbout(saved.Lease) {
		return t.wrongLease(saved, saved.Lease)
	}
	res.Save, _ = since(start)
	return nil
}

func (t *turn) segment(held memory) *protocol.Segment {
	j := t.job
	m := &protocol.Segment{
		Lease: j.Lease, Segment: j.ID, Member: j.Member, Start: protocol.StartLoad, Load: j.Load,
		From: j.From, Steps: j.Steps, Until: j.From + j.Steps, Hypers: j.Hypers, Seed: j.Seed >> 1, WeightSeed: j.WeightSeed >> 1,
	}
	switch {
	case j.Parent == 0:
		m.Start = protocol.StartFresh
	case held.serves(j):
		m.Start, m.Load = protocol.StartHold, ""
	}
	return m
}

func evaluation(r *protocol.Report) Evaluation {
	e := Evaluation{Score: float64(*r.Score), Steps: r.Steps, Done: r.Done}
	for _, x := range r.Samples {
		e.Samples = append(e.Samples, float64(x))
	}
	if len(r.Metrics) > 0 {
		e.Metrics = plain(r.Metrics)
	}
	return e
}

func plain(metrics map[string]protocol.Number) map[string]float64 {
	out := make(map[string]float64, len(metrics))
	for name, x := range metrics {
		out[name] = float64(x)
	}
	return out
}

func (t *turn) progress(p *protocol.Progress) {
	t.job.Progress(Progress{Member: t.job.Member, Segment: t.job.ID, Step: p.Step, Metrics: plain(p.Metrics)})
}

// checkEcho is law 6: what is in force must be what was asked for.
func (t *turn) checkEcho(m *protocol.Loaded) error {
	for name, want := range t.job.Hypers.All() {
		got, ok := m.Hypers.Get(name)
		switch {
		case !ok:
			return t.refuse("loaded: the hyperparameter %s is missing from those in force", name)
		case !sameValue(got, want):
			return t.refuse("loaded: %s is %s in the trainer, and %s was asked for; does loading a checkpoint bring the old value back? Set the hyperparameters after loading", name, exact(got), exact(want))
		}
	}
	return nil
}

func exact(v pbt.Value) string { return string(v.AppendJSON(nil)) }

func sameValue(got, want pbt.Value) bool {
	x, isNumber := got.Float()
	y, wantNumber := want.Float()
	if !isNumber || !wantNumber {
		return got == want
	}
	if want.Kind() == pbt.KindInt {
		return x == y
	}
	return math.Abs(x-y) <= echoTolerance*max(math.Abs(x), math.Abs(y))
}

// within starts the time that the next step of the conversation may take.
func (t *turn) within(d time.Duration, name, what string) {
	if t.timer != nil {
		t.timer.Stop()
		t.timer = nil
	}
	if d > 0 {
		t.timer = awake.NewTimer(d)
		t.limit = fmt.Sprintf("it took longer than trainer.%s, which is %s %s", name, d, what)
	}
}

// ErrTimeout says that a trainer took longer than one of its limits allows.
var ErrTimeout = errors.New("the trainer took too long")

// await waits for the message that comes next. Whatever else comes is an error.
func await[M protocol.Message](t *turn) (M, error) {
	var none M
	silence := t.listenFor(t.slot.Silence)
	defer silence.stop()
	for {
		var due <-chan struct{}
		if t.timer != nil {
			due = t.timer.C
		}
		var stop <-chan struct{}
		if !t.told {
			stop = t.job.Stop
		}
		select {
		case m, open := <-t.messages:
			if !open {
				return none, t.gone(t.readErr)
			}
			switch m := m.(type) {
			case M:
				return m, nil
			case *protocol.Failed:
				return none, t.failed(m)
			}
			return none, t.refuse("%s: not now; want %s or failed", m.Type(), none.Type())
		case <-stop:
			t.told = true
			_ = t.send(&protocol.Stop{Reason: "the run is to stop", Grace: t.graceLeft().Seconds()}) // if it is gone, that is noticed
		case <-due:
			return none, fmt.Errorf("%w: %s\n%s", ErrTimeout, t.limit, t.process.Tail())
		case <-silence.look():
			if silence.over() {
				return none, fmt.Errorf("%w: not even a heartbeat came for %s (trainer.silence)\n%s", ErrTimeout, t.slot.Silence, t.process.Tail())
			}
		case <-t.ctx.Done():
			return none, context.Cause(t.ctx)
		}
	}
}

// failed is what the trainer says of its own failure.
func (t *turn) failed(m *protocol.Failed) error {
	if !t.isAbout(m.Lease) {
		return t.wrongLease(m, m.Lease)
	}
	switch m.Kind {
	case protocol.FailedPreempted:
		return fmt.Errorf("%w: %s", ErrPreempted, m.Error)
	case protocol.FailedMemory:
		return fmt.Errorf("out of memory: %s", m.Error)
	}
	t.alive = true
	return errors.New(m.Error)
}

// publishing is the share of the grace that is kept for what comes after the
// trainer's last word.
const publishing = 10 // a tenth

// graceLeft is what a trainer has of the time in which the run is to stop.
func (t *turn) graceLeft() time.Duration {
	return t.job.Grace - min(time.Second, t.job.Grace/publishing)
}

func (t *turn) isAbout(lease int64) bool { return lease == t.job.Lease }

func (t *turn) wrongLease(m protocol.Message, lease int64) error {
	return t.refuse("%s: lease %d is not the current one, which is %d", m.Type(), lease, t.job.Lease)
}

// refuse answers a message that makes no sense, and fails the segment with it.
func (t *turn) refuse(format string, args ...any) error {
	return t.reject(fmt.Errorf(format, args...))
}
