package main

import (
	"testing"

	"github.com/seed-7a1a2db0/pbt"
	"github.com/seed-7a1a2db0/pbt/api"
)

// What pbt set, pbt inject and pbt change take is what --set takes.
func TestSteeringReadsYAML(t *testing.T) {
	var h pbt.Hypers
	if err := parseHypers(&h, []string{"lr=.3", "b=2.0", "n=1e2", "act=relu", "on=true", "text='3'"}); err != nil {
		t.Fatal(err)
	}
	want := pbt.MakeHypers("lr", pbt.Float(0.3), "b", pbt.Float(2), "n", pbt.Float(100), "act", pbt.Text("relu"), "on", pbt.Truth(true), "text", pbt.Text("3"))
	if !h.Equal(want) {
		t.Errorf("got %s, want %s", h, want)
	}
	for _, bad := range []string{"lr", "=1", "lr=", "lr=null", "lr=[1]", "lr={a: 1}", "lr=.nan"} {
		if err := parseHypers(&h, []string{bad}); err == nil {
			t.Errorf("%s: accepted", bad)
		}
	}
	var c api.Command
	if err := parseSettings(&c, []string{"exploit={truncation: 0.3}", " margin = .01", "budget.wall=4h", "timeout=null"}); err != nil {
		t.Fatal(err)
	}
	for path, want := range map[string]string{"exploit": `{"truncation":0.3}`, "margin": "0.01", "budget.wall": `"4h"`, "timeout": "null"} {
		if got := string(c.Set[path]); got != want {
			t.Errorf("%s: %s, want %s", path, got, want)
		}
	}
}
