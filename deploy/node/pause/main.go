// Command pause is the process that holds a pod's namespaces open in the
// end-to-end tests. It waits until it is told to end.
package main

import (
	"os"
	"os/signal"
	"syscall"
)

func main() {
	done := make(chan os.Signal, 1)
	signal.Notify(done, syscall.SIGINT, syscall.SIGTERM)
	<-done
}
