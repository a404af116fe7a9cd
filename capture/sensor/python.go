package sensor

import "kingsnake/capture/python"

// What package python tells, by the short names it has here.
type (
	command    = python.Command
	binaryKind = python.Binary
)

const (
	notLookedAt = python.NotLookedAt
	noPython    = python.NoPython
	interpreter = python.Interpreter
	embedder    = python.Embedder
	loader      = python.Loader
	shell       = python.Shell
	multicall   = python.Multicall
	scripter    = python.Scripter
)
