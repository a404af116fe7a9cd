// Package peak measures how much memory a function needs while it runs, for
// the tests that hold bounds over hostile scripts. Nothing else uses it.
package peak

import (
	"runtime"
	"runtime/debug"
	"runtime/metrics"
	"time"
)

// Of runs f and gives about how many more bytes of the heap were in use at any
// time meanwhile. It makes the collector of garbage run often, for the whole
// process: what calls it must not run beside other tests.
func Of(f func()) int64 {
	defer debug.SetGCPercent(debug.SetGCPercent(5))
	runtime.GC()
	inUse := []metrics.Sample{{Name: "/memory/classes/heap/objects:bytes"}}
	metrics.Read(inUse)
	before := inUse[0].Value.Uint64()
	stop, top := make(chan struct{}), make(chan uint64)
	go func() {
		most := before
		for {
			select {
			case <-stop:
				top <- most
				return
			default:
			}
			metrics.Read(inUse)
			most = max(most, inUse[0].Value.Uint64())
			time.Sleep(200 * time.Microsecond)
		}
	}()
	f()
	close(stop)
	return int64(<-top) - int64(before)
}
