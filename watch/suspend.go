package watch

import (
	"os"
	"os/signal"

	"golang.org/x/sys/unix"
)

// canSuspend tells whether a shell waits for this process and can wake it again. The
// processes of a session's first group have no such shell: nobody would.
func canSuspend() bool {
	session, err := unix.Getsid(0)
	return err == nil && session != unix.Getpgrp()
}

// suspend stops this process, and all of the shell's job, until the shell lets it go on.
func suspend() {
	awake := make(chan os.Signal, 1)
	signal.Notify(awake, unix.SIGCONT)
	defer signal.Stop(awake)
	if unix.Kill(0, unix.SIGTSTP) == nil {
		<-awake
	}
}

// Foreground tells whether this process's group has the terminal: whoever reads or sets
// it from the background is stopped.
func Foreground(terminal *os.File) bool {
	group, err := unix.IoctlGetInt(int(terminal.Fd()), unix.TIOCGPGRP)
	return err == nil && group == unix.Getpgrp()
}
