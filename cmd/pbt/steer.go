package main

import (
	"bytes"
	"crypto/tls"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net/http"
	"net/netip"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/seed-7a1a2db0/pbt"
	"github.com/seed-7a1a2db0/pbt/api"
	"github.com/seed-7a1a2db0/pbt/config"
	"github.com/seed-7a1a2db0/pbt/internal/disk"
	"github.com/seed-7a1a2db0/pbt/internal/safe"
	"github.com/seed-7a1a2db0/pbt/journal"
)

// steerTimeout bounds how long a running process may take to answer.
const steerTimeout = time.Minute

// maxAnswer bounds what it answers.
const maxAnswer = 1 << 20

// steering are the commands that steer a run in progress: each asks the process that
// trains it.
func steering() []*cobra.Command {
	return []*cobra.Command{
		steerCommand("pause DIR", "Hand out no more segments of a running run, until pbt resume", "pause runs/digits-1 --reason lunch", 0, 0,
			func(c *api.Command, _ []string) error { c.Verb = api.VerbPause; return nil }, reasonFlag),
		steerCommand("stop DIR", "Stop a running run once the segments at work are done", "stop runs/digits-1", 0, 0,
			func(c *api.Command, _ []string) error { c.Verb = api.VerbStop; return nil }, nowFlag),
		steerCommand("kill DIR MEMBER", "Give up a member's segment: it is trained again", "kill runs/digits-1 3", 1, 1, withMember(api.VerbKill)),
		steerCommand("restart DIR MEMBER", "Let a member begin again, with fresh weights and new hyperparameters", "restart runs/digits-1 3", 1, 1, withMember(api.VerbRestart)),
		steerCommand("retire DIR MEMBER", "Let a member train no more", "retire runs/digits-1 3", 1, 1, withMember(api.VerbRetire)),
		steerCommand("set DIR MEMBER NAME=VALUE…", "Set hyperparameters of a member, from its next segment on", "set runs/digits-1 3 lr=0.01", 2, -1,
			func(c *api.Command, args []string) error {
				c.Hypers = &pbt.Hypers{}
				return errors.Join(withMember(api.VerbSet)(c, args), parseHypers(c.Hypers, args[1:]))
			}),
		steerCommand("copy DIR MEMBER SEGMENT", "Let a member take over a segment's weights and hyperparameters", "copy runs/digits-1 3 212", 2, 2,
			func(c *api.Command, args []string) error {
				return errors.Join(withMember(api.VerbCopy)(c, args), parseSegment(c, args[1]))
			}),
		steerCommand("inject DIR [NAME=VALUE…]", "Add a member: with fresh weights, or from a segment", "inject runs/digits-1 lr=0.01", 0, -1,
			func(c *api.Command, args []string) error {
				c.Verb = api.VerbInject
				if len(args) == 0 {
					return nil
				}
				c.Hypers = &pbt.Hypers{}
				return parseHypers(c.Hypers, args)
			}, fromFlag),
		steerCommand("pin DIR SEGMENT", "Keep a segment's checkpoint, whatever keep: says", "pin runs/digits-1 212", 1, 1, withSegment(api.VerbPin)),
		steerCommand("unpin DIR SEGMENT", "Keep a segment's checkpoint by the rules again", "unpin runs/digits-1 212", 1, 1, withSegment(api.VerbUnpin)),
		steerCommand("change DIR PATH=VALUE…", "Change settings of a running run, such as its slots, budget, exploit or explore", "change runs/digits-1 trainer.slots=4 'exploit={truncation: 0.3}'", 1, -1,
			func(c *api.Command, args []string) error {
				c.Verb = api.VerbChange
				return parseSettings(c, args)
			}),
	}
}

// steerCommand makes a command that sends one wish. parse sees the arguments after DIR,
// of which there are least to most (−1: any number).
func steerCommand(use, short, example string, least, most int, parse func(*api.Command, []string) error, flags ...func(*cobra.Command, *api.Command)) *cobra.Command {
	var wish api.Command
	var printAsJSON bool
	arguments := cobra.RangeArgs(1+least, 1+most)
	if most == least {
		arguments = cobra.ExactArgs(1 + least)
	}
	c := &cobra.Command{
		Use: use, Short: short, Example: "  pbt " + example, Args: arguments,
		Long: short + ".\n\nThe process that trains the run does it, records it in the journal, and tells what was done, or why it makes no sense now.",
		RunE: func(cmd *cobra.Command, args []string) error {
			if err := parse(&wish, args[1:]); err != nil {
				return usageError{err}
			}
			done, err := askRun(args[0], wish)
			if err != nil {
				return err
			}
			if printAsJSON {
				return printJSON(cmd, done)
			}
			fmt.Fprintln(cmd.OutOrStdout(), clean(done.Say))
			return nil
		},
	}
	if most < 0 {
		c.Args = cobra.MinimumNArgs(1 + least)
	}
	for _, add := range flags {
		add(c, &wish)
	}
	jsonFlag(c, &printAsJSON)
	return c
}

func reasonFlag(c *cobra.Command, wish *api.Command) {
	c.Flags().StringVar(&wish.Reason, "reason", "", "why, for the journal")
}

func nowFlag(c *cobra.Command, wish *api.Command) {
	c.Flags().BoolVar(&wish.Now, "now", false, "give up the segments at work")
}

func fromFlag(c *cobra.Command, wish *api.Command) {
	c.Flags().Var((*segmentNumber)(&wish.Segment), "segment", "begin from the weights and hyperparameters of the segment with this `number`")
}

func withMember(verb api.Verb) func(*api.Command, []string) error {
	return func(c *api.Command, args []string) error {
		i, err := strconv.Atoi(args[0])
		if err != nil || i < 0 {
			return fmt.Errorf("%q is no member: want its number, such as 3", args[0])
		}
		c.Verb, c.Member = verb, &i
		return nil
	}
}

func withSegment(verb api.Verb) func(*api.Command, []string) error {
	return func(c *api.Command, args []string) error { c.Verb = verb; return parseSegment(c, args[0]) }
}

func parseSegment(c *api.Command, text string) (err error) {
	if c.Segment, err = strconv.ParseInt(text, 10, 64); err != nil || c.Segment < 1 {
		return fmt.Errorf("%q is no segment: want its number, such as 212", text)
	}
	return nil
}

// parseHypers reads NAME=VALUE. The value is YAML, as in the experiment file.
func parseHypers(h *pbt.Hypers, args []string) error {
	for _, arg := range args {
		name, value, ok := strings.Cut(arg, "=")
		name = strings.TrimSpace(name)
		if !ok || name == "" {
			return fmt.Errorf("%q: want NAME=VALUE, such as lr=0.01", arg)
		}
		text, err := config.JSONValue(arg, value)
		if err != nil {
			return err
		}
		var v pbt.Value
		if err := v.UnmarshalJSON(text); err != nil || v.Kind() == 0 {
			return fmt.Errorf("%s: %q is not a value of a hyperparameter: want a number, a text, true or false", name, value)
		}
		*h = h.With(name, v)
	}
	return nil
}

// parseSettings reads PATH=VALUE. The value is YAML, as for --set.
func parseSettings(c *api.Command, args []string) error {
	c.Set = map[string]json.RawMessage{}
	for _, arg := range args {
		path, value, ok := strings.Cut(arg, "=")
		path = strings.TrimSpace(path)
		if !ok || path == "" {
			return fmt.Errorf("%q: want PATH=VALUE, such as budget.steps=8000", arg)
		}
		text, err := config.JSONValue(arg, value)
		if err != nil {
			return err
		}
		c.Set[path] = text
	}
	return nil
}

// askRun asks the process that trains a run.
func askRun(dir string, c api.Command) (api.Steered, error) {
	var done api.Steered
	note, err := readServerNote(dir)
	if err != nil {
		return done, err
	}
	body, err := json.Marshal(c)
	if err != nil {
		return done, err
	}
	client := &http.Client{Timeout: steerTimeout, Transport: &http.Transport{TLSClientConfig: trustLoopback(note.URL)}}
	runs := struct{ Runs []api.Run }{}
	if err := send(client, note, http.MethodGet, "/api/v1/runs", nil, &runs); err != nil {
		return done, err
	}
	at := slices.IndexFunc(runs.Runs, func(r api.Run) bool { return r.Steerable }) // others are its branches
	if at < 0 {
		return done, fmt.Errorf("the process that was found for %s (%d) trains no run now", dir, note.PID)
	}
	err = send(client, note, http.MethodPost, "/api/v1/runs/"+url.PathEscape(runs.Runs[at].ID)+"/steer", body, &done)
	return done, err
}

// readServerNote finds the process that trains a run now.
func readServerNote(dir string) (note serverNote, err error) {
	if !api.IsRun(dir) {
		_, err := openJournal(dir)
		return note, errors.Join(err, nil)
	}
	owner, live, err := journal.OwnerOf(dir)
	if err != nil {
		return note, err
	}
	// A process that has just begun has not written down yet where it listens; what lies
	// there may be of another one, that was killed.
	for patience := time.Now().Add(notePatience); live; time.Sleep(lookForNote) {
		note, err := readNote(dir)
		switch {
		case err != nil && !errors.Is(err, fs.ErrNotExist):
			return note, fmt.Errorf("read where the process of %s listens: %w", dir, err)
		case err == nil && note.PID == owner.PID && note.URL == "":
			return note, fmt.Errorf("%s, which trains %s, takes no orders: it serves no dashboard (--no-web)", owner, dir)
		case err == nil && note.PID == owner.PID:
			return note, nil
		case time.Now().After(patience):
			return note, fmt.Errorf("%s, which trains %s, does not say where it listens", owner, dir)
		}
		if owner, live, err = journal.OwnerOf(dir); err != nil {
			return note, err
		}
	}
	return note, fmt.Errorf("no process trains %s now: pbt resume %s goes on with it, with --set for other settings", dir, safe.Path(dir))
}

// How long a process may take from having a run to saying where it listens.
const (
	notePatience = 10 * time.Second
	lookForNote  = 20 * time.Millisecond
)

func readNote(dir string) (note serverNote, err error) {
	text, err := disk.In(dir).ReadFile(serverFile)
	if err == nil {
		err = json.Unmarshal(text, &note)
	}
	return note, err
}

// trustLoopback lets a process on this host have a certificate of its own making.
func trustLoopback(base string) *tls.Config {
	u, err := url.Parse(base)
	if err != nil {
		return nil
	}
	if addr, err := netip.ParseAddr(u.Hostname()); err == nil && addr.IsLoopback() {
		return &tls.Config{InsecureSkipVerify: true} //nolint:gosec // on loopback nobody is in the middle
	}
	return nil
}

func send(client *http.Client, note serverNote, method, path string, body []byte, into any) error {
	req, err := http.NewRequest(method, note.URL+path, bytes.NewReader(body))
	if err != nil {
		return err
	}
	req.Header.Set("Content-Type", "application/json")
	if note.Token != "" {
		req.Header.Set("Authorization", "Bearer "+note.Token)
	}
	res, err := client.Do(req)
	if err != nil {
		return fmt.Errorf("ask the process that trains the run (%d): %w", note.PID, err)
	}
	defer res.Body.Close()
	text, err := io.ReadAll(io.LimitReader(res.Body, maxAnswer))
	if err != nil {
		return err
	}
	if res.StatusCode != http.StatusOK {
		var problem struct{ Error string }
		if json.Unmarshal(text, &problem) != nil || problem.Error == "" {
			problem.Error = res.Status
		}
		return errors.New(problem.Error)
	}
	return json.Unmarshal(text, into)
}
