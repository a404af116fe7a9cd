// Command nodectl makes and runs a test container host by hand; see package
// kingsnake/deploy/node.
//
//	go run ./deploy/node/nodectl prepare   build what a node needs
//	go run ./deploy/node/nodectl run       start a node, until Ctrl-C
package main

import (
	"context"
	"fmt"
	"os"
	"os/signal"
	"syscall"

	"kingsnake/deploy/node"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	if err := run(ctx, os.Args[1:]); err != nil {
		fmt.Fprintln(os.Stderr, "nodectl:", err)
		os.Exit(1)
	}
}

func run(ctx context.Context, args []string) error {
	if len(args) != 1 || args[0] != "prepare" && args[0] != "run" {
		return fmt.Errorf("want \"prepare\" or \"run\"")
	}
	artifacts, err := node.Prepare(ctx, os.Stderr)
	if err != nil || args[0] == "prepare" {
		return err
	}
	n, err := node.Start(ctx, artifacts)
	if err != nil {
		return err
	}
	fmt.Println("containerd listens at", n.Socket)
	<-ctx.Done()
	return n.Stop()
}
