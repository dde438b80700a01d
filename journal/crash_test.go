package journal

import (
	"bufio"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"testing"
)

// The test binary runs itself as another process: as one that appends until it
// is killed, or as one that owns a run.
const (
	appendForeverTo = "PBT_JOURNAL_TEST_APPEND_TO"
	ownForever      = "PBT_JOURNAL_TEST_OWN"
)

func TestMain(m *testing.M) {
	switch {
	case os.Getenv(appendForeverTo) != "":
		fmt.Fprintln(os.Stderr, appendForever(os.Getenv(appendForeverTo)))
		os.Exit(1)
	case os.Getenv(ownForever) != "":
		fmt.Fprintln(os.Stderr, holdForever(os.Getenv(ownForever)))
		os.Exit(1)
	}
	os.Exit(m.Run())
}

// appendForever appends segments of three rows, and prints the last position of
// each once it is durable.
func appendForever(path string) error {
	j, err := Open(path)
	if err != nil {
		return err
	}
	rows := make([]Row, 3)
	for {
		fillRows(rows, j.last)
		if err := j.Append(rows); err != nil {
			return err
		}
		fmt.Println(j.last)
	}
}

// child starts the test binary again with a variable set, and returns its lines.
// The process is killed when the test ends, if it is not killed before.
func child(t *testing.T, variable, value string) (*exec.Cmd, *bufio.Scanner) {
	t.Helper()
	exe, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command(exe)
	cmd.Env = append(os.Environ(), variable+"="+value)
	cmd.Stderr = os.Stderr
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { kill(cmd) })
	return cmd, bufio.NewScanner(out)
}

// kill is kill -9, and waits until the process is gone.
func kill(cmd *exec.Cmd) {
	cmd.Process.Kill()
	cmd.Wait()
}

func TestWhatWasAcknowledgedSurvivesAKill(t *testing.T) {
	path := filepath.Join(t.TempDir(), "journal.db")
	j, err := Create(path)
	if err != nil {
		t.Fatal(err)
	}
	if err := j.Close(); err != nil {
		t.Fatal(err)
	}
	// The first rounds end within the first log, the last one after several
	// checkpoints.
	for _, segments := range []int{1, 2, 50, 1500} {
		cmd, lines := child(t, appendForeverTo, path)
		for range segments {
			if !lines.Scan() {
				t.Fatal("the child ended:", lines.Err())
			}
		}
		cmd.Process.Kill()
		acknowledged := lines.Text()
		for lines.Scan() { // what it still said before it died
			acknowledged = lines.Text()
		}
		cmd.Wait()
		atLeast, err := strconv.ParseInt(acknowledged, 10, 64)
		if err != nil {
			t.Fatal(err)
		}

		beside := openReadOnly(t, path) // first: what `pbt status` sees after a crash
		owner, err := Open(path)
		if err != nil {
			t.Fatal(err)
		}
		for name, j := range map[string]*Journal{"reader": beside, "owner": owner} {
			wholeSegments(t, name, readAll(t, j, 0), atLeast)
		}
		if err := owner.Close(); err != nil {
			t.Fatal(err)
		}
		beside.Close()
	}
}

// A crash of the machine may leave any beginning of the log.
func TestATornLogGivesWholeBatches(t *testing.T) {
	j := newJournal(t)
	rows := make([]Row, 3)
	for i := range 40 {
		fillRows(rows, int64(3*i))
		appendRows(t, j, rows)
	}
	// Reading them as files drops this process's locks (see mustExist), which no
	// other process is there to notice.
	db, err := os.ReadFile(j.path)
	if err != nil {
		t.Fatal(err)
	}
	log, err := os.ReadFile(j.path + "-wal")
	if err != nil {
		t.Fatal(err)
	}
	dir, most := t.TempDir(), 0
	for size := 0; size <= len(log); size += 1 + len(log)/150 {
		torn := filepath.Join(dir, fmt.Sprintf("torn-%d.db", size))
		write(t, torn, db)
		write(t, torn+"-wal", log[:size])
		j, err := Open(torn)
		if err != nil {
			t.Fatal(size, err)
		}
		got := readAll(t, j, 0)
		wholeSegments(t, torn, got, int64(most))
		most = len(got)
		fillRows(rows, int64(len(got)))
		appendRows(t, j, rows)
		if err := j.Close(); err != nil {
			t.Fatal(err)
		}
	}
	if most < 100 {
		t.Errorf("the longest log gave only %d rows", most)
	}
}

// wholeSegments checks that rows are some segments that fillRows made, none in
// part, at least up to a position.
func wholeSegments(t *testing.T, name string, rows []Row, atLeast int64) {
	t.Helper()
	if len(rows)%3 != 0 || int64(len(rows)) < atLeast {
		t.Fatalf("%s: %d rows, want whole segments, %d rows or more", name, len(rows), atLeast)
	}
	want := make([]Row, len(rows))
	fillRows(want, 0)
	sameRows(t, rows, want)
}

func write(t *testing.T, path string, content []byte) {
	t.Helper()
	if err := os.WriteFile(path, content, 0o666); err != nil {
		t.Fatal(err)
	}
}
