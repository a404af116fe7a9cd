package main

import (
	"context"
	"fmt"

	"kingsnake/console/auth"
)

func runSignin(_ context.Context, env Env, args []string) error {
	fs := newFlags(env, "signin", "", "Prints a new one-time link that signs in to the console of the instance running on this machine.")
	data := fs.String("data", defaultData(env), "the running instance's data `folder`")
	if err := parseFlags(fs, args); err != nil {
		return err
	}
	base, err := readAddress(*data)
	if err != nil {
		return err
	}
	a, err := auth.Open(*data, env.Now)
	if err != nil {
		return err
	}
	token, err := a.Mint()
	if err != nil {
		return err
	}
	fmt.Fprintln(env.Stdout, auth.Link(base, token))
	return nil
}
