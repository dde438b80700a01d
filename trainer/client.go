package trainer

import (
	"context"
	"errors"
	"fmt"
	"math"
	"slices"
	"strconv"
	"time"

	"github.com/seed-7a1a2db0/pbt"
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
	holds   int64      // the segment whose weights it has
	used    bool       // it has trained before
	hypers  pbt.Hypers // of what it trained last
	crashes int        // starts in a row after which nothing was finished
}

func (s *clientSlot) Holds() int64 {
	if s.live == nil || s.live.ended() {
		return 0
	}
	return s.holds
}

// Close lets the program go: it is told that there is no more work.
func (s *clientSlot) Close() error {
	if s.live != nil {
		s.live.leave(s.grace())
		s.live = nil
	}
	return nil
}

func (s *clientSlot) Train(ctx context.Context, job Job) (res Result, err error) {
	if s.live != nil && s.mustRestart(&job) {
		s.live.leave(s.grace())
		s.live = nil
	}
	if job.fromMemory() && (s.live == nil || s.holds != job.Parent) {
		return res, ErrLost
	}
	if err := s.prepare(ctx, &job, &res); err != nil {
		return res, err
	}
	s.mark(&job)
	s.used, s.hypers = true, job.Hypers
	t := turn{session: s.live, slot: s, ctx: ctx, job: &job}
	held := s.holds
	s.holds = 0
	err = t.run(held, &res)
	t.close()
	if err != nil {
		if !t.alive { // nobody knows what it holds, or does
			s.live.kill()
			s.live = nil
			s.crashes++
		}
		return res, err
	}
	s.holds, s.crashes = job.ID, 0
	return res, nil
}

// mustRestart tells whether a segment needs a new process.
func (s *clientSlot) mustRestart(job *Job) bool {
	if s.live.ended() || !s.live.quiet() {
		return true
	}
	if !s.used {
		return false
	}
	if job.Parent == 0 && !s.live.hello.Fresh {
		return true
	}
	return slices.ContainsFunc(s.live.hello.RestartOn, func(name string) bool {
		before, _ := s.hypers.Get(name)
		now, _ := job.Hypers.Get(name)
		return before != now
	})
}

// prepare has a living program, started if need be.
func (s *clientSlot) prepare(ctx context.Context, job *Job, res *Result) error {
	if s.live != nil {
		return nil
	}
	if err := s.backOff(ctx, job); err != nil {
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
	s.live, s.holds, s.used = live, 0, false
	res.Start = time.Since(start)
	return nil
}

// backOff waits before a program is started that has crashed before.
func (s *clientSlot) backOff(ctx context.Context, job *Job) error {
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
	case <-job.Stop:
		return ErrPreempted
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}

// turn is the conversation about one segment.
type turn struct {
	*session
	slot  *clientSlot
	ctx   context.Context
	job   *Job
	told  bool // that the run is to stop
	alive bool // the program may go on living though the segment failed
	timer *time.Timer
	limit string // what the timer is for
}

func (t *turn) close() {
	if t.timer != nil {
		t.timer.Stop()
	}
	t.watch(nil, 0)
}

// run is the whole of it: segment, loaded, report, save, saved.
func (t *turn) run(held int64, res *Result) error {
	if t.job.Progress != nil {
		t.watch(t.progress, t.job.Lease)
	}
	start := time.Now()
	t.within(t.slot.StepTimeout, "step_timeout", "from the start of a segment to its report")
	if err := t.send(t.segment(held)); err != nil {
		return t.gone(err)
	}
	loaded, err := await[*protocol.Loaded](t)
	if err != nil {
		return err
	}
	if err := t.checkEcho(loaded); err != nil {
		return err
	}
	res.Load, start = since(start)
	report, err := await[*protocol.Report](t)
	if err != nil {
		return err
	}
	if report.Lease != t.job.Lease {
		return t.refuse("report: lease %d is not the current one, which is %d", report.Lease, t.job.Lease)
	}
	took, start := since(start)
	res.Eval = min(took, time.Duration(report.Eval*float64(time.Second)))
	res.Train = took - res.Eval
	res.Evaluation = evaluation(report)
	return t.save(res, start)
}

// save has the weights saved, or not.
func (t *turn) save(res *Result, start time.Time) error {
	if res.Saved = t.job.wanted(res.Evaluation); !res.Saved {
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
		return err
	}
	if saved.Lease != t.job.Lease {
		return t.refuse("saved: lease %d is not the current one, which is %d", saved.Lease, t.job.Lease)
	}
	res.Save, _ = since(start)
	return nil
}

func (t *turn) segment(held int64) *protocol.Segment {
	j := t.job
	m := &protocol.Segment{
		Lease: j.Lease, Segment: j.ID, Member: j.Member, Start: protocol.StartLoad, Load: j.Load,
		From: j.From, Steps: j.Steps, Hypers: j.Hypers, Seed: j.Seed >> 1, WeightSeed: j.WeightSeed >> 1,
	}
	switch {
	case j.Parent == 0:
		m.Start = protocol.StartFresh
	case j.Parent == held:
		m.Start, m.Load = protocol.StartHold, ""
	}
	return m
}

func evaluation(r *protocol.Report) Evaluation {
	e := Evaluation{Score: float64(*r.Score)}
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
	if m.Lease != t.job.Lease {
		return t.refuse("loaded: lease %d is not the current one, which is %d", m.Lease, t.job.Lease)
	}
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
		t.timer = time.NewTimer(d)
		t.limit = fmt.Sprintf("it took longer than trainer.%s, which is %s %s", name, d, what)
	}
}

// ErrTimeout says that a trainer took longer than one of its limits allows.
var ErrTimeout = errors.New("the trainer took too long")

// await waits for the message that comes next. Whatever else comes is an error.
func await[M protocol.Message](t *turn) (M, error) {
	var none M
	silence := t.silence(t.slot.Silence)
	defer silence.stop()
	for {
		var due <-chan time.Time
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
			_ = t.send(&protocol.Stop{Reason: "the run is to stop", Grace: t.job.Grace.Seconds()}) // if it is gone, that is noticed
		case <-due:
			return none, fmt.Errorf("%w: %s\n%s", ErrTimeout, t.limit, t.process.Tail())
		case <-silence.c():
			if quiet := silence.check(); quiet {
				return none, fmt.Errorf("%w: not even a heartbeat came for %s (trainer.silence)\n%s", ErrTimeout, t.slot.Silence, t.process.Tail())
			}
		case <-t.ctx.Done():
			return none, context.Cause(t.ctx)
		}
	}
}

// failed is what the trainer says of its own failure.
func (t *turn) failed(m *protocol.Failed) error {
	if m.Lease != t.job.Lease {
		return t.refuse("failed: lease %d is not the current one, which is %d", m.Lease, t.job.Lease)
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

// refuse answers a message that makes no sense, and fails the segment with it.
func (t *turn) refuse(format string, args ...any) error {
	err := fmt.Errorf(format, args...)
	_ = t.send(&protocol.Error{Error: err.Error(), Fatal: true}) // for its author; it is killed anyway
	return fmt.Errorf("the trainer's message was refused: %w", err)
}
