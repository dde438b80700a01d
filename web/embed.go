//go:build web

// Package web is the dashboard: TypeScript here, and its built files in the binary.
// A build without the tag web (plain `go build`) has none; `make build` sets it.
package web

import (
	"embed"
	"io/fs"
)

//go:embed all:dist
var dist embed.FS

// Files are the dashboard's files; nil in a build without them.
func Files() fs.FS {
	files, err := fs.Sub(dist, "dist")
	if err != nil {
		panic(err) // the name is a constant
	}
	return files
}
