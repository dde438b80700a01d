// Package process runs a trainer program so that nothing of it is left behind:
// not when it ends, not when it is stopped, and not when this process is killed.
//
// Between this process and the program stands a small supervisor: this executable
// once more, which an init function of this package turns into something else
// before main is reached. All that the program ever starts stays below the
// supervisor (it is a subreaper), whatever session, group, name or environment it
// takes; when the program has ended, or this process is no more, the supervisor
// kills all of that, and is the last to go.
package process

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"time"

	"golang.org/x/sys/unix"

	"github.com/seed-7a1a2db0/pbt/internal/disk"
)

// Config is a program to run.
type Config struct {
	Args   []string // program and arguments; no shell. A name without a slash is looked for in Env's PATH
	Env    []string // its whole environment, NAME=value; of a name that comes twice the last counts
	Dir    string   // to run in; "" for this process's
	CPUs   []int    // it and all that it starts may run on; nil: any
	Memory int64    // bytes that all its processes together may hold; 0: no limit
	Remove []string // paths, with all that is in them, to remove when it is over, even if this process has died
	Log    *Log     // where its output goes; may be nil

	// Line sees each line of its output, without the line's end, if it is not nil; of
	// a line over a megabyte it sees the beginning, and that it is cut. It is never
	// called twice at once, nor after Done, and must not keep the slice. While it
	// runs, the program's output waits.
	Line func(stderr bool, line []byte, cut bool)
}

// Process is a program that was started.
type Process struct {
	config     Config
	command    string // for errors
	pid        int
	supervisor *os.Process
	control    *os.File // to and from the supervisor
	streams    [2]stream
	reading    sync.WaitGroup
	seeing     sync.Mutex // serialises the two streams
	tail       tail
	stopped    atomic.Bool

	done chan struct{}
	err  error // after done
}

// Start runs a program. An error means that it does not run: it was not found, say,
// or may not be executed.
func Start(c Config) (*Process, error) {
	p := &Process{config: c, command: commandText(c.Args), done: make(chan struct{})}
	if err := p.start(); err != nil {
		return nil, fmt.Errorf("run %s: %w", p.command, err)
	}
	return p, nil
}

// PID is the program's process number.
func (p *Process) PID() int { return p.pid }

// Done is closed when the program and all that it ever started is gone, its output
// has been seen to the last line, and Config.Remove is removed.
func (p *Process) Done() <-chan struct{} { return p.done }

// Err says how it ended, once it is Done: nil for exit status 0, else an *ExitError.
func (p *Process) Err() error {
	<-p.done
	return p.err
}

// Tail is the last of its output, for a person.
func (p *Process) Tail() string { return p.tail.String() }

// Stop ends the program and returns when it is Done. Its process group gets SIGTERM
// and is woken if it was stopped; what is left of it after the grace is killed, and
// so is at once all else when the group is gone.
func (p *Process) Stop(grace time.Duration) {
	p.stopped.Store(true)
	_ = p.supervisor.Signal(syscall.SIGCONT) // somebody may have stopped it
	_, _ = p.control.Write(message(orderStop, packet{}.int(int64(max(grace, 0)))))
	<-p.done // if the order was not heard, then because it is over
}

// Kill is Stop without grace: no SIGTERM, all is killed.
func (p *Process) Kill() { p.Stop(0) }

// start starts the supervisor, and the supervisor the program.
func (p *Process) start() error {
	j, err := p.job()
	if err != nil {
		return err
	}
	pair, err := unix.Socketpair(unix.AF_UNIX, unix.SOCK_STREAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return fmt.Errorf("a socket to its supervisor: %w", err)
	}
	_ = unix.SetNonblock(pair[0], true) // so that waiting for it costs no thread
	p.control = os.NewFile(uintptr(pair[0]), "supervisor")
	theirs := []*os.File{nil, nil, nil, os.NewFile(uintptr(pair[1]), "engine")}
	defer func() { closeAll(theirs) }()
	if theirs[0], err = os.Open(os.DevNull); err == nil {
		for i := range p.streams {
			if p.streams[i].file, theirs[1+i], err = os.Pipe(); err != nil {
				break
			}
		}
	}
	if err == nil {
		p.supervisor, err = os.StartProcess("/proc/self/exe", []string{supervisorName}, &os.ProcAttr{
			Env: supervisorEnv(), Files: theirs, Sys: &syscall.SysProcAttr{Setsid: true},
		})
	}
	if err != nil {
		p.close()
		return fmt.Errorf("its supervisor: %w", err)
	}
	closeAll(theirs)
	for i := range p.streams {
		p.reading.Go(func() { p.read(i == 1) })
	}
	if err := p.launch(j); err != nil {
		_ = p.supervisor.Kill() // it has no program, or has lost its mind
		p.end()
		if last := p.Tail(); last != noOutput { // its supervisor's last words
			err = fmt.Errorf("%w\n%s", err, last)
		}
		return err
	}
	go p.wait()
	return nil
}

// job is the order for the supervisor, with all checked that gives a better error here.
func (p *Process) job() (job, error) {
	c := p.config
	for _, s := range append(append([]string{c.Dir}, c.Args...), c.Env...) {
		if strings.Contains(s, "\x00") {
			return job{}, fmt.Errorf("a zero byte in %.100q", s)
		}
	}
	j := job{engine: os.Getpid(), args: c.Args, env: lastOfEach(c.Env), dir: c.Dir, cpus: c.CPUs, memory: c.Memory}
	var err error
	if j.path, err = findProgram(c.Args, j.env, c.Dir); err != nil {
		return job{}, err
	}
	for _, path := range c.Remove {
		if path, err = filepath.Abs(path); err != nil || path == "/" {
			return job{}, errors.Join(fmt.Errorf("%q cannot be removed afterwards", path), err)
		}
		j.remove = append(j.remove, path)
	}
	return j, nil
}

// launch tells the supervisor what to run, and waits until it does.
func (p *Process) launch(j job) error {
	_, sendErr := p.control.Write(message(orderRun, j.pack()))
	kind, body, err := receive(p.control)
	switch {
	case err != nil:
		return fmt.Errorf("its supervisor did not answer: %w", errors.Join(err, sendErr))
	case kind == sayFailed:
		stage := body.nextText()
		return startError(stage, syscall.Errno(body.next()), j)
	case kind != sayStarted:
		return fmt.Errorf("its supervisor said %q", kind)
	}
	p.pid = int(body.next())
	return body.err()
}

// wait listens to the supervisor until it is no more.
func (p *Process) wait() {
	exit := &ExitError{Command: p.command, MemoryLimit: p.config.Memory, lost: true}
	for {
		kind, body, err := receive(p.control)
		if err != nil {
			break
		}
		switch kind {
		case sayMemory:
			exit.Memory = body.next()
		case sayEnded:
			exit.status = syscall.WaitStatus(body.next())
			exit.killed = body.next() != 0
			exit.Left = body.nextInts()
			exit.lost = body.err() != nil
		}
	}
	if exit.lost {
		_ = p.supervisor.Kill()
		killSession(p.pid)
	}
	p.end()
	if exit.lost {
		for _, path := range p.config.Remove {
			_ = disk.RemoveAll(path)
		}
	}
	exit.Stopped, exit.Tail = p.stopped.Load(), p.Tail()
	p.err = exit.orNil()
	close(p.done)
}

// end waits for the supervisor, which is going, and reads what is left of the output.
func (p *Process) end() {
	_, _ = p.supervisor.Wait()
	for i := range p.streams {
		p.streams[i].writersAreGone()
	}
	p.reading.Wait()
	p.close()
}

func (p *Process) close() {
	closeAll([]*os.File{p.control, p.streams[0].file, p.streams[1].file})
}

func closeAll(files []*os.File) {
	for i, f := range files {
		if f != nil {
			f.Close()
		}
		files[i] = nil
	}
}

// read reads one of the two streams to its end.
func (p *Process) read(stderr bool) {
	from := &p.streams[0]
	if stderr {
		from = &p.streams[1]
	}
	readLines(from, p.config.Log.Flush, func(line []byte, cut bool) {
		p.seeing.Lock()
		defer p.seeing.Unlock()
		p.tail.add(line)
		p.config.Log.Line(stderr, line, cut)
		if p.config.Line != nil {
			p.config.Line(stderr, line, cut)
		}
	})
}
