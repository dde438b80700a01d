package process

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"reflect"
	"runtime"
	"strconv"
	"strings"
	"sync/atomic"
	"testing"
	"testing/iotest"
)

func TestReadLines(t *testing.T) {
	long := strings.Repeat("x", 3*firstBuffer)
	huge := strings.Repeat("y", maxOutputLine)
	type line struct {
		text string
		cut  bool
	}
	for _, c := range []struct {
		name, in string
		want     []line
	}{
		{"nothing", "", nil},
		{"no end", "a", []line{{"a", false}}},
		{"lines", "a\n\nb\r\n", []line{{"a", false}, {"", false}, {"b", false}}},
		{"long", "a\n" + long + "\nb\n", []line{{"a", false}, {long, false}, {"b", false}}},
		{"cut", "a\n" + huge + huge + "z\nb\n", []line{{"a", false}, {huge, true}, {"b", false}}},
		{"cut at the end", huge + "z", []line{{huge, true}}},
		{"progress bar", "1%\r" + huge[:maxOutputLine-4] + "\r99%\r100%\nb\n", []line{{huge[:0] + "99%\r100%", false}, {"b", false}}},
	} {
		for way, read := range map[string]func(io.Reader) io.Reader{
			"whole": func(r io.Reader) io.Reader { return r }, "half": iotest.HalfReader, "with error": iotest.DataErrReader,
			"bytes": iotest.OneByteReader,
		} {
			var have []line
			readLines(read(strings.NewReader(c.in)), func() {}, func(text []byte, cut bool) { have = append(have, line{string(text), cut}) })
			if !reflect.DeepEqual(have, c.want) {
				if !(c.name == "progress bar" && len(have) == 2 && strings.HasSuffix(have[0].text, "100%") && !have[0].cut) {
					t.Errorf("%s, %s: %d lines, %.60q", c.name, way, len(have), fmt.Sprint(have))
				}
			}
		}
	}
}

// A flood is seen whole, and memory does not grow with it.
func TestProcess_Flood(t *testing.T) {
	const bytes, length = 100 << 20, 16 << 10
	l, err := OpenLog(filepath.Join(t.TempDir(), "log"), 1<<20)
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	var before, after runtime.MemStats
	var seen, lines int
	runtime.GC()
	runtime.ReadMemStats(&before)
	p := started(t, Config{Args: helper("flood", strconv.Itoa(bytes), strconv.Itoa(length)), Log: l, Line: func(_ bool, line []byte, cut bool) {
		seen += len(line) + 1
		lines++
	}})
	err = over(t, p)
	runtime.ReadMemStats(&after)
	if err != nil || lines < bytes/length || seen < bytes || seen > bytes+1 {
		t.Errorf("%d bytes in %d lines, %v", seen, lines, err)
	}
	if grown := after.TotalAlloc - before.TotalAlloc; grown > 4<<20 {
		t.Errorf("%d bytes were allocated", grown)
	}
	if size := logSize(t, l.path); size > 2<<20 || size < 1<<19 {
		t.Errorf("the log has %d bytes", size)
	}
	if tail := strings.Split(p.Tail(), "\n"); len(tail) != 1+tailLines || len(tail[3]) > maxTailLine+10 {
		t.Errorf("%d lines of tail: %.500q", len(tail), tail)
	}
}

func TestProcess_LineWithoutEnd(t *testing.T) {
	var before, after runtime.MemStats
	runtime.GC()
	runtime.ReadMemStats(&before)
	var lengths []int
	var cuts []bool
	p := started(t, Config{Args: helper("flood", strconv.Itoa(100<<20), "0"), Line: func(_ bool, line []byte, cut bool) {
		lengths, cuts = append(lengths, len(line)), append(cuts, cut)
	}})
	err := over(t, p)
	runtime.ReadMemStats(&after)
	if err != nil || !reflect.DeepEqual(lengths, []int{maxOutputLine}) || !cuts[0] {
		t.Errorf("%v %v %v", lengths, cuts, err)
	}
	if grown := after.TotalAlloc - before.TotalAlloc; grown > 8<<20 {
		t.Errorf("%d bytes were allocated", grown)
	}
}

// The two streams are told apart, all is seen before Done, and nobody sees two lines at once.
func TestProcess_Streams(t *testing.T) {
	var at atomic.Int32
	seen := map[bool]int{}
	p := started(t, Config{
		Args: []string{"sh", "-c", `i=0; while [ $i -lt 500 ]; do echo out; echo err >&2; i=$((i+1)); done; printf end`},
		Line: func(stderr bool, line []byte, _ bool) {
			if at.Add(1) != 1 {
				t.Error("two at once")
			}
			if want := map[bool]string{false: "out", true: "err"}[stderr]; string(line) == want || !stderr && string(line) == "end" {
				seen[stderr]++
			}
			at.Add(-1)
		},
	})
	if err := over(t, p); err != nil || seen[false] != 501 || seen[true] != 500 || !strings.HasPrefix(p.Tail(), "its last output:\n") {
		t.Errorf("%v, %v, %s", seen, err, p.Tail())
	}
}

// Somebody else may hold the other end of the pipe: what is in it is read, and no more awaited.
func TestProcess_ForeignWriter(t *testing.T) {
	ready := make(chan bool, 10)
	var last string
	p := started(t, Config{
		Args: helper("save", filepath.Join(t.TempDir(), "saved")),
		Line: func(_ bool, line []byte, _ bool) { last = string(line); ready <- true },
	})
	<-ready
	foreign, err := os.OpenFile(fmt.Sprintf("/proc/%d/fd/1", p.PID()), os.O_WRONLY, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer foreign.Close()
	p.Stop(failsafe)
	if last != "saved" || p.Err() != nil {
		t.Errorf("%q, %v", last, p.Err())
	}
}

func TestAppendPrintable(t *testing.T) {
	for in, want := range map[string]string{
		"":                             "",
		"plain\ttext":                  "plain\ttext",
		"\x1b[1;31mred\x1b[0m é":       "red é",
		"a\x07b\x00c\x7f":              "abc",
		"\xff\xfe":                     "��",
		"\x1b":                         "",
		"\x1b[":                        "",
		"\x1bcx":                       "x",
		"a\u009b1m\u202eb":             "a1mb",
		"\x1b]0;title\x07x":            "x",
		"\x1b]8;;u\x1b\\x\x1b]8;;\x07": "x",
		"\x1b]x":                       "x",
		"0123456789012345":             "0123456789…",
		"012345678é":                   "012345678…",
		"0123456789\x1b[0m":            "0123456789",
		"0123456789\x00\x00x":          "0123456789…",
		"01234\x0056789x":              "0123456789…",
		"\x1b[31m0123456789\x1b[0m":    "0123456789",
	} {
		if have := string(appendPrintable([]byte("> "), []byte(in), 10)); have != "> "+want {
			t.Errorf("%q became %q", in, have)
		}
	}
}

func TestTail(t *testing.T) {
	var last tail
	for i := range 100 {
		last.add([]byte(fmt.Sprintf("  0%%\r 50%%\r%d\r", i)))
		last.add(nil)
	}
	want := "its last output:"
	for i := 100 - tailLines; i < 100; i++ {
		want += fmt.Sprintf("\n  %d", i)
	}
	if have := last.String(); have != want {
		t.Errorf("%s", have)
	}
}

func logSize(t *testing.T, path string) (sum int64) {
	t.Helper()
	for _, path := range []string{path, path + ".1"} {
		if info, err := os.Stat(path); err == nil {
			sum += info.Size()
		} else if !errors.Is(err, os.ErrNotExist) {
			t.Fatal(err)
		}
	}
	return sum
}

func TestWire(t *testing.T) {
	for _, j := range []job{
		{},
		{engine: 7, path: "/bin/true", dir: "\xff", args: []string{"a", ""}, env: []string{"A=\n"}, cpus: []int{0, 1023}, memory: 1 << 40, remove: []string{"/x"}},
	} {
		m := message(orderRun, j.pack())
		kind, body, err := receive(bytes.NewReader(m))
		if err != nil || kind != orderRun {
			t.Fatal(kind, err)
		}
		have, err := unpackJob(body)
		if err != nil || !reflect.DeepEqual(have, j) {
			t.Errorf("%+v, %v", have, err)
		}
		for n := range m { // cut anywhere, it is an error
			if kind, body, err := receive(bytes.NewReader(m[:n])); err == nil {
				t.Errorf("%d of %d bytes: %c %v", n, len(m), kind, body)
			}
			short := packet(bytes.Clone(m[5:]))[:max(0, n-5)]
			if _, err := unpackJob(&short); err == nil {
				t.Errorf("%d of %d bytes are a job", n, len(m))
			}
		}
	}
}

func TestParseStat(t *testing.T) {
	text := "42 (a) b (c) R 7 8 9 0 -1 4194560 1 2 3 4 5 6 7 8 20 0 1 0 123456 99 88"
	if s, ok := parseStat(42, []byte(text)); !ok || s != (stat{42, 7, 8, 9, 'R', 123456}) {
		t.Errorf("%+v %v", s, ok)
	}
	for n := range len("42 (a) b (c) R 7 8 9 0 -1 4194560 1 2 3 4 5 6 7 8 20 0 1 0") {
		if s, ok := parseStat(42, []byte(text[:n])); ok {
			t.Errorf("%q is %+v", text[:n], s)
		}
	}
}
