package config

import (
	"errors"
	"fmt"
	"math"
	"regexp"
	"strconv"
	"strings"
	"time"
)

// resolve gives an unquoted YAML scalar its kind, by YAML 1.2's core schema. The
// YAML library's own answer is not used: it takes 1e-5 for a text.
func resolve(text string) (k kind, num string, err error) {
	switch text {
	case "", "~", "null", "Null", "NULL":
		return nullKind, "", nil
	case "true", "True", "TRUE", "false", "False", "FALSE":
		return boolKind, "", nil
	}
	switch strings.ToLower(strings.TrimLeft(text, "+-")) {
	case ".inf", ".nan":
		return nonFiniteKind, "", nil
	}
	if radix := radixPattern.FindString(text); radix != "" {
		x, err := strconv.ParseUint(text, 0, 64)
		if err != nil {
			return numberKind, "", fmt.Errorf("%s is beyond range", text)
		}
		return numberKind, strconv.FormatUint(x, 10), nil
	}
	num, ok := jsonNumber(text)
	if !ok {
		return textKind, "", nil
	}
	if digits := strings.TrimPrefix(num, "-"); len(digits) > 1 && digits[0] == '0' && digits[1] >= '0' && digits[1] <= '9' {
		// YAML 1.1 reads 010 as 8, YAML 1.2 as 10: nobody knows what was meant.
		return numberKind, "", fmt.Errorf("%s begins with a needless 0; write it without, or in quotes if it is a text", text)
	}
	return numberKind, num, nil
}

var (
	radixPattern  = regexp.MustCompile(`^0(?:x[0-9a-fA-F]+|o[0-7]+)$`)
	numberPattern = regexp.MustCompile(`^[-+]?(?:\.[0-9]+|[0-9]+(?:\.[0-9]*)?)(?:[eE][-+]?[0-9]+)?$`)
)

// jsonNumber rewrites YAML's +1, .5 and 1. as JSON's 1, 0.5 and 1.0.
func jsonNumber(text string) (string, bool) {
	if len(text) > maxNumberLength || !numberPattern.MatchString(text) {
		return "", false
	}
	sign, digits := "", strings.TrimPrefix(text, "+")
	if digits[0] == '-' {
		sign, digits = "-", digits[1:]
	}
	if digits[0] == '.' {
		digits = "0" + digits
	}
	if i := strings.IndexByte(digits, '.'); i >= 0 && (i+1 == len(digits) || digits[i+1] < '0' || digits[i+1] > '9') {
		digits = digits[:i+1] + "0" + digits[i+1:]
	}
	return sign + digits, true
}

// maxNumberLength bounds a number's digits; what is longer is a text.
const maxNumberLength = 400

var errRange = errors.New("beyond range")

// writtenWhole tells a whole number from a float by how it is written, as JSON
// and YAML do for hyperparameters: 1 and 1.0 are of two types.
func (n *node) writtenWhole() bool { return !strings.ContainsAny(n.num, ".eE") }

// float reads a number.
func (n *node) float() (float64, error) {
	x, err := strconv.ParseFloat(n.num, 64)
	if err != nil || math.IsInf(x, 0) {
		return 0, errRange
	}
	if x == 0 {
		return 0, nil // -0, too
	}
	return x, nil
}

// decimal takes a number apart exactly: it is digits × 10^exponent, the digits
// without zeros at either end, "" for 0.
func (n *node) decimal() (negative bool, digits string, exponent int) {
	digits, negative = strings.CutPrefix(n.num, "-")
	if i := strings.IndexAny(digits, "eE"); i >= 0 {
		x, err := strconv.Atoi(digits[i+1:])
		if err != nil || x > math.MaxInt32 || x < -math.MaxInt32 { // an exponent of ten digits and more
			x = math.MaxInt32
			if digits[i+1] == '-' {
				x = -x
			}
		}
		digits, exponent = digits[:i], x
	}
	if before, after, dot := strings.Cut(digits, "."); dot {
		digits, exponent = before+after, exponent-len(after)
	}
	digits = strings.TrimLeft(digits, "0")
	trimmed := strings.TrimRight(digits, "0")
	exponent += len(digits) - len(trimmed)
	if trimmed == "" {
		return false, "", 0
	}
	return negative, trimmed, exponent
}

// whole reads a number that has no fraction, exactly, however it is written:
// 4000, 4e3 and 4000.0 are one. ok is false for 0.5; the error is errRange for a
// whole number of more than 64 bits.
func (n *node) whole() (negative bool, magnitude uint64, ok bool, err error) {
	const mostDigits = 20 // of a uint64
	negative, digits, exponent := n.decimal()
	switch {
	case digits == "":
		return false, 0, true, nil
	case exponent < 0:
		return negative, 0, false, nil
	case len(digits)+exponent > mostDigits:
		return negative, 0, true, errRange
	}
	magnitude, parseErr := strconv.ParseUint(digits+strings.Repeat("0", exponent), 10, 64)
	if parseErr != nil {
		return negative, 0, true, errRange
	}
	return negative, magnitude, true, nil
}

// int reads a whole number that fits an int64; others are 0.
func (n *node) int() int64 {
	negative, magnitude, _, err := n.whole()
	if err != nil || magnitude > math.MaxInt64 {
		return 0
	}
	if negative {
		return -int64(magnitude)
	}
	return int64(magnitude)
}

// Durations are written 90s, 10m, 2h, 1h30m, 1.5d.
const durationPattern = `^([0-9]+(\.[0-9]+)?(d|h|ms|m|s))+$`

// maxDuration bounds a duration: ten years.
const maxDuration = 10 * 365 * 24 * time.Hour

var (
	durationWhole = regexp.MustCompile(durationPattern)
	durationPart  = regexp.MustCompile(`([0-9]+(?:\.[0-9]+)?)(d|h|ms|m|s)`)
	durationUnits = map[string]time.Duration{"d": 24 * time.Hour, "h": time.Hour, "m": time.Minute, "s": time.Second, "ms": time.Millisecond}
)

// parseDuration reads a duration, to the millisecond.
func parseDuration(s string) (time.Duration, error) {
	if !durationWhole.MatchString(s) {
		return 0, errors.New("is no duration")
	}
	total := 0.0
	for _, part := range durationPart.FindAllStringSubmatch(s, -1) {
		x, err := strconv.ParseFloat(part[1], 64)
		if err != nil {
			return 0, errors.New("is longer than ten years")
		}
		total += x * float64(durationUnits[part[2]])
	}
	switch ms := math.Round(total / float64(time.Millisecond)); {
	case ms < 1:
		return 0, errors.New("is shorter than 1ms")
	case total > float64(maxDuration):
		return 0, errors.New("is longer than ten years")
	default:
		return time.Duration(ms) * time.Millisecond, nil
	}
}

// formatDuration writes a duration of whole milliseconds the way one reads it: 90s, 10m, 1h30m.
func formatDuration(d time.Duration) string {
	var b strings.Builder
	for _, unit := range []string{"h", "m", "s", "ms"} {
		if n := d / durationUnits[unit]; n > 0 {
			fmt.Fprintf(&b, "%d%s", n, unit)
			d -= n * durationUnits[unit]
		}
	}
	return b.String()
}

// Sizes are written 500MB, 10GB (powers of 1000), 1GiB (powers of 1024), 4096B.
const sizePattern = `^[0-9]+(\.[0-9]+)?(B|kB|KB|MB|GB|TB|KiB|MiB|GiB|TiB)$`

// maxSize bounds a size: a thousand terabytes.
const maxSize = 1e15

var sizeWhole = regexp.MustCompile(sizePattern)

// sizeUnits are in the order formatSize prefers.
var sizeUnits = []struct {
	name  string
	bytes int64
}{
	{"TiB", 1 << 40}, {"TB", 1e12}, {"GiB", 1 << 30}, {"GB", 1e9}, {"MiB", 1 << 20},
	{"MB", 1e6}, {"KiB", 1 << 10}, {"kB", 1e3}, {"KB", 1e3}, {"B", 1},
}

// parseSize reads a number of bytes.
func parseSize(s string) (int64, error) {
	if !sizeWhole.MatchString(s) {
		return 0, errors.New("is no size")
	}
	for _, unit := range sizeUnits {
		digits, ok := strings.CutSuffix(s, unit.name)
		if !ok {
			continue
		}
		x, err := strconv.ParseFloat(digits, 64) // fails for MiB's digits under the unit B
		if err != nil {
			continue
		}
		bytes := math.Round(x * float64(unit.bytes))
		switch {
		case bytes < 1:
			return 0, errors.New("is less than one byte")
		case bytes > maxSize:
			return 0, errors.New("is more than 1000TB")
		}
		return int64(bytes), nil
	}
	return 0, errors.New("is more than 1000TB") // so many digits that ParseFloat overflows
}

// formatSize writes a size in the largest unit that divides it.
func formatSize(bytes int64) string {
	for _, unit := range sizeUnits {
		if bytes%unit.bytes == 0 {
			return strconv.FormatInt(bytes/unit.bytes, 10) + unit.name
		}
	}
	return strconv.FormatInt(bytes, 10) + "B"
}
