package watch

import (
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/seed-7a1a2db0/pbt/machine"
)

// finished is a run to its end.
func finished(t *testing.T) *snapshot {
	s := newScript(t, 6, 2, "budget: {steps: 200}")
	s.train(1000)
	return s.snapshot(false)
}

// training is a run in its middle, in which something has failed.
func training(t *testing.T) *script {
	s := newScript(t, 16, 4, "budget: {steps: 200}", "retries: 1")
	s.train(40)
	s.fail(1, "Traceback (most recent call last):\n  File \"train.py\", line 3, in <module>\nRuntimeError: CUDA out of memory")
	s.train(60)
	s.fail(2, "it broke")
	return s
}

func TestScreens(t *testing.T) {
	live := training(t)
	withColours := func(u *user) *user { u.look = newTheme(true); return u }
	for name, u := range map[string]*user{
		"finished-80x24":         newUser(t, finished(t), 80, 24),
		"finished-80x24-colours": withColours(newUser(t, finished(t), 80, 24)),
		"finished-140x40":        newUser(t, finished(t), 140, 40),
		"live-80x24":             newUser(t, live.snapshot(true), 80, 24),
		"live-100x30-colours":    withColours(newUser(t, live.snapshot(true), 100, 30)),
		"live-160x50":            newUser(t, live.snapshot(true), 160, 50),
		"live-160x50-scores":     newUser(t, live.snapshot(true), 160, 50).press("2"),
		"live-160x50-zoomed":     newUser(t, live.snapshot(true), 160, 50).press("2z"),
		"live-60x16":             newUser(t, live.snapshot(true), 60, 16),
		"live-40x10":             newUser(t, live.snapshot(true), 40, 10),
		"live-20x5":              newUser(t, live.snapshot(true), 20, 5),
		"live-scores":            newUser(t, live.snapshot(true), 80, 24).press("tab"),
		"live-schedule":          newUser(t, live.snapshot(true), 80, 24).press("3"),
		"live-events":            newUser(t, live.snapshot(true), 80, 24).press("4"),
		"live-events-all":        newUser(t, live.snapshot(true), 80, 24).press("4a"),
		"live-slots":             newUser(t, live.snapshot(true), 80, 24).press("5"),
		"stopped-80x24":          newUser(t, live.snapshot(false), 80, 24),
		"help-80x24":             newUser(t, live.snapshot(true), 80, 24).press("?"),
		"loading":                newUser(t, &snapshot{read: 1200, total: 5000}, 80, 24),
		"unreadable":             newUser(t, &snapshot{err: errors.New("read journal x: its page 3 is\x1b[31m damaged")}, 80, 24),
		"nothing":                newUser(t, nil, 80, 24),
	} {
		t.Run(name, func(t *testing.T) { golden(t, name, u.sees()) })
	}
}

func TestScreensOfARunInTrouble(t *testing.T) {
	s := training(t)
	s.do(machine.Hold{By: "ada", Reason: "lunch"})
	golden(t, "held-80x24", newUser(t, s.snapshot(true), 80, 24).sees())

	s = training(t)
	s.do(machine.Pause{Reason: "the disk is full: /runs"})
	golden(t, "paused-80x24", newUser(t, s.snapshot(false), 80, 24).sees())

	s = newScript(t, 4, 2, "budget: {steps: 100}", "retries: 0", "repair: none")
	s.train(5)
	s.fail(0, "\x1b]0;owned\x07\x1b[2Jboom \u202Eright to left\nline two\x9b31m")
	s.train(4)
	u := newUser(t, s.snapshot(true), 80, 24).press("/", "failed", "enter")
	golden(t, "failed-80x24", u.sees())
	golden(t, "failed-events", u.press("4").sees())
	golden(t, "failed-140x40", newUser(t, s.snapshot(true), 140, 40).press("sssss").sees())

	golden(t, "begun-80x24", newUser(t, newScript(t, 3, 2, "budget: {steps: 10}").snapshot(true), 80, 24).sees())
}

func TestAThousandMembers(t *testing.T) {
	s := newScript(t, 1000, 8, "budget: {steps: 1000}")
	s.train(1500)
	snap := s.snapshot(true)
	golden(t, "thousand-80x24", newUser(t, snap, 80, 24).sees())
	u := newUser(t, snap, 160, 50)
	golden(t, "thousand-160x50", u.press("end").sees())
	if u.row() != 999 {
		t.Errorf("the last member is row %d", u.row())
	}
	golden(t, "thousand-filtered", u.press("/", "tanh", "enter").sees())
}

// Whatever the size, nothing is wider or higher than the terminal, and nothing panics.
func TestEverySizeIsFilled(t *testing.T) {
	s := training(t)
	snaps := []*snapshot{s.snapshot(true), {}, {read: 1, total: 2}, {err: errors.New(strings.Repeat("long ", 200))}}
	for _, snap := range snaps {
		for _, w := range []int{1, 2, 7, 40, 80, 119, 120, 250} {
			for _, h := range []int{1, 2, 3, 4, 11, 12, 24, 31, 70} {
				u := newUser(t, snap, w, h)
				for range panes {
					u.press("tab").sees()
				}
				u.press("?").sees()
				u.press("q", "x").sees()
				u.press("n", "e", "nothing", "enter").sees()
				u.press("esc", "/", strings.Repeat("wörter ", 30)).sees()
				if t.Failed() {
					t.Fatalf("at %d×%d", w, h)
				}
			}
		}
	}
}

// A character may take two cells, or none.
func TestWideCharacters(t *testing.T) {
	s := newScript(t, 3, 2, "retries: 3", "budget: {steps: 100}", "# 🚀")
	s.train(3)
	for range 3 {
		s.fail(0, strings.Repeat("学习率太高 🚀 e\u0301 ", 40))
		s.train(1)
	}
	snap := s.snapshot(true)
	snap.sum.Name, snap.sum.Metric = strings.Repeat("数字", 30), "准确率"
	for w := 1; w < 200; w += 7 {
		u := newUser(t, snap, w, 50)
		for range panes {
			u.press("tab", "a").sees()
		}
		u.press("/", "数字数字数字数字数字数字").sees()
	}
}

// What others write cannot steer the terminal, wherever it is shown.
func TestTextOfTheRunIsHarmless(t *testing.T) {
	evil := "\x1b[2J\x1b]0;t\x07\u009b31m\r\n\t\x00\u202e\u2066\u200b\u2028\xff"
	s := newScript(t, 4, 2, "budget: {steps: 100}", "retries: 3")
	s.train(3)
	s.fail(0, evil)
	s.do(machine.Hold{By: evil, Reason: evil})
	snap := s.snapshot(true)
	for _, size := range [][2]int{{80, 24}, {160, 50}} {
		u := newUser(t, snap, size[0], size[1])
		u.asked.err = errors.New(evil)
		for p := range panes {
			u.press(fmt.Sprint(p+1), "a", "x", "y")
			screen := u.sees()
			for _, style := range []string{"\x1b[1m", "\x1b[2m", "\x1b[7m", "\x1b[m"} {
				screen = strings.ReplaceAll(screen, style, "")
			}
			for _, bad := range []string{"\x1b", "\u009b", "\x07", "\r", "\x00", "\u202e", "\u2066", "\u200b", "\u2028", "\xff"} {
				if strings.Contains(screen, bad) {
					t.Errorf("%q is on the screen:\n%q", bad, screen)
				}
			}
		}
	}
}
