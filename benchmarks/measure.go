package main

import (
	"bufio"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"time"

	"golang.org/x/sys/unix"

	"github.com/seed-7a1a2db0/pbt/internal/hardware"
)

// Sample is what one turn of work took.
type Sample struct {
	N     int           `json:"n"` // how often
	Wall  time.Duration `json:"wall_ns"`
	CPU   time.Duration `json:"cpu_ns"`         // of all threads, the garbage collector's included
	Heap  uint64        `json:"heap,omitempty"` // live bytes, if asked for
	Alloc float64       `json:"alloc,omitempty"`
	Bytes float64       `json:"bytes,omitempty"`
	Other float64       `json:"other,omitempty"`
}

// CPUEach and WallEach are nanoseconds for one.
func (s Sample) CPUEach() float64  { return float64(s.CPU) / float64(s.N) }
func (s Sample) WallEach() float64 { return float64(s.Wall) / float64(s.N) }

// timed runs n times something and measures it.
func timed(n int, work func() error) (Sample, error) {
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	start, cpu := time.Now(), cpuTime()
	err := work()
	s := Sample{N: n, Wall: time.Since(start), CPU: cpuTime() - cpu}
	runtime.ReadMemStats(&after)
	s.Alloc = float64(after.Mallocs-before.Mallocs) / float64(n)
	s.Bytes = float64(after.TotalAlloc-before.TotalAlloc) / float64(n)
	return s, err
}

// cpuTime is the time that this process has spent on processors. Unlike the
// clock on the wall it does not run while others have them.
func cpuTime() time.Duration {
	var t unix.Timespec
	if err := unix.ClockGettime(unix.CLOCK_PROCESS_CPUTIME_ID, &t); err != nil {
		panic(err) // no Linux without it
	}
	return time.Duration(t.Nano())
}

func liveHeap() uint64 {
	runtime.GC()
	var s runtime.MemStats
	runtime.ReadMemStats(&s)
	return s.HeapAlloc
}

// median of the values that f finds in samples.
func median[T any](samples []T, f func(T) float64) float64 {
	if len(samples) == 0 {
		return 0
	}
	values := sorted(samples, f)
	mid := len(values) / 2
	if len(values)%2 == 0 {
		return (values[mid-1] + values[mid]) / 2
	}
	return values[mid]
}

func sorted[T any](samples []T, f func(T) float64) []float64 {
	values := make([]float64, len(samples))
	for i, s := range samples {
		values[i] = f(s)
	}
	slices.Sort(values)
	return values
}

// A contender is measured in its own process, turn by turn with the others: each
// has a heap and a garbage collector to itself, and all see the same weather.
type contender struct {
	cmd     *exec.Cmd
	in      io.WriteCloser
	out     *bufio.Scanner
	samples []Sample
}

const childArg = "child"

// children are what a contender's process can do: each is given its setting and
// returns its turn.
var children = map[string]func(setting []byte) (turn func() (Sample, error), err error){}

// child adapts a typed set-up.
func child[T any](setUp func(T) (func() (Sample, error), error)) func([]byte) (func() (Sample, error), error) {
	return func(text []byte) (func() (Sample, error), error) {
		var setting T
		if err := json.Unmarshal(text, &setting); err != nil {
			return nil, err
		}
		return setUp(setting)
	}
}

// serveChild is a contender's process: a line in is a turn, a line out its sample.
func serveChild(args []string) error {
	setUp := children[args[0]]
	if setUp == nil || len(args) < 2 {
		return fmt.Errorf("no child is called %q", args[0])
	}
	turn, err := setUp([]byte(args[1]))
	if err != nil {
		return err
	}
	in, out := bufio.NewScanner(os.Stdin), json.NewEncoder(os.Stdout)
	for in.Scan() {
		s, err := turn()
		if err != nil {
			return err
		}
		if err := out.Encode(s); err != nil {
			return err
		}
	}
	return in.Err()
}

func newContender(name string, setting any) (*contender, error) {
	text, err := json.Marshal(setting)
	if err != nil {
		return nil, err
	}
	self, err := os.Executable()
	if err != nil {
		return nil, err
	}
	c := &contender{cmd: exec.Command(self, childArg, name, string(text))}
	c.cmd.Stderr = os.Stderr
	if c.in, err = c.cmd.StdinPipe(); err != nil {
		return nil, err
	}
	out, err := c.cmd.StdoutPipe()
	if err != nil {
		return nil, err
	}
	c.out = bufio.NewScanner(out)
	return c, c.cmd.Start()
}

func (c *contender) turn() (s Sample, err error) {
	if _, err := io.WriteString(c.in, "\n"); err != nil {
		return s, err
	}
	if !c.out.Scan() {
		return s, errors.Join(errors.New("the process that measures has ended"), c.out.Err())
	}
	err = json.Unmarshal(c.out.Bytes(), &s)
	return s, err
}

func (c *contender) close() error { return errors.Join(c.in.Close(), c.cmd.Wait()) }

// compete lets settings of one child take turns, and returns their samples. The
// first turn of each only warms up.
func compete[T any](name string, rounds int, settings []T) (samples [][]Sample, err error) {
	var all []*contender
	defer func() {
		for _, c := range all {
			err = errors.Join(err, c.close())
		}
	}()
	for _, setting := range settings {
		c, err := newContender(name, setting)
		if err != nil {
			return nil, err
		}
		all = append(all, c)
	}
	for round := range rounds + 1 {
		for k := range all {
			c := all[(k+round)%len(all)] // nobody always follows the same one
			s, err := c.turn()
			if err != nil {
				return nil, err
			}
			if round > 0 {
				c.samples = append(c.samples, s)
			}
		}
	}
	for _, c := range all {
		samples = append(samples, c.samples)
	}
	return samples, nil
}

// peakMemory is the most this process has ever held, in bytes.
func peakMemory() float64 {
	kb, err := strconv.ParseFloat(strings.TrimSuffix(hardware.ValueIn("/proc/self/status", "VmHWM"), " kB"), 64)
	if err != nil {
		return 0
	}
	return kb * 1024
}

// mean of the values that f finds in samples, without the highest tenth: where
// turns are short, a median would hide a cost that comes in lumps.
func mean(samples []Sample, f func(Sample) float64) float64 {
	values := sorted(samples, f)
	values = values[:len(values)-len(values)/10]
	sum := 0.0
	for _, v := range values {
		sum += v
	}
	return sum / float64(len(values))
}
