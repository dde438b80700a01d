package trainer

import (
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
)

// VisibleGPUs are the GPUs that this process may use: those it was told of, or else
// those of the machine. Finding none is no error.
func VisibleGPUs() []string {
	for _, name := range gpuVariables {
		if told, ok := os.LookupEnv(name); ok {
			return splitList(told)
		}
	}
	if out, err := exec.Command("nvidia-smi", "--query-gpu=index", "--format=csv,noheader").Output(); err == nil {
		return splitList(strings.ReplaceAll(string(out), "\n", ","))
	}
	return devices("/dev/nvidia[0-9]*", "/dev/nvidia")
}

func splitList(text string) []string {
	var list []string
	for item := range strings.SplitSeq(text, ",") {
		if item = strings.TrimSpace(item); item != "" {
			list = append(list, item)
		}
	}
	return list
}

// devices are the numbers behind a prefix among the files of a pattern.
func devices(pattern, prefix string) []string {
	paths, _ := filepath.Glob(pattern) // the pattern is well formed
	var numbers []int
	for _, path := range paths {
		if n, err := strconv.Atoi(strings.TrimPrefix(path, prefix)); err == nil {
			numbers = append(numbers, n)
		}
	}
	slices.Sort(numbers)
	var list []string
	for _, n := range numbers {
		list = append(list, strconv.Itoa(n))
	}
	return list
}
