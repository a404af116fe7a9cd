// Package kingsnake holds no code: it explains the structure, and its tests
// defend it.
//
// The folders follow a script on its way, each named for the question it
// answers:
//
//	capture    what ran
//	workload   where it ran
//	normalize  what it says
//	classify   what we think of it
//	detect     the pipeline itself: the place to start reading
//	finding    what is reported
//	store      where findings rest
//	console    where people see them
//	deploy     how it gets onto machines
//	cmd        the one program, one file a sub-command
//
// A parent package holds vocabulary, its children hold technology, as image and
// image/png do. Arrows point from technology to vocabulary; the sensor half and
// the server half know only the package finding in common; every heavy library
// is reached from one or two packages. arch_test.go states these rules as
// tables.
//
// This is an application: its Go API carries no promise.
package kingsnake
