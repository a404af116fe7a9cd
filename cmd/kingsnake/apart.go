package main

import (
	"context"
	"fmt"
	"io"
	"runtime"
	"time"

	"golang.org/x/sys/unix"

	"kingsnake/capture/rights"
	"kingsnake/detect"
	"kingsnake/detect/apart"
)

// apartCommand is the sub-command that a sensor starts for itself: it takes
// scripts apart and has no rights. No person has a use for it.
const apartCommand = "normalize-apart"

// newApart starts the processes that take scripts apart. When they cannot be
// had, it says so and returns nil: it is done in this process then.
func newApart(env Env, holds bool) *apart.Pool {
	if !env.Process {
		return nil
	}
	kept := 1
	if holds {
		kept = detect.HeldWorkers // what is held does not wait for what is not
	}
	p, err := apart.New(apart.Config{
		// The file this process runs, even when another lies at its path now.
		Path: "/proc/self/exe", Args: []string{"kingsnake", apartCommand},
		Env: []string{"GOMAXPROCS=1", "GOMEMLIMIT=48MiB", "GOTRACEBACK=single"},
		// As many as there are goroutines that judge, so that none waits for another.
		Workers: max(runtime.NumCPU(), 2) + detect.HeldWorkers, Kept: kept,
	})
	if err != nil {
		fmt.Fprintf(env.Stderr, "kingsnake: hostile scripts are taken apart in the sensor's own process: %v\n", err)
		return nil
	}
	return p
}

func runApart(_ context.Context, env Env) error {
	settle(env)
	if err := rights.Isolate(); err != nil {
		// It has the rights of the sensor that started it, and is still of use.
		fmt.Fprintf(env.Stderr, "keep rights: %v\n", err)
	}
	return apart.Serve(env.Stdin, env.Stdout)
}

// confine gives up what the sensor does not need once it is attached.
func confine(env Env, use rights.Use) {
	if !env.Process {
		return
	}
	for _, give := range []func() error{func() error { return rights.Reduce(use) }, rights.Refuse} {
		if err := give(); err != nil {
			fmt.Fprintf(env.Stderr, "kingsnake: rights are kept that are not needed: %v\n", err)
		}
	}
}

// processCPU is the processor time this process has used.
func processCPU() time.Duration {
	var u unix.Rusage
	if unix.Getrusage(unix.RUSAGE_SELF, &u) != nil {
		return 0
	}
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}

var _ io.Closer = (*apart.Pool)(nil)
