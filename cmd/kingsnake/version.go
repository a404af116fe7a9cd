package main

import (
	"context"
	"fmt"
	"runtime"
	"runtime/debug"

	"kingsnake/classify/model"
)

// version is the program's version from its build information: a module
// version, or the commit it was built from.
func version() string {
	info, ok := debug.ReadBuildInfo()
	if !ok {
		return "unknown"
	}
	if v := info.Main.Version; v != "" && v != "(devel)" {
		return v
	}
	rev, dirty := "", ""
	for _, s := range info.Settings {
		switch {
		case s.Key == "vcs.revision":
			rev = s.Value
		case s.Key == "vcs.modified" && s.Value == "true":
			dirty = "+changes"
		}
	}
	if rev == "" {
		return "development"
	}
	return rev[:min(12, len(rev))] + dirty
}

func runVersion(_ context.Context, env Env, args []string) error {
	fs := newFlags(env, "version", "", "Prints the program's version, the Go version and platform it was built for, and the model's hash.")
	if err := parseFlags(fs, args); err != nil {
		return err
	}
	m, err := model.Default()
	if err != nil {
		return err
	}
	fmt.Fprintf(env.Stdout, "kingsnake %s %s %s/%s\nmodel %s\n", version(), runtime.Version(), runtime.GOOS, runtime.GOARCH, m.Hash())
	return nil
}
