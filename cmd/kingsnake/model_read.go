package main

import (
	"bytes"
	"errors"
	"fmt"

	"kingsnake/classify"
	"kingsnake/classify/model"
	"kingsnake/classify/serve"
	"kingsnake/classify/signed"
)

// readModel reads a model file that decides nothing here, signed by anybody or
// by nobody; "" is the embedded model.
func readModel(file string) (*classify.Model, error) {
	if file == "" {
		return model.Default()
	}
	data, err := signed.ReadFile(file, signed.MaxFile)
	if err != nil {
		return nil, err
	}
	key, err := signed.Signer(data)
	if errors.Is(err, signed.ErrUnsigned) {
		m, err := classify.Load(bytes.NewReader(data))
		if err != nil {
			return nil, fmt.Errorf("%s: neither a signed model nor a bare one: %v", file, err)
		}
		return m, nil
	}
	if err != nil {
		return nil, fmt.Errorf("%s: %w", file, err)
	}
	m, _, err := serve.Load(file, []signed.PublicKey{key})
	return m, err
}
