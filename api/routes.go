package api

import (
	"errors"
	"fmt"
	"math"
	"net/http"
	"net/url"
	"reflect"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"github.com/seed-7a1a2db0/pbt"
	"github.com/seed-7a1a2db0/pbt/machine"
	"github.com/seed-7a1a2db0/pbt/view"
)

// prefix is where the API is.
const prefix = "/api/v1"

// route is one path with one method: what is asked, who answers, and with what. The
// server and its description are both made of it.
type route struct {
	method string
	path   string // below prefix; {run} is a run
	doc    string
	params []param
	body   reflect.Type // of a POST
	answer any          // a value of the type that the handler returns
	texts  []string     // other types of content that it may answer with
	handle func(*request) (any, error)
	cached bool
	stream func(*Server, *request, http.ResponseWriter) // instead of handle
}

// param is a parameter of a path or a query.
type param struct {
	name    string
	doc     string
	inPath  bool
	choices []string // a text, one of these
	list    bool     // several of them, with commas between
	text    bool     // any text
	pattern *regexp.Regexp
	min     int64 // else a whole number
	max     int64
	def     any
}

// request is a question, checked.
type request struct {
	*http.Request
	server *Server
	source *Source
	nums   map[string]int64
	words  map[string]string
	lists  map[string][]string
}

// num is a number's parameter, or its default.
func (q *request) num(name string) int64 { return q.nums[name] }

func (q *request) given(name string) *int64 {
	if x, ok := q.nums[name]; ok {
		return &x
	}
	return nil
}

// problem is an error with the status that says whose fault it is.
type problem struct {
	status int
	text   string
}

func (p *problem) Error() string { return p.text }

func bad(format string, args ...any) error {
	return &problem{http.StatusBadRequest, fmt.Sprintf(format, args...)}
}

// statusOf is the status of an error.
func statusOf(err error) int {
	var p *problem
	switch {
	case errors.As(err, &p):
		return p.status
	case errors.Is(err, view.ErrNoSegment), errors.Is(err, view.ErrNoHyper):
		return http.StatusNotFound
	case errors.Is(err, errLoading), errors.Is(err, errNotBegun), errors.Is(err, errClosed):
		return http.StatusServiceUnavailable
	}
	return http.StatusInternalServerError
}

// read checks the parameters of a request.
func (q *request) read(params []param) error {
	query, err := url.ParseQuery(q.URL.RawQuery)
	if err != nil {
		return bad("the query cannot be read: %v", err)
	}
	q.nums, q.words, q.lists = map[string]int64{}, map[string]string{}, map[string][]string{}
	for name, values := range query {
		known := slices.ContainsFunc(params, func(p param) bool { return p.name == name && !p.inPath })
		if !known {
			return bad("unknown parameter %.80q; want %s", name, namesOf(params))
		}
		if len(values) > 1 {
			return bad("parameter %s is given %d times", name, len(values))
		}
	}
	for i := range params {
		p := &params[i]
		text, given := q.PathValue(p.name), true
		if !p.inPath {
			text, given = query.Get(p.name), query.Has(p.name)
		}
		if given && text == "" && !p.inPath {
			return bad("%s is empty: leave it out, or give it a value", p.name)
		}
		if err := q.set(p, text, given); err != nil {
			return err
		}
	}
	return nil
}

func (q *request) set(p *param, text string, given bool) error {
	if !given {
		switch def := p.def.(type) {
		case int:
			q.nums[p.name] = int64(def)
		case string:
			q.words[p.name] = def
		}
		return nil
	}
	switch {
	case p.pattern != nil && !p.pattern.MatchString(text):
		return bad("%s=%.80q: want something like %s", p.name, text, p.pattern)
	case p.text:
		q.words[p.name] = text
	case p.list:
		for word := range strings.SplitSeq(text, ",") {
			if !slices.Contains(p.choices, word) {
				return bad("%s=%.80q: want some of %s, with commas between", p.name, text, strings.Join(p.choices, ", "))
			}
			q.lists[p.name] = append(q.lists[p.name], word)
		}
	case p.choices != nil:
		if !slices.Contains(p.choices, text) {
			return bad("%s=%.80q: want one of %s", p.name, text, strings.Join(p.choices, ", "))
		}
		q.words[p.name] = text
	default:
		x, err := strconv.ParseInt(text, 10, 64)
		if err != nil || x < p.min || x > p.max {
			if p.inPath {
				return &problem{http.StatusNotFound, fmt.Sprintf("there is no %s %.80q: want a whole number from %d to %d", p.doc, text, p.min, p.max)}
			}
			return bad("%s=%.80q: want a whole number from %d to %d", p.name, text, p.min, p.max)
		}
		q.nums[p.name] = x
	}
	return nil
}

func namesOf(params []param) string {
	var names []string
	for _, p := range params {
		if !p.inPath {
			names = append(names, p.name)
		}
	}
	if len(names) == 0 {
		return "none"
	}
	return strings.Join(names, ", ")
}

// maxWhole is the largest number that JavaScript reads exactly.
const maxWhole = 1<<53 - 1

var (
	runParam     = param{name: "run", inPath: true, text: true, doc: "the run's id"}
	segmentParam = param{name: "n", inPath: true, min: 1, max: maxWhole, doc: "segment"}
	pointsParam  = param{name: "points", min: 2, max: view.MaxPoints, doc: "points of a line, at most; fewer where there are many lines"}
	byParam      = param{name: "by", choices: []string{view.ByLineage, view.ByMember}, def: view.ByLineage, doc: "a line for each member's own segments, or along the ancestry of the weights that it holds"}
	memberParam  = param{name: "member", min: 0, max: math.MaxInt32, doc: "only this member's"}
	actions      = []string{string(pbt.Begin), string(pbt.Continue), string(pbt.Copy), string(pbt.Mend), string(pbt.Restart)}
	states       = []string{string(pbt.NodeWaiting), string(pbt.NodeRunning), string(pbt.NodeFinished), string(pbt.NodeFailed), string(pbt.NodeDropped)}
)

func limitParam(def, most int) param {
	return param{name: "limit", min: 1, max: int64(most), def: def, doc: "so many at most"}
}

func eventKinds() (kinds []string) {
	for _, k := range view.Kinds() {
		kinds = append(kinds, string(k))
	}
	return kinds
}

// routes are all there are.
var routes = []route{
	{path: "/runs", doc: "All runs.", answer: Runs{}, handle: (*request).runs},
	{path: "/runs/{run}", doc: "A run in short.", answer: Run{}, cached: true, handle: (*request).summary},
	{path: "/runs/{run}/members", doc: "The members as they stand now.", answer: Members{}, cached: true, handle: (*request).members},
	{path: "/runs/{run}/segments", doc: "Segments, page by page.", answer: Segments{}, handle: (*request).segments, params: []param{
		memberParam,
		{name: "action", choices: actions, doc: "only those that began with this action"},
		{name: "state", choices: states, doc: "only those in this state"},
		{name: "after", min: 0, max: maxWhole, def: 0, doc: "those that follow this one in order: `next` of the page before"},
		limitParam(100, view.MaxSegments),
		{name: "order", choices: []string{"oldest", "newest"}, def: "oldest", doc: "which come first"},
	}},
	{path: "/runs/{run}/segments/{n}", doc: "A segment with its relatives.", answer: view.SegmentDetail{}, params: []param{segmentParam}, handle: (*request).segment},
	{path: "/runs/{run}/segments/{n}/log", doc: "What its trainer has printed.", answer: Log{}, params: []param{segmentParam}, handle: (*request).log},
	{path: "/runs/{run}/best", doc: "The best outcomes whose weights were saved.", answer: BestList{}, handle: (*request).best, params: []param{
		{name: "n", min: 1, max: view.MaxBest, def: 1, doc: "how many"},
	}},
	{path: "/runs/{run}/schedule", doc: "The hyperparameters along a segment's ancestry: what PBT found.", answer: Schedule{}, handle: (*request).schedule, params: []param{
		{name: "segment", min: 1, max: maxWhole, doc: "the segment; the best one if it is left out"},
		{name: "format", choices: []string{"json", "csv", "yaml", "python"}, def: "json", doc: "what to answer with"},
	}, texts: []string{"text/csv", "application/yaml", "text/x-python"}},
	{path: "/runs/{run}/curves", doc: "Scores over steps or time.", answer: view.Curves{}, cached: true, handle: (*request).curves, params: []param{
		byParam, {name: "x", choices: []string{view.XStep, view.XTime, view.XTotal}, def: view.XStep, doc: "training steps, Unix milliseconds, or steps of all members together"}, pointsParam,
	}},
	{path: "/runs/{run}/hypers/{name}", doc: "A hyperparameter over steps.", answer: view.HyperCurves{}, cached: true, handle: (*request).hyper, params: []param{
		{name: "name", inPath: true, text: true, doc: "the hyperparameter"}, byParam, pointsParam,
	}},
	{path: "/runs/{run}/parallel", doc: "Outcomes with their hyperparameters: the best, the winning line, the newest.", answer: view.Parallel{}, cached: true, handle: (*request).parallel,
		params: []param{limitParam(500, view.MaxRows)}},
	{path: "/runs/{run}/lineage", doc: "The family tree.", answer: view.Lineage{}, cached: true, handle: (*request).lineage},
	{path: "/runs/{run}/slots", doc: "What each slot was at, and when.", answer: view.Slots{}, cached: true, handle: (*request).slots, params: []param{
		{name: "from", min: 0, max: maxWhole, def: 0, doc: "Unix milliseconds; the run's start if it is 0 or left out"},
		{name: "to", min: 0, max: maxWhole, def: 0, doc: "Unix milliseconds; now if it is 0 or left out"}, pointsParam,
	}},
	{path: "/runs/{run}/health", doc: "How well the run uses what it has.", answer: view.Health{}, cached: true, handle: (*request).health},
	{path: "/runs/{run}/events", doc: "Events of the journal, newest last.", answer: Events{}, handle: (*request).events, params: []param{
		{name: "after", min: 0, max: maxWhole, doc: "those next to this position; without it, the newest"},
		{name: "before", min: 0, max: maxWhole, def: 0, doc: "only those before this position"},
		limitParam(200, view.MaxEvents),
		{name: "kind", choices: eventKinds(), list: true, doc: "only of these kinds"}, memberParam,
	}},
	{path: "/runs/{run}/checkpoints", doc: "The checkpoints that are kept, oldest first.", answer: Checkpoints{}, cached: true, handle: (*request).checkpoints},
	{path: "/runs/{run}/experiment", doc: "The experiment file, as it was written and as it is in force.", answer: Experiment{}, handle: (*request).experiment},
	{path: "/runs/{run}/stream", doc: "Each event of the journal after a position, once and in order, as Server-Sent Events; and how far segments are.",
		texts: []string{"text/event-stream"}, stream: (*Server).stream, params: []param{
			{name: "after", text: true, pattern: positionText, doc: "the position: an event's seq, or the id of one; the header Last-Event-ID wins over it. Without either, only what comes from now on"},
		}},
	{method: http.MethodPost, path: "/runs/{run}/steer", doc: "Steer the run.", body: commandType, answer: Steered{}, handle: (*request).steer},
}

func init() {
	for i := range routes {
		r := &routes[i]
		if r.method == "" {
			r.method = http.MethodGet
		}
		if strings.HasPrefix(r.path, "/runs/{run}") {
			r.params = append([]param{runParam}, r.params...)
		}
	}
}

// answers of routes that view has no type for.

// Runs are all runs.
type Runs struct {
	Runs []Run `json:"runs"`
}

// Run is a run in short, with what only the server knows.
type Run struct {
	ID        string `json:"id"`
	Dir       string `json:"dir"`
	Live      bool   `json:"live"`      // a process trains it now
	Steerable bool   `json:"steerable"` // by this server
	view.Summary
}

// Members are all members.
type Members struct {
	Seq     int64         `json:"seq"`
	Members []view.Member `json:"members"`
}

// Segments is a page of segments.
type Segments struct {
	Seq      int64          `json:"seq"`
	Segments []view.Segment `json:"segments"`
	Next     *int64         `json:"next"`
}

// BestList are the best outcomes.
type BestList struct {
	Seq  int64       `json:"seq"`
	Best []view.Best `json:"best"`
}

// Schedule is the hyperparameters along an ancestry.
type Schedule struct {
	Segment int64       `json:"segment"`
	Stages  []pbt.Stage `json:"stages"`
}

// Events are some of the journal's.
type Events struct {
	Seq    int64        `json:"seq"`
	Events []view.Event `json:"events"`
}

// Checkpoints are those that are kept.
type Checkpoints struct {
	Seq         int64                 `json:"seq"`
	Checkpoints []view.KeptCheckpoint `json:"checkpoints"`
}

// Experiment is the experiment file.
type Experiment struct {
	Source   string `json:"source"`
	Resolved string `json:"resolved"`
}

func (q *request) runs() (any, error) { return q.server.list(q.Context()), nil }

var errNotBegun = errors.New("the run has not begun: its journal holds no event yet")

func (q *request) summary() (any, error) {
	r, ok := q.source.summary()
	if !ok {
		return nil, errNotBegun
	}
	return r, nil
}

func (s *Source) summary() (Run, bool) {
	sum, ok := s.run.Summary()
	return Run{ID: s.id, Dir: s.Dir, Live: s.live.Load(), Steerable: s.steerer != nil && s.live.Load(), Summary: sum}, ok
}

func (q *request) members() (any, error) {
	j, err := q.source.Journal()
	if err != nil {
		return nil, err
	}
	seq, members, err := q.source.run.Members(j)
	return Members{seq, members}, err
}

func (q *request) segments() (any, error) {
	j, err := q.source.Journal()
	if err != nil {
		return nil, err
	}
	seq, page, next, err := q.source.run.Segments(j, view.SegmentFilter{
		Member: q.given("member"), Action: pbt.Action(q.words["action"]), State: pbt.NodeState(q.words["state"]),
		After: q.num("after"), Limit: int(q.num("limit")), Newest: q.words["order"] == "newest",
	})
	a := Segments{Seq: seq, Segments: page}
	if next != 0 {
		a.Next = &next
	}
	return a, err
}

func (q *request) segment() (any, error) {
	j, err := q.source.Journal()
	if err != nil {
		return nil, err
	}
	return orError(q.source.run.Segment(j, q.num("n")))
}

// orError is an answer, or none but the error.
func orError[T any](x T, err error) (any, error) {
	if err != nil {
		return nil, err
	}
	return x, nil
}

func (q *request) best() (any, error) {
	seq, best := q.source.run.Best(int(q.num("n")))
	return BestList{seq, best}, nil
}

func (q *request) schedule() (any, error) {
	id, stages, err := q.source.run.WholeSchedule(q.num("segment"))
	if err != nil {
		return nil, err
	}
	if format := q.words["format"]; format != "json" {
		return scheduleText(format, id, stages), nil
	}
	return Schedule{id, stages}, nil
}

func (q *request) curves() (any, error) {
	return q.source.run.Curves(q.words["by"], q.words["x"], int(q.num("points"))), nil
}

func (q *request) hyper() (any, error) {
	return orError(q.source.run.Hyper(q.words["name"], q.words["by"], int(q.num("points"))))
}

func (q *request) parallel() (any, error) { return q.source.run.Parallel(int(q.num("limit"))), nil }

func (q *request) lineage() (any, error) { return q.source.run.Lineage(), nil }

func (q *request) slots() (any, error) {
	return q.source.run.Slots(q.num("from"), q.num("to"), int(q.num("points"))), nil
}

func (q *request) health() (any, error) {
	h := q.source.run.Health()
	h.Disk.JournalBytes, h.Disk.FreeBytes = q.source.disk()
	return h, nil
}

func (q *request) events() (any, error) {
	j, err := q.source.Journal()
	if err != nil {
		return nil, err
	}
	f := view.EventFilter{Before: q.num("before"), Limit: int(q.num("limit")), Member: q.given("member")}
	if after := q.given("after"); after != nil {
		f.After, f.Oldest = *after, true
	}
	for _, k := range q.lists["kind"] {
		f.Kinds = append(f.Kinds, machine.Kind(k))
	}
	seq, seqs := q.source.run.EventSeqs(f)
	events, err := q.source.run.ReadEvents(j, seqs)
	return Events{seq, events}, err
}

func (q *request) checkpoints() (any, error) {
	seq, list := q.source.run.Checkpoints()
	return Checkpoints{seq, list}, nil
}

func (q *request) experiment() (any, error) {
	source, resolved, err := q.source.run.Source()
	return Experiment{source, resolved}, err
}
