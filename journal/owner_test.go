package journal

import (
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"sync"
	"testing"
	"time"
)

// holdForever owns a run, says so, and stays.
func holdForever(dir string) error {
	if _, err := Own(dir, me()); err != nil {
		return err
	}
	fmt.Println(os.Getpid())
	select {}
}

func me() Owner {
	host, _ := os.Hostname()
	return Owner{Host: host, PID: os.Getpid(), Since: time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)}
}

func TestARunHasOneOwner(t *testing.T) {
	dir := t.TempDir()
	owner(t, dir, Owner{}, false)
	cmd, lines := child(t, ownForever, dir)
	if !lines.Scan() {
		t.Fatal("the child ended")
	}
	theirs := me()
	theirs.PID, _ = strconv.Atoi(lines.Text())
	owner(t, dir, theirs, true)

	_, err := Own(dir, me())
	if owned, ok := errors.AsType[*OwnedError](err); !ok || owned.Owner != theirs || owned.Dir != dir {
		t.Fatalf("want an OwnedError with %v, got %v", theirs, err)
	}
	refused(t, err, dir, theirs.Host, lines.Text(), "2026-01-02 03:04:05 UTC", "stop that process")

	// It is free as soon as the owner is killed, with its name still in the file.
	kill(cmd)
	owner(t, dir, Owner{}, false)
	l, err := Own(dir, me())
	if err != nil {
		t.Fatal(err)
	}
	owner(t, dir, me(), true)
	if err := l.Release(); err != nil {
		t.Fatal(err)
	}
	owner(t, dir, Owner{}, false)
}

func TestOneProcessCannotOwnARunTwice(t *testing.T) {
	dir := t.TempDir()
	for range 2 {
		l, err := Own(dir, me())
		if err != nil {
			t.Fatal(err)
		}
		if _, err := Own(dir, me()); err == nil {
			t.Fatal("owned twice")
		}
		if err := l.Release(); err != nil {
			t.Fatal(err)
		}
	}
}

func TestOneOfManyBecomesTheOwner(t *testing.T) {
	dir := t.TempDir()
	var group sync.WaitGroup
	var owners, refusals sync.Map
	for i := range 20 {
		group.Go(func() {
			who := me()
			who.Since = who.Since.Add(time.Duration(i) * time.Second)
			if _, err := Own(dir, who); err == nil {
				owners.Store(i, who)
			} else if owned, ok := errors.AsType[*OwnedError](err); ok {
				refusals.Store(i, owned.Owner)
			} else {
				t.Error(err)
			}
		})
	}
	group.Wait()
	var winner Owner
	owners.Range(func(_, who any) bool {
		if winner != (Owner{}) {
			t.Fatal("two owners")
		}
		winner = who.(Owner)
		return true
	})
	n := 0
	refusals.Range(func(_, named any) bool {
		n++
		if named != winner {
			t.Errorf("refused by %v, but %v is the owner", named, winner)
		}
		return true
	})
	if n != 19 {
		t.Errorf("%d were refused", n)
	}
}

// Asking takes a shared lock for a moment; starting must not fail for it.
func TestAskingKeepsNobodyFromStarting(t *testing.T) {
	dir := t.TempDir()
	done := make(chan struct{})
	var group sync.WaitGroup
	for range 4 {
		group.Go(func() {
			for {
				select {
				case <-done:
					return
				case <-time.After(100 * time.Microsecond):
					if _, _, err := OwnerOf(dir); err != nil {
						t.Error(err)
					}
				}
			}
		})
	}
	for range 200 {
		l, err := Own(dir, me())
		if err != nil {
			t.Fatal(err)
		}
		if err := l.Release(); err != nil {
			t.Fatal(err)
		}
	}
	close(done)
	group.Wait()
}

func TestTheNameOfADeadOwnerIsNotTaken(t *testing.T) {
	dir := t.TempDir()
	dead, lines := child(t, ownForever, dir)
	lines.Scan()
	kill(dead)
	stale, err := os.ReadFile(filepath.Join(dir, lockName))
	if err != nil || len(stale) == 0 {
		t.Fatal(err)
	}
	// The new owner holds the lock and has not written its name yet.
	l, err := Own(dir, me())
	if err != nil {
		t.Fatal(err)
	}
	defer l.Release()
	for _, content := range [][]byte{stale, nil, []byte(`{"host":"x","pi`)} {
		write(t, filepath.Join(dir, lockName), content)
		late := time.AfterFunc(50*time.Millisecond, func() { writeOwner(l.file, me()) })
		owner(t, dir, me(), true)
		late.Stop()
	}
}

func TestAnOwnerWithoutANameIsStillAnOwner(t *testing.T) {
	dir := t.TempDir()
	l, err := Own(dir, me())
	if err != nil {
		t.Fatal(err)
	}
	defer l.Release()
	write(t, filepath.Join(dir, lockName), nil)
	owner(t, dir, Owner{}, true)
	_, err = Own(dir, me())
	refused(t, err, "another process (which did not say its name)")
}

func TestTheLockFileIsWhatPeopleExpect(t *testing.T) {
	dir := t.TempDir()
	long := me()
	long.Host = "a-much-longer-host-name-than-the-next-owner-has.example.org"
	for _, who := range []Owner{long, me()} {
		l, err := Own(dir, who)
		if err != nil {
			t.Fatal(err)
		}
		text, _ := os.ReadFile(filepath.Join(dir, lockName))
		var fields map[string]any
		if err := json.Unmarshal(text, &fields); err != nil || len(fields) != 3 ||
			fields["host"] != who.Host || fields["pid"] != float64(who.PID) || fields["since"] != "2026-01-02T03:04:05Z" {
			t.Errorf("%v %s", err, text)
		}
		if err := l.Release(); err != nil {
			t.Fatal(err)
		}
	}
}

func owner(t *testing.T, dir string, want Owner, owned bool) {
	t.Helper()
	got, ok, err := OwnerOf(dir)
	if err != nil || ok != owned || got != want {
		t.Fatalf("owner: got %v %v %v, want %v %v", got, ok, err, want, owned)
	}
}

// What a killed process was just starting has its lock until it begins: that is no owner.
func TestAnOwnerThatIsGoneOwnsNothing(t *testing.T) {
	child := exec.Command("true")
	if err := child.Run(); err != nil {
		t.Skip(err)
	}
	dir, gone := t.TempDir(), me()
	gone.PID = child.Process.Pid
	lock, err := Own(dir, gone)
	if err != nil {
		t.Fatal(err)
	}
	if o, owned, err := OwnerOf(dir); owned || err != nil {
		t.Errorf("it is owned by %v, %v", o, err)
	}
	next := make(chan error, 1)
	go func() {
		l, err := Own(dir, me())
		if err == nil {
			err = l.Release()
		}
		next <- err
	}()
	if err := lock.Release(); err != nil {
		t.Error(err)
	}
	if err := <-next; err != nil {
		t.Error(err)
	}
}
