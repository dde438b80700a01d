package digits

import (
	"math"
	"slices"

	"gonum.org/v1/gonum/blas"
	"gonum.org/v1/gonum/blas/blas32"
)

// matrix is a matrix of float32, row after row, that can be seen transposed.
// Products as small as ours run on the calling goroutine alone.
type matrix struct {
	blas32.General
	transposed bool
}

// columns sees values as a matrix of n columns.
func columns(n int, values []float32) matrix {
	return matrix{General: blas32.General{Rows: len(values) / n, Cols: n, Stride: n, Data: values}}
}

// T is the transpose, of the same values.
func (m matrix) T() matrix { return matrix{m.General, !m.transposed} }

// times is the matrix product.
func (m matrix) times(o matrix) matrix {
	rows, cols := m.Rows, o.Cols
	left, right := blas.NoTrans, blas.NoTrans
	if m.transposed {
		rows, left = m.Cols, blas.Trans
	}
	if o.transposed {
		cols, right = o.Rows, blas.Trans
	}
	product := columns(cols, make([]float32, rows*cols))
	blas32.Gemm(left, right, 1, m.General, o.General, 0, product.General)
	return product
}

// softmax turns every row into probabilities, in place.
func (m matrix) softmax() matrix {
	for row := range slices.Chunk(m.Data, m.Cols) {
		top, sum := slices.Max(row), float32(0)
		for i, v := range row {
			row[i] = float32(math.Exp(float64(v - top)))
			sum += row[i]
		}
		for i := range row {
			row[i] /= sum
		}
	}
	return m
}
