// Package notify tells somebody when something happens to a run: a webhook, which
// gets JSON, or a program.
package notify

import (
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"time"

	"github.com/seed-7a1a2db0/pbt"
	"github.com/seed-7a1a2db0/pbt/machine"
	"github.com/seed-7a1a2db0/pbt/sinks/feed"
)

// The occasions, as the experiment file names them.
const (
	Finish  = "finish"
	Pause   = "pause"
	Best    = "best"
	Trouble = "trouble"
)

// Limits of what is told.
const (
	quiet         = int64(time.Minute) // between two news of a new best
	failuresInRow = 5                  // are trouble, and each doubling of them again
	attempts      = 12                 // at one message at least, before it is given up,
	giveUpAfter   = 15 * time.Minute   // and so long
	sendTime      = 30 * time.Second   // for one attempt
)

// Message is one piece of news.
type Message struct {
	ID      string     `json:"id"` // of the run and the event: the same again when it is sent again
	Event   string     `json:"event"`
	Message string     `json:"message"` // a sentence
	Run     string     `json:"run"`     // the run's name
	Dir     string     `json:"dir"`
	At      time.Time  `json:"at"`
	Segment int64      `json:"segment,omitempty"`
	Member  *int       `json:"member,omitempty"`
	Score   *pbt.Score `json:"score,omitempty"` // the best one so far
	Metric  string     `json:"metric"`
}

// Sender takes a message somewhere.
type Sender interface {
	Target() string
	Send(ctx context.Context, m *Message) error
}

// Sink tells a sender of what happens.
type Sink struct {
	on     []string
	sender Sender
	warn   func(string)
	run    *feed.Run
	state  state
	tries  int // at the next message
	since  time.Time
}

// state is what the cursor keeps.
type state struct {
	Seen   int64      `json:"seen"` // position of the last event that was looked at
	Unsent []*Message `json:"unsent,omitempty"`
	BestAt int64      `json:"best_at"`         // when a new best was last told of
	Held   *Message   `json:"held,omitempty"`  // a new best that came too soon after
	Score  *pbt.Score `json:"score,omitempty"` // the best one
}

// New returns a sink that tells of some occasions.
func New(sender Sender, on []string, warn func(string)) *Sink {
	return &Sink{on: on, sender: sender, warn: warn}
}

// Target implements feed.Sink.
func (s *Sink) Target() string { return s.sender.Target() }

// Open implements feed.Sink. What this process has sent, it knows better than the
// cursor does, which may be behind.
func (s *Sink) Open(_ context.Context, run *feed.Run, text json.RawMessage) error {
	if s.run == nil && text != nil {
		if err := json.Unmarshal(text, &s.state); err != nil {
			return fmt.Errorf("read what was told before: %w", err)
		}
	}
	s.run = run
	return nil
}

// Close implements feed.Sink.
func (s *Sink) Close(context.Context) error { return nil }

// Deliver implements feed.Sink.
func (s *Sink) Deliver(ctx context.Context, events []feed.Event) (json.RawMessage, error) {
	for i := range events {
		if e := &events[i]; e.Seq > s.state.Seen {
			s.state.Unsent = append(s.state.Unsent, s.news(e)...)
			s.state.Seen = e.Seq
		}
	}
	for len(s.state.Unsent) > 0 {
		if err := s.send(ctx, s.state.Unsent[0]); err != nil {
			return nil, err
		}
		s.state.Unsent = s.state.Unsent[1:]
	}
	return json.Marshal(s.state)
}

// send tries one message; after some attempts it is given up.
func (s *Sink) send(ctx context.Context, m *Message) error {
	limited, cancel := context.WithTimeout(ctx, sendTime)
	defer cancel()
	err := s.sender.Send(limited, m)
	if err == nil {
		s.tries = 0
		return nil
	}
	if s.tries++; s.tries == 1 {
		s.since = time.Now()
	}
	if s.tries < attempts || time.Since(s.since) < giveUpAfter || ctx.Err() != nil {
		return err
	}
	s.warn(fmt.Sprintf("%q was not told after %d attempts: %v", m.Message, s.tries, err))
	s.tries = 0
	return nil
}

// news is what an event gives to tell.
func (s *Sink) news(e *feed.Event) (out []*Message) {
	switch b := e.Body.(type) {
	case *machine.Finished:
		if e.Best {
			score := b.Score
			s.state.Score = &score
			return s.best(e, b)
		}
	case *machine.RunEnded:
		m := s.message(e, Finish, "%s has ended: %s%s", s.run.Name, b.Reason, s.bestSoFar())
		return s.wanted(s.held(), m)
	case *machine.Paused:
		return s.wanted(s.held(), s.message(e, Pause, "%s has paused: %s", s.run.Name, b.Reason))
	case *machine.Failed:
		return s.wanted(s.failed(e, b))
	}
	return nil
}

// best tells of a new best, at most one a minute: one that comes sooner is held,
// until a later one takes its place or the run ends.
func (s *Sink) best(e *feed.Event, b *machine.Finished) []*Message {
	member := b.Member
	m := s.message(e, Best, "%s: new best %s %s, of member %d at step %d (%s)", s.run.Name, s.run.Metric, b.Score, member, b.Step, e.Plan.Hypers)
	m.Segment, m.Member = b.Segment, &member
	if s.state.BestAt != 0 && e.At-s.state.BestAt < quiet {
		s.state.Held = m
		return nil
	}
	s.state.BestAt, s.state.Held = e.At, nil
	return s.wanted(m)
}

func (s *Sink) held() *Message {
	m := s.state.Held
	s.state.Held = nil
	return m
}

// failed finds the trouble in a failure.
func (s *Sink) failed(e *feed.Event, b *machine.Failed) *Message {
	member := b.Member
	var m *Message
	switch row := e.Row; {
	case b.Fault == machine.FailDisk:
		m = s.message(e, Trouble, "%s: a checkpoint could not be written: %s", s.run.Name, b.Error)
	case row >= failuresInRow && row%failuresInRow == 0 && powerOfTwo(row/failuresInRow):
		m = s.message(e, Trouble, "%s: %d failures in a row, the last of member %d: %s", s.run.Name, row, member, b.Error)
	default:
		return nil
	}
	m.Segment, m.Member = b.Segment, &member
	return m
}

func powerOfTwo(n int) bool { return n&(n-1) == 0 }

func (s *Sink) bestSoFar() string {
	if s.state.Score == nil {
		return ""
	}
	return fmt.Sprintf("; best %s %s", s.run.Metric, *s.state.Score)
}

func (s *Sink) message(e *feed.Event, event, format string, args ...any) *Message {
	return &Message{
		ID: fmt.Sprintf("%s-%d", s.run.ID, e.Seq), Event: event, Message: fmt.Sprintf(format, args...),
		Run: s.run.Name, Dir: s.run.Dir, At: time.Unix(0, e.At).UTC(), Score: s.state.Score, Metric: s.run.Metric,
	}
}

// wanted are those that the experiment file asks for.
func (s *Sink) wanted(messages ...*Message) []*Message {
	return slices.DeleteFunc(messages, func(m *Message) bool { return m == nil || !slices.Contains(s.on, m.Event) })
}
