package main

import (
	"math"
	"testing"
)

func TestInterval(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		values            []float64
		median, low, high float64
	}{
		"one value":             {[]float64{3}, 3, 3, 3},
		"all the same":          {[]float64{2, 2, 2, 2}, 2, 2, 2},
		"an even number":        {[]float64{4, 1}, 2.5, 1, 4},
		"an outlier":            {[]float64{1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 90}, 1, 1, 1},
		"the values keep place": {[]float64{5, 1, 3}, 3, 1, 5},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			median, low, high := interval(test.values)
			if median != test.median || low != test.low || high != test.high {
				t.Errorf("want %v [%v, %v], got %v [%v, %v]", test.median, test.low, test.high, median, low, high)
			}
		})
	}
	if m, _, _ := interval(nil); !math.IsNaN(m) {
		t.Errorf("want no median of nothing, got %v", m)
	}
}
