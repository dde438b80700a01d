package verify_test

import (
	"bytes"
	"encoding/json"
	"errors"
	"math"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/seed-7a1a2db0/pbt"
	"github.com/seed-7a1a2db0/pbt/checkpoint"
	"github.com/seed-7a1a2db0/pbt/engine"
	"github.com/seed-7a1a2db0/pbt/internal/quadratic"
	"github.com/seed-7a1a2db0/pbt/internal/testdir"
	"github.com/seed-7a1a2db0/pbt/journal"
	"github.com/seed-7a1a2db0/pbt/machine"
	"github.com/seed-7a1a2db0/pbt/trainer"
	"github.com/seed-7a1a2db0/pbt/verify"
)

func spec() machine.Spec {
	return machine.Spec{
		Population: 5,
		Space:      pbt.MustSpace(pbt.Uniform("h0", 0, 1), pbt.Uniform("h1", 0, 1)),
		Segment:    10, Budget: pbt.Budget{Steps: 45}, Seed: 3,
	}
}

func fixedSpec([]byte) (machine.Spec, error) { return spec(), nil }

// run trains a small population and returns its directory.
func run(t *testing.T, disk ...checkpoint.Option) string {
	t.Helper()
	dir := testdir.InMemory(t)
	e, err := engine.Create(engine.Config{
		Dir: dir, Spec: spec(), Experiment: []byte("{}"), SpecOf: fixedSpec, Slots: 1, Disk: disk,
		NewSlot: func(int) trainer.Slot { return trainer.InProcess(quadratic.New) },
	})
	if err != nil {
		t.Fatal(err)
	}
	if phase, err := e.Run(t.Context()); err != nil || phase != machine.PhaseEnded {
		t.Fatal(phase, err)
	}
	return dir
}

func read(t *testing.T, path string) (rows []journal.Row) {
	t.Helper()
	j, err := journal.OpenReadOnly(path)
	if err != nil {
		t.Fatal(err)
	}
	defer j.Close()
	err = j.Read(0, func(r journal.Row) error {
		r.Body = bytes.Clone(r.Body)
		rows = append(rows, r)
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return rows
}

// check verifies a journal of these rows, sealed as if they had always been so, with
// a run's checkpoints.
func check(t *testing.T, dir string, rows []journal.Row) *verify.Report {
	t.Helper()
	path := filepath.Join(testdir.InMemory(t), "forged.sqlite")
	j, err := journal.Create(path)
	if err != nil {
		t.Fatal(err)
	}
	defer j.Close()
	if err := j.Append(rows); err != nil {
		t.Fatal(err)
	}
	store, err := checkpoint.OpenReadOnly(filepath.Join(dir, engine.CheckpointDir))
	if err != nil {
		t.Fatal(err)
	}
	r, err := verify.Run(j, store, fixedSpec)
	if err != nil {
		t.Fatal(err)
	}
	return r
}

func TestAnUnalteredRunIsOK(t *testing.T) {
	dir := run(t)
	rows := read(t, filepath.Join(dir, engine.JournalFile))
	r := check(t, dir, rows)
	if !r.OK || r.First != "" || r.Events != int64(len(rows)) || r.Decisions != 25 || r.Mismatches != 0 {
		t.Errorf("%+v", r)
	}
	if c := r.Checkpoints; c.Checked == 0 || c.Missing+c.Corrupt != 0 {
		t.Errorf("%+v", r)
	}
	for n := 1; n < len(rows); n += 3 { // killed after any event; the checkpoints are those of the end
		if r := check(t, dir, rows[:n]); r.Mismatches > 0 || !r.OK && !strings.Contains(r.First, "missing") {
			t.Errorf("%d events: %+v", n, r)
		}
	}
}

// Large checkpoints are in good order before they are hashed, and after.
func TestCheckpointsThatAreNotHashedYetAreOK(t *testing.T) {
	dir := run(t, checkpoint.WithHashAtOnce(-1))
	rows := read(t, filepath.Join(dir, engine.JournalFile))
	r := check(t, dir, rows)
	if c := r.Checkpoints; !r.OK || c.Checked == 0 || c.Unhashed > c.Checked {
		t.Errorf("%+v", r)
	}
	store, err := checkpoint.Open(filepath.Join(dir, engine.CheckpointDir))
	if err != nil {
		t.Fatal(err)
	}
	ids, err := store.Unhashed()
	if err != nil || int64(len(ids)) != r.Checkpoints.Unhashed {
		t.Errorf("%d are not hashed, %d were reported (%v)", len(ids), r.Checkpoints.Unhashed, err)
	}
	for _, id := range ids {
		if _, err := store.Hash(t.Context(), id); err != nil {
			t.Error(err)
		}
	}
	if r := check(t, dir, rows); !r.OK || r.Checkpoints.Unhashed != 0 {
		t.Errorf("%+v", r)
	}
}

// Whoever forges a journal with all its seals is found out by deciding again.
func TestAForgedEventIsFound(t *testing.T) {
	dir := run(t)
	rows := read(t, filepath.Join(dir, engine.JournalFile))
	set := func(keys ...string) func(doc map[string]any, v any) { // sets what is at a path of keys
		return func(doc map[string]any, v any) {
			for _, key := range keys[:len(keys)-1] {
				doc = doc[key].(map[string]any)
			}
			doc[keys[len(keys)-1]] = v
		}
	}
	copied := func(doc map[string]any) bool { return doc["decision"].(map[string]any)["action"] == "copy" }
	second := func(doc map[string]any) bool { return doc["turn"] == json.Number("1") }
	any1 := func(map[string]any) bool { return true }
	for name, c := range map[string]struct {
		kind  machine.Kind
		which func(doc map[string]any) bool
		set   func(doc map[string]any, v any)
		to    any
		says  string
	}{
		"a first hyperparameter":    {machine.KindDecided, any1, set("hypers", "h0"), 0.123, "hyperparameters"},
		"a copied hyperparameter":   {machine.KindDecided, copied, set("hypers", "h1"), 0.123, "hyperparameters"},
		"a parent":                  {machine.KindDecided, second, set("parent"), 1 << 20, "parent segment"},
		"a reason":                  {machine.KindDecided, second, set("decision", "why"), "in_bottom", "why"},
		"an action":                 {machine.KindDecided, second, set("decision", "action"), "restart", "action"},
		"a rank":                    {machine.KindDecided, copied, set("decision", "rank"), 1, "rank"},
		"a donor's score":           {machine.KindDecided, copied, set("decision", "donor", "score"), 77.5, "donor"},
		"a turn":                    {machine.KindDecided, second, set("turn"), 7, "turn 7, not 1"},
		"a start":                   {machine.KindDecided, second, set("start"), 0, "a start at step 0"},
		"the steps":                 {machine.KindDecided, second, set("steps"), 11, "11 steps, not 10"},
		"fewer steps":               {machine.KindDecided, second, set("steps"), 9, "9 steps, not 10"},
		"a score":                   {machine.KindFinished, any1, set("score"), 1.19, "decides on segment"},
		"a score that was not":      {machine.KindFinished, any1, set("score"), "NaN", "decides on segment"},
		"a score that is no number": {machine.KindFinished, any1, set("score"), "much", "want a number"},
		"an outcome's step":         {machine.KindFinished, any1, set("step"), 99, "finishes at step 99"},
		"an outcome's lease":        {machine.KindFinished, any1, set("lease"), 99, "lease 99"},
		"an outcome's segment":      {machine.KindFinished, any1, set("segment"), 99999, "its columns say"},
		"a member":                  {machine.KindDecided, any1, set("member"), 4, "its columns say"},
		"the last checkpoint":       {machine.KindFinished, func(doc map[string]any) bool { return doc["spent"] == json.Number("45") }, set("checkpoint", "digest"), strings.Repeat("0", 64), "another one than the journal recorded"},
		"an unknown kind":           {machine.KindClosed, any1, nil, nil, "unknown to this version"},
	} {
		t.Run(name, func(t *testing.T) {
			forged := make([]journal.Row, len(rows))
			copy(forged, rows)
			at := int64(0)
			for i := range forged {
				var doc map[string]any
				in := json.NewDecoder(bytes.NewReader(forged[i].Body))
				in.UseNumber() // 1.0 is a float, and stays one
				if err := in.Decode(&doc); err != nil {
					t.Fatal(err)
				}
				if forged[i].Kind != string(c.kind) || !c.which(doc) {
					continue
				}
				if at = forged[i].Seq; c.set == nil {
					forged[i].Kind = "magic"
					break
				}
				c.set(doc, c.to)
				forged[i].Body, _ = json.Marshal(doc)
				break
			}
			r := check(t, dir, forged)
			if at == 0 || r.OK || !strings.Contains(r.First, c.says) {
				t.Errorf("event %d was forged, and verify says %+v", at, r)
			}
		})
	}
}

func TestEventsThatDoNotFollowAreFound(t *testing.T) {
	dir := run(t)
	rows := read(t, filepath.Join(dir, engine.JournalFile))
	leave := func(out func(journal.Row) bool) []journal.Row {
		var left []journal.Row
		for _, r := range rows {
			if !out(r) {
				r.Seq = int64(len(left)) + 1
				left = append(left, r)
			}
		}
		return left
	}
	first := func(kind machine.Kind) func(journal.Row) bool {
		done := false
		return func(r journal.Row) bool {
			hit := !done && r.Kind == string(kind)
			done = done || hit
			return hit
		}
	}
	for _, kind := range []machine.Kind{machine.KindRunStarted, machine.KindDecided, machine.KindLeased, machine.KindFinished} {
		if r := check(t, dir, leave(first(kind))); r.OK || !strings.Contains(r.First, "event ") {
			t.Errorf("without the first %s: %+v", kind, r)
		}
	}
	late := leave(func(journal.Row) bool { return false })
	late[10].At = math.MaxInt64
	if r := check(t, dir, late); r.OK || !strings.Contains(r.First, "is before the last one's") {
		t.Errorf("%+v", r)
	}
}

func TestDamagedCheckpointsAreFound(t *testing.T) {
	for name, c := range map[string]struct {
		damage           func(path string) error
		missing, corrupt int64
		says             string
	}{
		"deleted":       {os.RemoveAll, 1, 0, "is missing"},
		"a file gone":   {func(p string) error { return os.Remove(filepath.Join(p, "theta.json")) }, 0, 1, "theta.json"},
		"manifest gone": {func(p string) error { return os.Remove(filepath.Join(p, "manifest.json")) }, 0, 1, "manifest.json"},
		"a file more":   {func(p string) error { return os.WriteFile(filepath.Join(p, "x"), nil, 0o666) }, 0, 1, `"x"`},
		"a byte other": {func(p string) error {
			p = filepath.Join(p, "theta.json")
			b, err := os.ReadFile(p)
			b[len(b)/2] ^= 1
			return errors.Join(err, os.WriteFile(p, b, 0o666))
		}, 0, 1, "wrong hash"},
	} {
		t.Run(name, func(t *testing.T) {
			dir := run(t)
			kept, err := filepath.Glob(filepath.Join(dir, engine.CheckpointDir, "s*"))
			if err != nil || len(kept) == 0 {
				t.Fatal(kept, err)
			}
			if err := c.damage(kept[len(kept)/2]); err != nil {
				t.Fatal(err)
			}
			r := check(t, dir, read(t, filepath.Join(dir, engine.JournalFile)))
			if r.OK || r.Checkpoints.Missing != c.missing || r.Checkpoints.Corrupt != c.corrupt || !strings.Contains(r.First, c.says) {
				t.Errorf("%+v", r)
			}
			if name := filepath.Base(kept[len(kept)/2]); !strings.Contains(r.First, name) {
				t.Errorf("it does not name %s: %s", name, r.First)
			}
		})
	}
}

func TestAnEmptyJournalIsAnError(t *testing.T) {
	j, err := journal.Create(filepath.Join(t.TempDir(), "j.sqlite"))
	if err != nil {
		t.Fatal(err)
	}
	defer j.Close()
	store, err := checkpoint.Open(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	if _, err := verify.Run(j, store, fixedSpec); err == nil {
		t.Error("nothing was verified, and that is called ok")
	}
}
