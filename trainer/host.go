package trainer

import (
	"fmt"
	"os"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"time"

	"golang.org/x/sys/unix"

	"github.com/seed-7a1a2db0/pbt/protocol"
	"github.com/seed-7a1a2db0/pbt/trainer/process"
)

// Host is the place that a slot's programs run in.
type Host struct {
	Slot     string       // its name: slot-1
	RunDir   string       // the run's directory, absolute
	Dir      string       // that programs run in; "" for this process's
	Env      []string     // the user's own variables, NAME=value; they win over everything
	Threads  int          // for libraries that ask how many they may use; 0: say nothing
	CPUs     []int        // that programs may run on; nil: any
	GPUs     []string     // numbers or names; nil: say nothing
	GPUShare float64      // how much of each of these GPUs is this slot's, in (0, 1]; 0 means 1
	Memory   int64        // bytes for all its processes together; 0: no limit
	Log      *process.Log // where output goes; may be nil

	Grace time.Duration // between asking a program to stop and killing it; 0 means DefaultStopGrace
}

// DefaultStopGrace is how long a program has to stop when its segment is called off.
const DefaultStopGrace = 5 * time.Second

// threadVariables are how libraries are told how many threads they may use. Without
// them each of n trainers on a machine starts as many as there are cores.
var threadVariables = []string{
	"OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "NUMEXPR_NUM_THREADS",
	"VECLIB_MAXIMUM_THREADS", "RAYON_NUM_THREADS", "JULIA_NUM_THREADS",
}

// gpuVariables are how drivers and frameworks are told which GPUs to use.
var gpuVariables = []string{"CUDA_VISIBLE_DEVICES", "HIP_VISIBLE_DEVICES", "GPU_DEVICE_ORDINAL", "ZE_AFFINITY_MASK"}

// xlaFlags keep JAX on a CPU to one thread; it heeds no other variable.
const xlaFlags = "--xla_cpu_multi_thread_eigen=false"

// jaxMemory is the share of a GPU's memory that JAX takes at its start unless it is
// told otherwise. On a shared GPU each slot gets its part of that.
const jaxMemory = 0.75

// environ is the whole environment of a program: this process's, what the place
// says, what pbt says to this program, and what the user says.
func (h *Host) environ(extra ...string) []string {
	env := os.Environ()
	set := map[string]bool{}
	for _, list := range [][]string{env, h.Env} {
		for _, v := range list {
			name, _, _ := strings.Cut(v, "=")
			set[name] = true
		}
	}
	unlessSet := func(name, value string) {
		if !set[name] {
			env = append(env, name+"="+value)
		}
	}
	if h.Threads > 0 {
		for _, name := range threadVariables {
			unlessSet(name, strconv.Itoa(h.Threads))
		}
		if h.Threads == 1 {
			unlessSet("XLA_FLAGS", xlaFlags)
		}
	}
	if h.GPUs != nil { // over what pbt itself was started with: these are the slot's part of it
		for _, name := range gpuVariables {
			env = append(env, name+"="+strings.Join(h.GPUs, ","))
		}
		if h.GPUShare > 0 && h.GPUShare < 1 {
			unlessSet("XLA_PYTHON_CLIENT_MEM_FRACTION", strconv.FormatFloat(jaxMemory*h.GPUShare, 'f', 3, 64))
		}
	}
	env = append(env, protocol.EnvSlot+"="+h.Slot, protocol.EnvRunDir+"="+h.RunDir)
	return slices.Concat(env, extra, h.Env)
}

// start starts a program in this place. The lines of its output also go to see.
func (h *Host) start(args, extra []string, remove []string, see func(stderr bool, line []byte, cut bool)) (*process.Process, error) {
	return process.Start(process.Config{
		Args: args, Env: h.environ(extra...), Dir: h.Dir, CPUs: h.CPUs, Memory: h.Memory,
		Remove: remove, Log: h.Log, Line: see,
	})
}

// noRoom is how much room a disk has at most that is full.
const noRoom = 1 << 20

// whileSaving adds to a failure what a program may not have said: that the disk is
// full. That is not the segment's fault.
func whileSaving(dir string, err error) error {
	var disk unix.Statfs_t
	if unix.Statfs(dir, &disk) == nil && disk.Blocks > 0 && disk.Bavail*uint64(disk.Bsize) < noRoom {
		return fmt.Errorf("%w, where the checkpoint is to be: %w", syscall.ENOSPC, err)
	}
	return err
}

// mark separates segments in the log.
func (h *Host) mark(job *Job) {
	h.note(fmt.Sprintf("segment %d, member %d, lease %d", job.ID, job.Member, job.Lease))
}

// note tells something in the log.
func (h *Host) note(text string) {
	if h.Log != nil {
		h.Log.Mark(text)
	}
}

func (h *Host) grace() time.Duration {
	if h.Grace > 0 {
		return h.Grace
	}
	return DefaultStopGrace
}
