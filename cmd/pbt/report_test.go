package main

import (
	"encoding/xml"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

func TestReport(t *testing.T) {
	dir := finished(t)
	if out := ok(t, dir, "report", "d", "-o", "r.html"); out != "" {
		t.Error(out)
	}
	text, err := os.ReadFile(filepath.Join(dir, "r.html"))
	if err != nil {
		t.Fatal(err)
	}
	page := string(text)
	best := asJSON(t, dir, "best", "d")
	for _, want := range []string{
		"<title>quick</title>", fmt.Sprintf("Member %v won with ", best["member"]), fmt.Sprintf("<code>pbt replay d --segment %v</code>", best["segment"]), "<code>pbt verify d</code>",
		"Figure 5. ", "name: quick\npopulation: 6", fmt.Sprint(best["checkpoint"]), "60 finished", "None: every attempt came to an outcome.",
	} {
		if !strings.Contains(page, want) {
			t.Errorf("there is no %q in the report", want)
		}
	}
	if regexp.MustCompile(`(?i)<script|<link|<img|<iframe|https?:|url\([^#]`).MatchString(page) {
		t.Error("it loads or runs something")
	}
	if ok(t, dir, "report", "d") != page || ok(t, dir, "report", "d", "-o", "-") != page {
		t.Error("the same run, another report")
	}
	// What it says can be done can be done: the commands of the page.
	for _, m := range regexp.MustCompile(`<code>pbt ((?:verify|schedule|explain) [^<]*)</code>`).FindAllStringSubmatch(page, -1) {
		ok(t, dir, strings.Fields(m[1])...)
	}
	titled := ok(t, dir, "report", "d", "--title", "A <b>study</b>", "--segment", "12")
	for _, want := range []string{"<title>A &lt;b&gt;study&lt;/b&gt;</title>", "This report follows segment 12 of member "} {
		if !strings.Contains(titled, want) {
			t.Errorf("there is no %q in the report", want)
		}
	}
}

func TestReport_FiguresAlone(t *testing.T) {
	dir := finished(t)
	for _, figure := range []string{"population", "hypers", "lineage", "slots"} {
		svg := ok(t, dir, "report", "d", "--format", "svg", "--figure", figure)
		ok(t, dir, "report", "d", "--format", "svg", "--figure", figure, "-o", "f.svg")
		if kept, err := os.ReadFile(filepath.Join(dir, "f.svg")); err != nil || string(kept) != svg {
			t.Errorf("%s: the file holds something else: %v", figure, err)
		}
		if !strings.Contains(svg, `xmlns="http://www.w3.org/2000/svg"`) || !strings.Contains(svg, `viewBox="0 0 720 `) || strings.Contains(svg, "var(--") {
			t.Errorf("%s: %.300s", figure, svg)
		}
		for d := xml.NewDecoder(strings.NewReader(svg)); ; {
			if _, err := d.Token(); errors.Is(err, io.EOF) {
				break
			} else if err != nil {
				t.Fatal(figure, err)
			}
		}
	}
}

func TestReport_BadUse(t *testing.T) {
	dir := finished(t)
	for says, args := range map[string][]string{
		`there is no format "pdf": want html or svg`:               {"d", "--format", "pdf"},
		"--format svg draws one figure: add --figure with one of":  {"d", "--format", "svg"},
		"--figure goes with --format svg":                          {"d", "--figure", "slots"},
		`there is no figure "pie": want one of population, hypers`: {"d", "--format", "svg", "--figure", "pie"},
		"usage: pbt report DIR":                                    {},
	} {
		fails(t, dir, exitUsage, says, append([]string{"report"}, args...)...)
	}
	fails(t, dir, exitFailed, "there is no segment 4000: this run has 60", "report", "d", "--segment", "4000")
	fails(t, dir, exitFailed, "is not a run's directory", "report", "nowhere")
	fails(t, dir, exitFailed, "write the report", "report", "d", "-o", "no/such/r.html")
}
