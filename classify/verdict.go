package classify

// Label is what the model calls a script.
type Label string

// The labels, in rising order.
const (
	Benign     Label = "benign"
	Suspicious Label = "suspicious" // score at or above the 1e-3 threshold
	Malicious  Label = "malicious"  // score at or above the 1e-4 threshold
)

// Verdict is what the model thinks of a script, and why. It is a pure function
// of the script's text and of the model.
type Verdict struct {
	Label   Label    `json:"verdict"`
	Score   float64  `json:"score"` // calibrated probability of being malicious, 0..1
	Reasons []Reason `json:"reasons"`
	Layers  int      `json:"layers"` // how many texts were judged, the script itself included
	Model   string   `json:"model"`  // the model's hash
}

// Reason is one part of why. Reasons are in order of weight, but that what no
// behavior explains comes last.
type Reason struct {
	Text      string   `json:"text"`                // one plain sentence, with values from the script
	Technique string   `json:"technique"`           // MITRE ATT&CK id, for example T1059.006; "" when none fits
	Weight    float64  `json:"weight"`              // share of the score, in log-odds units
	Behaviors []string `json:"behaviors,omitempty"` // ids of what was seen, for programs
	Where     string   `json:"where,omitempty"`     // "lines 3-5, decoded from base64 at line 1"
	Spans     []Span   `json:"spans"`
	Plain     string   `json:"-"` // Text without anything taken from the script
}

// Span is where a reason points: bytes [Start, End) of layer Layer, and the
// lines of the original script, counted from 1, that they came from.
type Span struct {
	Layer   int `json:"layer"`
	Start   int `json:"start"`
	End     int `json:"end"`
	Line    int `json:"line"`
	EndLine int `json:"end_line"`
}
