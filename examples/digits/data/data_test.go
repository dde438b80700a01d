package data

import (
	"bytes"
	"compress/gzip"
	"crypto/sha256"
	"fmt"
	"os"
	"strings"
	"testing"
)

func TestSetsHoldEveryImageOnce(t *testing.T) {
	records, err := decode(file)
	if err != nil {
		t.Fatal(err)
	}
	if len(records) != Count {
		t.Fatalf("the file holds %d images, want %d", len(records), Count)
	}
	left := map[string]int{}
	for _, r := range records {
		var s Images
		s.add(r)
		left[key(s, 0)]++
	}
	for _, s := range []Images{Train(), Validation(), Test()} {
		for i := range s.Len() {
			left[key(s, i)]--
		}
	}
	for _, n := range left {
		if n != 0 {
			t.Fatal("the three sets together are not the file's images")
		}
	}
}

func key(s Images, i int) string { return fmt.Sprint(s.Labels[i], s.Image(i)) }

func TestSetSizes(t *testing.T) {
	for name, c := range map[string]struct {
		set  Images
		want int
	}{"train": {Train(), 300}, "validation": {Validation(), 599}, "test": {Test(), 898}} {
		if c.set.Len() != c.want || len(c.set.Ink) != c.want*Pixels {
			t.Errorf("%s: %d labels and %d pixels, want %d images", name, c.set.Len(), len(c.set.Ink), c.want)
		}
	}
}

func TestInkIsBetweenPaperAndBlack(t *testing.T) {
	for _, s := range []Images{Train(), Validation(), Test()} {
		for _, ink := range s.Ink {
			if ink < 0 || ink > 1 || ink*maxInk != float32(int(ink*maxInk)) {
				t.Fatalf("ink %g is not one of 0, 1/16 … 1", ink)
			}
		}
	}
}

// Every digit has the same share of every set: that is what dealing is for.
func TestEveryDigitIsInEverySetAlike(t *testing.T) {
	total := counts(Train(), Validation(), Test())
	if want := [Classes]int{178, 182, 177, 183, 181, 182, 181, 179, 174, 180}; total != want { // as the UCI repository lists them
		t.Errorf("digits 0 to 9 occur %v times, want %v", total, want)
	}
	for share, set := range map[int]Images{1: Train(), 2: Validation(), 3: Test()} {
		for digit, n := range counts(set) {
			if sixths := 6*n - share*total[digit]; sixths < -6 || sixths > 6 {
				t.Errorf("the set of %d sixths has %d of %d images of digit %d", share, n, total[digit], digit)
			}
		}
	}
}

func counts(sets ...Images) (n [Classes]int) {
	for _, s := range sets {
		for _, label := range s.Labels {
			n[label]++
		}
	}
	return n
}

// The split is part of the task: a change of it makes old results incomparable.
func TestSplitIsAsItAlwaysWas(t *testing.T) {
	const want = "53014790cc1dba28"
	sum := sha256.New()
	for _, s := range []Images{Train(), Validation(), Test()} {
		fmt.Fprintln(sum, s.Labels, s.Ink)
	}
	if got := fmt.Sprintf("%x", sum.Sum(nil)[:8]); got != want {
		t.Errorf("the sets' hash is %s, want %s", got, want)
	}
}

func TestLicenceNamesTheFile(t *testing.T) {
	text, err := os.ReadFile("LICENSE-DATA.md")
	if err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{fmt.Sprintf("%x", sha256.Sum256(file)), "CC BY 4.0", "Alpaydin", "Kaynak", "10.24432/C50P49"} {
		if !strings.Contains(string(text), want) {
			t.Errorf("LICENSE-DATA.md does not mention %s", want)
		}
	}
}

func TestDecodeRefusesWhatIsNoDigit(t *testing.T) {
	blank := strings.Repeat("0,", Pixels)
	for name, text := range map[string]string{
		"too black":      "17," + blank[2:] + "3\n",
		"negative":       "-1," + blank[2:] + "3\n",
		"no number":      "x," + blank[2:] + "3\n",
		"no digit":       blank + "10\n",
		"a pixel short":  blank[2:] + "3\n",
		"a pixel more":   blank + "0,3\n",
		"rows that vary": blank + "3\n" + "3\n",
	} {
		var b bytes.Buffer
		w := gzip.NewWriter(&b)
		if _, err := w.Write([]byte(text)); err != nil {
			t.Fatal(err)
		}
		if err := w.Close(); err != nil {
			t.Fatal(err)
		}
		if _, err := decode(b.Bytes()); err == nil {
			t.Errorf("%s: decoded without complaint", name)
		}
	}
	for _, cut := range []int{0, 5, len(file) / 2, len(file) - 1} {
		if _, err := decode(file[:cut]); err == nil {
			t.Errorf("a file cut to %d bytes decoded without complaint", cut)
		}
	}
}
