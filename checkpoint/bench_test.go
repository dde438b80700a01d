package checkpoint_test

import (
	"crypto/sha256"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"testing"
	"time"

	"github.com/seed-7a1a2db0/pbt/checkpoint"
)

// BenchmarkPublish compares Stage, a trainer's write and Publish with a bare
// loop of the same system calls. Both take turns in one loop, so that a busy
// disk slows both, and the medians are compared, so that its pauses do not count.
//
//	go test ./checkpoint -run '^$' -bench Publish -benchtime 500x
//
// TMPDIR chooses the disk. On /dev/shm, where an fsync costs nothing, what is
// left is the price of the package itself.
func BenchmarkPublish(b *testing.B) {
	for _, size := range []int{1 << 10, 1 << 20} {
		b.Run(fmt.Sprintf("%dKiB", size>>10), func(b *testing.B) {
			data := make([]byte, size)
			s := open(b, b.TempDir())
			bare := newBareLoop(b)
			var ours, theirs []time.Duration
			for i := 0; b.Loop(); i++ {
				id := fmt.Sprintf("s%09d", i)
				start := time.Now()
				if err := publishOne(s, id, data); err != nil {
					b.Fatal(err)
				}
				middle := time.Now()
				if err := bare.publish(id, data); err != nil {
					b.Fatal(err)
				}
				ours, theirs = append(ours, middle.Sub(start)), append(theirs, time.Since(middle))
			}
			b.ReportMetric(median(ours), "publish-µs")
			b.ReportMetric(median(theirs), "bare-µs")
			b.ReportMetric(median(ours)/median(theirs), "ratio")
		})
	}
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

// BenchmarkVerify reads a large checkpoint.
func BenchmarkVerify(b *testing.B) {
	const size = 64 << 20
	s := open(b, b.TempDir())
	if err := publishOne(s, "s1", make([]byte, size)); err != nil {
		b.Fatal(err)
	}
	b.SetBytes(size)
	for b.Loop() {
		if err := s.Verify("s1"); err != nil {
			b.Fatal(err)
		}
	}
}

func publishOne(s *checkpoint.Store, id string, data []byte) error {
	staged, err := s.Stage(id)
	if err != nil {
		return err
	}
	if err := os.WriteFile(filepath.Join(staged, "weights"), data, 0o666); err != nil {
		return err
	}
	_, err = s.Publish(staged, id)
	return err
}

// bareLoop makes the same system calls, with nothing checked and nothing known.
type bareLoop struct {
	dir      string
	manifest []byte
	buf      []byte
}

func newBareLoop(b *testing.B) *bareLoop {
	l := &bareLoop{dir: b.TempDir(), manifest: make([]byte, 150), buf: make([]byte, 128<<10)}
	if err := os.Mkdir(filepath.Join(l.dir, "tmp"), 0o777); err != nil {
		b.Fatal(err)
	}
	return l
}

func (l *bareLoop) publish(id string, data []byte) error {
	tmp := l.dir + "/tmp/" + id
	if err := os.Mkdir(tmp, 0o777); err != nil {
		return err
	}
	if err := os.WriteFile(tmp+"/weights", data, 0o666); err != nil {
		return err
	}
	// Something must list what the trainer wrote, and read it to hash it.
	if _, err := os.ReadDir(tmp); err != nil {
		return err
	}
	f, err := os.Open(tmp + "/weights")
	if err != nil {
		return err
	}
	h := sha256.New()
	if _, err := io.CopyBuffer(h, struct{ io.Reader }{f}, l.buf); err != nil {
		return err
	}
	if err := syncClose(f, nil); err != nil {
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
