package main

import (
	"bufio"
	"fmt"
	"net/http"
	"strconv"
	"strings"
	"syscall"
	"testing"
)

// follower reads a run's stream, over connections and servers that end.
type follower struct {
	t      *testing.T
	last   string // the id of the last event
	seqs   []int64
	closed bool // the run's last event has been read
}

// read reads events from a server, so many or to the end of the stream.
func (f *follower) read(link string, most int) {
	f.t.Helper()
	req, err := http.NewRequestWithContext(f.t.Context(), http.MethodGet, link+"api/v1/runs/d/stream?after=0", nil)
	if err != nil {
		f.t.Fatal(err)
	}
	if f.last != "" {
		req.Header.Set("Last-Event-ID", f.last)
	}
	res, err := http.DefaultClient.Do(req)
	if err != nil {
		f.t.Fatal(err)
	}
	defer res.Body.Close()
	lines := bufio.NewScanner(res.Body)
	id := ""
	for most > 0 && lines.Scan() {
		name, value, _ := strings.Cut(lines.Text(), ": ")
		switch {
		case name == "event" && value == "reset":
			f.t.Fatalf("the server does not know event %s", f.last)
		case name == "id":
			id = value
		case name == "" && id != "": // an event is whole
			number, _, _ := strings.Cut(id, "-")
			seq, err := strconv.ParseInt(number, 10, 64)
			if err != nil {
				f.t.Fatal(err)
			}
			f.seqs, f.last, id = append(f.seqs, seq), id, ""
			most--
		case name == "data" && strings.Contains(value, `"kind":"closed"`):
			f.closed = true
		}
	}
}

// Whoever reads a run's stream and comes back with the id of the last event misses
// nothing and gets nothing twice, whatever happens to the server: kill -9 of the process
// that trains, another that goes on with the run, a server beside it.
func TestAStreamGoesOnAfterTheServersDeath(t *testing.T) {
	dir := homeOf(t, `sleep 0.02; `+plainScript)
	f := &follower{t: t}
	s := serving(t, dir, true, "run", "q.yaml", "--dir", "d", "--set", "budget.steps=150")
	for kills, most := range []int{7, 40, 90} {
		f.read(s.link, most)
		s.end(syscall.SIGKILL)
		beside := serving(t, dir, false, "serve", "d")
		s = serving(t, dir, true, "resume", "d")
		f.read(beside.link, 10+kills)
		if code := beside.end(syscall.SIGTERM); code != exitDone {
			t.Errorf("exit code %d", code)
		}
	}
	for !f.closed {
		f.read(s.link, 1e9)
	}
	if err := s.cmd.Wait(); err != nil {
		t.Error(err)
	}
	for i, seq := range f.seqs {
		if seq != int64(i+1) {
			t.Fatalf("event %d follows %d", seq, i)
		}
	}
	if want := len(lines(ok(t, dir, "events", "d"))); len(f.seqs) != want {
		t.Error(fmt.Sprint(len(f.seqs), " events, want ", want))
	}
}
