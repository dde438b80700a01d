package rehearsal

import (
	"bytes"
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"

	"github.com/seed-7a1a2db0/pbt/internal/disk"
	"github.com/seed-7a1a2db0/pbt/internal/plural"
)

// saved is what a trainer saved, read after it was published.
type saved struct {
	bytes  int64
	files  int
	digest string // of names and contents; "" if there is too much to read
	path   string // a file that holds the path of the directory it was saved in; "" for none
}

// mostRead bounds what is read of a checkpoint: a few seconds.
const mostRead = 8 << 30

// pbtsOwn are the files in a checkpoint that the trainer did not write.
var pbtsOwn = []string{"manifest.json", "hashes.json"}

// inspect reads a published checkpoint. staged is where it was saved.
func inspect(dir, staged string) (s saved, err error) {
	files, err := s.measure(dir)
	if err != nil || s.bytes > mostRead {
		return s, err
	}
	sum := sha256.New()
	var head [16]byte
	for _, f := range files {
		binary.LittleEndian.PutUint64(head[:], uint64(len(f.path)))
		binary.LittleEndian.PutUint64(head[8:], uint64(f.bytes))
		sum.Write(head[:])
		sum.Write([]byte(f.path))
		found, err := readThrough(dir, f.path, sum, []byte(staged))
		if err != nil {
			return s, err
		}
		if found && s.path == "" {
			s.path = f.path
		}
	}
	s.digest = hex.EncodeToString(sum.Sum(nil))
	return s, nil
}

type file struct {
	path  string
	bytes int64
}

// measure lists the trainer's files, sorted.
func (s *saved) measure(dir string) (files []file, err error) {
	d, base := disk.Beside(dir)
	err = d.WalkFiles(base, func(path string, info fs.FileInfo) error {
		name, err := filepath.Rel(base, path)
		if err != nil || slices.Contains(pbtsOwn, name) {
			return err
		}
		files = append(files, file{name, info.Size()})
		s.files++
		s.bytes += info.Size()
		return nil
	})
	return files, err
}

// readThrough reads a file into w and tells whether it holds a text.
func readThrough(dir, name string, w io.Writer, text []byte) (found bool, err error) {
	d, base := disk.Beside(dir)
	f, err := d.Open(filepath.Join(base, name))
	if err != nil {
		return false, err
	}
	defer f.Close()
	buf := make([]byte, 1<<20)
	kept := 0 // bytes of the piece before, in which the text may begin
	for {
		n, err := f.Read(buf[kept:])
		if _, err := w.Write(buf[kept : kept+n]); err != nil {
			return found, err
		}
		found = found || len(text) > 0 && bytes.Contains(buf[:kept+n], text)
		if errors.Is(err, io.EOF) {
			return found, nil
		}
		if err != nil {
			return found, err
		}
		kept = copy(buf, buf[max(0, kept+n-len(text)):kept+n])
	}
}

// writersOf are the files below a directory that some process has open for writing:
// those that this process may look at. Without /proc there are none.
func writersOf(dir string) (files []string) {
	links, _ := filepath.Glob("/proc/[0-9]*/fd/[0-9]*") // the pattern is well formed
	for _, link := range links {
		target, err := os.Readlink(link)
		if err != nil || !strings.HasPrefix(target, dir+string(filepath.Separator)) {
			continue
		}
		info, err := os.ReadFile(strings.Replace(link, "/fd/", "/fdinfo/", 1))
		if err != nil || !opensForWriting(string(info)) {
			continue
		}
		if name := filepath.Base(target); !slices.Contains(files, name) {
			files = append(files, name)
		}
	}
	return files
}

// opensForWriting reads the flags of a line such as "flags:	0100002".
func opensForWriting(fdinfo string) bool {
	_, rest, ok := strings.Cut(fdinfo, "flags:")
	if !ok {
		return false
	}
	line, _, _ := strings.Cut(rest, "\n")
	flags, err := strconv.ParseInt(strings.TrimSpace(line), 8, 64)
	return err == nil && flags&3 != 0 // not O_RDONLY
}

// lookForWriters looks whether the trainers keep files open that they have saved.
func (r *rehearsal) lookForWriters() {
	r.writers = append(r.writers, writersOf(filepath.Dir(r.Store.Path(r.base.checkpoint)))...)
	slices.Sort(r.writers)
	r.writers = slices.Compact(r.writers)
}

// tidy deletes the checkpoints that nothing more starts from.
func (r *rehearsal) tidy() error {
	for _, o := range r.all {
		if o == r.base || r.ref.loaded != nil && o == r.ref.loaded.parent {
			continue
		}
		if err := r.drop(o); err != nil {
			return err
		}
	}
	return nil
}

// drop looks whether a checkpoint is still as it was, and deletes it.
func (r *rehearsal) drop(o *outcome) error {
	if o.checkpoint == "" {
		return nil
	}
	dir := r.Store.Path(o.checkpoint)
	now, err := inspect(dir, "")
	if err != nil {
		if !errors.Is(err, fs.ErrNotExist) {
			return fmt.Errorf("read a checkpoint again: %w", err)
		}
		r.changed = append(r.changed, "a file is gone")
	}
	if now.digest != o.saved.digest || now.bytes != o.saved.bytes || now.files != o.saved.files {
		r.changed = append(r.changed, fmt.Sprintf("%s in %s became %s in %s", bytesText(o.saved.bytes), plural.Of(int64(o.saved.files), "file"), bytesText(now.bytes), plural.Of(int64(now.files), "file")))
	}
	id := o.checkpoint
	o.checkpoint = ""
	return r.Store.Delete(id)
}

// checkCheckpoints tells what is wrong with what was saved.
func (r *rehearsal) checkCheckpoints() error {
	r.closeAll()
	for _, o := range r.all {
		if err := r.drop(o); err != nil {
			return err
		}
	}
	o := r.ref.loaded
	if o == nil {
		o = r.base
	}
	const c = CheckCheckpoint
	before := len(r.report.Findings)
	if len(r.changed) > 0 {
		r.find(Wrong, c, "finish writing before it is reported as saved (close files, join threads that save in the background), and never write into the directory that is loaded from",
			"a checkpoint was changed after it had been saved: %s", r.changed[0])
	}
	if len(r.writers) > 0 {
		r.find(Warning, c, "close them before reporting: what is still in a buffer is lost if the process dies", "files of a finished checkpoint are still open for writing: %s", strings.Join(r.writers, ", "))
	}
	switch {
	case o.saved.bytes == 0:
		r.find(Wrong, c, "write the weights into the directory that is given", "the checkpoint's files are empty")
	case r.isFrozen() && (r.moves() || !r.unloaded):
		r.find(Wrong, c, "save the weights as they are now, not as they were at the start", "training changes not a byte of the checkpoint: what has been learnt is not in it")
	}
	if o.saved.path != "" {
		r.find(Warning, c, "save paths relative to the checkpoint, or none", "%s holds the path of the directory that it was saved in, which has another name afterwards", o.saved.path)
	}
	if len(r.report.Findings) == before && o.saved.digest == "" {
		r.notTested(c, bytesText(o.saved.bytes)+" are too many to read; it is not empty")
	} else if len(r.report.Findings) == before {
		r.find(OK, c, "", "%s in %s, whole and at rest", bytesText(o.saved.bytes), plural.Of(int64(o.saved.files), "file"))
	}
	r.checkGrowth(o)
	return nil
}

// growing is how much larger a checkpoint may be after some more segments.
const (
	growing      = 1.02
	growingLeast = 1000 // bytes
)

// checkGrowth tells of checkpoints that hold more with each segment.
func (r *rehearsal) checkGrowth(last *outcome) {
	var chain []*outcome // with the same steps between
	for o := last; o != nil; o = o.parent {
		chain = append(chain, o)
	}
	first := chain[len(chain)-1]
	if len(chain) < 3 {
		r.notTested(CheckGrowth, "two segments in a row are too few")
		return
	}
	if last.saved.bytes-first.saved.bytes < growingLeast || float64(last.saved.bytes) < growing*float64(first.saved.bytes) {
		r.find(OK, CheckGrowth, "", "checkpoints do not grow: %s after %s, %s after %s", bytesText(first.saved.bytes), plural.Of(first.from+first.steps, "step"), bytesText(last.saved.bytes), plural.Of(last.from+last.steps, "step"))
		return
	}
	for i := 1; i < len(chain); i++ {
		if chain[i].saved.bytes >= chain[i-1].saved.bytes {
			r.find(OK, CheckGrowth, "", "checkpoints do not grow with each segment: up to %s", bytesText(max(first.saved.bytes, chain[i-1].saved.bytes, chain[i].saved.bytes)))
			return
		}
	}
	steps := last.from + last.steps - first.steps
	each := float64(last.saved.bytes-first.saved.bytes) / float64(max(1, steps)) * float64(r.Spec.Segment)
	r.find(Warning, CheckGrowth, "leave out what only grows: histories, logs, replay buffers that need not be copied",
		"checkpoints grow by %s a segment: %s after %s, %s after %s", bytesText(int64(each)),
		bytesText(first.saved.bytes), plural.Of(first.steps, "step"), bytesText(last.saved.bytes), plural.Of(last.from+last.steps, "step"))
}

// bytesText is a size for people.
func bytesText(n int64) string {
	const unit = 1000
	x, units := float64(n), []string{"bytes", "kB", "MB", "GB", "TB", "PB", "EB"}
	at := 0
	for ; x >= unit && at < len(units)-1; at++ {
		x /= unit
	}
	if at == 0 {
		return plural.Of(n, "byte")
	}
	return fmt.Sprintf("%.3g %s", x, units[at])
}
