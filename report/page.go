package report

import (
	"bytes"
	"cmp"
	_ "embed"
	"fmt"
	"html/template"
	"io"
	"slices"
	"strings"

	"github.com/seed-7a1a2db0/pbt/internal/safe"
	"github.com/seed-7a1a2db0/pbt/journal"
	"github.com/seed-7a1a2db0/pbt/machine"
	"github.com/seed-7a1a2db0/pbt/view"
)

//go:embed page.html
var pageHTML string

//go:embed page.css
var pageCSS string

var pageTemplate = template.Must(template.New("page").Parse(pageHTML))

// fact is a line of a table of two columns.
type fact struct{ Name, Value string }

// line is a command, and what it is for.
type line struct{ What, Command string }

type content struct {
	Title    string
	Style    template.CSS
	Kicker   string
	Story    []string
	Live     bool
	Seq      string
	Tiles    []fact
	Asked    []fact // what the experiment says
	Came     []fact // what came of it
	Figures  []*figure
	Parts    []partRow
	PartsAll string
	Schedule scheduleTable
	Of       string // whose schedule it is
	YAML     string
	Python   string
	Members  memberTable
	Best     []bestRow
	Winning  decisions
	Newest   decisions
	Failures failures
	Events   []eventRow
	Source   string
	Cut      bool // of the source
	Commands []line
	Version  string
}

type partRow struct{ Name, Time, Share string }

// Write writes the report of a run: a page that needs nothing but itself.
func Write(w io.Writer, run *view.Run, j *journal.Journal, o Options) error {
	r, err := read(run, j, o, &page)
	if err != nil {
		return err
	}
	c, err := r.content()
	if err != nil {
		return err
	}
	var b bytes.Buffer
	if err := pageTemplate.Execute(&b, c); err != nil {
		return err
	}
	_, err = io.WriteString(w, visible(b.String()))
	return err
}

func (r *report) content() (*content, error) {
	c := &content{
		Title: r.o.Title, Style: template.CSS(pageCSS), Kicker: r.kicker(), Story: r.story(), Live: r.o.Live, Seq: thousands(r.sum.Seq),
		Tiles: r.tiles(), Asked: r.asked(), Came: r.came(), Schedule: r.scheduleTable(), Of: r.leader(), YAML: r.yaml(), Python: r.python(),
		Commands: r.commands(), Version: r.sum.Version, Best: r.best(),
	}
	for _, name := range []string{"population", "hypers", "lineage", "slots", "times"} {
		f, err := r.draw(name, pageWidth)
		if err != nil {
			return nil, err
		}
		if f != nil {
			c.Figures = append(c.Figures, f)
		}
	}
	parts, all := r.timeParts()
	c.PartsAll = duration(all)
	for _, p := range parts {
		c.Parts = append(c.Parts, partRow{p.Name, duration(p.Seconds), percent(p.Share)})
	}
	source, _, err := r.run.Source()
	if err != nil {
		return nil, err
	}
	c.Source = clip(source, maxSource)
	c.Cut = c.Source != source
	return c, r.readRows(c)
}

// readRows reads what only the journal knows.
func (r *report) readRows(c *content) (err error) {
	if c.Members, err = r.members(); err != nil {
		return err
	}
	if c.Winning, err = r.winningDecisions(); err != nil {
		return err
	}
	if c.Newest, err = r.newestDecisions(); err != nil {
		return err
	}
	if c.Failures, err = r.failed(); err != nil {
		return err
	}
	c.Events, err = r.events()
	return err
}

func (r *report) kicker() string {
	s := &r.sum
	state := map[machine.Phase]string{machine.PhaseEnded: "finished", machine.PhasePaused: "paused", machine.PhaseEnding: "ending", machine.PhaseRunning: "not finished"}[s.Phase]
	if r.o.Live && (s.Phase == machine.PhaseRunning || s.Phase == machine.PhaseEnding) {
		state = "running"
	}
	if state == "" {
		state = string(s.Phase)
	}
	return fmt.Sprintf("Population Based Training · %s · %s", date(s.UpdatedAt), state)
}

func (r *report) tiles() []fact {
	s := &r.sum
	best := none
	if s.Best != nil {
		best = scoreText(&s.Best.Score)
	}
	tiles := []fact{
		{"best " + clip(s.Metric, 24), best}, {"members", thousands(int64(s.Population))}, {"segments", thousands(s.Counts.Finished)},
		{"steps trained", compact(s.Spent)}, {"copies", thousands(s.Counts.Copies)}, {"failed attempts", thousands(s.Counts.Failed)}, {"at work", duration(s.WorkedS)},
	}
	return tiles
}

// compact writes 1,234,567 as 1.23 M.
func compact(n int64) string {
	switch {
	case n >= 1e9:
		return number(float64(n)/1e9, 3) + " G"
	case n >= 1e6:
		return number(float64(n)/1e6, 3) + " M"
	}
	return thousands(n)
}

func (r *report) asked() []fact {
	s := &r.sum
	goal := map[string]string{"minimize": "lower is better", "maximize": "higher is better"}[s.Goal]
	var space []string
	for _, d := range s.Hypers {
		space = append(space, clip(d.Name, 60)+": "+rangeText(&d))
	}
	list := []fact{
		{"Experiment", s.Name}, {"Metric", s.Metric + ", " + goal}, {"Population", count(int64(s.Population), "member") + " on " + count(int64(s.Slots), "slot")},
		{"A segment", count(s.SegmentSteps, "training step")}, {"Budget", budgetText(&s.Budget)}, {"Exploit", s.Exploit}, {"Explore", s.Explore},
		{"Hyperparameters", clip(strings.Join(space, "\n"), 20*maxText)}, {"Seed", s.Seed}, {"Trainer", r.trainer()},
	}
	return list
}

// trainer is the command line that trains.
func (r *report) trainer() string {
	command, builtin := r.run.Trainer()
	if builtin != "" {
		return builtin + " (built in)"
	}
	words := make([]string, len(command))
	for i, w := range command {
		words[i] = safe.Shell(w)
	}
	return clip(strings.Join(words, " "), 4*maxText)
}

func rangeText(d *view.HyperDef) string {
	if d.Bounds != nil {
		scale := ""
		if d.Log {
			scale = ", log scale"
		}
		return fmt.Sprintf("%s, %s to %s%s", d.Kind, number(d.Bounds[0], 4), number(d.Bounds[1], 4), scale)
	}
	values := make([]string, 0, len(d.Values))
	for _, v := range d.Values[:min(len(d.Values), 20)] {
		values = append(values, clip(valueText(v), 40))
	}
	if len(d.Values) > 20 {
		values = append(values, "…")
	}
	return d.Kind + ", " + strings.Join(values, " | ")
}

func budgetText(b *view.Budget) string {
	var list []string
	if b.Steps > 0 {
		list = append(list, thousands(b.Steps)+" steps per member")
	}
	if b.TotalSteps > 0 {
		list = append(list, thousands(b.TotalSteps)+" steps in all")
	}
	if b.WallS > 0 {
		list = append(list, duration(b.WallS)+" at work")
	}
	if b.Target != nil {
		list = append(list, "until a score of "+scoreText(b.Target))
	}
	if b.Patience > 0 {
		list = append(list, "until no new best score comes for "+thousands(b.Patience)+" steps in all")
	}
	if len(list) == 0 {
		return "none"
	}
	return strings.Join(list, "; ")
}

func (r *report) came() []fact {
	s, h := &r.sum, r.run.Health()
	n := &s.Counts
	repaired := fmt.Sprintf("%s, %s", count(n.Copies, "copy"), count(n.Repairs, "repair"))
	if n.Restarts > 0 {
		repaired += ", " + count(n.Restarts, "restart")
	}
	trouble := fmt.Sprintf("%s failed, %s cut off", thousands(n.Failed), thousands(n.Lost))
	if n.Refused > 0 {
		trouble += ", " + count(n.Refused, "report") + " refused"
	}
	if n.RolledBack > 0 {
		trouble += ", " + count(n.RolledBack, "member") + " fell back"
	}
	reason := s.Reason
	if reason == "" {
		reason = "it goes on"
	}
	list := []fact{}
	if b := s.Best; b != nil {
		list = append(list, fact{"Best outcome", fmt.Sprintf("%s: segment %d of member %d, step %s", scoreText(&b.Score), b.Segment, b.Member, thousands(b.Step))})
		if b.Checkpoint != "" {
			list = append(list, fact{"Its checkpoint", b.Checkpoint})
		}
	}
	if s.RandomSearch.Says != "" {
		list = append(list, fact{"Random search", s.RandomSearch.Says})
	}
	return append(list,
		fact{"Segments", fmt.Sprintf("%s finished, %s steps", thousands(n.Finished), thousands(s.Spent))}, fact{"Exploited", repaired},
		fact{"Attempts", trouble}, fact{"Families", fmt.Sprintf("%s of %s initial members have living descendants", thousands(int64(r.tree.Roots)), thousands(int64(s.Population)))},
		fact{"Time", fmt.Sprintf("%s at work in %s; slots busy %s of it", duration(s.WorkedS), count(n.Opens, "sitting"), percent(h.SlotUse))},
		fact{"Checkpoints kept", fmt.Sprintf("%s, %s", thousands(int64(h.Disk.Checkpoints)), bytesText(h.Disk.CheckpointBytes))},
		fact{"Began", date(s.StartedAt)}, fact{"Last event", date(s.UpdatedAt)}, fact{"Ended because", clip(reason, maxText)},
		fact{"Host", s.Host}, fact{"Machine", cmp.Or(s.Machine, "not recorded")}, fact{"pbt", s.Version})
}

// commands reproduce what the report tells.
func (r *report) commands() []line {
	dir := r.o.Dir
	if dir == "" {
		dir = "runs/" + r.sum.Name + "-1"
	}
	dir = safe.Path(dir)
	list := []line{
		{"Decide every decision again, check every checkpoint", "pbt verify " + dir},
		{"The same experiment, from the beginning", "pbt run experiment.yaml --seed " + r.sum.Seed},
	}
	if r.chosen == nil {
		return list
	}
	at := fmt.Sprintf(" --segment %d", r.chosen.ID)
	return append(list,
		line{"Train fresh weights along the schedule", "pbt replay " + dir + at},
		line{"The schedule with all digits", "pbt schedule " + dir + at + " --format yaml"},
		line{"Why a segment is what it is", fmt.Sprintf("pbt explain %s %d", dir, r.chosen.ID)},
		line{"This report again", "pbt report " + dir + " -o report.html"})
}

// bestRow is one of the best outcomes.
type bestRow struct{ Rank, Score, Member, Segment, Step, Checkpoint string }

func (r *report) best() (rows []bestRow) {
	_, list := r.run.Best(maxBest)
	for i, b := range list {
		name := b.Checkpoint
		if name == "" {
			name = "gone"
		}
		rows = append(rows, bestRow{fmt.Sprint(i + 1), scoreCell(&b.Score), fmt.Sprint(b.Member), fmt.Sprint(b.Segment), thousands(b.Step), name})
	}
	return rows
}

// byRank orders members, those without a rank last.
func byRank(a, b view.Member) int {
	rank := func(m *view.Member) int {
		if m.Rank == 0 {
			return 1 << 30
		}
		return m.Rank
	}
	return cmp.Or(cmp.Compare(rank(&a), rank(&b)), cmp.Compare(a.ID, b.ID))
}

// memberTable is the population as it stands.
type memberTable struct {
	Names []string
	Rows  []memberRow
	Left  int
}

// Many tells whether the table is too wide for paper, unless it is set small.
func (t memberTable) Many() bool { return len(t.Names) > fewHypers/2+1 }

type memberRow struct {
	Rank, ID, State, Score, Step, Root, Failures string
	Cells                                        []string
}

// fewHypers is how many hyperparameters a table of members has columns for.
const fewHypers = 8

func (r *report) members() (memberTable, error) {
	var t memberTable
	_, list, err := r.run.Members(r.journal)
	if err != nil {
		return t, err
	}
	slices.SortStableFunc(list, byRank)
	t.Left = max(0, len(list)-maxMembers)
	for _, d := range r.sum.Hypers[:min(fewHypers, len(r.sum.Hypers))] {
		t.Names = append(t.Names, d.Name)
	}
	for _, m := range list[:len(list)-t.Left] {
		rank := none
		if m.Rank > 0 {
			rank = fmt.Sprint(m.Rank)
		}
		row := memberRow{rank, fmt.Sprint(m.ID), string(m.State), scoreCell(m.Score), thousands(m.Step), fmt.Sprint(m.Root), thousands(m.Failures + m.Lost), nil}
		for _, name := range t.Names {
			row.Cells = append(row.Cells, valueCell(m.Hypers, name))
		}
		t.Rows = append(t.Rows, row)
	}
	return t, nil
}
