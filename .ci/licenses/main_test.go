package main

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

func TestRecognize(t *testing.T) {
	t.Parallel()
	tests := map[string]struct{ text, want string }{
		"line breaks do not matter":          {"Permission is hereby granted, free of\n  charge, to any person obtaining a copy", "MIT"},
		"a license nobody has looked at":     {"GNU AFFERO GENERAL PUBLIC LICENSE", ""},
		"an empty file":                      {"", ""},
		"the header of the Apache license":   {"Apache License\nVersion 2.0, January 2004", "Apache-2.0"},
		"the Mozilla license has its own id": {"Mozilla Public License Version 2.0", "MPL-2.0"},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			if got := recognize(test.text); got != test.want {
				t.Errorf("want %q, got %q", test.want, got)
			}
		})
	}
}

func TestAModuleWithoutALicenseIsRefused(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	if _, err := licenseOf(dir); err == nil || !strings.Contains(err.Error(), "no license file") {
		t.Errorf("want an error, got %v", err)
	}
	if err := os.WriteFile(filepath.Join(dir, "LICENSE.md"), []byte("all rights reserved"), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := licenseOf(dir); err == nil || !strings.Contains(err.Error(), "none of those") {
		t.Errorf("want an error, got %v", err)
	}
}
