// Package kernels runs the sensor's tests on Debian's cloud kernels, each in a
// virtual machine: 5.10, 6.1 and 6.12, the oldest that is supported and two that
// many clusters have.
//
//	make kernels                           all of them, as CI does
//	make kernels ARGS="-run Kernels/5.10"  one of them
//
// A machine is qemu with two processors in software, a kernel, and a file system in memory. That file system is made of this
// machine's own Python, shells and tools, and of test binaries built for the
// occasion; nothing is installed in it and it has no network but loopback. Its
// first process, the script init.sh, runs the tests once for each layout of
// cgroups that is asked for, and ends the machine.
//
// Kernels come from Debian's security mirror by apt, which checks its
// signatures, into a folder of this package's own: the newest of each series,
// because mirrors keep no other. Nothing of the machine's own apt is touched.
//
// Cold it downloads 85 MB, and keeps 45 MB in $KINGSNAKE_CACHE/kernels.
package kernels
