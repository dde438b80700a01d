package api

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math"
	"mime"
	"net/http"
	"reflect"
	"slices"
	"strconv"
	"strings"
	"unicode/utf8"

	"github.com/seed-7a1a2db0/pbt"
	"github.com/seed-7a1a2db0/pbt/internal/strict"
)

// Steerer steers a run that this process trains.
type Steerer interface {
	// Steer does what a command says, and tells what was done and the position of the
	// event that records it. Its errors say why the command makes no sense now.
	Steer(Command) (say string, seq int64, err error)
}

// Verb is what to do with a run.
type Verb string

// The verbs.
const (
	VerbPause   Verb = "pause"
	VerbResume  Verb = "resume"
	VerbStop    Verb = "stop"
	VerbKill    Verb = "kill"
	VerbRestart Verb = "restart"
	VerbSet     Verb = "set"
	VerbCopy    Verb = "copy"
	VerbInject  Verb = "inject"
	VerbRetire  Verb = "retire"
	VerbPin     Verb = "pin"
	VerbUnpin   Verb = "unpin"
	VerbChange  Verb = "change"
	VerbBranch  Verb = "branch"
)

// Command is a verb with its fields: those that it has no use for are not given.
type Command struct {
	Verb    Verb                       `json:"verb"`
	Reason  string                     `json:"reason,omitempty"`
	Now     bool                       `json:"now,omitempty"`
	Member  *int                       `json:"member,omitempty"`
	Segment int64                      `json:"segment,omitempty"` // 0: none
	Hypers  *pbt.Hypers                `json:"hypers,omitempty"`
	Set     map[string]json.RawMessage `json:"set,omitempty"` // paths of the experiment file and their values
	Dir     string                     `json:"dir,omitempty"`
	Start   *bool                      `json:"start,omitempty"` // whether a branch is trained at once; not given: yes
}

// Steered is what came of a command.
type Steered struct {
	Seq int64  `json:"seq"`
	Say string `json:"say"`
}

// fieldsOf are the fields that each verb takes; those with a star it needs.
var fieldsOf = map[Verb][]string{
	VerbPause: {"reason"}, VerbResume: {}, VerbStop: {"now"}, VerbKill: {"member*"}, VerbRestart: {"member*"},
	VerbSet: {"member*", "hypers*"}, VerbCopy: {"member*", "segment*"}, VerbInject: {"hypers", "segment"}, VerbRetire: {"member*"},
	VerbPin: {"segment*"}, VerbUnpin: {"segment*"}, VerbChange: {"set*"}, VerbBranch: {"segment*", "dir*", "set", "start"},
}

func verbs() []string {
	return []string{
		string(VerbPause), string(VerbResume), string(VerbStop), string(VerbKill), string(VerbRestart), string(VerbSet), string(VerbCopy),
		string(VerbInject), string(VerbRetire), string(VerbPin), string(VerbUnpin), string(VerbChange), string(VerbBranch),
	}
}

// Limits of a command.
const (
	maxReason  = 1000 // characters
	maxDir     = 4096
	maxSetting = 1000
)

// ParseCommand reads a command strictly: a field that its verb does not take may be a
// misunderstanding, and a run is no place for those.
func ParseCommand(text []byte) (Command, error) {
	var c Command
	if text = bytes.TrimSpace(text); len(text) == 0 || text[0] != '{' {
		return c, fmt.Errorf("want a JSON object such as {\"verb\": \"pause\"}")
	}
	given := map[string]json.RawMessage{}
	if err := strict.Unmarshal(text, &given); err != nil {
		return c, err
	}
	var verb Verb
	if err := json.Unmarshal(given["verb"], &verb); err != nil || fieldsOf[verb] == nil {
		return c, fmt.Errorf("verb: want one of %s", strings.Join(verbs(), ", "))
	}
	if err := checkFields(verb, given); err != nil {
		return c, err
	}
	text, err := json.Marshal(given)
	if err == nil {
		err = strict.Unmarshal(text, &c)
	}
	if err != nil {
		return c, err
	}
	return c, c.check()
}

func checkFields(verb Verb, given map[string]json.RawMessage) error {
	var allowed []string
	for _, name := range fieldsOf[verb] {
		name, needed := strings.CutSuffix(name, "*")
		allowed = append(allowed, name)
		value, ok := given[name]
		switch {
		case needed && !ok:
			return fmt.Errorf("%s needs %q", verb, name)
		case ok && string(value) == "null":
			return fmt.Errorf("%s: null; leave it out or give a value", name)
		case ok && (name == "member" || name == "segment"):
			given[name] = whole(value)
		}
	}
	for name := range given {
		if name != "verb" && !slices.Contains(allowed, name) {
			return fmt.Errorf("%s takes no %.80q, only %s", verb, name, strings.Join(append([]string{"verb"}, allowed...), ", "))
		}
	}
	return nil
}

// whole writes a whole number as one: 7.0 is 7, as JSON has it.
func whole(value json.RawMessage) json.RawMessage {
	x, err := strconv.ParseFloat(string(value), 64)
	if err != nil || x != math.Trunc(x) || math.Abs(x) > maxWhole {
		return value
	}
	return strconv.AppendInt(nil, int64(x), 10)
}

func (c *Command) check() error {
	switch {
	case c.Member != nil && *c.Member < 0:
		return fmt.Errorf("member: there is no member %d", *c.Member)
	case c.Segment < 0 || c.Segment == 0 && slices.Contains(fieldsOf[c.Verb], "segment*"):
		return fmt.Errorf("segment: there is no segment %d", c.Segment)
	case c.Verb == VerbSet && c.Hypers.Len() == 0:
		return errors.New("hypers: nothing is to be set")
	case utf8.RuneCountInString(c.Reason) > maxReason:
		return fmt.Errorf("reason: %d characters, at most %d are allowed", utf8.RuneCountInString(c.Reason), maxReason)
	case utf8.RuneCountInString(c.Dir) > maxDir || c.Verb == VerbBranch && (c.Dir == "" || strings.ContainsRune(c.Dir, 0)):
		return errors.New("dir: want the new run's directory")
	case c.Verb == VerbChange && len(c.Set) == 0:
		return errors.New("set: nothing is to be changed")
	case len(c.Set) > maxSetting:
		return fmt.Errorf("set: %d settings, at most %d are allowed", len(c.Set), maxSetting)
	}
	return nil
}

var commandType = reflect.TypeFor[Command]()

// steer passes a command on to whoever trains the run.
func (q *request) steer() (any, error) {
	if kind, _, err := mime.ParseMediaType(q.Header.Get("Content-Type")); err != nil || kind != "application/json" {
		return nil, &problem{http.StatusUnsupportedMediaType, "Content-Type: want application/json"}
	}
	text, err := io.ReadAll(q.Body)
	var large *http.MaxBytesError
	if errors.As(err, &large) {
		return nil, &problem{http.StatusRequestEntityTooLarge, fmt.Sprintf("the body is over %d bytes", large.Limit)}
	}
	if err != nil {
		return nil, bad("the body cannot be read: %v", err)
	}
	c, err := ParseCommand(text)
	if err != nil {
		return nil, bad("%v", err)
	}
	if q.source.steerer == nil || !q.source.live.Load() {
		return nil, &problem{http.StatusConflict, "this run is not trained by this process: steer it where it was started"}
	}
	say, seq, err := q.source.steerer.Steer(c)
	if err != nil {
		return nil, &problem{http.StatusConflict, err.Error()}
	}
	return Steered{seq, say}, nil
}
