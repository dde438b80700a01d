// Package plural counts things in English.
package plural

import (
	"fmt"
	"strings"
)

// Of is a number of things: Of(1, "copy") is "1 copy", Of(2, "failed copy") "2 failed copies".
func Of[N ~int | ~int64](n N, thing string) string {
	return fmt.Sprintf("%d %s", n, Thing(n, thing))
}

// Thing is a thing's name, as it stands after a number of them.
func Thing[N ~int | ~int64](n N, thing string) string {
	stem, y := strings.CutSuffix(thing, "y")
	switch {
	case n == 1:
		return thing
	case y && !strings.ContainsAny(stem[max(0, len(stem)-1):], "aeiou"):
		return stem + "ies"
	}
	return thing + "s"
}
