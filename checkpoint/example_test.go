package checkpoint_test

import (
	"fmt"
	"log"
	"os"
	"path/filepath"

	"github.com/seed-7a1a2db0/pbt/checkpoint"
)

// One checkpoint from the trainer's save to its reader.
func Example() {
	dir, err := os.MkdirTemp("", "run")
	if err != nil {
		log.Fatal(err)
	}
	defer os.RemoveAll(dir)
	store, err := checkpoint.Open(filepath.Join(dir, "checkpoints"))
	if err != nil {
		log.Fatal(err)
	}

	staged, err := store.Stage("s000000212")
	if err != nil {
		log.Fatal(err)
	}
	defer store.Discard(staged) // nothing is left to discard once it is published
	if err := os.WriteFile(filepath.Join(staged, "weights.txt"), []byte("0.25 0.75\n"), 0o666); err != nil {
		log.Fatal(err)
	}
	info, err := store.Publish(staged, "s000000212")
	if err != nil {
		log.Fatal(err) // checkpoint.IsDiskFull(err) can be waited out
	}
	fmt.Println(info.ID, info.Files, "file,", info.Bytes, "bytes")

	fmt.Println("verified:", store.Verify(info.ID) == nil)
	weights, err := os.ReadFile(filepath.Join(store.Path(info.ID), "weights.txt"))
	if err != nil {
		log.Fatal(err)
	}
	fmt.Print(string(weights))
	// Output:
	// s000000212 1 file, 10 bytes
	// verified: true
	// 0.25 0.75
}
