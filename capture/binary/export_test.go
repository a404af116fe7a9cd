//go:build linux

package binary

// MountNamespace is exported for tests, which need a real namespace number.
var MountNamespace = mountNamespace
