package main

import (
	"os"
	"os/exec"
	"path/filepath"
	"syscall"
	"testing"
	"time"
)

// A pbt that is stopped (SIGSTOP, a suspended machine) cannot listen to its trainers:
// that time makes none of them time out.
func TestAFrozenEngineMakesNoTrainerTimeOut(t *testing.T) {
	t.Parallel()
	dir := homeOf(t, "touch began; sleep 8; "+plainScript)
	r := finish(t, command(t, dir, "run", "q.yaml", "--dir", "d", "--quiet", "--set", "population=2", "--set", "exploit=none", "--set", "retries=0",
		"--set", "segment.steps=10", "--set", "budget.steps=10", "--set", "timeout=5s", "--set", "trainer.step_timeout=5s"), func(c *exec.Cmd) error {
		if err := c.Start(); err != nil {
			return err
		}
		for began := false; !began; time.Sleep(time.Millisecond) {
			_, err := os.Stat(filepath.Join(dir, "began"))
			began = err == nil
		}
		if err := c.Process.Signal(syscall.SIGSTOP); err != nil {
			return err
		}
		time.Sleep(7 * time.Second) // longer than every timeout
		if err := c.Process.Signal(syscall.SIGCONT); err != nil {
			return err
		}
		return c.Wait()
	})
	if r.code != exitDone {
		t.Error(r)
	}
	says(t, ok(t, dir, "status", "d"), "\n2 segments finished, 0 running, 0 failed attempts;")
}
