package kernels

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
)

// Pass is one run of a suite in a machine.
type Pass struct {
	Layout    string   // of cgroups: "v1" or "v2"
	Folder    string   // of the suite
	Arguments []string // of the test binary
}

// Machine is a virtual machine that has run.
type Machine struct {
	Output  []byte // what the suites printed; see Results
	Console []byte // what the kernel said
}

// Run starts a kernel with the file system in the file root, runs the passes and
// returns what came of them. It needs qemu, and no rights. The machine is ended
// with ctx; what it had said by then comes with the error.
func Run(ctx context.Context, k Kernel, root string, passes []Pass) (Machine, error) {
	dir, err := os.MkdirTemp("", "kernels")
	if err != nil {
		return Machine{}, err
	}
	defer os.RemoveAll(dir)
	memory, console, output := filepath.Join(dir, "root"), filepath.Join(dir, "console"), filepath.Join(dir, "output")
	if err := writeMemory(memory, k, root, passes); err != nil {
		return Machine{}, fmt.Errorf("write the machine's file system: %w", err)
	}
	cmd := exec.CommandContext(ctx, "qemu-system-x86_64",
		"-nodefaults", "-no-user-config", "-display", "none", "-no-reboot",
		"-accel", accelerator, "-cpu", "max", "-smp", "2", "-m", "1024",
		"-kernel", k.Image, "-initrd", memory, "-append", "console=ttyS0 loglevel=4 panic=-1 oops=panic",
		"-serial", "file:"+console, "-serial", "file:"+output)
	text, ran := cmd.CombinedOutput()
	if ran != nil {
		ran = fmt.Errorf("%s: %w\n%s", cmd.Path, errors.Join(ran, ctx.Err()), text)
	}
	var m Machine
	m.Console, err = os.ReadFile(console)
	if err == nil {
		m.Output, err = os.ReadFile(output)
	}
	return m, errors.Join(ran, err)
}

// accelerator is how qemu runs the machine's processors: in software. KVM is not
// even tried, because inside a virtual machine it may be there and hang. One
// thread runs them all: with one for each, a processor may go on running the
// breakpoint that the kernel put into its own code for a moment, forever.
const accelerator = "tcg,thread=single"

// writeMemory writes what a machine finds in its memory: the common file system,
// then its modules and passes.
func writeMemory(path string, k Kernel, root string, passes []Pass) error {
	common, err := os.Open(root)
	if err != nil {
		return err
	}
	defer common.Close()
	f, err := os.Create(path)
	if err != nil {
		return err
	}
	defer f.Close()
	if _, err := io.Copy(f, common); err != nil {
		return err
	}
	own := newArchive(f)
	own.folder("/modules", 0o755)
	for _, module := range k.Modules {
		if err := own.file("/modules/"+filepath.Base(module), module); err != nil {
			return err
		}
	}
	var lines bytes.Buffer
	for _, p := range passes {
		fmt.Fprint(&lines, p.Layout, " ", p.Folder)
		for _, a := range p.Arguments {
			fmt.Fprint(&lines, " ", quote(a))
		}
		fmt.Fprintln(&lines)
	}
	own.text("/passes", 0o644, lines.String())
	return errors.Join(own.close(), f.Close())
}

// quote makes s one word of a shell.
func quote(s string) string { return "'" + strings.ReplaceAll(s, "'", `'\''`) + "'" }
