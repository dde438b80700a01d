package main

import (
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/seed-7a1a2db0/pbt"
)

var small = options{Seeds: 3, Members: 6, Segments: 10}

// A policy that never copies is the random search, number for number.
func TestFoundersThatAreNeverGivenUpAreTheRandomSearch(t *testing.T) {
	all := pbt.Policy{Exploit: pbt.Founders{From: 0.99, Slope: 1, Keep: 1, Pool: 0.4}}
	for i := range families {
		for seed := range uint64(small.Seeds) {
			random, err := best(&families[i], pbt.Policy{Exploit: pbt.NoExploit{}}, seed, small)
			if err != nil {
				t.Fatal(err)
			}
			kept, err := best(&families[i], all, seed, small)
			if err != nil || kept != random {
				t.Errorf("%s, seed %d: %g instead of %g (%v)", families[i].name, seed, kept, random, err)
			}
		}
	}
}

func TestPoliciesDiffer(t *testing.T) {
	r, err := measure(small)
	if err != nil {
		t.Fatal(err)
	}
	for f := range families {
		if families[f].name != "plain" && r.values[plainPBT][f][0] == r.values[randomSearch][f][0] && r.values[plainPBT][f][1] == r.values[randomSearch][f][1] {
			t.Errorf("%s: truncation and random search give the same: %v", families[f].name, r.values[plainPBT][f])
		}
	}
}

func TestRecordIsChecked(t *testing.T) {
	r, err := measure(small)
	if err != nil {
		t.Fatal(err)
	}
	file := filepath.Join(t.TempDir(), "record.json")
	if err := r.write(file); err != nil {
		t.Fatal(err)
	}
	if err := check(file); err != nil {
		t.Error(err)
	}
	text, _ := os.ReadFile(file)
	altered := strings.Replace(string(text), `"truncation 20 %": {`, `"truncation 21 %": {`, 1)
	if err := os.WriteFile(file, []byte(altered), 0o666); err != nil {
		t.Fatal(err)
	}
	if err := check(file); err == nil {
		t.Error("a record of another policy is taken for this one")
	}
}

func TestComparison(t *testing.T) {
	c := compare([]float64{1, 2, 3, 4}, []float64{0, 2, 2, 5})
	if c.mean != 0.25 || c.wins != 0.625 || c.mark() != "=" {
		t.Errorf("%+v %s", c, c.mark())
	}
	if c := compare([]float64{1, 1.1}, []float64{0, 0}); c.mark() != "+" {
		t.Errorf("%+v", c)
	}
}

// The README shows the table of a record.
func TestTheReadmeShowsTheRecordedTable(t *testing.T) {
	var rec record
	text, err := os.ReadFile("../results/surrogate-16-40.json")
	if err == nil {
		err = json.Unmarshal(text, &rec)
	}
	readme, e := os.ReadFile("../README.md")
	if err != nil || e != nil {
		t.Fatal(err, e)
	}
	if !strings.Contains(string(readme), rec.Table) {
		t.Error("experiments/policies/README.md does not show the table of results/surrogate-16-40.json")
	}
}
