package main

import "io/fs"

// web is the dashboard's files; nil in a build without them.
var web fs.FS
