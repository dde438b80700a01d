package view

import (
	"encoding/json"
	"math"
	"strconv"

	"github.com/seed-7a1a2db0/pbt"
)

// Number is a float that JSON shows as null where it is not finite: a gap in a curve.
type Number float64

// MarshalJSON implements json.Marshaler. Seven digits are more than a screen shows.
func (x Number) MarshalJSON() ([]byte, error) { return x.appendJSON(nil), nil }

func (x Number) appendJSON(b []byte) []byte {
	f := float64(x)
	if math.IsNaN(f) || math.IsInf(f, 0) {
		return append(b, "null"...)
	}
	return strconv.AppendFloat(b, f, 'g', 7, 64)
}

// UnmarshalJSON implements json.Unmarshaler.
func (x *Number) UnmarshalJSON(text []byte) error {
	if string(text) == "null" {
		*x = gap
		return nil
	}
	return json.Unmarshal(text, (*float64)(x))
}

// Numbers are the values of a line.
type Numbers []Number

// MarshalJSON implements json.Marshaler: a call a line instead of one a point.
func (list Numbers) MarshalJSON() ([]byte, error) {
	b := append(make([]byte, 0, 2+10*len(list)), '[')
	for i, x := range list {
		if i > 0 {
			b = append(b, ',')
		}
		b = x.appendJSON(b)
	}
	return append(b, ']'), nil
}

// gap is where nothing is to be drawn.
var gap = Number(math.NaN())

// scoreOf is a score as JSON shows it, null for none.
func scoreOf(x float64) *pbt.Score {
	s := pbt.Score(x)
	return &s
}

// millis makes Unix milliseconds of nanoseconds.
func millis(ns int64) int64 { return ns / 1e6 }

// seconds is a duration in nanoseconds as seconds.
func seconds(ns int64) float64 { return float64(ns) / 1e9 }

// moment is a time that may not have come, in Unix milliseconds.
func moment(ns int64) *int64 {
	if ns == 0 {
		return nil
	}
	ms := millis(ns)
	return &ms
}
