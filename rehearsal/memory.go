package rehearsal

import (
	"bytes"
	"os"
	"path/filepath"
	"strconv"
	"strings"
)

// MemoryOf is the most memory that the living processes with an entry in their
// environment (NAME=value) have held so far, all together; without /proc it is 0.
// What they share is counted for each.
func MemoryOf(entry string) int64 {
	environments, _ := filepath.Glob("/proc/[0-9]*/environ") // the pattern is well formed
	total := int64(0)
	for _, path := range environments {
		dir := filepath.Dir(path)
		if filepath.Base(dir) == strconv.Itoa(os.Getpid()) || !hasLine(path, entry) {
			continue
		}
		status, err := os.ReadFile(filepath.Join(dir, "status"))
		if err != nil {
			continue // gone meanwhile
		}
		total += highWater(string(status))
	}
	return total
}

// hasLine looks for an entry among those that end with a zero byte.
func hasLine(path, entry string) bool {
	text, err := os.ReadFile(path)
	if err != nil {
		return false // another user's, or gone
	}
	for line := range bytes.SplitSeq(text, []byte{0}) {
		if string(line) == entry {
			return true
		}
	}
	return false
}

// highWater reads the line "VmHWM:	   1234 kB".
func highWater(status string) int64 {
	_, rest, ok := strings.Cut(status, "VmHWM:")
	if !ok {
		return 0
	}
	line, _, _ := strings.Cut(rest, "\n")
	kib, err := strconv.ParseInt(strings.TrimSpace(strings.TrimSuffix(strings.TrimSpace(line), "kB")), 10, 64)
	if err != nil {
		return 0
	}
	return kib << 10
}
