package finding

import "time"

// Class is what sort of thing a finding reports, with SCC's names.
type Class string

// The classes.
const (
	Threat   Class = "THREAT"    // something hostile happened
	SCCError Class = "SCC_ERROR" // the detector itself cannot do its work
)

// The categories of class SCCError, named as SCC names such.
const (
	SensorSilent Category = "SENSOR_SILENT" // no heartbeat came for too long
	SensorLossy  Category = "SENSOR_LOSSY"  // too much of what ran was not seen or not judged
)

// Class returns the class of the findings of a category.
func (c Category) Class() Class {
	switch c {
	case SensorSilent, SensorLossy:
		return SCCError
	default:
		return Threat
	}
}

// Health is what is wrong with a sensor.
type Health struct {
	Summary   string    `json:"summary"`    // in one sentence
	NextSteps []string  `json:"next_steps"` // what to do, in order
	Since     time.Time `json:"since"`      // when this began
	Until     time.Time `json:"until,omitzero"`

	// What was counted in the span Over before the finding was last written.
	Over time.Duration `json:"over,omitempty"`
	Seen uint64        `json:"seen,omitempty"`
	Lost Losses        `json:"lost,omitempty"`

	// Status is the sensor's last heartbeat, taken at Heard by the server's
	// clock.
	Heard  time.Time    `json:"heard,omitzero"`
	Status SensorStatus `json:"status"`
}

// HealthNameOf derives the name of the one finding of that category about that
// sensor.
func HealthNameOf(c Category, sensor string) string {
	return NameOf(c, "", "", "sensor "+sensor)
}
