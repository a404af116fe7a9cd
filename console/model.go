package console

import (
	"fmt"
	"net/http"
	"slices"
	"strings"
	"time"

	"kingsnake/console/health"
	"kingsnake/finding"
)

// Models is what there is to know of the models in this process, for the model
// page.
type Models struct {
	File    string // that is followed; "" when the embedded model is used
	Pinned  bool   // Current was chosen by hand, and the file is not followed
	Problem string // why the model that is to be in use is not, in words
	Flags   string // that the commands shown need, such as " --data FOLDER"
	Current Model
	History []Model // that were in use before, newest first

	ShadowFile    string // that is followed for the shadow; "" for none
	ShadowProblem string
	Shadow        *Model
	Compared      Comparison
	Differences   []Difference // newest first

	Refused  []Refusal // newest first
	Refusals uint64    // how many there were ever
}

// Model describes one model.
type Model struct {
	Hash     string
	Embedded bool // it is inside the program
	File     string
	Signer   string // name of the trusted key that signed it
	Key      string // fingerprint of that key
	Signed   time.Time
	Note     string // of its signer
	Size     int64  // bytes
	Since    time.Time
	Kept     bool // it can be put into use again

	Suspicious, Malicious float64 // the scores from which a script is called so
}

// Comparison is what the shadow said of what the model in use judged; scripts
// are counted once each.
type Comparison struct {
	Since                                  time.Time
	Judged, Higher, Lower, Dropped, Failed uint64
}

// Difference is a script that the shadow calls otherwise.
type Difference struct {
	Time         time.Time
	SHA256, Kind string
	Label        string // by the model in use
	Score        float64
	Model        string // its hash
	ShadowLabel  string
	ShadowScore  float64
	Shadow       string // hash of the shadow
}

// Refusal is a model file that was not taken.
type Refusal struct {
	File, Why string
	Time      time.Time
}

// How much the model page lists.
const (
	maxDifferences  = 50
	maxModels       = 20
	maxModelSensors = 200
)

// modelPage says which models judge, which did before, and what a shadow would
// have said.
type modelPage struct {
	frame
	Here     bool // scripts are judged in this process
	Problem  evidence
	Current  []fact
	Follows  string // how the model in use is decided, in words
	Commands []command

	History []modelView

	Shadow          []fact // nil when there is none
	ShadowProblem   evidence
	ShadowCommands  []command
	Differences     []differenceView
	DifferencesMore string

	Refused     []refusalView
	RefusedMore string

	Sensors     []modelSensor
	SensorsMore string
	Card        string
}

// modelView is a model that was in use before.
type modelView struct {
	Hash   evidence
	Since  moment
	From   evidence
	Note   evidence
	Return string // how to go back to it; "" when it is not kept
}

// differenceView is a script that two models call by different labels.
type differenceView struct {
	SHA256 evidence
	URL    string
	Kind   string
	Model  judgement
	Shadow judgement
	When   moment
}

// judgement is what one model says.
type judgement struct{ Label, Score, Hash string }

// refusalView is a file that was refused.
type refusalView struct {
	File, Why evidence
	When      moment
}

// modelSensor is what a sensor judges with.
type modelSensor struct {
	Name    evidence
	Hash    evidence
	Same    string // how the model compares with the one here, in words
	From    evidence
	Problem evidence
	Shadow  evidence
	Beat    moment
	Silent  bool
}

// model serves the page of the models.
func (c *console) model(w http.ResponseWriter, r *http.Request) {
	sensors, err := c.Store.Sensors(r.Context())
	if err != nil {
		c.failed(w, r, "read the sensors", err)
		return
	}
	now := c.Now()
	page := modelPage{frame: c.frame(r, "Model", "model"), Card: clip(c.Card, 64<<10)}
	current := ""
	if c.Models != nil {
		m := c.Models()
		current = m.Current.Hash
		page.here(m, now)
	}
	for i, s := range sensors {
		if i == maxModelSensors {
			page.SensorsMore = plural(int64(len(sensors)-i), "more sensor") + " not listed."
			break
		}
		page.Sensors = append(page.Sensors, c.modelSensorOf(s, current, now))
	}
	c.render(w, r, http.StatusOK, "model", page)
}

// here fills in what is known of this process.
func (p *modelPage) here(m Models, now time.Time) {
	p.Here = true
	p.Current = modelFacts(m.Current, "In use since", now)
	switch {
	case m.Pinned:
		p.Follows = "It was chosen by hand and stays until another is."
		p.Commands = append(p.Commands, modelCommand("Follow the file again", "use file"+m.Flags))
	case m.File == "":
		p.Follows = "No model file is followed: start with --model to use one of your own."
	default:
		p.Follows = "The file " + plain(m.File) + " is followed: a good model that is put there takes over within seconds."
	}
	if m.Problem != "" {
		p.Problem = show(m.Problem)
	}
	for i, h := range m.History {
		if i == maxModels {
			break
		}
		v := modelView{Hash: show(h.Hash), Since: at(h.Since, now), From: show(modelFrom(h)), Note: show(h.Note)}
		switch {
		case h.Embedded:
			v.Return = "kingsnake model use embedded" + m.Flags
		case h.Kept:
			v.Return = "kingsnake model use " + short(h.Hash) + m.Flags
		}
		p.History = append(p.History, v)
	}
	if slices.ContainsFunc(p.History, func(v modelView) bool { return v.Return != "" }) {
		p.Commands = append(p.Commands, modelCommand("Go back to the model before", "rollback"+m.Flags))
	}
	p.shadow(m, now)
	for _, r := range m.Refused[:min(len(m.Refused), maxModels)] {
		p.Refused = append(p.Refused, refusalView{File: show(r.File), Why: show(r.Why), When: at(r.Time, now)})
	}
	if n := int64(m.Refusals) - int64(len(p.Refused)); n > 0 {
		p.RefusedMore = plural(n, "earlier one") + " not listed."
	}
}

// shadow fills in what the shadow says.
func (p *modelPage) shadow(m Models, now time.Time) {
	if m.ShadowProblem != "" {
		p.ShadowProblem = show("The file " + m.ShadowFile + " was refused: " + m.ShadowProblem)
	}
	if m.Shadow != nil {
		c := m.Compared
		p.Shadow = modelFacts(*m.Shadow, "Judges since", now)
		if m.Shadow.Hash == m.Current.Hash {
			p.Shadow = append(p.Shadow, fact{Label: "Compared", Missing: "It is the model in use: there is nothing to compare"})
		} else {
			p.Shadow = append(p.Shadow, fact{Label: "Compared", Value: show(fmt.Sprintf("%s, of which it calls %s higher and %s lower",
				plural(int64(c.Judged), "distinct script"), thousands(int64(c.Higher)), thousands(int64(c.Lower))))})
			p.ShadowCommands = []command{modelCommand("Put it into use", "promote"+m.Flags)}
		}
		if c.Dropped+c.Failed > 0 {
			p.Shadow = append(p.Shadow, fact{Label: "Not compared", Value: show(fmt.Sprintf("%s for want of time, %s because it crashed",
				thousands(int64(c.Dropped)), thousands(int64(c.Failed))))})
		}
	}
	for i, d := range m.Differences {
		if i == maxDifferences {
			p.DifferencesMore = plural(int64(len(m.Differences)-i), "more difference") + " not listed here; “kingsnake model diff” has them."
			break
		}
		p.Differences = append(p.Differences, differenceView{
			SHA256: show(d.SHA256), URL: findingsURL("sha256", d.SHA256), Kind: kindWord(d.Kind), When: at(d.Time, now),
			Model:  judgement{plain(d.Label), scoreWord(d.Score), plain(short(d.Model))},
			Shadow: judgement{plain(d.ShadowLabel), scoreWord(d.ShadowScore), plain(short(d.Shadow))},
		})
	}
}

func modelCommand(label, verb string) command {
	text := "kingsnake model " + verb
	return command{Label: label, Text: text, Shown: show(text)}
}

// modelFacts describes a model.
func modelFacts(m Model, since string, now time.Time) []fact {
	facts := []fact{
		known("Model", m.Hash, "not known"),
		{Label: "From", Value: show(modelFrom(m))},
	}
	if m.Note != "" {
		facts = append(facts, fact{Label: "Signer's note", Value: show(m.Note)})
	}
	if m.Size > 0 {
		facts = append(facts, fact{Label: "Size", Value: show(size(m.Size))})
	}
	if t := at(m.Since, now); t.Text != "" {
		facts = append(facts, fact{Label: since, Value: show(t.Text + ", " + t.Ago)})
	}
	return append(facts,
		fact{Label: "Suspicious", Value: show("from a score of " + scoreWord(m.Suspicious)),
			Note: show("Set so that 1 in 1,000 distinct harmless scripts is called so by mistake.")},
		fact{Label: "Malicious", Value: show("from a score of " + scoreWord(m.Malicious)),
			Note: show("Set so that 1 in 10,000 is.")})
}

// modelFrom says where a model came from.
func modelFrom(m Model) string {
	switch {
	case m.Embedded:
		return "inside the program"
	case m.File == "":
		return "kept from before, signed by " + signerWords(m)
	}
	return m.File + ", signed by " + signerWords(m)
}

func signerWords(m Model) string {
	return m.Signer + " (key " + m.Key + ") on " + m.Signed.UTC().Format(time.DateOnly)
}

// scoreWord writes a score so that thresholds near 0 and 1 can be told apart.
func scoreWord(score float64) string {
	s := strings.TrimRight(fmt.Sprintf("%.6f", score), "0")
	return strings.TrimSuffix(s, ".")
}

func (c *console) modelSensorOf(s finding.Sensor, here string, now time.Time) modelSensor {
	v := modelSensor{
		Name: show(s.Name), Hash: show(short(s.Model)), Beat: at(now.Add(-unheard(s, now)), now), Silent: health.Of(s, unheard(s, now), c.Health).State == health.Silent,
		From: show(s.ModelFrom), Problem: show(s.ModelProblem), Shadow: show(s.Shadow),
	}
	switch {
	case s.Model == "":
		v.Same = "it judges nothing"
	case here != "" && s.Model == here:
		v.Same = "the model above"
	case here != "":
		v.Same = "another model"
	}
	return v
}
