package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/signal"
	"syscall"

	"golang.org/x/sys/unix"
)

// noFD is the value of --stop-with-fd that names no descriptor.
const noFD = -1

// stopWithFD lets the command finish what it is at, as after a SIGTERM, when a descriptor that it
// has inherited reaches its end of file. The other end of the pipe belongs to the process
// that started this one, and the kernel closes it however that process ends.
func stopWithFD(ctx context.Context, fd int) error {
	if fd == noFD {
		return nil
	}
	refuse := func(err error) error {
		return usageError{fmt.Errorf("--stop-with-fd %d: %w: give the number of a descriptor that pbt inherits, such as the read end of a pipe", fd, err)}
	}
	if fd < 0 {
		return refuse(errors.New("descriptors are numbered from 0"))
	}
	flags, err := unix.FcntlInt(uintptr(fd), unix.F_GETFL, 0)
	if err != nil {
		return refuse(fmt.Errorf("no such descriptor is open (%w)", err))
	}
	if flags&unix.O_ACCMODE == unix.O_WRONLY {
		return refuse(errors.New("the descriptor is open for writing only"))
	}
	unix.CloseOnExec(fd)
	// Standard output and error may be pipes to the same process. Without a channel for SIGPIPE, the
	// first line that pbt prints after the end of that process would end pbt.
	signal.Notify(make(chan os.Signal, 1), syscall.SIGPIPE)
	o, _ := ctx.Value(ordersKey{}).(orders)
	go func() {
		_, _ = io.Copy(io.Discard, os.NewFile(uintptr(fd), "--stop-with-fd")) // an error ends it as well
		close(o.gone)
	}()
	return nil
}
