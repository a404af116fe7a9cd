package eval

import (
	"math"
	"math/rand/v2"

	"kingsnake/classify"
	"kingsnake/classify/train"
	"kingsnake/normalize"
)

// The plain token model is what everything else is compared with: logistic
// regression on hashed sequences of one to three tokens as they are written,
// over the script as a whole. It knows no layers, windows or behaviors.
const plainBits = 20

// Plain reads the features of the plain token model: each sequence once.
func Plain(text normalize.Text) []uint32 {
	if len(text.Layers) == 0 {
		return nil
	}
	l := &text.Layers[0]
	seen := make(map[uint32]struct{}, len(l.Tokens))
	var features []uint32
	add := func(h uint64) {
		f := uint32(h>>32) >> (32 - plainBits)
		if _, ok := seen[f]; !ok {
			seen[f] = struct{}{}
			features = append(features, f)
		}
	}
	var one, two uint64
	for _, t := range l.Tokens {
		if t.Kind == normalize.Comment || t.Kind == normalize.Newline {
			continue
		}
		h := mix(string(t.Bytes(l.Text)), 7)
		add(h)
		add(mix2(one, h))
		add(mix2(mix2(two, one), h))
		two, one = one, h
	}
	return features
}

func mix2(a, b uint64) uint64 {
	h := (a*1099511628211 ^ b) * 0x9e3779b97f4a7c15
	return h ^ h>>31
}

// PlainLearner trains the plain token model by stochastic gradient descent
// with adaptive steps.
func PlainLearner(examples []*train.Example) Judge {
	const epochs, rate, decay = 6, 0.5, 1e-6
	w := make([]float32, 1<<plainBits)
	n := make([]float32, 1<<plainBits)
	var bias float64
	weights := train.Weigh(examples, 4)
	random := rand.New(rand.NewPCG(3, 4))
	score := func(e *train.Example) float64 {
		var s float32
		for _, f := range e.Plain {
			s += w[f]
		}
		return bias + float64(s)/math.Sqrt(float64(max(len(e.Plain), 1)))
	}
	for range epochs {
		for _, i := range random.Perm(len(examples)) {
			e := examples[i]
			y := 0.0
			if e.Malicious {
				y = 1
			}
			g := (1/(1+math.Exp(-score(e))) - y) * weights[i]
			if math.Abs(g) < 1e-4 {
				continue
			}
			bias -= 0.01 * g
			g /= math.Sqrt(float64(max(len(e.Plain), 1)))
			for _, f := range e.Plain {
				n[f] += float32(g * g)
				w[f] -= float32(rate*g/(1e-3+math.Sqrt(float64(n[f])))) + decay*w[f]
			}
		}
	}
	return plainJudge(score)
}

// plainJudge scores; it explains nothing.
type plainJudge func(e *train.Example) float64

func (j plainJudge) Score(e *train.Example) float64 { return j(e) }

func (plainJudge) Explain(normalize.Text) []classify.Reason { return nil }
