package table_test

import (
	"bytes"
	"math"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/seed-7a1a2db0/pbt/sinks/table"
)

var columns = []table.Column{
	{Name: "n", Type: table.Int}, {Name: "x", Type: table.Float}, {Name: "b", Type: table.Bool},
	{Name: "s", Type: table.Text}, {Name: "t", Type: table.Time}, {Name: "j", Type: table.JSON},
}

var rows = [][]any{
	{int64(-5), 0.1, true, "a,\"b\"\nc", int64(1_700_000_000_123_456_000), `{"a":[1,null]}`},
	{nil, nil, nil, nil, nil, nil},
	{int64(1 << 60), math.NaN(), false, "größe", int64(0), `"x"`},
	{nil, math.Inf(-1), true, "", nil, nil},
}

func written(t *testing.T, format string, columns []table.Column, rows [][]any) string {
	t.Helper()
	var out bytes.Buffer
	w := table.New(format, &out, columns)
	for _, row := range rows {
		if err := w.Write(row); err != nil {
			t.Fatal(err)
		}
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return out.String()
}

func TestCSV(t *testing.T) {
	want := "n,x,b,s,t,j\n" +
		"-5,0.1,true,\"a,\"\"b\"\"\nc\",2023-11-14T22:13:20.123456Z,\"{\"\"a\"\":[1,null]}\"\n" +
		",,,,,\n1152921504606846976,NaN,false,größe,1970-01-01T00:00:00Z,\"\"\"x\"\"\"\n,-Inf,true,,,\n"
	if have := written(t, "csv", columns, rows); have != want {
		t.Errorf("have %s\nwant %s", have, want)
	}
	if have := written(t, "csv", columns, nil); have != "n,x,b,s,t,j\n" {
		t.Errorf("without rows: %q", have)
	}
}

// No spreadsheet runs a text or a name as a formula; numbers stay as they are.
func TestCSVThatNoSpreadsheetRuns(t *testing.T) {
	columns := []table.Column{{Name: "=x", Type: table.Text}, {Name: "n", Type: table.Int}, {Name: "f", Type: table.Float}, {Name: "j", Type: table.JSON}}
	rows := [][]any{{"=HYPERLINK(1)", int64(-5), math.Inf(1), `{"a":1}`}, {"-1+cmd", int64(1), -0.5, "-3"}, {"@a", nil, nil, nil}, {"\t=1", nil, nil, nil}, {"-7", nil, nil, nil}}
	want := "'=x,n,f,j\n'=HYPERLINK(1),-5,+Inf,\"{\"\"a\"\":1}\"\n'-1+cmd,1,-0.5,-3\n'@a,,,\n'\t=1,,,\n-7,,,\n"
	if have := written(t, "csv", columns, rows); have != want {
		t.Errorf("have %s\nwant %s", have, want)
	}
}

func TestJSONLines(t *testing.T) {
	want := `{"n":-5,"x":0.1,"b":true,"s":"a,\"b\"\nc","t":"2023-11-14T22:13:20.123456Z","j":{"a":[1,null]}}
{}
{"n":1152921504606846976,"x":"NaN","b":false,"s":"größe","t":"1970-01-01T00:00:00Z","j":"x"}
{"x":"-Inf","b":true,"s":""}
`
	if have := written(t, "jsonl", columns, rows); have != want {
		t.Errorf("have %s\nwant %s", have, want)
	}
}

func TestAnUnknownFormat(t *testing.T) {
	if w := table.New("xlsx", &bytes.Buffer{}, columns); w != nil {
		t.Error(w)
	}
}

// Arrow reads the Parquet file back: types, missing values, several row groups.
// make sinks installs it; without it, the test is skipped.
func TestParquetIsReadByArrow(t *testing.T) {
	python := os.Getenv("PBT_SINKS_PYTHON")
	if python == "" {
		t.Skip("PBT_SINKS_PYTHON names no Python with pyarrow: see make sinks")
	}
	dir := t.TempDir()
	many := make([][]any, 120_001)
	for i := range many {
		many[i] = rows[i%len(rows)]
	}
	for name, rows := range map[string][][]any{"few": rows, "none": nil, "many": many} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(written(t, "parquet", columns, rows)), 0o666); err != nil {
			t.Fatal(err)
		}
	}
	c := exec.Command(python, "-c", `
import math, pyarrow.parquet as pq, datetime
few = pq.read_table("few")
print([str(f.type) for f in few.schema])
rows = few.to_pylist()
assert rows[0]["n"] == -5 and rows[0]["x"] == 0.1 and rows[0]["b"] is True and rows[0]["s"] == 'a,"b"\nc', rows[0]
assert rows[0]["t"] == datetime.datetime(2023, 11, 14, 22, 13, 20, 123456, datetime.timezone.utc), rows[0]["t"]
assert rows[0]["j"] in ('{"a":[1,null]}', b'{"a":[1,null]}'), rows[0]
assert set(rows[1].values()) == {None}, rows[1]
assert rows[2]["n"] == 1 << 60 and math.isnan(rows[2]["x"]) and rows[2]["b"] is False and rows[2]["s"] == "größe", rows[2]
assert rows[3]["n"] is None and rows[3]["x"] == -math.inf and rows[3]["s"] == "", rows[3]
assert pq.read_table("none").num_rows == 0
many = pq.ParquetFile("many")
assert many.num_row_groups == 3, many.num_row_groups
assert many.read().to_pylist()[:119996:4] == [rows[0]] * 29999
assert many.metadata.num_rows == 120001
`)
	c.Dir = dir
	out, err := c.CombinedOutput()
	if err != nil || !strings.Contains(string(out), "'int64', 'double', 'bool', 'string'") {
		t.Errorf("%v\n%s", err, out)
	}
}
