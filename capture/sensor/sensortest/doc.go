// Package sensortest helps tests of programs that hold processes to hold none
// but their own: a cgroup that is named like a container's, and in which only
// what the test starts there runs.
package sensortest
