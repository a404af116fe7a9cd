// Command licenses checks that every module linked into a package may be
// shipped in an Apache-2.0 program: its license file must be one of the
// permissive ones it knows, or MPL-2.0, whose files may stay as they are.
//
// It recognizes a license by a sentence only that license has. It is a guard
// against surprises, not legal advice.
package main

import (
	"bytes"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
)

func main() {
	dir := flag.String("C", ".", "folder of the module")
	flag.Parse()
	if err := run(os.Stdout, *dir, flag.Args()); err != nil {
		fmt.Fprintf(os.Stderr, "licenses: %v\n", err)
		os.Exit(1)
	}
}

type module struct {
	Path, Version, Dir string
	Main               bool
	Replace            *module
}

func run(w io.Writer, dir string, packages []string) error {
	mods, err := linked(dir, packages)
	if err != nil {
		return err
	}
	var bad []string
	for _, m := range mods {
		name, err := licenseOf(m.Dir)
		if err != nil {
			bad = append(bad, fmt.Sprintf("%s %s: %v", m.Path, m.Version, err))
			continue
		}
		fmt.Fprintf(w, "%-14s %s %s\n", name, m.Path, m.Version)
	}
	if len(bad) > 0 {
		return errors.New("modules that may not be shipped as they are:\n" + strings.Join(bad, "\n"))
	}
	return nil
}

// linked returns the modules, our own left out, that packages are built from.
func linked(dir string, packages []string) ([]module, error) {
	cmd := exec.Command("go", append([]string{"list", "-C", dir, "-deps", "-json=Module"}, packages...)...)
	cmd.Stderr = os.Stderr
	out, err := cmd.Output()
	if err != nil {
		return nil, fmt.Errorf("go list: %v", err)
	}
	byPath := map[string]module{}
	dec := json.NewDecoder(bytes.NewReader(out))
	for {
		var p struct{ Module *module }
		if err := dec.Decode(&p); err == io.EOF {
			break
		} else if err != nil {
			return nil, fmt.Errorf("read go list: %v", err)
		}
		if p.Module != nil && !p.Module.Main {
			byPath[p.Module.Path] = *p.Module
		}
	}
	var mods []module
	for _, m := range byPath {
		if m.Replace != nil {
			m.Dir = m.Replace.Dir
		}
		mods = append(mods, m)
	}
	slices.SortFunc(mods, func(a, b module) int { return strings.Compare(a.Path, b.Path) })
	return mods, nil
}

// known maps a license to words that are in its text and in no other of these.
var known = []struct{ name, words string }{
	{"Apache-2.0", "Apache License Version 2.0"},
	{"MPL-2.0", "Mozilla Public License Version 2.0"},
	{"BSD", "Redistribution and use in source and binary forms, with or without modification, are permitted provided that the following conditions are met"},
	{"MIT", "Permission is hereby granted, free of charge, to any person obtaining a copy"},
	{"ISC", "Permission to use, copy, modify, and/or distribute this software for any purpose with or without fee is hereby granted"},
	{"ISC", "Permission to use, copy, modify, and distribute this software for any purpose with or without fee is hereby granted"},
}

// licenseOf returns the name of the license in a module's folder.
func licenseOf(dir string) (string, error) {
	files, err := os.ReadDir(dir)
	if err != nil {
		return "", err
	}
	found := false
	for _, f := range files {
		stem, _, _ := strings.Cut(strings.ToUpper(f.Name()), ".")
		if f.IsDir() || !(strings.HasPrefix(stem, "LICEN") || stem == "COPYING") {
			continue
		}
		found = true
		text, err := os.ReadFile(filepath.Join(dir, f.Name()))
		if err != nil {
			return "", err
		}
		if name := recognize(string(text)); name != "" {
			return name, nil
		}
	}
	if !found {
		return "", errors.New("no license file")
	}
	return "", errors.New("the license is none of those this check knows")
}

// recognize returns the name of the license that text is, or "".
func recognize(text string) string {
	text = strings.ToLower(strings.Join(strings.Fields(text), " "))
	for _, k := range known {
		if strings.Contains(text, strings.ToLower(k.words)) {
			return k.name
		}
	}
	return ""
}
