package train

import "math"

// Weigh gives each example its weight: a malicious cluster counts once,
// however many members it has; a repository with n clusters counts √n times; a
// text that shows little evidence of what its label says counts less; and so
// does a benign script that is one of very many of its group.
func Weigh(examples []*Example, positive float64) []float64 {
	members := map[string]float64{}
	clusters := map[string]map[string]bool{}
	for _, e := range examples {
		members[key(e)]++
		if clusters[e.Group] == nil {
			clusters[e.Group] = map[string]bool{}
		}
		clusters[e.Group][e.Cluster] = true
	}
	weights := make([]float64, len(examples))
	for i, e := range examples {
		if !e.Malicious {
			weights[i] = 1
			continue
		}
		w := positive / members[key(e)]
		w /= math.Sqrt(float64(len(clusters[e.Group])))
		switch {
		case e.Evidence == 0:
			w *= 0.1
		case e.Evidence == 1:
			w *= 0.4
		}
		if e.Kind == "c" || e.Kind == "stdin" {
			w *= 1.5
		}
		weights[i] = w
	}
	return weights
}

func key(e *Example) string {
	if e.Malicious {
		return "malicious " + e.Cluster
	}
	return "benign " + e.Cluster
}
