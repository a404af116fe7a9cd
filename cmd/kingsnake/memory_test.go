package main

import "testing"

func TestOnlyTheProgramsOwnPagesAreDropped(t *testing.T) {
	t.Parallel()
	const file = "/opt/with space/kingsnake"
	for line, want := range map[string][2]uintptr{
		"00400000-01087000 r-xp 00000000 fe:00 1234                               " + file:       {0x400000, 0x1087000},
		"01087000-020f6000 r--p 00c87000 fe:00 1234                               " + file:       {0x1087000, 0x20f6000},
		"020f6000-02558000 rw-p 01cf6000 fe:00 1234                               " + file:       {},
		"01087000-020f6000 r--p 00c87000 fe:00 1234                               /other" + file: {},
		"7ffe1000-7ffe2000 r-xp 00000000 00:00 0                                  [vdso]":        {},
		"c000000000-c000400000 rw-p 00000000 00:00 0 ":                                           {},
		"": {},
	} {
		from, to, ok := readOnly(line, file)
		if ok != (want != [2]uintptr{}) || ok && (from != want[0] || to != want[1]) {
			t.Errorf("%q: got %x-%x, %v; want %x", line, from, to, ok, want)
		}
	}
}
