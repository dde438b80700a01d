// Package checkpointtest helps to test whatever keeps checkpoints: a disk in
// memory that can lose power (Mem), a disk that fails by rule at any single
// operation (Fault), and the exam that every disk passes (TestFS).
//
//	disk := checkpointtest.FailAt(checkpoint.OS{}, 7, syscall.ENOSPC)
//	store, err := checkpoint.Open(dir, checkpoint.WithFS(disk))
package checkpointtest

import (
	"maps"
	"path/filepath"
	"slices"
	"strings"

	"github.com/seed-7a1a2db0/pbt/checkpoint"
)

// Save writes files into dir as a trainer would, which is without any fsync.
// Keys are paths with '/'; one that ends in '/' is an empty directory.
func Save(disk checkpoint.Writer, dir string, files map[string]string) error {
	made := map[string]bool{}
	mkdir := func(path string) error {
		if path == "." || made[path] {
			return nil
		}
		made[path] = true
		return disk.Mkdir(filepath.Join(dir, path))
	}
	for _, path := range slices.Sorted(maps.Keys(files)) {
		for i, c := range path {
			if c != '/' {
				continue
			}
			if err := mkdir(path[:i]); err != nil {
				return err
			}
		}
		if strings.HasSuffix(path, "/") {
			continue
		}
		if err := save(disk, filepath.Join(dir, path), files[path]); err != nil {
			return err
		}
	}
	return nil
}

func save(disk checkpoint.Writer, path, content string) error {
	f, err := disk.Create(path)
	if err != nil {
		return err
	}
	defer f.Close()
	_, err = f.Write([]byte(content))
	return err
}
