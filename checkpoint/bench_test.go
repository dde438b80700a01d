package checkpoint_test

import (
	"errors"
	"fmt"
	"math"
	"os"
	"path/filepath"
	"slices"
	"testing"
	"time"

	"github.com/seed-7a1a2db0/pbt/checkpoint"
)

// BenchmarkPublish compares Publish with the bare system calls for what it does:
// a loop that checks nothing and hashes nothing. The trainer's write is in neither.
// Both take turns in one loop, so that a busy disk slows both, and the medians are
// compared, so that its pauses do not count.
//
//	go test ./checkpoint -run '^$' -bench 'Publish$/KiB' -benchtime 500x
//	go test ./checkpoint -run '^$' -bench 'Publish$/MiB' -benchtime 9x
//
// TMPDIR chooses the disk. On /dev/shm, where an fsync costs nothing, what is
// left is the price of the package itself.
func BenchmarkPublish(b *testing.B) {
	for _, size := range []int{1 << 10, 64 << 10, 512 << 10, 1 << 20, 4 << 20, 100 << 20, 1 << 30} {
		name := fmt.Sprintf("%dKiB", size>>10)
		if size > checkpoint.HashAtOnce {
			name = fmt.Sprintf("%dMiB", size>>20)
		}
		b.Run(name, func(b *testing.B) {
			if testing.Short() && size > 4<<20 {
				b.Skip("large")
			}
			benchmarkPublish(b, size)
		})
	}
}

func benchmarkPublish(b *testing.B, size int) {
	data := make([]byte, size)
	s := open(b, b.TempDir())
	bare := newBareLoop(b)
	var ours, theirs []time.Duration
	timed := func(d *[]time.Duration, do func() error) {
		start := time.Now()
		if err := do(); err != nil {
			b.Fatal(err)
		}
		*d = append(*d, time.Since(start))
	}
	publish := func(id string) {
		staged, err := save(s, id, data)
		if err != nil {
			b.Fatal(err)
		}
		timed(&ours, func() error { _, err := s.Publish(staged, id); return err })
		if err := s.Delete(id); err != nil {
			b.Fatal(err)
		}
	}
	publishBare := func(id string) {
		if err := bare.save(id, data); err != nil {
			b.Fatal(err)
		}
		timed(&theirs, func() error { return bare.publish(id) })
		if err := os.RemoveAll(bare.dir + "/" + id); err != nil {
			b.Fatal(err)
		}
	}
	for i := 0; b.Loop(); i++ {
		turns := []func(string){publish, publishBare}
		turns[i%2](fmt.Sprintf("s%09d", i))
		turns[1-i%2](fmt.Sprintf("s%09d", i))
	}
	b.ReportMetric(0, "ns/op") // of both together, with the trainers' writes
	b.ReportMetric(median(ours), "publish-µs")
	b.ReportMetric(median(theirs), "bare-µs")
	b.ReportMetric(median(ours)/median(theirs), "ratio")
}

func median(d []time.Duration) float64 {
	slices.Sort(d)
	return float64(d[len(d)/2]) / float64(time.Microsecond)
}

// BenchmarkPublishAllocs is Publish alone, for its allocations.
func BenchmarkPublishAllocs(b *testing.B) {
	s := open(b, b.TempDir())
	data := make([]byte, 1<<10)
	b.ReportAllocs()
	for i := 0; b.Loop(); i++ {
		if err := publishOne(s, fmt.Sprintf("s%09d", i), data); err != nil {
			b.Fatal(err)
		}
	}
}

// BenchmarkHash hashes a large checkpoint in the background, from the page cache.
func BenchmarkHash(b *testing.B) {
	const size = 256 << 20
	s := open(b, b.TempDir())
	if err := publishOne(s, "s1", make([]byte, size)); err != nil {
		b.Fatal(err)
	}
	b.SetBytes(size)
	for b.Loop() {
		if _, err := s.Hash(b.Context(), "s1"); err != nil {
			b.Fatal(err)
		}
		if err := os.Remove(filepath.Join(s.Path("s1"), "hashes.json")); err != nil {
			b.Fatal(err)
		}
	}
}

// BenchmarkHashAtOnce compares hashing in Publish with Publish and Hash. Beyond the
// size at which they take the same time, later is less work, too.
func BenchmarkHashAtOnce(b *testing.B) {
	for _, size := range []int{64 << 10, 256 << 10, 512 << 10, 1 << 20, 2 << 20, 4 << 20} {
		b.Run(fmt.Sprintf("%dKiB", size>>10), func(b *testing.B) {
			data := make([]byte, size)
			dir := b.TempDir()
			var took [2][]time.Duration
			stores := []*checkpoint.Store{open(b, dir+"/0", checkpoint.WithHashAtOnce(math.MaxInt64)), openLater(b, dir+"/1")}
			for i := 0; b.Loop(); i++ {
				for turn := range 2 {
					k := (i + turn) % 2
					staged, err := save(stores[k], "s1", data)
					if err != nil {
						b.Fatal(err)
					}
					start := time.Now()
					if _, err := stores[k].Publish(staged, "s1"); err != nil {
						b.Fatal(err)
					}
					hash(b, stores[k], "s1")
					took[k] = append(took[k], time.Since(start))
					if err := stores[k].Delete("s1"); err != nil {
						b.Fatal(err)
					}
				}
			}
			b.ReportMetric(0, "ns/op")
			b.ReportMetric(median(took[0]), "at-once-µs")
			b.ReportMetric(median(took[1]), "later-µs")
		})
	}
}

// BenchmarkUnchanged looks at a checkpoint before a load.
func BenchmarkUnchanged(b *testing.B) {
	for _, n := range []int{1, 100} {
		b.Run(fmt.Sprint(n), func(b *testing.B) {
			s := openLater(b, b.TempDir())
			saved := files{}
			for i := range n {
				saved[fmt.Sprint(i)] = "x"
			}
			publish(b, s, "s1", saved)
			for b.Loop() {
				if err := s.Unchanged("s1"); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}

// BenchmarkVerify reads a large checkpoint.
func BenchmarkVerify(b *testing.B) {
	const size = 64 << 20
	s := open(b, b.TempDir())
	if err := publishOne(s, "s1", make([]byte, size)); err != nil {
		b.Fatal(err)
	}
	hash(b, s, "s1")
	b.SetBytes(size)
	for b.Loop() {
		if err := s.Verify("s1"); err != nil {
			b.Fatal(err)
		}
	}
}

func publishOne(s *checkpoint.Store, id string, data []byte) error {
	staged, err := save(s, id, data)
	if err == nil {
		_, err = s.Publish(staged, id)
	}
	return err
}

// save is what a trainer does.
func save(s *checkpoint.Store, id string, data []byte) (staged string, err error) {
	if staged, err = s.Stage(id); err != nil {
		return "", err
	}
	return staged, os.WriteFile(filepath.Join(staged, "weights"), data, 0o666)
}

// bareLoop makes the same system calls, with nothing checked and nothing known.
type bareLoop struct {
	dir      string
	manifest []byte
}

func newBareLoop(b *testing.B) *bareLoop {
	l := &bareLoop{dir: b.TempDir(), manifest: make([]byte, 150)}
	if err := os.Mkdir(filepath.Join(l.dir, "tmp"), 0o777); err != nil {
		b.Fatal(err)
	}
	return l
}

func (l *bareLoop) save(id string, data []byte) error {
	tmp := l.dir + "/tmp/" + id
	return errors.Join(os.Mkdir(tmp, 0o777), os.WriteFile(tmp+"/weights", data, 0o666))
}

func (l *bareLoop) publish(id string) error {
	tmp := l.dir + "/tmp/" + id
	if err := syncClose(os.Open(tmp + "/weights")); err != nil {
		return err
	}
	m, err := os.OpenFile(tmp+"/manifest.json", os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o666)
	if err != nil {
		return err
	}
	_, err = m.Write(l.manifest)
	if err := syncClose(m, err); err != nil {
		return err
	}
	if err := syncClose(os.Open(tmp)); err != nil {
		return err
	}
	if err := os.Rename(tmp, l.dir+"/"+id); err != nil {
		return err
	}
	return syncClose(os.Open(l.dir))
}

func syncClose(f *os.File, err error) error {
	if err != nil {
		return err
	}
	if err := f.Sync(); err != nil {
		return err
	}
	return f.Close()
}
