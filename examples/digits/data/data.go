// Package data holds 1,797 real handwritten digits, the test set of the UCI
// "Optical Recognition of Handwritten Digits" (see LICENSE-DATA.md), and deals
// them into three sets that have no image in common: 300 to train on, 599 to
// validate with, 898 to test with. The training set is small on purpose: a
// network can learn it by heart, so the hyperparameters that prevent it matter.
package data

import (
	"bytes"
	"compress/gzip"
	_ "embed"
	"encoding/csv"
	"fmt"
	"math/rand/v2"
	"slices"
	"strconv"
	"sync"
)

// What the file holds.
const (
	Count   = 1797 // images
	Pixels  = 8 * 8
	Classes = 10
	maxInk  = 16 // a pixel counts the black dots of a 4×4 block
)

const (
	train = iota
	validation
	test
	setCount
)

// splitSeed and turns decide which image is in which set. They are part of the
// task: results under others cannot be compared.
const splitSeed = 1

var turns = [6]int{train, validation, test, validation, test, test}

//go:embed digits.csv.gz
var file []byte

// Images are one set of the split.
type Images struct {
	Ink    []float32 // Pixels per image, row by row, from 0 (paper) to 1 (black)
	Labels []uint8   // the digit that each image shows
}

// Train returns the 300 images to train on. The sets are decoded once and shared:
// do not write to them.
func Train() Images { return sets()[train] }

// Validation returns the 599 images whose loss decides.
func Validation() Images { return sets()[validation] }

// Test returns the 898 images that nobody looks at until all decisions are made.
func Test() Images { return sets()[test] }

// Len is the number of images.
func (s Images) Len() int { return len(s.Labels) }

// Image is the ink of image i.
func (s Images) Image(i int) []float32 { return s.Ink[i*Pixels : (i+1)*Pixels] }

func (s *Images) add(r record) {
	s.Labels = append(s.Labels, r.label)
	for _, ink := range r.ink {
		s.Ink = append(s.Ink, float32(ink)/maxInk)
	}
}

// sets shuffles the images, sorts them by digit and deals them in turn, like
// cards, so that every digit has the same share of every set.
var sets = sync.OnceValue(func() [setCount]Images {
	records, err := decode(file)
	if err != nil { // the file is part of the program
		panic("digits/data: the embedded digits.csv.gz is damaged: " + err.Error())
	}
	rng := rand.New(rand.NewPCG(splitSeed, 0))
	rng.Shuffle(len(records), func(i, j int) { records[i], records[j] = records[j], records[i] })
	slices.SortStableFunc(records, func(a, b record) int { return int(a.label) - int(b.label) })
	var dealt [setCount]Images
	for i, r := range records {
		dealt[turns[i%len(turns)]].add(r)
	}
	return dealt
})

type record struct {
	ink   [Pixels]uint8
	label uint8
}

// decode reads gzipped lines of 64 pixels and a label.
func decode(gzipped []byte) ([]record, error) {
	unzipped, err := gzip.NewReader(bytes.NewReader(gzipped))
	if err != nil {
		return nil, err
	}
	rows := csv.NewReader(unzipped)
	rows.FieldsPerRecord = Pixels + 1
	lines, err := rows.ReadAll()
	if err != nil {
		return nil, err
	}
	records := make([]record, len(lines))
	for i, line := range lines {
		if err := records[i].parse(line); err != nil {
			return nil, fmt.Errorf("image %d: %w", i, err)
		}
	}
	return records, nil
}

func (r *record) parse(fields []string) error {
	for i, field := range fields {
		n, err := strconv.ParseUint(field, 10, 8)
		switch {
		case err != nil:
			return err
		case i < Pixels && n > maxInk:
			return fmt.Errorf("pixel %d is %d, at most %d is possible", i, n, maxInk)
		case i < Pixels:
			r.ink[i] = uint8(n)
		case n >= Classes:
			return fmt.Errorf("label %d is no digit", n)
		default:
			r.label = uint8(n)
		}
	}
	return nil
}
