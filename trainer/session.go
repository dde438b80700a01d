package trainer

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"hash/fnv"
	"io"
	"net"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"time"

	"github.com/seed-7a1a2db0/pbt/internal/awake"
	"github.com/seed-7a1a2db0/pbt/internal/disk"
	"github.com/seed-7a1a2db0/pbt/protocol"
	"github.com/seed-7a1a2db0/pbt/trainer/process"
)

// session is a living program and the connection to it.
type session struct {
	process  *process.Process
	conn     net.Conn
	hello    *protocol.Hello
	messages chan protocol.Message // closed when the connection has ended
	readErr  error                 // why, once it has
	heard    atomic.Int64          // how many messages have come
	spoilt   error                 // why it cannot be given another segment, once that is known
	sending  sync.Mutex
	written  []byte

	watching sync.Mutex
	watcher  func(*protocol.Progress)
	lease    int64 // of the newest segment
	before   int64 // of the segment before it, until the newest is loaded; 0: none
	window   int64 // the second that progress is counted in
	seen     int   // messages in it
}

// Limits of a conversation.
const (
	beatInterval  = 5 * time.Second  // at most; less where silence is to be noticed sooner
	silentTicks   = 4                // looks in a row without a message, that are silence
	sendTimeout   = 10 * time.Second // a program that reads nothing for so long hangs
	farewell      = time.Second      // between hanging up on a segment that was called off and SIGKILL
	maxSocketPath = 107              // what fits into a sockaddr_un
	socketName    = "socket"
	messageBuffer = 4 // a well-behaved program has one on its way
)

// What ends a conversation, beside the program's end.
var (
	errRefused = errors.New("the trainer's message was refused")
	errCut     = errors.New("its connection ended in the middle of a message")
	errHungUp  = errors.New("the trainer closed its connection between two segments")
)

// begin starts the program and shakes hands.
func (s *clientSlot) begin(ctx context.Context, extra []string) (*session, error) {
	if s.StartTimeout > 0 {
		var cancel context.CancelFunc
		ctx, cancel = awake.WithTimeoutCause(ctx, s.StartTimeout,
			fmt.Errorf("%w: it did not say hello within trainer.start_timeout, which is %s", ErrTimeout, s.StartTimeout))
		defer cancel()
	}
	listener, dir, err := listen(s.RunDir)
	if err != nil {
		return nil, err
	}
	defer listener.Close()
	extra = append(extra, protocol.EnvSocket+"="+filepath.Join(dir, socketName))
	p, err := s.start(s.Args, extra, []string{dir}, nil)
	if err != nil {
		return nil, errors.Join(fmt.Errorf("%w: %w", ErrStart, err), disk.RemoveAll(dir))
	}
	live := &session{process: p, messages: make(chan protocol.Message, messageBuffer)}
	if err = live.connect(ctx, listener); err == nil {
		listener.Close() // before the welcome: whoever has heard it finds no socket any more
		go live.read()
		err = live.shakeHands(ctx, s)
	}
	if err != nil {
		live.kill()
		return nil, err
	}
	return live, nil
}

// socketDir is how the names of a run's sockets' directories begin.
func socketDir(runDir string) string {
	h := fnv.New32a()
	h.Write([]byte(runDir))
	return fmt.Sprintf("pbt-%08x-", h.Sum32())
}

// SweepSockets removes the sockets that a former engine of a run left behind, if it
// was killed at the very moment of starting a trainer. The run must be the caller's alone.
func SweepSockets(runDir string) {
	for _, dir := range []string{os.TempDir(), "/tmp"} {
		left, _ := disk.In(dir).ReadDir(".") // a directory that cannot be read has none
		for _, entry := range left {
			if strings.HasPrefix(entry.Name(), socketDir(runDir)) {
				_ = disk.In(dir).RemoveAll(entry.Name()) // another user's, by a rare chance
			}
		}
	}
}

// listen opens a socket in a directory that nobody else may enter.
func listen(runDir string) (*socket, string, error) {
	dir, err := disk.MkdirTemp("", socketDir(runDir))
	if err == nil && len(filepath.Join(dir, socketName)) > maxSocketPath { // a long TMPDIR
		_ = disk.RemoveAll(dir)
		dir, err = disk.MkdirTemp("/tmp", socketDir(runDir))
	}
	if err != nil {
		return nil, "", fmt.Errorf("%w: make a directory for the trainer's socket (TMPDIR says where): %w", ErrMachine, err)
	}
	l, err := net.ListenUnix("unix", &net.UnixAddr{Name: filepath.Join(dir, socketName), Net: "unix"})
	if err != nil {
		return nil, "", errors.Join(fmt.Errorf("%w: make the trainer's socket: %w", ErrMachine, err), disk.RemoveAll(dir))
	}
	l.SetUnlinkOnClose(false) // see Close
	return &socket{l, dir}, dir, nil
}

// socket listens in a directory of its own.
type socket struct {
	*net.UnixListener
	dir string
}

// Close removes the socket as well, unless a link is in its directory's place by now.
func (s *socket) Close() error {
	err := s.UnixListener.Close()
	d, name := disk.Beside(s.dir)
	_ = d.Remove(filepath.Join(name, socketName)) // or its directory is gone already
	return err
}

// connect waits until the program has connected.
func (l *session) connect(ctx context.Context, listener *socket) error {
	type accepted struct {
		conn net.Conn
		err  error
	}
	connected := make(chan accepted, 1)
	go func() {
		conn, err := listener.Accept()
		connected <- accepted{conn, err}
	}()
	giveUp := func(err error) error {
		listener.Close()
		if a := <-connected; a.conn != nil {
			a.conn.Close()
		}
		return err
	}
	select {
	case a := <-connected:
		if a.err != nil {
			return fmt.Errorf("wait for the trainer's connection: %w", a.err)
		}
		l.conn = a.conn
		return nil
	case <-l.process.Done():
		err := fmt.Errorf("it ended before it connected to $%s: %w", protocol.EnvSocket, died(l.process))
		if l.process.Err() == nil { // it ended well: it may be a program that knows nothing of pbt
			err = fmt.Errorf("%w\na program that does not speak pbt's protocol needs placeholders in its command, such as {lr} and {save}", err)
		}
		if errors.Is(err, ErrPreempted) {
			return giveUp(err)
		}
		return giveUp(fmt.Errorf("%w: %w", ErrStart, err))
	case <-ctx.Done():
		return giveUp(fmt.Errorf("%w\n%s", context.Cause(ctx), l.process.Tail()))
	}
}

// shakeHands waits until the program has said hello, and welcomes it.
func (l *session) shakeHands(ctx context.Context, s *clientSlot) error {
	select {
	case m, open := <-l.messages:
		if !open {
			return l.gone(ctx, s.grace(), "before it said hello", l.readErr)
		}
		hello, ok := m.(*protocol.Hello)
		if !ok {
			return l.reject(fmt.Errorf("%s: the first message must be hello", m.Type()))
		}
		l.hello = hello
	case <-ctx.Done():
		return fmt.Errorf("%w\n%s", context.Cause(ctx), l.process.Tail())
	}
	beat := beatInterval
	if s.Silence > 0 {
		beat = min(beat, s.Silence/silentTicks)
	}
	err := l.send(&protocol.Welcome{
		Protocol: protocol.Version, Engine: "pbt " + s.Version, Slot: s.Slot, Run: s.RunDir, Beat: beat.Seconds(),
	})
	if err != nil {
		return l.gone(ctx, s.grace(), "before it was welcomed", err)
	}
	return nil
}

// read hears the program until its connection ends, or makes no sense.
func (l *session) read() {
	defer close(l.messages)
	if err := l.hear(); isEnd(err) {
		l.readErr = err
	} else {
		l.readErr = l.reject(err)
		l.conn.Close()
	}
}

func (l *session) hear() error {
	in := bufio.NewReaderSize(l.conn, 64<<10)
	var line []byte
	began, second, count := time.Now(), int64(0), 0
	for {
		var err error
		if line, err = readLine(in, line[:0]); err != nil {
			return err
		}
		l.heard.Add(1)
		if now := int64(time.Since(began) / time.Second); now != second {
			second, count = now, 0
		}
		if count++; count > protocol.MaxRate {
			return fmt.Errorf("more than %d messages in a second", protocol.MaxRate)
		}
		m, err := protocol.FromTrainer(line)
		if err != nil {
			return err
		}
		switch m := m.(type) {
		case *protocol.Beat:
		case *protocol.Progress:
			if err := l.tell(m, second); err != nil {
				return err
			}
		case *protocol.Loaded:
			l.settle()
			l.messages <- m
		default:
			l.messages <- m
		}
	}
}

// reject tells the program, for its author, what was wrong with its message.
func (l *session) reject(err error) error {
	_ = l.send(&protocol.Error{Error: err.Error(), Fatal: true}) // it is killed anyway
	return fmt.Errorf("%w: %w", errRefused, err)
}

var errTooLong = fmt.Errorf("a message of more than %d bytes", protocol.MaxMessage)

// readLine reads one message without its end.
func readLine(in *bufio.Reader, line []byte) ([]byte, error) {
	for {
		part, err := in.ReadSlice('\n')
		line = append(line, part...)
		switch {
		case len(line) > protocol.MaxMessage+1:
			return nil, errTooLong
		case err == nil:
			return line[:len(line)-1], nil
		case errors.Is(err, bufio.ErrBufferFull):
		case errors.Is(err, io.EOF) && len(line) > 0:
			return nil, fmt.Errorf("%w: %.80q", errCut, line)
		default:
			return nil, err
		}
	}
}

// watch notes a new segment and passes its progress to f, unless f is nil.
func (l *session) watch(f func(*protocol.Progress), lease int64) {
	l.watching.Lock()
	defer l.watching.Unlock()
	l.watcher, l.lease, l.before = f, lease, l.lease
}

// unwatch passes no further progress on. The newest segment stays the newest.
func (l *session) unwatch() {
	l.watching.Lock()
	defer l.watching.Unlock()
	l.watcher = nil
}

// settle notes that the program has loaded the newest segment: from now on it knows its lease.
func (l *session) settle() {
	l.watching.Lock()
	defer l.watching.Unlock()
	l.before = 0
}

// tell passes progress on, at most MaxProgress times a second. Progress of the segment before is
// ignored as long as it may have crossed with the new segment's message; any other lease is an error.
func (l *session) tell(m *protocol.Progress, second int64) error {
	l.watching.Lock()
	defer l.watching.Unlock()
	switch {
	case m.Lease == l.lease:
	case m.Lease == l.before:
		return nil
	case l.lease == 0:
		return fmt.Errorf("progress: lease %d was never handed out: no segment has begun", m.Lease)
	default:
		return fmt.Errorf("progress: lease %d is not the current one, which is %d", m.Lease, l.lease)
	}
	if second != l.window {
		l.window, l.seen = second, 0
	}
	if l.seen++; l.watcher != nil && l.seen <= protocol.MaxProgress {
		l.watcher(m)
	}
	return nil
}

// send says something to the program; the reader does so too, about bad messages.
func (l *session) send(m protocol.Message) error {
	l.sending.Lock()
	defer l.sending.Unlock()
	line, err := protocol.Append(l.written[:0], m)
	if err != nil {
		return err
	}
	l.written = line
	_ = l.conn.SetWriteDeadline(time.Now().Add(sendTimeout))
	_, err = l.conn.Write(line)
	return err
}

// idle is why a program that has nothing to do cannot be given something: it has
// ended, or has done what nobody asked for. It is called between two segments.
func (l *session) idle() error {
	if l.spoilt == nil {
		l.spoilt = l.look()
	}
	return l.spoilt
}

func (l *session) look() error {
	select {
	case <-l.process.Done():
		return fmt.Errorf("the trainer ended between two segments: %w", died(l.process))
	case m, open := <-l.messages:
		switch {
		case open:
			return l.reject(fmt.Errorf("%s: not now, between two segments", m.Type()))
		case isEnd(l.readErr):
			return errHungUp
		}
		return l.readErr
	default:
		return nil
	}
}

// gone says why a connection has ended, or cannot be written to. The reason is what
// its program died of, if it did.
func (l *session) gone(ctx context.Context, grace time.Duration, when string, err error) error {
	switch {
	case ctx.Err() != nil: // it was hung up on
		return context.Cause(ctx)
	case errors.Is(err, os.ErrDeadlineExceeded):
		return fmt.Errorf("%w: it has read nothing of what it was told for %s\n%s", ErrTimeout, sendTimeout, l.process.Tail())
	case !isEnd(err):
		return fmt.Errorf("%w\n%s", err, l.process.Tail())
	case errors.Is(err, errCut):
		when += fmt.Sprintf(" (%v)", err)
	}
	timer := time.NewTimer(grace)
	defer timer.Stop()
	select {
	case <-l.process.Done():
	case <-timer.C:
		return fmt.Errorf("the trainer closed its connection %s, and went on running\n%s", when, l.process.Tail())
	case <-ctx.Done():
		return context.Cause(ctx)
	}
	return fmt.Errorf("the trainer ended %s: %w", when, died(l.process))
}

// isEnd tells whether a connection has ended for no reason of its own.
func isEnd(err error) bool {
	for _, end := range []error{nil, errCut, io.EOF, net.ErrClosed, syscall.EPIPE, syscall.ECONNRESET} {
		if errors.Is(err, end) {
			return true
		}
	}
	return false
}

// termStatus is what shells exit with when SIGTERM has ended what they ran.
const termStatus = 128 + int(syscall.SIGTERM)

// died says how a program ended, with the last of its output. SIGTERM, which pbt
// did not send, is what those send who take a machine away.
func died(p *process.Process) error {
	err := p.Err()
	var exit *process.ExitError
	switch {
	case err == nil:
		return fmt.Errorf("exit status 0\n%s", p.Tail())
	case errors.As(err, &exit) && (exit.Signal() == syscall.SIGTERM || exit.Status() == termStatus) && !exit.Stopped:
		return fmt.Errorf("%w: %w", ErrPreempted, err)
	}
	return err
}

// leave lets the program end by itself, for as long as the grace goes.
func (l *session) leave(grace time.Duration) {
	_ = l.send(&protocol.Exit{}) // if it is gone already, so much the better
	_ = l.conn.(*net.UnixConn).CloseWrite()
	timer := time.NewTimer(grace)
	defer timer.Stop()
	select {
	case <-l.process.Done():
	case <-timer.C:
		l.process.Stop(grace)
	}
	l.hangUp()
}

// kill ends it at once.
func (l *session) kill() {
	l.process.Kill()
	l.hangUp()
}

// callOff ends a segment that is not wanted any more: a client that sees its
// connection end has a moment to put away what it holds.
func (l *session) callOff(grace time.Duration) {
	l.conn.Close()
	l.process.Stop(min(grace, farewell))
	l.hangUp()
}

// hangUp closes the connection and waits for its reader.
func (l *session) hangUp() {
	if l.conn == nil {
		return
	}
	l.conn.Close()
	for range l.messages { // until the reader has closed it
	}
}

// silence notices when nothing has come for a while. It counts looks rather than
// time: a pbt that was stopped itself (Ctrl-Z) must not take that for the trainer's silence.
type silence struct {
	session *session
	ticker  *time.Ticker // nil: nobody minds
	heard   int64
	quiet   int
}

func (l *session) listenFor(limit time.Duration) *silence {
	s := &silence{session: l, heard: l.heard.Load()}
	if limit > 0 && l.hello.Beats {
		s.ticker = time.NewTicker(max(1, limit/silentTicks))
	}
	return s
}

func (s *silence) look() <-chan time.Time {
	if s.ticker == nil {
		return nil
	}
	return s.ticker.C
}

// over tells, at each look, whether there have been enough of them.
func (s *silence) over() bool {
	if heard := s.session.heard.Load(); heard != s.heard {
		s.heard, s.quiet = heard, 0
		return false
	}
	s.quiet++
	return s.quiet >= silentTicks
}

func (s *silence) stop() {
	if s.ticker != nil {
		s.ticker.Stop()
	}
}
