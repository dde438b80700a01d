package trainer

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"path/filepath"
	"sync"
	"sync/atomic"
	"syscall"
	"time"

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
	heard    atomic.Int64          // when the last message came, Unix nanoseconds
	sending  sync.Mutex
	written  []byte

	watching sync.Mutex
	watcher  func(*protocol.Progress)
	lease    int64 // whose progress is watched
	window   int64 // the second that progress is counted in
	seen     int   // messages in it
}

// Limits of a conversation.
const (
	beatInterval  = 5 * time.Second
	sendTimeout   = time.Minute // a program that reads nothing for so long is gone
	maxSocketPath = 107         // what fits into a sockaddr_un
	socketName    = "socket"
	messageBuffer = 4 // a well-behaved program has one on its way
)

// begin starts the program and shakes hands.
func (s *clientSlot) begin(ctx context.Context, extra []string) (*session, error) {
	if s.StartTimeout > 0 {
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeoutCause(ctx, s.StartTimeout,
			fmt.Errorf("%w: it did not say hello within trainer.start_timeout, which is %s", ErrTimeout, s.StartTimeout))
		defer cancel()
	}
	listener, dir, err := listen()
	if err != nil {
		return nil, err
	}
	defer listener.Close()
	extra = append(extra, protocol.EnvSocket+"="+filepath.Join(dir, socketName))
	p, err := s.start(s.Args, extra, []string{dir}, nil)
	if err != nil {
		return nil, errors.Join(err, os.RemoveAll(dir))
	}
	live := &session{process: p, messages: make(chan protocol.Message, messageBuffer)}
	if err := live.shakeHands(ctx, listener, s); err != nil {
		live.kill()
		return nil, err
	}
	return live, nil
}

// listen opens a socket in a directory that nobody else may enter.
func listen() (*net.UnixListener, string, error) {
	dir, err := os.MkdirTemp("", "pbt-")
	if err == nil && len(filepath.Join(dir, socketName)) > maxSocketPath { // a long TMPDIR
		os.Remove(dir)
		dir, err = os.MkdirTemp("/tmp", "pbt-")
	}
	if err != nil {
		return nil, "", fmt.Errorf("make a directory for the trainer's socket: %w", err)
	}
	l, err := net.ListenUnix("unix", &net.UnixAddr{Name: filepath.Join(dir, socketName), Net: "unix"})
	if err != nil {
		return nil, "", errors.Join(fmt.Errorf("make the trainer's socket: %w", err), os.RemoveAll(dir))
	}
	l.SetUnlinkOnClose(true)
	return l, dir, nil
}

// shakeHands waits until the program has connected and said hello.
func (l *session) shakeHands(ctx context.Context, listener *net.UnixListener, s *clientSlot) error {
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
	case <-l.process.Done():
		return giveUp(fmt.Errorf("the trainer ended before it connected to $%s (a program that does not speak pbt's protocol needs placeholders in its command, such as {lr} and {save}): %w", protocol.EnvSocket, died(l.process)))
	case <-ctx.Done():
		return giveUp(fmt.Errorf("%w\n%s", context.Cause(ctx), l.process.Tail()))
	}
	listener.Close()
	go l.read()
	select {
	case m, open := <-l.messages:
		if !open {
			return fmt.Errorf("the trainer's connection ended before it said hello: %w\n%s", l.readErr, l.process.Tail())
		}
		hello, ok := m.(*protocol.Hello)
		if !ok {
			err := fmt.Errorf("%s: the first message must be hello", m.Type())
			_ = l.send(&protocol.Error{Error: err.Error(), Fatal: true})
			return fmt.Errorf("the trainer's message was refused: %w", err)
		}
		l.hello = hello
	case <-ctx.Done():
		return fmt.Errorf("%w\n%s", context.Cause(ctx), l.process.Tail())
	}
	return l.send(&protocol.Welcome{
		Protocol: protocol.Version, Engine: "pbt " + s.Version, Slot: s.Slot, Run: s.RunDir, Beat: beatInterval.Seconds(),
	})
}

// read hears the program until its connection ends.
func (l *session) read() {
	defer close(l.messages)
	in := bufio.NewReaderSize(l.conn, 64<<10)
	var line []byte
	second, count := int64(0), 0
	for {
		var err error
		if line, err = readLine(in, line[:0]); err != nil {
			l.readErr = err
			return
		}
		now := time.Now()
		l.heard.Store(now.UnixNano())
		if now.Unix() != second {
			second, count = now.Unix(), 0
		}
		if count++; count > protocol.MaxRate {
			l.readErr = l.reject(fmt.Errorf("more than %d messages in a second", protocol.MaxRate))
			return
		}
		m, err := protocol.FromTrainer(line)
		if err != nil {
			l.readErr = l.reject(err)
			return
		}
		switch m := m.(type) {
		case *protocol.Beat:
		case *protocol.Progress:
			l.tell(m, now.Unix())
		default:
			l.messages <- m
		}
	}
}

// reject tells the program what was wrong with its message.
func (l *session) reject(err error) error {
	_ = l.send(&protocol.Error{Error: err.Error(), Fatal: true}) // it is killed anyway
	return fmt.Errorf("the trainer's message was refused: %w", err)
}

var errTooLong = fmt.Errorf("a message of more than %d bytes", protocol.MaxMessage)

// readLine reads one message without its end.
func readLine(in *bufio.Reader, line []byte) ([]byte, error) {
	for {
		part, err := in.ReadSlice('\n')
		line = append(line, part...)
		switch {
		case len(line) > protocol.MaxMessage+1:
			return nil, fmt.Errorf("the trainer's message was refused: %w", errTooLong)
		case err == nil:
			return line[:len(line)-1], nil
		case errors.Is(err, bufio.ErrBufferFull):
		case errors.Is(err, io.EOF) && len(line) > 0:
			return nil, fmt.Errorf("its connection ended in the middle of a message: %.80q", line)
		default:
			return nil, err
		}
	}
}

// watch lets f see the progress of a lease; nil for nobody.
func (l *session) watch(f func(*protocol.Progress), lease int64) {
	l.watching.Lock()
	defer l.watching.Unlock()
	l.watcher, l.lease = f, lease
}

// tell passes progress on, as often as people can look.
func (l *session) tell(m *protocol.Progress, second int64) {
	l.watching.Lock()
	defer l.watching.Unlock()
	if second != l.window {
		l.window, l.seen = second, 0
	}
	if l.seen++; l.watcher != nil && m.Lease == l.lease && l.seen <= protocol.MaxProgress {
		l.watcher(m)
	}
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

// ended tells whether the program or its connection is gone.
func (l *session) ended() bool {
	select {
	case <-l.process.Done():
		return true
	default:
		return false
	}
}

// quiet tells whether the program has said nothing that it was not asked.
func (l *session) quiet() bool {
	select {
	case <-l.messages: // a message, or the end of the connection
		return false
	default:
		return true
	}
}

// gone is the error of a connection that has ended. The reason is what its program
// died of, if it did.
func (t *turn) gone(err error) error {
	if !isEnd(err) {
		return fmt.Errorf("%w\n%s", err, t.process.Tail())
	}
	timer := time.NewTimer(t.slot.grace())
	defer timer.Stop()
	select {
	case <-t.process.Done():
	case <-timer.C:
		t.process.Kill()
		return fmt.Errorf("the trainer closed its connection in the middle of a segment, and went on running\n%s", t.process.Tail())
	case <-t.ctx.Done():
		return context.Cause(t.ctx)
	}
	return fmt.Errorf("the trainer ended in the middle of a segment: %w", died(t.process))
}

// isEnd tells whether a connection has just ended, without saying why.
func isEnd(err error) bool {
	for _, end := range []error{nil, io.EOF, net.ErrClosed, syscall.EPIPE, syscall.ECONNRESET} {
		if errors.Is(err, end) {
			return true
		}
	}
	return false
}

// died says how a program ended, with the last of its output. SIGTERM, which pbt
// did not send, is what those send who take a machine away.
func died(p *process.Process) error {
	err := p.Err()
	var exit *process.ExitError
	switch {
	case err == nil:
		return fmt.Errorf("exit status 0\n%s", p.Tail())
	case errors.As(err, &exit) && exit.Signal() == syscall.SIGTERM && !exit.Stopped:
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

// hangUp closes the connection and waits for its reader.
func (l *session) hangUp() {
	if l.conn == nil {
		return
	}
	l.conn.Close()
	for range l.messages { // until the reader has closed it
	}
}

// silenceTimer notices when nothing has come for a while.
type silenceTimer struct {
	l     *session
	limit time.Duration
	timer *time.Timer
}

func (l *session) silence(limit time.Duration) *silenceTimer {
	s := &silenceTimer{l: l, limit: limit}
	if limit > 0 && l.hello.Beats {
		s.timer = time.NewTimer(limit)
	}
	return s
}

func (s *silenceTimer) c() <-chan time.Time {
	if s.timer == nil {
		return nil
	}
	return s.timer.C
}

// check tells whether the limit is over, and else waits on.
func (s *silenceTimer) check() bool {
	left := s.limit - time.Since(time.Unix(0, s.l.heard.Load()))
	if left <= 0 {
		return true
	}
	s.timer.Reset(left)
	return false
}

func (s *silenceTimer) stop() {
	if s.timer != nil {
		s.timer.Stop()
	}
}
