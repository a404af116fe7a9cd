package train

import (
	"math"

	"kingsnake/classify/corpus"
	"kingsnake/classify/corpus/augment"
)

// formWeight is what a rewritten form of a script counts against the script
// itself: enough to be learned from, too little to crowd out what is real. One
// that stands in the code of another counts as much as the script: it hides
// nothing.
const formWeight = 0.2

// yoursWeight is what somebody's own script counts against one of those that
// keep a base model in place.
const yoursWeight = 2

// Weigh gives each example its weight: a malicious cluster counts once,
// however many members and forms it has; a repository with n clusters counts
// √n times; a text that shows no evidence of what its label says counts
// less; and so does a rewritten form. Somebody's own scripts count more than what
// stands beside them.
func Weigh(examples []*Example, positive float64) []float64 {
	members := map[string]float64{}
	clusters := map[string]map[string]bool{}
	for _, e := range examples {
		members[key(e)] += share(e)
		if clusters[e.Group] == nil {
			clusters[e.Group] = map[string]bool{}
		}
		clusters[e.Group][e.Cluster] = true
	}
	weights := make([]float64, len(examples))
	for i, e := range examples {
		weights[i] = share(e)
		if e.Set == corpus.Yours {
			weights[i] = yoursWeight
		}
		if !e.Malicious {
			continue
		}
		w := positive * weights[i] / members[key(e)]
		w /= math.Sqrt(float64(len(clusters[e.Group])))
		if e.Evidence == 0 {
			w *= 0.6
		}
		if e.Kind == "c" || e.Kind == "stdin" {
			w *= 1.5
		}
		weights[i] = w
	}
	return weights
}

// share is what an example counts within its cluster.
func share(e *Example) float64 {
	if e.Set == augment.Set && e.Donor == "" {
		return formWeight
	}
	return 1
}

func key(e *Example) string {
	if e.Malicious {
		return "malicious " + e.Cluster
	}
	return "benign " + e.Cluster
}
