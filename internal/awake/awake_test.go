package awake

import (
	"context"
	"errors"
	"testing"
	"testing/synctest"
	"time"
)

func TestATimerFires(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		start := time.Now()
		timer := NewTimer(time.Minute)
		<-timer.C
		if took := time.Since(start); took != time.Minute {
			t.Errorf("it took %s", took)
		}
		stopped := NewTimer(time.Minute)
		stopped.Stop()
		time.Sleep(time.Hour)
		select {
		case <-stopped.C:
			t.Error("it fires, and was stopped")
		default:
		}
		why := errors.New("too long")
		ctx, cancel := WithTimeoutCause(t.Context(), time.Minute, why)
		defer cancel()
		<-ctx.Done()
		if context.Cause(ctx) != why {
			t.Error(context.Cause(ctx))
		}
	})
}

// A clock does not count a gap in its beats.
func TestAClockStandsStillWhileTheProcessDoes(t *testing.T) {
	c := NewClock()
	c.Watch()
	began := c.last
	zero := c.at(began)
	if d := c.at(began.Add(Beat)) - zero; d != int64(Beat) {
		t.Errorf("a beat is %s", time.Duration(d))
	}
	if d := c.at(began.Add(Beat+time.Hour)) - zero; d != int64(2*Beat) {
		t.Errorf("an hour without a beat counts as %s", time.Duration(d))
	}
	if d := c.at(began.Add(2*Beat+time.Hour)) - zero; d != int64(3*Beat) {
		t.Errorf("and a beat later as %s", time.Duration(d))
	}
}
