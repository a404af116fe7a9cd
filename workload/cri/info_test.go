package cri

import "testing"

// FuzzParseInfo is in the package because a runtime's verbose answer is parsed
// nowhere else: whatever it is, the root is read-only, writable or unknown with
// a reason.
func FuzzParseInfo(f *testing.F) {
	f.Add(`{"sandboxID":"x","runtimeSpec":{"root":{"path":"rootfs","readonly":true}}}`)
	f.Add(`{"runtimeSpec":null}`)
	f.Add(`{"runtimeSpec":{"root":[]}}`)
	f.Add("")
	f.Fuzz(func(t *testing.T, text string) {
		parsed, why := parseInfo(text)
		switch got := parsed.readOnlyRoot(); {
		case got == "" && why == "":
			t.Error("unknown without a reason")
		case got != "" && why != "":
			t.Errorf("%q, and yet %q", got, why)
		}
	})
}
