package watch

import (
	"errors"
	"slices"
	"strings"
	"testing"

	"github.com/seed-7a1a2db0/pbt/machine"
)

// Each verb asks first, and is what the command line would send.
func TestSteeringByKeys(t *testing.T) {
	s := training(t)
	live := s.snapshot(true)
	s.do(machine.Hold{By: "ada", Reason: "lunch"})
	held := s.snapshot(true)
	for _, c := range []struct {
		snap *snapshot
		keys []string
		asks string
		want string // "" for nothing
	}{
		{live, []string{"p", "y"}, "Pause: hand out no more segments", `{"verb":"pause"}`},
		{held, []string{"p", "y"}, "Let the run go on?", `{"verb":"resume"}`},
		{live, []string{"S", "y"}, "Stop the run", `{"verb":"stop"}`},
		{live, []string{"S", "!"}, "!: at once", `{"verb":"stop","now":true}`},
		{live, []string{"p", "n"}, "", ""},
		{live, []string{"p", "!"}, "", ""},
		{live, []string{"p", "esc"}, "", ""},
		{live, []string{"x", "y"}, "of member 2?", `{"verb":"kill","member":2}`},
		{live, []string{"down", "r", "y"}, "Let member 12 begin again", `{"verb":"restart","member":12}`},
		{live, []string{"t", "y"}, "Let member 2 train no more?", `{"verb":"retire","member":2}`},
		{live, []string{"e", "learning_rate=0.5 width=9", "enter", "y"}, "train with learning_rate=0.5 width=9", `{"verb":"set","member":2,"hypers":{"learning_rate":0.5,"width":9}}`},
		{live, []string{"e", "learning_rate=0.5", "esc", "y"}, "", ""},
		{live, []string{"c", "enter", "y"}, "segment 97?", `{"verb":"copy","member":2,"segment":97}`},
		{live, []string{"j", "c", "ctrl+u", "12", "enter", "y"}, "segment 12?", `{"verb":"copy","member":12,"segment":12}`},
		{live, []string{"+", "enter", "y"}, "fresh weights and hyperparameters?", `{"verb":"inject"}`},
		{live, []string{"+", " 7", "enter", "y"}, "begins from segment 7?", `{"verb":"inject","segment":7}`},
		{live, []string{"+", "width=9", "enter", "y"}, "fresh weights and width=9?", `{"verb":"inject","hypers":{"width":9}}`},
		{live, []string{".", "enter", "y"}, "segment 97, whatever", `{"verb":"pin","segment":97}`},
		{live, []string{",", "backspace", "enter", "y"}, "segment 9 by the rules", `{"verb":"unpin","segment":9}`},
	} {
		u := newUser(t, c.snap, 100, 30)
		last := len(c.keys) - 1
		u.press(c.keys[:last]...)
		if !strings.Contains(u.sees(), c.asks) || len(u.asked.commands) > 0 {
			t.Errorf("%q: want the question %q:\n%s", c.keys, c.asks, u.sees())
		}
		u.press(c.keys[last])
		switch {
		case c.want == "" && len(u.asked.commands) != 0:
			t.Errorf("%q asked for %s", c.keys, u.asked.commands)
		case c.want != "" && (!slices.Equal(u.asked.commands, []string{c.want}) || !strings.Contains(u.sees(), "it is done")):
			t.Errorf("%q asked for %s, want %s:\n%s", c.keys, u.asked.commands, c.want, u.sees())
		}
	}
}

func TestWhatCannotBeIsTold(t *testing.T) {
	live := training(t).snapshot(true)
	for says, keys := range map[string][]string{
		`"9x" is no segment`:     {"c", "ctrl+u", "9x", "enter"},
		`"" is no segment`:       {".", "ctrl+u", "enter"},
		"such as lr=0.01":        {"e", "enter"},
		"width: want NAME=VALUE": {"e", "width", "enter"},
		"lr=x: want NAME=VALUE":  {"+", "lr=x", "enter"},
		"no member is selected":  {"/", "nobody", "enter", "x"},
		"nothing was done":       {"x", "n"},
	} {
		u := newUser(t, live, 80, 24).press(keys...)
		if !strings.Contains(u.sees(), says) || len(u.asked.commands) > 0 {
			t.Errorf("%q: want %q:\n%s", keys, says, u.sees())
		}
	}
	u := newUser(t, live, 80, 24)
	u.asked.err = errors.New("member 2 is at work: kill it first, or wait until its segment is done, which may take a while, and ask again")
	golden(t, "refused-80x24", u.press("t", "y").sees())
	golden(t, "asking-80x24", u.press("S").sees())
	golden(t, "typing-80x24", u.press("n", "e", "width=x", "enter", "left", "left").sees())
}

// While an answer is on its way, nothing else is asked.
func TestOneWishAtATime(t *testing.T) {
	u := newUser(t, training(t).snapshot(true), 80, 24)
	u.press("p")
	_, cmd := u.Update(keyPress("y"))
	if !strings.Contains(u.sees(), "asking the process") {
		t.Errorf("it does not say that it asks:\n%s", u.sees())
	}
	u.press("S", "y")
	if len(u.asked.commands) != 0 {
		t.Errorf("asked for %s", u.asked.commands)
	}
	u.Update(cmd())
	if !strings.Contains(u.sees(), "it is done") || len(u.asked.commands) != 1 {
		t.Errorf("asked for %s:\n%s", u.asked.commands, u.sees())
	}
}
