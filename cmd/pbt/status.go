package main

import (
	"fmt"
	"io"
	"text/tabwriter"
	"time"

	"github.com/spf13/cobra"

	"github.com/seed-7a1a2db0/pbt/internal/plural"
	"github.com/seed-7a1a2db0/pbt/journal"
	"github.com/seed-7a1a2db0/pbt/machine"
)

// statusReport is what `pbt status --json` prints.
type statusReport struct {
	State        string               `json:"state"` // running, stopped, ending, finished, paused
	Reason       string               `json:"reason,omitempty"`
	Owner        *journal.Owner       `json:"owner,omitempty"` // the process that runs it
	Members      []machine.MemberView `json:"members"`
	Segments     segmentCounts        `json:"segments"`
	Exploits     int64                `json:"exploits"`
	Repairs      int64                `json:"repairs"`
	Restarts     int64                `json:"restarts"`
	Lost         int64                `json:"lost"`    // attempts cut off without blame
	Refused      int64                `json:"refused"` // reports on dead leases
	Spent        int64                `json:"spent"`   // steps, all members together
	WorkedS      float64              `json:"worked_s"`
	Bytes        int64                `json:"checkpoint_bytes"`
	Best         *bestRecord          `json:"best"`
	BackOff      []machine.Bench      `json:"backing_off,omitempty"` // slots that wait before their next segment
	RandomSearch machine.Inside       `json:"random_search"`         // inside the run: its members that have never copied
	Origin       *machine.Origin      `json:"origin,omitempty"`      // of a branch
}

type segmentCounts struct {
	Finished int64 `json:"finished"`
	Failed   int64 `json:"failed"` // attempts
	Running  int   `json:"running"`
	Waiting  int   `json:"waiting"`
}

func newStatus() *cobra.Command {
	var asJSON bool
	c := &cobra.Command{
		Use: "status DIR", Short: "Show the population as it is now", Args: cobra.ExactArgs(1),
		Long:    "Show the population as it is now. Works while another process runs it, and after it was killed.",
		Example: "  pbt status runs/digits-1",
		RunE: func(cmd *cobra.Command, args []string) error {
			m, err := readMachine(args[0])
			if err != nil {
				return err
			}
			owner, alive, err := journal.OwnerOf(args[0])
			if err != nil {
				return err
			}
			s := makeStatus(m, owner, alive)
			if asJSON {
				return printJSON(cmd, s)
			}
			return s.print(cmd.OutOrStdout())
		},
	}
	jsonFlag(c, &asJSON)
	return c
}

func makeStatus(m *machine.Machine, owner journal.Owner, alive bool) statusReport {
	phase, reason := m.Phase()
	n := m.Counts()
	s := statusReport{
		State: string(phase), Reason: reason, Exploits: n.Copies, Repairs: n.Repairs, Restarts: n.Restarts,
		Lost: n.Lost, Refused: n.Refused, Spent: m.Spent(), WorkedS: m.Worked(m.LastEvent()).Seconds(), Bytes: m.CheckpointBytes(),
		Segments: segmentCounts{Finished: n.Finished, Failed: n.Failed, Running: m.Running(), Waiting: m.Waiting()},
		Members:  make([]machine.MemberView, m.Members()), Origin: m.Origin(),
	}
	if alive {
		s.Owner, s.BackOff = &owner, m.Benched(time.Now().UnixNano())
	} else if phase == machine.PhaseRunning || phase == machine.PhaseEnding {
		s.State = "stopped" // nobody runs it: what the journal calls leased is not
		s.Segments.Waiting += s.Segments.Running
		s.Segments.Running = 0
	}
	for i := range s.Members {
		s.Members[i] = m.Member(i)
		if !alive && s.Members[i].State == machine.StateRunning {
			s.Members[i].State = machine.StateWaiting
		}
	}
	if best, ok := m.Best(); ok {
		s.Best = newBestRecord(best)
	}
	s.RandomSearch = m.Inside()
	return s
}

func (s *statusReport) print(w io.Writer) error {
	fmt.Fprintf(w, "%s", s.State)
	if s.Reason != "" {
		fmt.Fprintf(w, ": %s", clean(s.Reason))
	}
	if s.Owner != nil {
		fmt.Fprintf(w, " (%s)", clean(s.Owner.String()))
	}
	if s.Origin != nil {
		fmt.Fprintf(w, "\na branch of %s, segment %d", clean(s.Origin.Dir), s.Origin.Segment)
	}
	fmt.Fprintf(w, "\n%s finished, %d running, %s; %s, %s, %s; %s trained in %.1f s\n\n",
		plural.Of(s.Segments.Finished, "segment"), s.Segments.Running, plural.Of(s.Segments.Failed, "failed attempt"),
		plural.Of(s.Exploits, "copy"), plural.Of(s.Repairs, "repair"), plural.Of(s.Restarts, "restart"), plural.Of(s.Spent, "step"), s.WorkedS)
	t := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	fmt.Fprintln(t, "member\tstate\trank\tscore\tstep\tspent\tsegment\thyperparameters\t")
	for _, m := range s.Members {
		rank, score := "-", "-"
		if m.Score != nil {
			score = m.Score.String()
		}
		if m.Rank > 0 {
			rank = fmt.Sprint(m.Rank)
		}
		fmt.Fprintf(t, "%d\t%s\t%s\t%s\t%d\t%d\t%d\t%s\t\n", m.ID, m.State, rank, score, m.Step, m.Spent, m.Segment, clean(m.Hypers.String()))
	}
	if err := t.Flush(); err != nil {
		return err
	}
	if s.RandomSearch.Says != "" {
		fmt.Fprintf(w, "\n%s\n", s.RandomSearch.Says)
	}
	for _, b := range s.BackOff {
		fmt.Fprintf(w, "\n%s waits until %s: %s in a row\n", clean(b.Worker), time.Unix(0, b.Until).Format(time.TimeOnly), plural.Of(int64(b.Failures), "failed attempt"))
	}
	for _, m := range s.Members {
		if m.Failures > 0 {
			fmt.Fprintf(w, "\nmember %d: %s; the last one: %s\n", m.ID, plural.Of(m.Failures, "failed attempt"), clean(machine.Cause(m.LastFailure)))
		}
	}
	return nil
}
