package machine

import (
	"fmt"
	"testing"

	"github.com/seed-7a1a2db0/pbt"
)

func spec(n int) Spec {
	return Spec{
		Population: n,
		Space:      pbt.MustSpace(pbt.LogUniform("lr", 1e-5, 1e-1), pbt.Uniform("dropout", 0, 0.8), pbt.Ordered("batch", pbt.Int(16), pbt.Int(32), pbt.Int(64))),
		Policy:     pbt.Policy{Ready: pbt.Every{Steps: 10}},
		Segment:    10, Budget: pbt.Budget{Steps: 1 << 40}, Seed: 1, Retries: 1,
	}
}

func BenchmarkMachineAlone(b *testing.B) {
	for _, n := range []int{10, 100, 1000, 10000} {
		b.Run(fmt.Sprint("members=", n), func(b *testing.B) {
			m, err := New(spec(n), nil)
			if err != nil {
				b.Fatal(err)
			}
			m.Handle(1, Start{})
			m.Handle(1, Open{})
			r := pbt.NewRand(7, 0, 0, "bench", "")
			b.ReportAllocs()
			b.ResetTimer()
			for i := range b.N {
				now := int64(i + 2)
				a, _ := m.Handle(now, Ask{Worker: "w"})
				t := a.Task
				m.Handle(now, Report{Lease: t.Lease, Segment: t.Segment, Member: t.Member, Score: pbt.Score(r.Float64()), Checkpoint: Checkpoint{ID: t.Save, Bytes: 1}})
				m.Garbage()
			}
		})
	}
}

func BenchmarkEncodeDecode(b *testing.B) {
	m, _ := New(spec(100), nil)
	m.Handle(1, Start{})
	m.Handle(1, Open{})
	r := pbt.NewRand(7, 0, 0, "bench", "")
	type row struct {
		k Kind
		b []byte
	}
	var rows []row
	var bodies []Body
	for i := range 3000 {
		a, evs := m.Handle(int64(i+2), Ask{Worker: "w"})
		t := a.Task
		for _, e := range evs {
			bodies = append(bodies, e.Body)
		}
		_, evs = m.Handle(int64(i+2), Report{Lease: t.Lease, Segment: t.Segment, Member: t.Member, Score: pbt.Score(r.Float64()), Checkpoint: Checkpoint{ID: t.Save, Bytes: 1}})
		for _, e := range evs {
			bodies = append(bodies, e.Body)
		}
	}
	total := 0
	for _, x := range bodies {
		t, err := Encode(nil, x)
		if err != nil {
			b.Fatal(err)
		}
		total += len(t)
		rows = append(rows, row{x.Kind(), t})
	}
	b.Log(len(rows), total/len(rows))
	b.Run("encode", func(b *testing.B) {
		var buf []byte
		for i := range b.N {
			buf, _ = Encode(buf[:0], bodies[i%len(bodies)])
		}
	})
	b.Run("replay", func(b *testing.B) {
		b.ReportAllocs()
		for i := range b.N {
			x := rows[i%len(rows)]
			if _, err := m.DecodeForReplay(x.k, x.b); err != nil {
				b.Fatal(err)
			}
		}
	})
	b.Run("decode", func(b *testing.B) {
		for i := range b.N {
			x := rows[i%len(rows)]
			if _, err := Decode(x.k, x.b); err != nil {
				b.Fatal(err)
			}
		}
	})
}
