package engine

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"

	"github.com/seed-7a1a2db0/pbt/internal/disk"
	"github.com/seed-7a1a2db0/pbt/journal"
)

// place is the directory of a run to be. If nothing comes of the run, nothing stays there
// that this process has made. A journal that was made stays, whatever comes then: only its
// reader can tell whether it holds an event, and the same command begins the run.
type place struct {
	dir   string
	made  []string // directories that were made for it, the innermost first
	empty bool     // nothing lay there before
}

// prepareDir makes a directory, if there is none.
func prepareDir(dir string) (*place, error) {
	p := &place{dir: dir}
	for at := filepath.Clean(dir); ; at = filepath.Dir(at) {
		if _, err := os.Lstat(at); !errors.Is(err, fs.ErrNotExist) {
			break
		}
		p.made = append(p.made, at)
	}
	if err := disk.MakeDir(dir); err != nil {
		p.takeBack()
		return nil, err
	}
	there, err := disk.In(dir).ReadDir(".")
	p.empty = err == nil && len(there) == 0
	return p, err
}

// takeBack removes the directories that were made, but those in which something lies.
func (p *place) takeBack() { RemoveEmpty(p.made) }

// RemoveEmpty removes directories that lie in each other, the innermost first, up to one
// in which something lies.
func RemoveEmpty(dirs []string) {
	for _, dir := range dirs {
		if d, name := disk.Beside(dir); d.Remove(name) != nil { // nor can those around it go
			return
		}
	}
}

// clear removes what is left of a run that was not made, and gives its lock up. Where
// something lay before, everything stays: it may be what a killed process left.
func (p *place) clear(lock *journal.Lock) error {
	if !p.empty {
		return lock.Release()
	}
	var faults []error
	for _, name := range []string{CheckpointDir, ExperimentFile} {
		faults = append(faults, disk.In(p.dir).RemoveAll(name))
	}
	faults = append(faults, lock.Discard())
	p.takeBack()
	return errors.Join(faults...)
}
