// Package hardware says what a machine is.
package hardware

import (
	"fmt"
	"os"
	"runtime"
	"strconv"
	"strings"

	"github.com/seed-7a1a2db0/pbt/internal/plural"
)

// CPU is the processor's name; empty where it is not known.
func CPU() string { return ValueIn("/proc/cpuinfo", "model name") }

// MemoryBytes is how much memory the machine has; 0 where it is not known.
func MemoryBytes() uint64 {
	kib, err := strconv.ParseUint(strings.TrimSuffix(ValueIn("/proc/meminfo", "MemTotal"), " kB"), 10, 64)
	if err != nil {
		return 0
	}
	return kib << 10
}

// Describe says in a line what this process runs on, for people: "linux/amd64, 2 CPUs
// (AMD EPYC), 24.7 GB of memory". What is not known is left out.
func Describe() string {
	text := fmt.Sprintf("%s/%s, %s", runtime.GOOS, runtime.GOARCH, plural.Of(runtime.NumCPU(), "CPU"))
	if cpu := CPU(); cpu != "" {
		text += fmt.Sprintf(" (%s)", cpu)
	}
	if memory := MemoryBytes(); memory > 0 {
		text += fmt.Sprintf(", %.1f GB of memory", float64(memory)/1e9)
	}
	return text
}

// ValueIn finds "key : value" in a file of such lines, as Linux has in /proc; empty where
// there is none.
func ValueIn(path, key string) string {
	text, _ := os.ReadFile(path) // where there is no /proc, the machine stays unnamed
	for line := range strings.Lines(string(text)) {
		if k, v, ok := strings.Cut(line, ":"); ok && strings.TrimSpace(k) == key {
			return strings.TrimSpace(v)
		}
	}
	return ""
}
