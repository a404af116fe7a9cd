package eval

import (
	"cmp"
	"context"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"sync"

	"kingsnake/classify/corpus"
	"kingsnake/classify/eval/evade"
	"kingsnake/classify/train"
)

// EvasionOptions say what Evasion does. Zero values mean the defaults.
type EvasionOptions struct {
	Clusters int // malicious clusters to take, 0 for all
	Benign   int // benign scripts to rewrite as well; 500 unless told, negative for none
	Seed     uint64
	Worst    int // losses to list for each transform
	// Compile is given to the transforms, see [evade.Help]; without it those
	// that need a compiler are left out.
	Compile func(src []byte) ([]byte, error)
	// Progress, if not nil, is told what begins.
	Progress func(what string)
}

// maxEvasionBytes bounds the text that is judged for one transform; the rest
// of a transform's scripts is left out. Scripts come in random order.
const maxEvasionBytes = 96 << 20

// EvasionResult is what one transform did.
type EvasionResult struct {
	Name     string         `json:"name"`
	Says     string         `json:"says"`
	Opaque   bool           `json:"opaque,omitempty"` // the rewritten script no longer holds what it does
	Clusters int            `json:"clusters"`         // that it was applied to
	Refused  int            `json:"refused"`          // clusters it had nothing to do in, or could not be sure of
	Left     int            `json:"left"`             // clusters left out for the sake of time
	Points   []EvasionPoint `json:"points"`           // at 1e-3 and 1e-4
	Benign   int            `json:"benign"`           // benign scripts that it was applied to
	Worst    []EvasionLoss  `json:"worst,omitempty"`  // found before and not after, by what they lost
}

// EvasionPoint is the recall before and after at one threshold, on the same
// scripts: one of each cluster.
type EvasionPoint struct {
	Rate   float64 `json:"rate"`
	Before float64 `json:"before"`
	After  float64 `json:"after"`
	Lost   float64 `json:"lost"` // Before - After, as a share
	Low    float64 `json:"low"`  // 95 % interval of Lost, by resampling groups
	High   float64 `json:"high"`
	// AlarmsBefore and AlarmsAfter count the benign scripts flagged.
	AlarmsBefore int `json:"alarms_before"`
	AlarmsAfter  int `json:"alarms_after"`
}

// EvasionLoss is a script that a transform hid.
type EvasionLoss struct {
	ID     string  `json:"id"`
	Family string  `json:"family"`
	Before float64 `json:"before"` // log-odds
	After  float64 `json:"after"`
}

// target is a script that is rewritten, and what judges it.
type target struct {
	row    corpus.Row
	judge  Judge
	logit  float64   // as it is
	limits []float64 // the frozen thresholds of its fold, of Rates[1:]
}

// outcome is what became of a target.
type outcome struct {
	done    bool
	refused bool
	logit   float64
}

// Evasion rewrites malicious scripts, one of each cluster, in every way that
// package evade knows, and judges each with the model of its fold and the
// thresholds that were frozen for it. Some benign scripts are rewritten as
// well: hiding is not malicious by itself. The source is read again for texts.
func Evasion(ctx context.Context, v *Validation, source train.Source, o EvasionOptions) ([]EvasionResult, error) {
	targets, hosts, err := choose(ctx, v, source, o)
	if err != nil {
		return nil, err
	}
	help := evade.Help{Compile: o.Compile}
	if len(hosts) > 0 {
		help.Benign = func(r *rand.Rand) []byte { return []byte(hosts[r.IntN(len(hosts))]) }
	}
	return evasion(ctx, targets, help, o)
}

// choose picks what is rewritten and the benign scripts that others are hidden
// in, and reads their texts.
func choose(ctx context.Context, v *Validation, source train.Source, o EvasionOptions) (targets []target, hosts []string, err error) {
	benignWanted := cmp.Or(o.Benign, 500)
	order := make([]int, len(v.Scored))
	for i := range order {
		order[i] = i
	}
	tie := func(i int) uint64 { return mix(v.Scored[i].Example.ID, o.Seed) }
	slices.SortStableFunc(order, func(a, b int) int { return cmp.Compare(tie(a), tie(b)) })
	limits := allLimits(v.Scored)[1:]
	wanted := map[string]int{} // the target's place
	host := map[string]bool{}
	seen := map[string]bool{}
	malicious, benign := 0, 0
	for _, i := range order {
		s := &v.Scored[i]
		switch {
		case s.Example.Malicious && !seen[s.Example.Cluster] && (o.Clusters == 0 || malicious < o.Clusters):
			malicious++
			seen[s.Example.Cluster] = true
		case !s.Example.Malicious && benign < benignWanted:
			benign++
		case !s.Example.Malicious && len(host) < maxHosts && s.Example.Bytes >= 8<<10 && s.Example.Bytes <= 256<<10:
			host[s.Example.ID] = true
			continue
		default:
			continue
		}
		t := target{judge: v.Judges[s.Fold], logit: s.Logit}
		for _, l := range limits {
			t.limits = append(t.limits, l[s.Fold])
		}
		wanted[s.Example.ID] = len(targets)
		targets = append(targets, t)
	}
	err = source(ctx, func(row corpus.Row) error {
		if i, ok := wanted[row.ID]; ok && targets[i].row.ID == "" {
			targets[i].row = row
		} else if host[row.ID] {
			hosts = append(hosts, row.Text)
		}
		return nil
	})
	return targets, hosts, err
}

// maxHosts is how many benign scripts others are hidden in.
const maxHosts = 64

// evasion applies every transform to every target.
func evasion(ctx context.Context, targets []target, help evade.Help, o EvasionOptions) ([]EvasionResult, error) {
	var results []EvasionResult
	for _, t := range evade.All(help) {
		if o.Progress != nil {
			o.Progress("evasion: " + t.Name)
		}
		outcomes, err := rewriteAll(ctx, t, targets, o.Seed)
		if err != nil {
			return nil, err
		}
		results = append(results, result(t, targets, outcomes, o.Worst))
	}
	return results, nil
}

// rewriteAll judges all targets after one transform, two at a time.
func rewriteAll(ctx context.Context, t evade.Transform, targets []target, seed uint64) ([]outcome, error) {
	outcomes := make([]outcome, len(targets))
	var (
		workers sync.WaitGroup
		mu      sync.Mutex
		next    int
		spent   [2]int // bytes, of benign and of malicious scripts
	)
	for range 2 {
		workers.Go(func() {
			for ctx.Err() == nil {
				mu.Lock()
				i := next
				next++
				mu.Unlock()
				if i >= len(targets) {
					return
				}
				class := 0
				if targets[i].row.Malicious {
					class = 1
				}
				mu.Lock()
				full := spent[class] >= maxEvasionBytes/(2-class)
				mu.Unlock()
				if full {
					continue
				}
				row := targets[i].row
				random := rand.New(rand.NewPCG(mix(t.Name, seed), mix(row.ID, seed)))
				text, ok := t.Apply([]byte(row.Text), random)
				outcomes[i] = outcome{done: ok, refused: !ok}
				if !ok {
					continue
				}
				row.Text = string(text)
				e := train.NewExample(row, train.Options{})
				outcomes[i].logit = targets[i].judge.Score(&e)
				mu.Lock()
				spent[class] += len(text)
				mu.Unlock()
			}
		})
	}
	workers.Wait()
	return outcomes, ctx.Err()
}

// result sums up what a transform did.
func result(t evade.Transform, targets []target, outcomes []outcome, worst int) EvasionResult {
	r := EvasionResult{Name: t.Name, Says: t.Says, Opaque: t.Opaque}
	var losses []EvasionLoss
	for k, rate := range Rates[1:] {
		p := EvasionPoint{Rate: rate}
		var pairs []pair
		var lost []draw
		for i, o := range outcomes {
			target := &targets[i]
			before, after := target.logit >= target.limits[k], o.logit >= target.limits[k]
			switch {
			case !o.done && k == 0 && target.row.Malicious && o.refused:
				r.Refused++
			case !o.done && k == 0 && target.row.Malicious:
				r.Left++
			case !o.done:
			case target.row.Malicious:
				pairs = append(pairs, pair{count(before), count(after)})
				lost = append(lost, draw{target.row.Group, count(before) - count(after)})
				if before && !after && k == 0 {
					losses = append(losses, EvasionLoss{target.row.ID, target.row.Family, target.logit, o.logit})
				}
			default:
				p.AlarmsBefore += int(count(before))
				p.AlarmsAfter += int(count(after))
				if k == 0 {
					r.Benign++
				}
			}
		}
		for _, pair := range pairs {
			p.Before += pair.before / float64(len(pairs))
			p.After += pair.after / float64(len(pairs))
		}
		r.Clusters = len(pairs)
		p.Lost = p.Before - p.After
		p.Low, p.High = -1, 1
		if low, high, ok := bootstrap(lost); ok {
			p.Low, p.High = low, high
		}
		r.Points = append(r.Points, p)
	}
	slices.SortStableFunc(losses, func(a, b EvasionLoss) int { return cmp.Compare(a.After-a.Before, b.After-b.Before) })
	r.Worst = losses[:min(len(losses), worst)]
	return r
}

func count(found bool) float64 {
	if found {
		return 1
	}
	return 0
}

// pair is one script before and after: 1 when it is found.
type pair struct {
	before, after float64
}

// writeEvasion writes what the transforms did as a table.
func writeEvasion(b *strings.Builder, results []EvasionResult) {
	if len(results) == 0 {
		return
	}
	fmt.Fprint(b, "\nEvasion: one script a cluster is rewritten and judged by the model of its fold at the frozen thresholds. Points are hundredths of recall; intervals are 95 %.\n\n")
	fmt.Fprint(b, "| transform | clusters | recall at 1e-3: before, after | points lost | recall at 1e-4: before, after | points lost | benign flagged at 1e-3: before, after |\n|---|---|---|---|---|---|---|\n")
	for _, r := range results {
		fmt.Fprintf(b, "| %s | %d |", r.Name, r.Clusters)
		for _, p := range r.Points {
			fmt.Fprintf(b, " %.3f, %.3f | %.1f (%.1f–%.1f) |", p.Before, p.After, 100*p.Lost, 100*p.Low, 100*p.High)
		}
		fmt.Fprintf(b, " %d, %d of %d |\n", r.Points[0].AlarmsBefore, r.Points[0].AlarmsAfter, r.Benign)
	}
	fmt.Fprint(b, "\nWhat was hidden best, at 1e-3:\n\n")
	for _, r := range results {
		for _, l := range r.Worst {
			fmt.Fprintf(b, "- %s: %s %s, %.1f before, %.1f after\n", r.Name, l.ID[:min(12, len(l.ID))], cell(l.Family), l.Before, l.After)
		}
	}
}
