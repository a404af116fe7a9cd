package main

import (
	"math"
	"math/rand/v2"
	"slices"
)

// interval returns the median of values and the bounds of its 95 % interval, by
// bootstrap: the medians of samples drawn from the values themselves. The same
// values give the same interval. Without values all three are NaN.
func interval(values []float64) (median, low, high float64) {
	if len(values) == 0 {
		return math.NaN(), math.NaN(), math.NaN()
	}
	const samples = 10000
	random := rand.New(rand.NewPCG(1, 2))
	medians := make([]float64, samples)
	sample := make([]float64, len(values))
	for i := range medians {
		for j := range sample {
			sample[j] = values[random.IntN(len(values))]
		}
		medians[i] = middle(sample)
	}
	slices.Sort(medians)
	return middle(slices.Clone(values)), medians[samples/40], medians[samples-1-samples/40]
}

// middle returns the median of values, which it sorts.
func middle(values []float64) float64 {
	slices.Sort(values)
	n := len(values)
	return (values[(n-1)/2] + values[n/2]) / 2
}
