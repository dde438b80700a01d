package checkpoint_test

import (
	"context"
	"fmt"
	"slices"
	"sync"
	"syscall"
	"testing"

	"github.com/seed-7a1a2db0/pbt/checkpoint"
	"github.com/seed-7a1a2db0/pbt/checkpoint/checkpointtest"
)

// told keeps what a Hasher said.
type told struct {
	mu   sync.Mutex
	errs map[string]error
}

func (h *told) tell(id, digest string, err error) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.errs == nil {
		h.errs = map[string]error{}
	}
	if (digest == "") == (err == nil) {
		err = fmt.Errorf("digest %q and error %v", digest, err)
	}
	h.errs[id] = err
}

func memStore(t *testing.T, n int) (*checkpoint.Store, *checkpointtest.Mem, []string) {
	t.Helper()
	mem := checkpointtest.NewMem()
	s := openLater(t, "/c", checkpoint.WithFS(mem))
	var ids []string
	for i := range n {
		ids = append(ids, fmt.Sprintf("s%03d", i))
		publishOn(t, s, mem, ids[i], files{"w": ids[i], "x": "2"})
	}
	return s, mem, ids
}

func TestHasher(t *testing.T) {
	s, _, ids := memStore(t, 20)
	var told told
	h := checkpoint.NewHasher(s, told.tell)
	h.Add(ids[:10]...)
	for _, id := range ids[10:] {
		h.Add(id, "never-was")
	}
	if err := s.Delete(ids[19]); err != nil {
		t.Fatal(err)
	}
	h.Close(t.Context())
	wantUnhashed(t, s)
	if len(told.errs) < 19 || len(told.errs) > 20 {
		t.Errorf("told of %d", len(told.errs))
	}
	for id, err := range told.errs {
		if err != nil || id == "never-was" {
			t.Errorf("%s: %v", id, err)
		}
	}
	h.Add(ids...) // too late, and no harm
}

// A queue that overflows forgets nothing: what is left is on the disk. What has
// failed is told of once and not tried again.
func TestHasherWithMoreThanItsQueueHolds(t *testing.T) {
	mem := checkpointtest.NewMem()
	s := openLater(t, "/c", checkpoint.WithFS(mem))
	staged, err := s.Stage("bad")
	if err != nil {
		t.Fatal(err)
	}
	f, err := mem.Create(staged + "/w")
	if err != nil {
		t.Fatal(err)
	}
	if _, err := s.Publish(staged, "bad"); err != nil {
		t.Fatal(err)
	}
	f.Write([]byte("late"))
	publishOn(t, s, mem, "good", files{"w": "1"})
	var told told
	times := 0
	h := checkpoint.NewHasher(s, func(id, digest string, err error) { times++; told.tell(id, digest, err) })
	h.Add("bad")
	h.Add(append(slices.Repeat([]string{"never-was"}, checkpoint.MaxQueued), "good")...)
	h.Close(t.Context())
	wantErr(t, told.errs["bad"], checkpoint.ErrChanged, "hash bad")
	wantUnhashed(t, s, "bad")
	if err, ok := told.errs["good"]; !ok || err != nil || times != 2 {
		t.Errorf("told %d times: %v", times, told.errs)
	}
}

// A Hasher that is closed in the middle leaves the rest to the next one.
func TestHasherThatIsInterrupted(t *testing.T) {
	ids := []string{"a", "b", "c"}
	mem := checkpointtest.NewMem()
	ctx, cancel := context.WithCancel(t.Context())
	reads := 0
	s := openLater(t, "/c", checkpoint.WithFS(&hooked{mem, func(string) {
		if reads++; reads == 5 { // of b: a file is read twice, to its end, and hashes are written
			cancel() // Close hears of it in its own time; so does Hash
		}
	}}))
	for _, id := range ids {
		publishOn(t, s, mem, id, files{"w": "1"})
	}
	var told told
	h := checkpoint.NewHasher(s, told.tell)
	h.Add(ids...)
	h.Close(ctx)
	left, err := s.Unhashed()
	if err != nil || slices.Contains(left, "a") {
		t.Errorf("left %v, %v", left, err)
	}
	for id, err := range told.errs {
		if err != nil {
			t.Errorf("%s: %v", id, err)
		}
	}
	h = checkpoint.NewHasher(s, told.tell)
	h.Add(left...)
	h.Close(t.Context())
	wantUnhashed(t, s)
}

func TestHasherOnABrokenDisk(t *testing.T) {
	_, mem, ids := memStore(t, 2)
	s, err := checkpoint.Open("/c", checkpoint.WithFS(checkpointtest.NewFault(mem, func(op checkpointtest.Op) error {
		if op.Call == "read" || op.Call == "readdir" && op.Path == "/c" {
			return syscall.EIO
		}
		return nil
	})))
	if err != nil {
		t.Fatal(err)
	}
	var told told
	h := checkpoint.NewHasher(s, told.tell)
	h.Add(ids[0])
	h.Add(slices.Repeat([]string{"never-was"}, checkpoint.MaxQueued+1)...)
	h.Close(t.Context())
	wantErr(t, told.errs[ids[0]], syscall.EIO, "hash", ids[0])
	wantErr(t, told.errs[""], syscall.EIO, "list", "/c")
}
