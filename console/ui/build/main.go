// Command build bundles the console's TypeScript and style sheets into
// console/ui/dist, which is committed. It is run by go generate in console/ui,
// with that folder as the current one, and needs no Node.
package main

import (
	"fmt"
	"os"

	"kingsnake/console/ui/bundle"
)

func main() {
	files, err := bundle.Files(".")
	if err == nil {
		err = bundle.Write("dist", files)
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, "build:", err)
		os.Exit(1)
	}
}
