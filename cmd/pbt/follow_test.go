package main

import (
	"fmt"
	"strings"
	"testing"
)

// trainsUnder checks that each segment of a run was trained with what a schedule has for
// every one of its steps.
func trainsUnder(t *testing.T, dir, run string, members int, schedule []stage) {
	t.Helper()
	ok(t, dir, "verify", run)
	segments := decode[struct {
		Segments []struct {
			Member, From, Step int64
			Hypers             map[string]float64
		}
	}](t, ok(t, dir, "lineage", run, "--json")).Segments
	trained, last := map[int64]int64{}, schedule[len(schedule)-1].To
	for _, n := range segments {
		trained[n.Member] += n.Step - n.From
		for _, s := range schedule {
			if n.From < s.To && s.From < n.Step && fmt.Sprint(n.Hypers) != fmt.Sprint(s.Hypers) {
				t.Errorf("%s: steps %d to %d of member %d were trained with %v; from step %d on the schedule has %v", run, n.From, n.Step, n.Member, n.Hypers, s.From, s.Hypers)
			}
		}
	}
	for member := range members {
		if trained[int64(member)] != last {
			t.Errorf("%s: member %d has trained %d steps of %d", run, member, trained[int64(member)], last)
		}
	}
}

// What pbt schedule --format yaml prints trains under that schedule, also where the segments
// of the new run have other lengths, and so does every member of a replay.
func TestAScheduleIsFollowedExactly(t *testing.T) {
	dir := home(t, quick)
	ok(t, dir, "run", "q.yaml", "--dir", "d", "--quiet", "--set", "explore_always=true", "--set", "budget.steps=43")
	schedule := decode[[]stage](t, ok(t, dir, "schedule", "d", "--json"))
	text := strings.ReplaceAll("\n"+strings.TrimSpace(ok(t, dir, "schedule", "d", "--format", "yaml")), "\n", "\n    ")
	for name, old := range map[string]string{"one": "population: 6", "seven": "steps: 5}", "barrier": "population: 6"} {
		e := strings.Replace(quick, old, map[string]string{"one": "population: 1", "seven": "steps: 7}", "barrier": "population: 4\nbarrier: true"}[name], 1)
		save(t, dir, name+".yaml", strings.Replace(e, "steps: 50", "steps: "+fmt.Sprint(schedule[len(schedule)-1].To), 1)+"exploit: none\nexplore:\n  follow:"+text+"\n")
		ok(t, dir, "run", name+".yaml", "--dir", name, "--quiet", "--seed", "9")
		trainsUnder(t, dir, name, map[string]int{"one": 1, "seven": 6, "barrier": 4}[name], schedule)
	}
	ok(t, dir, "replay", "d", "--dir", "again", "--quiet", "--set", "population=3", "--set", "segment.steps=7")
	trainsUnder(t, dir, "again", 3, schedule)
}

// A branch keeps what the user wrote, and derives again what follows from its own settings.
func TestABranchDerivesItsDefaultsAgain(t *testing.T) {
	dir := home(t, quick)
	ok(t, dir, "run", "q.yaml", "--dir", "four", "--quiet", "--set", "population=4", "--set", "budget.steps=10", "--slots", "1")
	ok(t, dir, "branch", "four", "best", "--dir", "twenty", "--no-start", "--set", "population=20")
	ok(t, dir, "branch", "four", "best", "--dir", "wide", "--no-start", "--set", "hyperparameters.noise.log=[1e-4, 1]")
	ok(t, dir, "branch", "twenty", "best", "--dir", "four-again", "--no-start", "--set", "population=4")
	ok(t, dir, "run", "q.yaml", "--dir", "set", "--quiet", "--set", "population=4", "--set", "budget.steps=10", "--slots", "1", "--set", "peers.min_scored=2")
	ok(t, dir, "branch", "set", "best", "--dir", "set-twenty", "--no-start", "--set", "population=20") // keeps what the user set
	ok(t, dir, "branch", "set-twenty", "best", "--dir", "set-thirty", "--no-start", "--set", "population=30")
	for run, want := range map[string]string{"set-twenty": `"min_scored":2`, "set-thirty": `"min_scored":2`, "twenty": `"min_scored":10`, "wide": `"bounds":[0.0001,1]`, "four-again": `"min_scored":2`} {
		says(t, ok(t, dir, "events", run), want)
	}
}
