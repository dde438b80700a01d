package report

import (
	"encoding/xml"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/seed-7a1a2db0/pbt"
	"github.com/seed-7a1a2db0/pbt/config"
	"github.com/seed-7a1a2db0/pbt/internal/testdir"
	"github.com/seed-7a1a2db0/pbt/journal"
	"github.com/seed-7a1a2db0/pbt/machine"
	"github.com/seed-7a1a2db0/pbt/view"
)

// openOld opens a copy of the run that package verify keeps.
func openOld(t *testing.T) *journal.Journal {
	t.Helper()
	text, err := os.ReadFile("../verify/testdata/v1/journal.sqlite")
	if err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(testdir.InMemory(t), "journal.sqlite")
	if err := os.WriteFile(path, text, 0o666); err != nil {
		t.Fatal(err)
	}
	j, err := journal.OpenReadOnly(path)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = j.Close() })
	return j
}

// The report of a finished run is always the same. After a change that is meant, run
// the test with UPDATE=1, and look at the page and at the diff.
func TestGolden(t *testing.T) {
	j := openOld(t)
	got := write(t, j, Options{Dir: "runs/old-1"})
	if again := write(t, j, Options{Dir: "runs/old-1"}); again != got {
		t.Error("the same run, another report")
	}
	const file = "testdata/v1.html"
	if os.Getenv("UPDATE") != "" {
		if err := os.WriteFile(file, []byte(got), 0o666); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	a, b := strings.Split(string(want), "\n"), strings.Split(got, "\n")
	for i := range min(len(a), len(b)) {
		if a[i] != b[i] {
			t.Fatalf("%s:%d (UPDATE=1 writes it anew):\n  was %.300s\n  is  %.300s", file, i+1, a[i], b[i])
		}
	}
	if len(a) != len(b) {
		t.Errorf("%s has %d lines, the report %d", file, len(a), len(b))
	}
}

var elements = regexp.MustCompile(`<([a-zA-Z][a-zA-Z0-9-]*)`)

// allowed are all the elements there are: none of them runs or loads anything.
const allowed = " html head meta title style body main header section footer p h1 h2 h3 dl div dt dd table caption thead tbody tr th td pre code b strong figure figcaption " +
	"svg desc g path rect circle text clipPath "

// checkPage tells what is wrong with a page.
func checkPage(t *testing.T, page string) {
	t.Helper()
	for _, m := range elements.FindAllStringSubmatch(page, -1) {
		if !strings.Contains(allowed, " "+m[1]+" ") {
			t.Errorf("there is an element %s", m[1])
		}
	}
	for _, bad := range []string{"http:", "https:", "//", "url(", "src=", "href", "@import", "onerror"} {
		for _, line := range strings.Split(page, "\n") {
			tags := strings.Join(regexp.MustCompile(`<[^>]*>`).FindAllString(line, -1), "")
			if strings.Contains(tags, bad) && !strings.Contains(tags, `clip-path="url(#`) {
				t.Errorf("a tag has %q: %.200s", bad, tags)
			}
		}
	}
	style := page[strings.Index(page, "<style>"):strings.Index(page, "</style>")]
	if strings.Contains(style, "url(") || strings.Contains(style, "@import") {
		t.Error("the style loads something")
	}
	if n := strings.Count(page, "<table"); n < 4 || n != strings.Count(page, "<caption>") {
		t.Errorf("%d tables, %d captions", n, strings.Count(page, "<caption>"))
	}
	if n := strings.Count(page, "<svg"); n != strings.Count(page, "-title\">") || n != strings.Count(page, "<desc id=") || n != strings.Count(page, `role="img"`) {
		t.Error("a figure without title or description")
	}
	ids := map[string]bool{}
	for _, m := range regexp.MustCompile(` id="([^"]*)"`).FindAllStringSubmatch(page, -1) {
		if ids[m[1]] {
			t.Errorf("two ids %s", m[1])
		}
		ids[m[1]] = true
	}
	for _, m := range regexp.MustCompile(`(?:aria-labelledby="|url\(#)([^")]*)`).FindAllStringSubmatch(page, -1) {
		for _, id := range strings.Fields(m[1]) {
			if !ids[id] {
				t.Errorf("nothing has the id %s", id)
			}
		}
	}
	for _, m := range regexp.MustCompile(`(?s)<svg.*?</svg>`).FindAllString(page, -1) {
		checkXML(t, m)
	}
	if i := strings.IndexFunc(page, func(r rune) bool { return r < ' ' && r != '\n' && r != '\t' || r == 0x7f }); i >= 0 {
		t.Errorf("there is a control character: %.50q", page[i:])
	}
}

var noNumber = regexp.MustCompile(`="[^"]*(?:NaN|Inf|%!)[^"]*"|%!`)

// checkXML reads an SVG to its end: it is well-formed, and its numbers are numbers.
func checkXML(t *testing.T, svg string) {
	t.Helper()
	if m := noNumber.FindString(svg); m != "" {
		t.Errorf("there is a number that is none: %s", m)
	}
	d := xml.NewDecoder(strings.NewReader(svg))
	for {
		if _, err := d.Token(); errors.Is(err, io.EOF) {
			return
		} else if err != nil {
			t.Fatalf("%v\n%.500s", err, svg)
		}
	}
}

func TestPages(t *testing.T) {
	for name, c := range map[string]struct {
		population, turns int
		more              string
	}{
		"one member": {1, 3, "exploit: none\n"}, "three": {3, 10, ""}, "twelve": {12, 12, ""}, "minimize": {6, 8, ""}, "hypers alone are copied": {6, 8, "inherit: hypers\n"},
		"restarts": {6, 10, "repair: restart\nretries: 0\n"},
	} {
		t.Run(name, func(t *testing.T) {
			text := experiment(c.population, c.turns, c.more)
			if name == "minimize" {
				text = strings.Replace(text, "maximize", "minimize", 1)
			}
			s := newScript(t, text)
			s.train(3, true)
			page := write(t, s.j, Options{Title: evil, Dir: "runs/" + evil})
			checkPage(t, page)
			for _, want := range []string{"&lt;script&gt;alert(1)", "<h2 id=\"failures\">", "pbt verify &#39;runs/"} {
				if !strings.Contains(page, want) {
					t.Errorf("there is no %q", want)
				}
			}
			for _, f := range Figures() {
				var b strings.Builder
				if err := WriteFigure(&b, fold(t, s.j), s.j, f, Options{Title: evil}); err != nil {
					t.Fatal(f, err)
				}
				checkXML(t, b.String())
				if strings.Contains(b.String(), "<script") || strings.Contains(b.String(), "var(") || !strings.Contains(b.String(), `viewBox="0 0 720 `) {
					t.Errorf("%s: %.500s", f, b.String())
				}
			}
		})
	}
}

// A report can be made at any instant of a run.
func TestAtAnyInstant(t *testing.T) {
	s := newScript(t, experiment(4, 4, "retries: 0\n"))
	s.flush()
	for range 16 {
		run := fold(t, s.j)
		var page strings.Builder
		if err := Write(&page, run, s.j, Options{Live: true}); err != nil {
			t.Fatal(err)
		}
		checkPage(t, page.String())
		for _, f := range Figures() {
			var b strings.Builder
			if err := WriteFigure(&b, run, s.j, f, Options{}); err == nil {
				checkXML(t, b.String())
			} else if !strings.Contains(err.Error(), "nothing to draw") {
				t.Fatal(err)
			}
		}
		if task := s.do(machine.Ask{Worker: "w", Member: -1}).Task; task != nil && s.seq%3 > 0 {
			s.end(task, true)
		}
		s.flush()
	}
	empty, err := journal.Create(filepath.Join(t.TempDir(), "journal.sqlite"))
	if err != nil {
		t.Fatal(err)
	}
	defer empty.Close()
	if err := Write(io.Discard, view.NewRun(""), empty, Options{}); !errors.Is(err, ErrNotBegun) {
		t.Error(err)
	}
}

// --segment tells another ancestry than the best one.
func TestAnotherSegment(t *testing.T) {
	j := openOld(t)
	page := write(t, j, Options{Segment: 40})
	for _, want := range []string{"This report follows segment 40 of member ", "history of segment 40", "pbt replay runs/old-1 --segment 40", "pbt explain runs/old-1 40"} {
		if want = strings.Replace(want, "runs/old-1", "runs/"+name(t, j)+"-1", 1); !strings.Contains(page, want) {
			t.Errorf("there is no %q", want)
		}
	}
	checkPage(t, page)
	if err := Write(io.Discard, fold(t, j), j, Options{Segment: 4000}); !errors.Is(err, view.ErrNoSegment) {
		t.Error(err)
	}
	if err := WriteFigure(io.Discard, fold(t, j), j, "pie", Options{}); err == nil || !strings.Contains(err.Error(), "want population, hypers, lineage, slots") {
		t.Error(err)
	}
}

func name(t *testing.T, j *journal.Journal) string {
	s, _ := fold(t, j).Summary()
	return s.Name
}

// A large run makes no large page: from some size on, more segments are no more bytes.
func TestALargeRunMakesNoLargePage(t *testing.T) {
	if testing.Short() {
		t.Skip("it folds 46,000 segments")
	}
	size := func(members, turns, workers int) int {
		s := newScript(t, experiment(members, turns, ""))
		s.train(workers, true)
		page := write(t, s.j, Options{})
		checkPage(t, page)
		if rows := strings.Count(page, "<tr>"); rows > maxMembers+maxStages+3*maxDecided+maxFailed+maxEvents+maxBest+40 {
			t.Errorf("%d members, %d turns: %d rows", members, turns, rows)
		}
		return len(page)
	}
	if n := size(1000, 12, 64); n > 3_000_000 {
		t.Errorf("1,000 members of 12 segments make %d bytes", n)
	}
	if short, long := size(8, 1400, 3), size(8, 2800, 3); long > 5*short/4 || long > 1_500_000 {
		t.Errorf("8 members of 1,400 segments make %d bytes, of 2,800 %d", short, long)
	}
}

func TestStory(t *testing.T) {
	hypers := func(lr float64) pbt.Hypers { return pbt.MakeHypers("opt.lr", pbt.Float(lr)) }
	stage := func(member int, from int64, lr float64) pbt.Stage {
		return pbt.Stage{From: from, To: from + 10, Hypers: hypers(lr), Member: member}
	}
	def := &view.HyperDef{Name: "opt.lr", Kind: "float", Log: true}
	for want, stages := range map[string][]pbt.Stage{
		"Its weights are its own from the first step; it never copied. Its learning rate stayed at 0.1.":                                                              {stage(2, 0, 0.1), stage(2, 10, 0.1)},
		"Its weights began as member 7; member 2 copied them at step 10. Its learning rate fell from 0.1 to 0.01.":                                                    {stage(7, 0, 0.1), stage(2, 10, 0.01)},
		"Its weights began as member 7; member 3 copied them at step 10 and member 2 copied them at step 20. Its learning rate rose from 0.1 to 0.5, by way of 0.01.": {stage(7, 0, 0.1), stage(3, 10, 0.01), stage(2, 20, 0.5)},
		"Its weights began as member 1 and were copied 4 times, through 3 members; last, member 2 copied them at step 40. Its learning rate moved between 0.1 and 0.3 and ended at 0.1.": {
			stage(1, 0, 0.1), stage(2, 10, 0.3), stage(1, 20, 0.3), stage(3, 30, 0.3), stage(2, 40, 0.1)},
	} {
		if got := sayOrigin(2, stages) + " " + sayChange(def, stages, true); got != want {
			t.Errorf("%s\nwant\n%s", got, want)
		}
	}
	if sayChange(nil, nil, true) != "" || sayChange(def, nil, true) != "" || sayOrigin(1, nil) != "" {
		t.Error("nothing to say")
	}
	defs := []view.HyperDef{{Name: "c", Kind: "constant"}, {Name: "x", Kind: "float"}, {Name: "wd", Kind: "float", Log: true}, {Name: "net.learning_rate", Kind: "float"}}
	for n, want := range []string{"", "", "x", "wd", "net.learning_rate"} {
		got := ""
		if d := mainHyper(defs[:n]); d != nil {
			got = d.Name
		}
		if got != want {
			t.Errorf("of %d: %q, want %q", n, got, want)
		}
	}
}

// The family tree: descendants near their parents, no two bars in one place.
func TestLayTree(t *testing.T) {
	parent := func(i int) *int { return &i }
	stretches := []view.Stretch{
		{ID: 0, Member: 0, Root: 0, From: 0, To: 40}, {ID: 1, Member: 1, Root: 1, From: 0, To: 20}, {ID: 2, Member: 1, Root: 0, Parent: parent(0), From: 20, To: 60},
		{ID: 3, Member: 2, Root: 0, Parent: parent(2), From: 60, To: 90}, {ID: 4, Member: 3, Root: 0, Parent: parent(99), From: 10, To: 10},
	}
	bars, rows := layTree(stretches)
	at := map[int]int{}
	for _, b := range bars {
		at[b.s.ID] = b.row
	}
	if fmt.Sprint(at) != "map[0:0 1:3 2:1 3:1 4:2]" || rows != 4 {
		t.Errorf("%v in %d rows", at, rows)
	}
}

// What the report says can be pasted can be pasted.
func TestSnippets(t *testing.T) {
	text := experiment(6, 8, "")
	s := newScript(t, text)
	s.train(3, false)
	r, err := read(fold(t, s.j), s.j, Options{}, &page)
	if err != nil {
		t.Fatal(err)
	}
	exp, err := config.Parse("again.yaml", []byte(text+r.yaml()), config.Builtins("quadratic"))
	if err != nil {
		t.Fatalf("%v\n%s", err, r.yaml())
	}
	follow, ok := exp.Policy.Explore.(pbt.Follow)
	if stages := pbt.Compact(r.stages); !ok || len(follow.Stages) != len(stages) || !follow.At(75).Equal(stages[len(stages)-1].Hypers) {
		t.Errorf("%+v", exp.Policy)
	}
	python, err := exec.LookPath("python3")
	if err != nil {
		t.Skip("there is no python3")
	}
	want, _ := r.stages[0].Hypers.Get("act")
	out, err := exec.Command(python, "-c", r.python()+"\nprint(hypers_at(3)['act'])").CombinedOutput()
	if err != nil || strings.TrimSuffix(string(out), "\n") != want.String() {
		t.Errorf("%v: %s, want %s", err, out, want)
	}
}
