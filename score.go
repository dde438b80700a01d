package pbt

import (
	"encoding/json"
	"fmt"
	"math"
	"strconv"
)

// Goal says whether a high score is good.
type Goal uint8

// The goals.
const (
	Maximize Goal = iota
	Minimize
)

// String returns "maximize" or "minimize".
func (g Goal) String() string {
	if g == Minimize {
		return "minimize"
	}
	return "maximize"
}

// fitness orients a score so that higher is better, once, at the boundary. A
// score that is not finite is the worst there is, whatever its sign: a NaN, a
// loss of −Inf and an accuracy of +Inf all say that something broke.
func (g Goal) fitness(s Score) float64 {
	x := float64(s)
	if math.IsNaN(x) || math.IsInf(x, 0) {
		return math.Inf(-1)
	}
	if g == Minimize {
		return -x
	}
	return x
}

// Better tells whether score a is strictly better than b.
func (g Goal) Better(a, b Score) bool { return g.fitness(a) > g.fitness(b) }

// Score is a member's performance p as the user measures it. In JSON, a score
// that is not finite is the text "NaN", "+Inf" or "-Inf".
type Score float64

// Finite tells whether the score is a number one can rank by.
func (s Score) Finite() bool { return !math.IsNaN(float64(s)) && !math.IsInf(float64(s), 0) }

// String shows four significant digits.
func (s Score) String() string { return strconv.FormatFloat(float64(s), 'g', 4, 64) }

// AppendJSON appends the score's JSON.
func (s Score) AppendJSON(b []byte) []byte {
	if s.Finite() {
		return strconv.AppendFloat(b, float64(s), 'g', -1, 64)
	}
	b = append(b, '"')
	b = strconv.AppendFloat(b, float64(s), 'g', -1, 64)
	return append(b, '"')
}

// MarshalJSON implements json.Marshaler.
func (s Score) MarshalJSON() ([]byte, error) { return s.AppendJSON(nil), nil }

// UnmarshalJSON implements json.Unmarshaler.
func (s *Score) UnmarshalJSON(b []byte) error {
	if len(b) > 0 && b[0] == '"' {
		var text string
		if err := json.Unmarshal(b, &text); err != nil {
			return err
		}
		b = []byte(text)
		switch text {
		case "NaN", "+Inf", "-Inf":
		default:
			return fmt.Errorf("%q is no score: want a number, \"NaN\", \"+Inf\" or \"-Inf\"", text)
		}
	}
	x, err := strconv.ParseFloat(string(b), 64)
	if err != nil {
		return fmt.Errorf("%q is no score: want a number, \"NaN\", \"+Inf\" or \"-Inf\"", b)
	}
	*s = Score(x)
	return nil
}
