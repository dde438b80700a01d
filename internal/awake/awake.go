// Package awake measures time during which this process was running. A process that is
// stopped (SIGSTOP, Ctrl-Z), or whose machine is suspended, cannot listen to anybody:
// that time must not count against those it waits for.
package awake

import (
	"context"
	"time"
)

// looks is how often a timer looks at the clock before it fires. A stop of any length
// costs it one look at most.
const (
	looks       = 64
	shortest    = time.Millisecond
	longestLook = time.Second
)

// Timer closes C once this process has been running for a while.
type Timer struct {
	C    <-chan struct{}
	stop chan struct{}
}

// NewTimer starts a timer. Its owner stops it.
func NewTimer(d time.Duration) *Timer {
	fired, stop := make(chan struct{}), make(chan struct{})
	go func() {
		if wait(d, stop) {
			close(fired)
		}
	}()
	return &Timer{C: fired, stop: stop}
}

// Stop ends the timer. It may be called once.
func (t *Timer) Stop() { close(t.stop) }

// wait reports whether the time has passed before stop is closed. A ticker drops the
// ticks that nobody has taken: those of a stop are one.
func wait(d time.Duration, stop <-chan struct{}) bool {
	look := min(max(d/looks, shortest), longestLook)
	ticker := time.NewTicker(look)
	defer ticker.Stop()
	for passed := time.Duration(0); passed < d; passed += look {
		select {
		case <-ticker.C:
		case <-stop:
			return false
		}
	}
	return true
}

// WithTimeoutCause is context.WithTimeoutCause in time during which this process was
// running.
func WithTimeoutCause(ctx context.Context, d time.Duration, cause error) (context.Context, context.CancelFunc) {
	timed, cancel := context.WithCancelCause(ctx)
	go func() {
		if wait(d, timed.Done()) {
			cancel(cause)
		}
	}()
	return timed, func() { cancel(context.Canceled) }
}

// Clock is the wall clock at its start plus the time during which this process was
// running since. It does not jump when the clock is set. It is not safe for concurrent
// use.
type Clock struct {
	start, last time.Time
	frozen      time.Duration
	beats       bool
}

// Beat is how often Now must be called between Watch and the end: a longer gap is time
// during which the process did not run.
const Beat = time.Second

// longestGap is how late a beat may be on a busy machine.
const longestGap = 3 * Beat

// NewClock starts a clock.
func NewClock() *Clock {
	now := time.Now()
	return &Clock{start: now, last: now}
}

// Watch says that Now is called each Beat from now on.
func (c *Clock) Watch() { c.beats, c.last = true, time.Now() }

// Now is the time in Unix nanoseconds.
func (c *Clock) Now() int64 { return c.at(time.Now()) }

func (c *Clock) at(now time.Time) int64 {
	if gap := now.Sub(c.last); c.beats && gap > longestGap {
		c.frozen += gap - Beat
	}
	c.last = now
	return c.start.UnixNano() + int64(now.Sub(c.start)-c.frozen)
}
