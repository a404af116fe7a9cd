// Package proc looks at processes through /proc, for those who watch them.
//
// What it finds only helps: a process may be gone before it is looked at, its
// number may be another's, its names and paths are whatever it wants, and a hostile file system
// may never answer. So paths are followed inside of the process's own root and
// without its magic links, nothing but regular files is opened, and [Look] gives each look a moment.
package proc
