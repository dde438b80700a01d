package config

import (
	"encoding/json"
	"strings"
	"testing"

	"github.com/seed-7a1a2db0/pbt"
)

const following = `
budget: {steps: 100}
segment: {steps: 10}
hyperparameters:
  lr: {log: [1e-4, 1]}
  opt: {choice: [sgd, adam]}
  momentum: {uniform: [0, 1], when: {opt: sgd}}
exploit: none
explore_always: true
explore: {follow: [{from: 0, hypers: {opt: sgd, lr: 1, momentum: 0.9}}, {from: 50, hypers: {lr: 0.1, opt: adam}}]}
trainer: {command: [train]}
`

func TestASchedulesStagesAreReadInTheSpacesOrder(t *testing.T) {
	e, err := Parse("x.yaml", []byte(following))
	if err != nil {
		t.Fatal(err)
	}
	follow := e.Policy.Explore.(pbt.Follow)
	if got := follow.At(0).String(); got != "lr=1 opt=sgd momentum=0.9" {
		t.Errorf("at step 0: %s", got)
	}
	if got := follow.At(60).String(); got != "lr=0.1 opt=adam" {
		t.Errorf("at step 60: %s", got)
	}
	text, err := json.Marshal(e)
	if err != nil {
		t.Fatal(err)
	}
	again, err := FromJSON(text)
	if err != nil {
		t.Fatal(err)
	}
	if text2, _ := json.Marshal(again); string(text2) != string(text) {
		t.Errorf("changed on the way:\n%s\n%s", text, text2)
	}
}

func TestAScheduleThatCannotBeFollowedIsRefused(t *testing.T) {
	for _, c := range []struct{ old, new, want string }{
		{"from: 0", "from: 5", "the first stage begins at step 5; want 0"},
		{"from: 50", "from: 0", "begins at step 0; want one after step 0"},
		{"momentum: 0.9", "momentum: 2", "2 is not a number in [0, 1]"},
		{", momentum: 0.9", "", "momentum is missing"},
		{"lr: 0.1, opt", "l: 0.1, opt", `there is no hyperparameter "l"`},
	} {
		_, err := Parse("x.yaml", []byte(strings.Replace(following, c.old, c.new, 1)))
		if err == nil || !strings.Contains(err.Error(), c.want) || !strings.Contains(err.Error(), "x.yaml:10:") {
			t.Errorf("%s: got %v, want %q with its place", c.new, err, c.want)
		}
	}
}

// What a journal of an earlier version stores is a bare list: its decisions stay as they were.
func TestAScheduleStoredEarlierIsFollowedAtReadyPoints(t *testing.T) {
	e, err := Parse("x.yaml", []byte(following))
	if err != nil {
		t.Fatal(err)
	}
	stored, err := json.Marshal(e)
	if err != nil {
		t.Fatal(err)
	}
	list := string(stored)
	list = strings.Replace(strings.Replace(list, `{"stages":[`, "[", 1), `],"begin":"exactly"}`, "]", 1)
	for text, want := range map[string]bool{string(stored): false, list: true} {
		e, err := FromJSON([]byte(text))
		if err != nil {
			t.Fatal(err)
		}
		if got := e.Policy.Explore.(pbt.Follow).AtReady; got != want {
			t.Errorf("%s: at ready points: %t", text, got)
		}
	}
	e, err = FromJSON([]byte(list), Set("explore={follow: [{from: 0, hypers: {opt: adam, lr: 1}}]}"))
	if err != nil || e.Policy.Explore.(pbt.Follow).AtReady {
		t.Errorf("what is set now is followed at every step: %v", err)
	}
	_, err = Parse("x.yaml", []byte(strings.Replace(strings.Replace(following, "explore: {", "explore: [{", 1), "adam}}]}", "adam}}]}, {noise: 0.1}]", 1)))
	if err == nil || !strings.Contains(err.Error(), "follow it alone") {
		t.Errorf("beside another rule: %v", err)
	}
}
