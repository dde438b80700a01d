package notify

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"syscall"
	"time"
)

// webhook POSTs a message.
type webhook struct {
	written string // as in the experiment file: a URL, or $NAME
	client  http.Client
}

// Webhook returns a sender to a URL, or to the one in the environment variable that
// $NAME names.
func Webhook(url string) Sender { return &webhook{written: url} }

func (w *webhook) Target() string { return "webhook " + w.written }

func (w *webhook) Send(ctx context.Context, m *Message) error {
	url := w.written
	if name, isName := strings.CutPrefix(url, "$"); isName {
		if url = os.Getenv(name); url == "" {
			return fmt.Errorf("the webhook's address is to be in the environment variable %s, which is empty", name)
		}
	}
	body, err := json.Marshal(m)
	if err != nil {
		return err
	}
	r, err := http.NewRequestWithContext(ctx, http.MethodPost, url, bytes.NewReader(body))
	if err != nil {
		return fmt.Errorf("the webhook's address cannot be used: want one such as https://example.org/hook")
	}
	r.Header.Set("Content-Type", "application/json")
	r.Header.Set("Idempotency-Key", m.ID)
	answer, err := w.client.Do(r)
	if err != nil {
		var told interface{ Unwrap() error }
		if errors.As(err, &told) { // without the address, which may be a secret
			err = told.Unwrap()
		}
		return fmt.Errorf("call the webhook: %w", err)
	}
	defer answer.Body.Close()
	_, _ = io.Copy(io.Discard, io.LimitReader(answer.Body, 1<<16)) // so that the connection can be used again
	if answer.StatusCode/100 != 2 {
		return fmt.Errorf("the webhook answers %s", answer.Status)
	}
	return nil
}

// program is run for each message.
type program struct{ args []string }

// Command returns a sender that runs a program.
func Command(args []string) Sender { return &program{args} }

func (p *program) Target() string { return "command " + strconv.Quote(strings.Join(p.args, " ")) }

// tailBytes of what a program prints are shown if it fails.
const tailBytes = 500

// dyingTime is how long a program that is over may leave its output open.
const dyingTime = time.Second

func (p *program) Send(ctx context.Context, m *Message) error {
	body, err := json.Marshal(m)
	if err != nil {
		return err
	}
	c := exec.CommandContext(ctx, p.args[0], p.args[1:]...)
	c.Env = append(os.Environ(), "PBT_EVENT="+m.Event, "PBT_MESSAGE="+m.Message, "PBT_NAME="+m.Run, "PBT_DIR="+m.Dir,
		"PBT_ID="+m.ID, "PBT_AT="+m.At.Format(time.RFC3339Nano), "PBT_METRIC="+m.Metric)
	if m.Score != nil {
		c.Env = append(c.Env, "PBT_SCORE="+m.Score.String())
	}
	if m.Member != nil {
		c.Env = append(c.Env, "PBT_MEMBER="+strconv.Itoa(*m.Member), "PBT_SEGMENT="+strconv.FormatInt(m.Segment, 10))
	}
	c.Stdin = bytes.NewReader(append(body, '\n'))
	var out tail
	c.Stdout, c.Stderr = &out, &out
	c.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	c.Cancel = func() error { return syscall.Kill(-c.Process.Pid, syscall.SIGKILL) }
	c.WaitDelay = dyingTime
	if err := c.Run(); err != nil {
		if ctx.Err() != nil {
			err = fmt.Errorf("it took longer than %s", sendTime)
		}
		return fmt.Errorf("run %s: %w %s", p.args[0], err, strings.TrimSpace(string(out)))
	}
	return nil
}

// tail keeps the last bytes written to it.
type tail []byte

func (t *tail) Write(p []byte) (int, error) {
	*t = append(*t, p...)
	if n := len(*t); n > tailBytes {
		*t = append((*t)[:0], (*t)[n-tailBytes:]...)
	}
	return len(p), nil
}
