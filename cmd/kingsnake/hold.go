package main

import (
	"flag"
	"fmt"
	"os"
	"os/exec"
	"os/signal"
	"strings"
	"syscall"
	"time"

	"kingsnake/capture/sensor"
	"kingsnake/detect"
)

// holdConfig says which programs are held until their script is judged.
type holdConfig struct {
	rules detect.HoldRules
	wait  time.Duration
	jobs  bool
}

func (c *holdConfig) flags(fs *flag.FlagSet) {
	fs.Func("hold", "hold programs until their script is judged, and kill those whose script is malicious, where this `rule` says:\n"+
		"namespace=NAME, image=REFERENCE, container=NAME (a * stands for any characters), or host; may be given several times", func(text string) error {
		rule, err := detect.ParseHoldRule(text)
		if err == nil {
			c.rules = append(c.rules, rule)
		}
		return err
	})
	fs.DurationVar(&c.wait, "hold-wait", 500*time.Millisecond, "with --hold: let a program go that has waited this long for its verdict")
	fs.BoolVar(&c.jobs, "hold-jobs", false, "with --hold: hold what runs at a terminal or as a shell's job too; the shell sees it stop")
}

// check finds mistakes that a single flag does not show. host says whether
// scripts outside of containers are watched.
func (c *holdConfig) check(host bool, capture captureMode) error {
	switch {
	case len(c.rules) > 0 && capture == captureFallback:
		return usageError("--hold takes BPF: --capture fallback cannot hold programs")
	case c.wait < 10*time.Millisecond || c.wait > 10*time.Second:
		return usageError("--hold-wait %s: want 10ms to 10s", c.wait)
	case c.rules.Host() && !host:
		return usageError("--hold host: --host=false leaves the host out")
	}
	return nil
}

// sensor returns how the sensor holds, nil when it does not.
func (c *holdConfig) sensor() *sensor.Hold {
	if len(c.rules) == 0 {
		return nil
	}
	return &sensor.Hold{Wait: c.wait, Host: c.rules.Host(), Jobs: c.jobs, Guard: startGuard}
}

// words says in plain words what is held; "" when nothing is.
func (c *holdConfig) words() string {
	if len(c.rules) == 0 {
		return ""
	}
	var names []string
	for _, r := range c.rules {
		names = append(names, r.String())
	}
	return fmt.Sprintf("; programs of %s run when they are judged", strings.Join(names, ", "))
}

// guardCommand is the name of the sub-command that only a sensor calls.
const guardCommand = "guard"

// startGuard starts this program again as the guard of what it holds. The guard
// has a session of its own, so that what ends this one does not end both.
func startGuard(files []*os.File) error {
	cmd := exec.Command("/proc/self/exe")
	cmd.Args = []string{os.Args[0], guardCommand}
	cmd.ExtraFiles = files
	cmd.SysProcAttr = &syscall.SysProcAttr{Setsid: true}
	if err := cmd.Start(); err != nil {
		return err
	}
	go func() { _ = cmd.Wait() }() // the sensor sees its end by itself
	return nil
}

// runGuard is the guard's whole life. It ends after its sensor, and not before.
func runGuard(env Env) error {
	settle(env)
	signal.Ignore(os.Interrupt, syscall.SIGTERM, syscall.SIGHUP)
	var files []*os.File
	for fd := range sensor.GuardFiles {
		files = append(files, os.NewFile(uintptr(3+fd), "guard"))
	}
	return sensor.Guard(files)
}
