package fallback

// Reasons for what is lost, in Stats and in a script's Lost field.
const (
	lostGone     = "process ended before it was looked at"
	lostEarly    = "file opened before its process was looked at"
	lostHang     = "look-ups hang"
	lostStream   = "script is no file"
	lostPrompt   = "what runs after the script" // standard input, with -i; and what $PYTHONSTARTUP names
	lostScript   = "script gone before it was read"
	lostModule   = "module not found"
	lostMemory   = "memory full"
	lostPrograms = "too many programs"
	lostRead     = "file unreadable"
	lostChanged  = "file changed while it was read"
	lostNotices  = "process notices lost" // how many of them the kernel does not tell
	lostOpens    = "file notices lost"    // the same
	lostBinary   = "unreadable binary"
	lostFollowed = "followed program did too much"
	lostBroken   = "malformed notice"
	lostStopped  = "sensor stopped"
)

// Where a text was taken from, in a script's Indirect field.
const (
	fromArguments = "the process's arguments"
	fromOpened    = "the file, when it had been opened"
	fromName      = "the file of that name, when the process had started"
	fromStdin     = "the file that is standard input"
)
