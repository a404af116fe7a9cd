// Package store is where findings rest: the Store interface and the types its
// methods take.
//
// Implementations: kingsnake/store/mem for tests and trials,
// kingsnake/store/sqlite for one machine. All of them pass
// kingsnake/store/storetest, which states every rule below as a test.
//
// A Store knows nothing of HTTP, of SCC's wire form, or of who may do what.
package store

import (
	"context"
	"errors"
	"fmt"
	"time"

	"kingsnake/finding"
)

// What a caller can tell apart. Test with errors.Is; the text of the error says
// what happened and what to do.
var (
	// ErrNotFound says that nothing has the given name or id.
	ErrNotFound = errors.New("not found")
	// ErrInvalid says that the argument can never be accepted: trying again is
	// of no use.
	ErrInvalid = errors.New("invalid")
	// ErrCursor says that Query.Cursor is not a cursor a store gave out.
	ErrCursor = fmt.Errorf("%w page cursor; start again from the first page", ErrInvalid)
	// ErrFull says that there is no room left to write. Reading goes on, and
	// writing does as soon as there is room.
	ErrFull = errors.New("no space left")
	// ErrDamaged says that what is stored cannot be read.
	ErrDamaged = errors.New("damaged")
)

// Bounds every store keeps.
const (
	MaxName    = 256  // bytes of a finding's name
	MaxLimit   = 1000 // findings on one page, deliveries of one Due
	MaxLastErr = 500  // bytes of Delivery.LastErr that are kept

	// A store remembers an occurrence for OccurrenceAge after it was put, as
	// long as it is among the newest MaxOccurrences. Evict forgets the others.
	OccurrenceAge  = 7 * 24 * time.Hour
	MaxOccurrences = 1_000_000

	// MaxSensors is how many sensors Evict leaves, those heard of last.
	MaxSensors = 20_000
)

// The reasons Evict and Stats.Evicted count by. ByAge, ByCount and BySize add
// up to the findings that went.
const (
	ByAge       = "age"         // findings last seen before the age limit
	ByCount     = "count"       // findings beyond the number kept
	BySize      = "size"        // findings beyond the bytes kept
	Undelivered = "undelivered" // notifications never sent, of findings that went
	SilentNode  = "sensor"      // sensors not heard of within the age limit, or too many
)

// Outcome is what Put did.
type Outcome string

// The outcomes of Put.
const (
	Created   Outcome = "created"   // the first sighting
	Repeated  Outcome = "repeated"  // seen before: Count went up
	Duplicate Outcome = "duplicate" // this very occurrence was already stored: at most its timeline grew
	Allowed   Outcome = "allowed"   // an allow rule covers it: only the rule's count went up
)

// Store keeps findings, allow rules, sensor heartbeats and the queue of
// notifications. Every method is safe for concurrent use. When a writing method
// returns nil the change survives the process being killed.
type Store interface {
	// Put stores f, or counts it when a finding of its name exists. In the same
	// transaction it queues a delivery when the outcome is Created and f's
	// severity is High or Critical.
	//
	// The store keeps Count, FirstTime, CreateTime and State itself and ignores
	// f's: a new finding is Active. A repeat raises Count by one, and widens
	// FirstTime and EventTime so that they are the earliest and the latest
	// sighting in whatever order sightings arrive. The evidence kept is that of
	// the first sighting, until a repeat has a higher severity: then severity,
	// verdict and evidence become the repeat's, and a delivery is queued if the
	// severity was below High before and is not now. A finding so never has more
	// than one delivery.
	//
	// An occurrence already stored for this name gives Duplicate, whatever rules
	// say now. When it is the sighting whose evidence is kept, and f's timeline
	// says more than the one kept, f's timeline and connections take the place of
	// those kept; nothing else changes. Otherwise every standing rule that covers f counts one hit, once
	// an occurrence, and nothing else changes. A finding without an Occurrence is
	// never a duplicate.
	//
	// ErrInvalid: the name is empty or longer than MaxName, EventTime is outside
	// the years 1678 to 2261, or the finding has no JSON form. f is not kept, but
	// must not be changed while Put runs.
	Put(ctx context.Context, f finding.Finding) (Outcome, error)

	// Get returns the finding of that name, or ErrNotFound.
	Get(ctx context.Context, name string) (finding.Finding, error)

	// List returns findings, newest EventTime first, ties by name. Reading page
	// after page shows no finding twice and none is skipped, but for those put
	// again in between: they move to the front. A cursor may be used with
	// another Query. A bad one gives ErrCursor.
	List(ctx context.Context, q Query) (Page, error)

	// Count returns how many findings match q, by severity. Limit and Cursor
	// are ignored.
	Count(ctx context.Context, q Query) (map[finding.Severity]int, error)

	// Allow stores a rule and makes every finding it covers Inactive; it
	// returns the rule with its ID. Disallow ends the rule and makes the
	// findings Active again that no other rule covers. Allows lists rules,
	// newest first, ended ones included.
	//
	// The store sets ID; a zero Created becomes now; Ended, EndedBy and Hits are
	// ignored. Allowing what a standing rule of the same digest and workload
	// already allows returns that rule. A rule without a digest is ErrInvalid.
	// Ending an ended rule changes nothing; an unknown id is ErrNotFound.
	Allow(ctx context.Context, r AllowRule) (AllowRule, error)
	Disallow(ctx context.Context, id string, by string, at time.Time) error
	Allows(ctx context.Context) ([]AllowRule, error)

	// PutSensor records a heartbeat that was taken at that moment, as
	// finding.Sensor.Hear says; one that overtook a later one changes nothing.
	// Sensors lists the sensors by name. Forget drops what is known of one;
	// ErrNotFound: there is no such sensor.
	PutSensor(ctx context.Context, s finding.SensorStatus, at time.Time) error
	Sensors(ctx context.Context) ([]finding.Sensor, error)
	Forget(ctx context.Context, name string) error

	// PutHealth stores f, a finding of class finding.SCCError, in the place of the
	// one of its name: such a finding follows its sensor, so State, severity and
	// evidence become f's, in either direction. FirstTime and CreateTime stay, and
	// Count rises by one each time it becomes Active. One that would be new and
	// is Inactive is not stored. With notify, a delivery is queued when f is
	// Active and none is waiting. ErrInvalid: as of Put, or another class.
	PutHealth(ctx context.Context, f finding.Finding, notify bool) error

	// Due returns queued deliveries whose time has come, oldest first, at most
	// limit (0 means 50, at most MaxLimit). Delivered removes one; Defer puts one
	// off, counts the attempt and records why it failed. ErrNotFound: there is no
	// such delivery, or no longer.
	//
	// A new delivery is due at once. The delivery of a finding that is Inactive
	// is held: it is due again when the finding is Active again.
	Due(ctx context.Context, now time.Time, limit int) ([]Delivery, error)
	Delivered(ctx context.Context, id int64) error
	Defer(ctx context.Context, id int64, until time.Time, why string) error

	// Evict removes the oldest findings (by EventTime) beyond the limits, no more
	// than it must, and returns how many went for which reason (ByAge, …). What
	// was waiting to be delivered of them goes too, and is counted. It also
	// forgets silent sensors and old occurrences. An occurrence that is
	// remembered stays a duplicate after its finding went. Stats reports totals.
	Evict(ctx context.Context, l Limits, now time.Time) (map[string]int64, error)
	Stats(ctx context.Context) (Stats, error)

	Close() error
}

// Query selects findings. Zero fields select everything.
type Query struct {
	Severity  finding.Severity
	State     finding.State
	Kind      string // script kind
	Namespace string // pod namespace
	Image     string
	Node      string
	SHA256    string    // whole script's digest
	Text      string    // substring, any case, of path, image, pod, container or node name; see Fold
	Since     time.Time // EventTime is not before it
	Until     time.Time // EventTime is before it

	Limit  int    // at most this many; 0 means 50; at most 1000
	Cursor string // Page.Next of the page before; "" for the first
}

// Page is one page of findings. Script contents and layers are left out: use
// Get for them.
type Page struct {
	Findings []finding.Finding
	Next     string // cursor of the next page; "" on the last
}

// AllowRule says that a script is benign: do not report it again.
type AllowRule struct {
	ID     string
	SHA256 string // finding.Script.SHA256 of the exact script
	// Workload is a finding.Workload Key, or "" for everywhere.
	Workload string
	Why      string // what the person wrote
	By       string
	Created  time.Time
	Ended    time.Time // zero while the rule stands
	EndedBy  string
	Hits     int64 // sightings it silenced
}

// Delivery is a notification waiting to be sent.
type Delivery struct {
	ID       int64
	Finding  finding.Finding
	Attempts int
	LastErr  string
}

// Limits bound what is kept. Zero fields do not bound.
type Limits struct {
	Age      time.Duration
	Findings int64
	Bytes    int64 // of stored scripts and layers; see Stats
}

// Stats are totals since the store was made.
type Stats struct {
	Findings    int64
	Bytes       int64            // of script and layer texts, each distinct text once, before compression
	Evicted     map[string]int64 // by reason
	Undelivered int64            // deliveries queued or held
}
