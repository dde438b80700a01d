package view

import (
	"cmp"
	"errors"
	"fmt"
	"math"
	"slices"

	"github.com/seed-7a1a2db0/pbt"
)

// HyperCurves is one hyperparameter over steps. Where it is no number, y is an index
// into Values.
type HyperCurves struct {
	Seq      int64       `json:"seq"`
	Name     string      `json:"name"`
	Log      bool        `json:"log"`
	Values   []pbt.Value `json:"values"`
	Series   []HyperLine `json:"series"`
	Schedule Steps       `json:"schedule"`
}

// HyperLine is a hyperparameter of one member, or along the ancestry of its weights.
type HyperLine struct {
	Member  int  `json:"member"`
	Root    int  `json:"root"`
	Winning bool `json:"winning"`
	Steps
}

// Steps is a staircase: y holds from its x to the next one.
type Steps struct {
	X []int64 `json:"x"`
	Y Numbers `json:"y"`
}

// HyperDef describes a hyperparameter.
type HyperDef struct {
	Name   string      `json:"name"`
	Kind   string      `json:"kind"`
	Log    bool        `json:"log"`
	Bounds *[2]float64 `json:"bounds"`
	Values []pbt.Value `json:"values"`
}

var typeNames = map[pbt.ParamType]string{
	pbt.FloatParam: "float", pbt.IntParam: "int", pbt.OrderedParam: "ordered", pbt.ChoiceParam: "choice", pbt.ConstantParam: "constant",
}

func (r *Run) hyperDefs() []HyperDef {
	defs := []HyperDef{}
	if r.m == nil {
		return defs
	}
	for _, p := range r.m.Spec().Space.Params() {
		d := HyperDef{Name: p.Name, Kind: typeNames[p.Type], Log: p.Scale == pbt.Log}
		if len(p.Values) > 0 {
			d.Values = p.Values
		} else {
			d.Bounds = &[2]float64{p.Bounds.Lo, p.Bounds.Hi}
		}
		defs = append(defs, d)
	}
	return defs
}

// ErrNoHyper is a hyperparameter that the space does not have.
var ErrNoHyper = errors.New("this run has no hyperparameter")

// Hyper draws one hyperparameter. It is an error if there is none of that name.
func (r *Run) Hyper(name, by string, points int) (HyperCurves, error) {
	r.mu.RLock()
	defer r.mu.RUnlock()
	c := HyperCurves{Seq: r.seq, Name: name, Series: []HyperLine{}, Schedule: Steps{[]int64{}, Numbers{}}}
	defs := r.hyperDefs()
	at := slices.IndexFunc(defs, func(d HyperDef) bool { return d.Name == name })
	if at < 0 {
		return c, fmt.Errorf("%w %.80q", ErrNoHyper, name)
	}
	def := defs[at]
	c.Log, c.Values = def.Log, def.Values
	per := r.pointsPerLine(points)
	winner := r.bestMember()
	for i := range r.members {
		chain := r.planned(i, by)
		if len(chain) == 0 {
			continue
		}
		last := chain[len(chain)-1]
		c.Series = append(c.Series, HyperLine{
			Member: i, Root: int(r.stretches[last.stretch].root), Winning: i == winner, Steps: r.staircase(chain, &def, per),
		})
	}
	if best := r.winner(); best != 0 {
		c.Schedule = r.staircase(r.chain(best), &def, MaxPoints)
	}
	return c, nil
}

// planned is the training of a member, or of its weights, up to the segment that is
// planned now.
func (r *Run) planned(i int, by string) (chain []link) {
	if by == ByLineage {
		return r.chain(r.members[i].newest)
	}
	newest := r.members[i].newest
	for _, at := range r.members[i].stretches {
		s := &r.stretches[at]
		if s.scored != 0 || s.last() == newest { // else nothing came of it
			chain = append(chain, link{at, len(s.segments)})
		}
	}
	return chain
}

// staircase keeps the segments at which the value changes, and the end.
func (r *Run) staircase(chain []link, def *HyperDef, points int) Steps {
	var s Steps
	last := math.Inf(-1)
	end := chain[len(chain)-1]
	for _, l := range thin(chain, points) {
		st := &r.stretches[l.stretch]
		list := st.segments[:l.n]
		if !st.varied {
			list = list[:1]
		}
		for _, id := range list {
			seg := r.table.at(id)
			y := valueOf(seg.hypers, def)
			if y != last && !(math.IsNaN(y) && math.IsNaN(last)) {
				s.X, s.Y = append(s.X, seg.from), append(s.Y, Number(y))
				last = y
			}
		}
	}
	s.X, s.Y = append(s.X, r.table.at(r.stretches[end.stretch].segments[end.n-1]).end()), append(s.Y, Number(last))
	if len(s.X) > points {
		s.X, s.Y = thin(s.X, points), thin(s.Y, points)
	}
	return s
}

// valueOf is a value as a number to draw: NaN where it does not exist.
func valueOf(h pbt.Hypers, def *HyperDef) float64 {
	v, ok := h.Get(def.Name)
	if !ok {
		return math.NaN()
	}
	if def.Values != nil {
		return float64(slices.Index(def.Values, v))
	}
	x, _ := v.Float()
	return x
}

// Parallel are segments as rows of values, for parallel coordinates.
type Parallel struct {
	Seq  int64         `json:"seq"`
	Rows []ParallelRow `json:"rows"`
}

// ParallelRow is one of them.
type ParallelRow struct {
	Segment int64      `json:"segment"`
	Member  int        `json:"member"`
	Step    int64      `json:"step"`
	Score   pbt.Score  `json:"score"`
	Hypers  pbt.Hypers `json:"hypers"`
	Winning bool       `json:"winning"`
}

// MaxRows bounds an answer of rows.
const MaxRows = 1000

// Parallel returns scored segments: the best, those of the winning line, the newest.
func (r *Run) Parallel(limit int) Parallel {
	r.mu.RLock()
	defer r.mu.RUnlock()
	if limit <= 0 || limit > MaxRows {
		limit = MaxRows
	}
	winning := map[int64]bool{}
	line := r.ancestry(r.winner())
	for _, id := range line {
		winning[id] = true
	}
	ids := slices.Clone(r.best) // the best, the winning line and the newest
	ids = append(append(ids[:min(len(ids), (limit+2)/3)], thin(line, (limit+2)/3)...), r.newest(limit)...)
	p := Parallel{Seq: r.seq, Rows: []ParallelRow{}}
	seen := map[int64]bool{}
	for _, id := range ids {
		if s := r.table.at(id); s.scored() && !seen[id] && len(p.Rows) < limit {
			seen[id] = true
			p.Rows = append(p.Rows, ParallelRow{id, int(s.member), s.end(), pbt.Score(s.score), s.hypers, winning[id]})
		}
	}
	slices.SortFunc(p.Rows, func(a, b ParallelRow) int { return cmp.Compare(a.Segment, b.Segment) })
	return p
}

// newest are segments that have scored, the newest first, at most so many.
func (r *Run) newest(most int) []int64 {
	var ids []int64
	for id := r.table.n; id > 0 && len(ids) < most; id-- {
		if r.table.at(id).scored() {
			ids = append(ids, id)
		}
	}
	return ids
}
