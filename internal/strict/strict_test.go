package strict_test

import (
	"strings"
	"testing"

	"github.com/seed-7a1a2db0/pbt"
	"github.com/seed-7a1a2db0/pbt/internal/strict"
	"github.com/seed-7a1a2db0/pbt/protocol"
)

type message struct {
	Lease   int64                      `json:"lease"`
	Count   uint32                     `json:"count"`
	Score   *protocol.Number           `json:"score"`
	Metrics map[string]protocol.Number `json:"metrics"`
	Hypers  pbt.Hypers                 `json:"hypers"`
	Names   []string                   `json:"names"`
	On      bool                       `json:"on"`
	Eval    float64                    `json:"eval"`
}

func TestUnmarshal_NamesMatchExactly(t *testing.T) {
	var m message
	err := strict.Unmarshal([]byte(`{"score":1,"Score":999,"SCORE":7,"Lease":3,"leaſe":4,"new":{"a":[1]}}`), &m)
	if err != nil || m.Score == nil || *m.Score != 1 || m.Lease != 0 {
		t.Errorf("%+v, %v", m, err)
	}
	if err := strict.UnmarshalKnown([]byte(`{"Lease":3}`), &m); err == nil || err.Error() != `the name "Lease" is unknown` {
		t.Error(err)
	}
}

func TestUnmarshal_TheErrorSaysWhatIsWrong(t *testing.T) {
	for text, want := range map[string]string{
		`{"lease":1,"lease":2}`:             `the name "lease" occurs twice in one object: remove one`,
		`{"lease":1,"leas\u0065":2}`:        `the name "lease" occurs twice in one object: remove one`,
		`{"metrics":{"a":1,"b":2,"a":3}}`:   `the name "metrics.a" occurs twice in one object: remove one`,
		`{"hypers":{"lr":1,"lr":2}}`:        `the name "hypers.lr" occurs twice in one object: remove one`,
		`{"unknown":[{"x":{"y":1,"y":2}}]}`: `the name "unknown.0.x.y" occurs twice in one object: remove one`,
		"{\"names\":[\"a\xffb\"]}":          "not JSON: a string is not valid UTF-8 (at byte 12)",
		"{\"unknown\":\"\xc3\"}":            "not JSON: a string is not valid UTF-8 (at byte 12)",
		"{\"\xed\xa0\x80\":1}":              "not JSON: a string is not valid UTF-8 (at byte 2)",
		`{"unknown":"\ud800"}`:              "not JSON: a string is not valid UTF-8 (at byte 12)",
		`{"lease":"7"}`:                     `lease: found a string; want a whole number`,
		`{"lease":1.5}`:                     `lease: found the number 1.5; want a whole number`,
		`{"lease":9223372036854775808}`:     `lease: found the number 9223372036854775808; want a whole number`,
		`{"count":-1}`:                      `count: found the number -1; want a whole number of at least 0`,
		`{"metrics":{"a":[1]}}`:             `metrics.a: [1] where a number is wanted`,
		`{"metrics":[1]}`:                   `metrics: found an array; want an object`,
		`{"names":{}}`:                      `names: found an object; want an array`,
		`{"names":[true]}`:                  `names.0: found a boolean; want a string`,
		`{"on":1}`:                          `on: found a number; want true or false`,
		`{"eval":1e999}`:                    `eval: found the number 1e999; want a number`,
		`[]`:                                "found an array; want an object",
		``:                                  "not JSON: cut short after byte 0",
		`{"lease":1`:                        "not JSON: cut short after byte 10",
		`{"lease":1}{}`:                     "something follows the JSON (at byte 11)",
		`{"` + strings.Repeat("x", 99) + `":1,"` + strings.Repeat("x", 99) + `":1}`: `the name "` + strings.Repeat("x", 40) + `…" occurs twice in one object: remove one`,
	} {
		var m message
		if err := strict.Unmarshal([]byte(text), &m); err == nil || err.Error() != want {
			t.Errorf("%.60q: %v\nwant %s", text, err, want)
		}
	}
}

func TestCheck(t *testing.T) {
	for text, ok := range map[string][2]bool{ // strict, names only
		`{"a":[1,{"b":null}]}`:       {true, true},
		` 1 `:                        {true, true},
		`{"a":1,"a":1}`:              {false, false},
		"{\"a\":\"\xff\"}":           {false, true},
		`{"a":1} {"b":1}`:            {false, false},
		`{"a":`:                      {false, false},
		`{"a":[{"x":1,"\u0078":1}]}`: {false, false},
	} {
		if err := strict.Check([]byte(text)); (err == nil) != ok[0] {
			t.Errorf("Check %q: %v", text, err)
		}
		if err := strict.CheckNames([]byte(text)); (err == nil) != ok[1] {
			t.Errorf("CheckNames %q: %v", text, err)
		}
	}
}
