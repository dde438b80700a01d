// Package doctest keeps the documentation true: it finds the fenced blocks of a
// markdown file and does with each what a reader would.
//
//	```sh                a terminal: run by bash; every command must succeed
//	```sh notest         not run; allowed only where it installs packages or runs make
//	```console           lines that begin with "$ " are run, and what they print is
//	                     compared with what the document shows: see match.go
//	```yaml              with "# experiment" as its first line: an experiment file
//	```go                with a package clause: compiled and vetted inside this module
//	```text, ```json, …  shown only
//	```yaml file=x.yaml  a block of any language is also written to a file, for the
//	                     blocks that follow
//
// The sh and console blocks of one file share a fresh directory, and each begins
// where the one before it has gone to; $REPO is this repository, and `pbt` the
// binary built from it. Links to files and headings are followed, too.
package doctest

//go:generate sh -c "cd ../.. && go run ./cmd/pbt schema --reference > docs/experiment-file.md"
