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
	"time"

	"kingsnake/finding"
)

// ErrNotFound says that nothing has the given name.
var ErrNotFound = errors.New("not found")

// Outcome is what Put did.
type Outcome string

// The outcomes of Put.
const (
	Created   Outcome = "created"   // the first sighting
	Repeated  Outcome = "repeated"  // seen before: Count went up
	Duplicate Outcome = "duplicate" // this very occurrence was already stored: nothing changed
	Allowed   Outcome = "allowed"   // an allow rule covers it: only the rule's count went up
)

// Store keeps findings, allow rules, sensor heartbeats and the queue of
// notifications. Every method is safe for concurrent use. When a writing method
// returns nil the change survives the process being killed.
type Store interface {
	// Put stores f, or counts it when a finding of its name exists. In the same
	// transaction it queues a delivery when the outcome is Created and f's
	// severity is High or Critical.
	Put(ctx context.Context, f finding.Finding) (Outcome, error)

	// Get returns the finding of that name, or ErrNotFound.
	Get(ctx context.Context, name string) (finding.Finding, error)

	// List returns findings, newest EventTime first, ties by name.
	List(ctx context.Context, q Query) (Page, error)

	// Count returns how many findings match q, by severity. Limit and Cursor
	// are ignored.
	Count(ctx context.Context, q Query) (map[finding.Severity]int, error)

	// Allow stores a rule and makes every finding it covers Inactive; it
	// returns the rule with its ID. Disallow ends the rule and makes the
	// findings Active again that no other rule covers. Allows lists rules,
	// newest first, ended ones included.
	Allow(ctx context.Context, r AllowRule) (AllowRule, error)
	Disallow(ctx context.Context, id string, by string, at time.Time) error
	Allows(ctx context.Context) ([]AllowRule, error)

	// PutSensor records a heartbeat; Sensors lists the latest of each sensor
	// by name.
	PutSensor(ctx context.Context, s finding.SensorStatus) error
	Sensors(ctx context.Context) ([]finding.SensorStatus, error)

	// Due returns queued deliveries whose time has come, oldest first, at most
	// limit. Delivered removes one; Defer puts one off and records why it
	// failed.
	Due(ctx context.Context, now time.Time, limit int) ([]Delivery, error)
	Delivered(ctx context.Context, id int64) error
	Defer(ctx context.Context, id int64, until time.Time, why string) error

	// Evict removes the oldest findings beyond the limits and returns how many
	// went for which reason ("age", "size"). Stats reports totals.
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
	SHA256    string // whole script's digest
	Text      string // substring, any case, of path, image, pod, container or node name
	Since     time.Time
	Until     time.Time

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
	SHA256 string // digest of the exact script
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
	Bytes    int64 // of stored scripts and layers
}

// Stats are totals since the store was made.
type Stats struct {
	Findings    int64
	Bytes       int64
	Evicted     map[string]int64 // by reason
	Undelivered int64
}
