package process

import (
	"encoding/binary"
	"errors"
	"fmt"
	"io"
)

// What this process and a supervisor say to each other: a length, a letter for the
// kind, numbers and texts. Both are the same executable: there are no versions.
const (
	orderRun  = 'r' // a job
	orderStop = 's' // grace in nanoseconds

	sayFailed  = 'f' // stage, errno: the program could not be started
	sayStarted = 'p' // its process number
	sayMemory  = 'm' // bytes: the limit is exceeded, it is being killed
	sayEnded   = 'e' // wait status, 1 if killed by the supervisor, the processes that could not be killed
)

// maxMessage bounds a message; the longest is a job with its arguments and environment.
const maxMessage = 64 << 20

var errMessage = errors.New("a message that is no message")

// job is what a supervisor runs.
type job struct {
	engine    int // process number of who ordered it
	path, dir string
	args, env []string
	cpus      []int
	memory    int64
	remove    []string // absolute paths
}

func (j job) pack() packet {
	p := packet{}.int(int64(j.engine)).int(j.memory).text(j.path).text(j.dir)
	return p.texts(j.args).texts(j.env).texts(j.remove).ints(j.cpus)
}

func unpackJob(p *packet) (job, error) {
	j := job{engine: int(p.next()), memory: p.next(), path: p.nextText(), dir: p.nextText()}
	j.args, j.env, j.remove, j.cpus = p.nextTexts(), p.nextTexts(), p.nextTexts(), p.nextInts()
	return j, p.err()
}

// packet is the content of a message. Reading takes from its front; nil is one that
// ended too early.
type packet []byte

func (p packet) int(v int64) packet { return binary.AppendVarint(p, v) }

func (p packet) bool(v bool) packet {
	if v {
		return p.int(1)
	}
	return p.int(0)
}

func (p packet) ints(list []int) packet {
	p = p.int(int64(len(list)))
	for _, v := range list {
		p = p.int(int64(v))
	}
	return p
}

func (p packet) text(s string) packet { return append(p.int(int64(len(s))), s...) }

func (p packet) texts(list []string) packet {
	p = p.int(int64(len(list)))
	for _, s := range list {
		p = p.text(s)
	}
	return p
}

func (p *packet) next() int64 {
	v, n := binary.Varint(*p)
	if n <= 0 {
		*p = nil
		return 0
	}
	*p = (*p)[n:]
	return v
}

func (p *packet) nextInts() (list []int) {
	for range p.next() {
		if *p == nil {
			break
		}
		list = append(list, int(p.next()))
	}
	return list
}

func (p *packet) nextText() string {
	n := p.next()
	if n < 0 || n > int64(len(*p)) {
		*p = nil
		return ""
	}
	s := string((*p)[:n])
	*p = (*p)[n:]
	return s
}

func (p *packet) nextTexts() (list []string) {
	for range p.next() {
		if *p == nil {
			break
		}
		list = append(list, p.nextText())
	}
	return list
}

func (p *packet) err() error {
	if *p == nil {
		return errMessage
	}
	return nil
}

// message is a packet ready to be sent in one piece.
func message(kind byte, p packet) []byte {
	m := binary.BigEndian.AppendUint32(make([]byte, 0, 5+len(p)), uint32(1+len(p)))
	return append(append(m, kind), p...)
}

// receive reads one message.
func receive(r io.Reader) (kind byte, body *packet, err error) {
	var head [4]byte
	if _, err := io.ReadFull(r, head[:]); err != nil {
		return 0, nil, err
	}
	n := binary.BigEndian.Uint32(head[:])
	if n < 1 || n > maxMessage {
		return 0, nil, fmt.Errorf("%w: %d bytes", errMessage, n)
	}
	text := make(packet, n)
	if _, err := io.ReadFull(r, text); err != nil {
		return 0, nil, err
	}
	rest := text[1:]
	return text[0], &rest, nil
}
