package main

import "github.com/seed-7a1a2db0/pbt"

// entry is a policy under test. To add one, add a line to entries.
type entry struct {
	name   string
	policy func(segments int64) pbt.Policy // of a budget of so many segments
}

func fixed(p pbt.Policy) func(int64) pbt.Policy { return func(int64) pbt.Policy { return p } }

// burnIn is truncation that begins after a share of the budget.
func burnIn(share float64) func(int64) pbt.Policy {
	return func(segments int64) pbt.Policy {
		return pbt.Policy{Ready: pbt.Every{BurnIn: int64(share * float64(segments))}}
	}
}

func founders(from, slope, keep, pool, probe float64) func(int64) pbt.Policy {
	return fixed(pbt.Policy{Exploit: pbt.Founders{From: from, Slope: slope, Keep: keep, Pool: pool, Probe: probe}})
}

const (
	randomSearch = "random search"
	plainPBT     = "truncation 20 %"
)

// entries are the policies of the leaderboard, the two references first.
var entries = []entry{
	{randomSearch, fixed(pbt.Policy{Exploit: pbt.NoExploit{}})},
	{plainPBT, fixed(pbt.Policy{})},
	{"truncation 10 %", fixed(pbt.Policy{Exploit: pbt.Truncation{Fraction: 0.1}})},
	{"t-test", fixed(pbt.Policy{Exploit: pbt.TTest{}})},
	{"tournament", fixed(pbt.Policy{Exploit: pbt.Tournament{}})},
	{"burn-in 12.5 %", burnIn(0.125)},
	{"burn-in 25 %", burnIn(0.25)},
	{"burn-in 50 %", burnIn(0.5)},
	{"after copy 5 segments", fixed(pbt.Policy{Ready: pbt.Every{AfterCopy: 5}})},
	{"ready every 5 segments", fixed(pbt.Policy{Ready: pbt.Every{Steps: 5}})},
	{"ready every 10 segments", fixed(pbt.Policy{Ready: pbt.Every{Steps: 10}})},
	{"resample 25 %", fixed(pbt.Policy{Explore: pbt.Resample{}})},
	{"founders A", founders(0.2, 1, 0.25, 0.2, 0)},
	{"founders B", founders(0.2, 1, 0.25, 0.4, 0)},
	{"founders C", founders(0.2, 1, 0.25, 0.4, 0.25)},
	{"founders C, from 0.3", founders(0.3, 1, 0.25, 0.4, 0.25)},
	{"founders C, slope 2", founders(0.2, 2, 0.25, 0.4, 0.25)},
	{"founders bold", founders(0, 2, 0.375, 0.4, 0.25)},
}
