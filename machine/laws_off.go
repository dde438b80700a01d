//go:build lawless

package machine

// Broken is the law that this build leaves out. The simulator's own test builds
// with the tag lawless, breaks each law in turn and must notice.
var Broken Law

func holds(l Law) bool { return l != Broken }
