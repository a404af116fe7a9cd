//go:build amd64 || arm64

package sensor

import "kingsnake/capture"

// Reasons for what is lost, in Stats and in a script's Lost field.
const (
	lostMalformed  = "malformed record"
	lostMemory     = "memory full"
	lostPrograms   = "too many programs"
	lostExec       = "exec lost"
	lostEarly      = "process ended early"
	lostExit       = "exit lost"
	lostUnreadable = "unreadable binary"
	lostEvicted    = "content evicted"
	lostStopped    = "sensor stopped"
	lostArchive    = "archive read in part" // not counted: the rest did not run
	lostCgroup     = "cgroup path cut"
	lostArgs       = "arguments cut"
	lostPieces     = "too many pieces"
	lostIncomplete = "incomplete script"
	lostWait       = "hold: no verdict in time"
	lostUnheld     = "hold: script ran before it was judged"
	lostSignal     = "hold: process could not be let go"
	lostOther      = "hold: let go by another process"
	lostGuard      = "hold: guard ended"

	lostAttach        = "compiled: interpreter not attached to"
	lostHooks         = "compiled: too many interpreters"
	lostCompiledEarly = "compiled: text in part"
	lostCompiledMany  = "compiled: too many texts"
	lostParsed        = "compiled: too many texts of trees"
	lostLoad          = "compiled: marshal.load of what is not followed"
	lostObject        = "compiled: marshal.loads of an object that is not known"
)

// lossNames names what the kernel half counts.
var lossNames = [probeLossLOSS_MAX]string{
	probeLossLOSS_EXEC_RING: "exec ring full",
	probeLossLOSS_DATA_RING: "data ring full",
	probeLossLOSS_FAULT:     "memory unreadable",
	probeLossLOSS_BUDGET:    "file read too often",
	probeLossLOSS_TASKS:     "too many processes",
	probeLossLOSS_READS:     "too many reads at once",
	probeLossLOSS_UNKNOWN:   "binary looked at too late",
	probeLossLOSS_LONG:      "data ring nearly full",
	probeLossLOSS_UNSEEN:    "process not seen",
	probeLossLOSS_FOLLOW:    "followed program did too much",
	probeLossLOSS_HOLDS:     "hold: too many at once",
	probeLossLOSS_SIGNAL:    "hold: process could not be stopped",
	probeLossLOSS_UNHEARD:   "hold: let go, a ring was full",
	probeLossLOSS_JOBS:      "hold: not at a terminal",
	probeLossLOSS_ABSENT:    "hold: sensor did not answer",
	probeLossLOSS_CEILING:   "too many bytes in a second",

	probeLossLOSS_COMPILED_RING:   "compiled: ring full",
	probeLossLOSS_COMPILED_BUDGET: capture.CompiledTooMuch,
	probeLossLOSS_COMPILED_FAULT:  "compiled: memory unreadable",
}

// lossReason names the first of the losses in a record's bits.
func lossReason(bits uint32) string {
	for i, name := range lossNames {
		if bits&(1<<i) != 0 {
			return name
		}
	}
	return ""
}
