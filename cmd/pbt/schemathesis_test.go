package main

import (
	"os"
	"os/exec"
	"strings"
	"syscall"
	"testing"
)

// The description at /openapi.json holds for the real binary, which trains a real run:
// Schemathesis (PyPI) asks it what the description allows and what it does not, with the
// same questions every time, and steers it. `make api` runs this test.
//
// Streams do not end, and have tests of their own in package api.
func TestTheDescriptionHolds(t *testing.T) {
	tool := os.Getenv("PBT_SCHEMATHESIS")
	if tool == "" {
		t.Skip("PBT_SCHEMATHESIS does not say where Schemathesis is: make api")
	}
	hooks, err := os.ReadFile("testdata/schemathesis.py")
	if err != nil {
		t.Fatal(err)
	}
	const token = "0123456789abcdef0123456789abcdef"
	dir := homeOf(t, `sleep 0.05; `+plainScript)
	s := serving(t, dir, true, "run", "q.yaml", "--dir", "d", "--token", token, "--set", "population=40", "--set", "budget.steps=1000000")
	base, _, _ := strings.Cut(s.link, "/login")
	save(t, dir, "hooks.py", string(hooks))
	c := exec.CommandContext(t.Context(), tool, "run", base+"/openapi.json", "--header", "Authorization: Bearer "+token,
		"--generation-deterministic", "--max-examples", "12", "--phases", "coverage,fuzzing", "--no-shrink", "--request-timeout", "60",
		"--exclude-path-regex", "stream$", "--no-color")
	c.Dir, c.Env = dir, append(os.Environ(), "PYTHONPATH="+dir, "SCHEMATHESIS_HOOKS=hooks", "PBT_TEST_RUN=d")
	out, err := c.CombinedOutput()
	if err != nil {
		t.Errorf("%v\n%s", err, out)
	}
	t.Logf("%s", out)
	// After all that was asked of it, the run is as it should be.
	if status := s.end(syscall.SIGINT); status != exitInterrupted {
		t.Errorf("exit code %d", status)
	}
	ok(t, dir, "verify", "d")
}
