// Package known says which scripts are files that are known to be good, and
// lowers the verdict on them, by content alone.
//
// An [Index] holds fingerprints of files: those of a distribution, which
// [Default] brings with the program, or those of folders that the user names,
// which a [Builder] reads. A [Judge] asks it about each script that the model
// does not call benign. A script's name, path, owner or markers are never
// looked at: whoever writes a script chooses them.
//
// # What is known
//
//   - A script with exactly the bytes of a known file.
//   - A script that Python reads exactly as it reads a known file: they differ in
//     comments, white space between tokens, line ends and the quotes around
//     plain strings, and in nothing else. Names, numbers and the text of every
//     string count, and so does how far each statement is indented.
//   - A function or class at the top level that is one of a known file in this
//     sense. A script that consists mostly of them is not known: they are taken
//     out and what is left is judged on its own, see [Judge].
//
// The second comparison is refused wherever Python might not read what the
// lexer reads, or where a comment might be more than a comment: for bytes that
// are not UTF-8, control characters, a declared encoding other than UTF-8,
// literals that are not closed, indentation that mixes tabs and spaces, and
// code that reads its own source. Such files are known by their bytes only.
// Files and definitions of less than 128 bytes are never known: too many
// programs are made of such pieces.
//
// # Fingerprints
//
// A fingerprint is the first 128 bits of a SHA-256 of the content behind a word
// that says which of the three it is. To write a hostile script that an index
// of 2^18 fingerprints takes for one of its files costs some 2^110 attempts; to
// write a pair of files, one to be accepted as good and one to be run, 2^64. No
// secret is needed and none is kept, so that everyone builds the same index
// from the same files.
//
// # What it does not do
//
// It does not find near-duplicates by similarity: a trojanised copy of a known
// file is very similar. It does not read the lists of files that packages
// install (RECORD): a hostile package lists its files as faithfully as any
// other; docs/adr/0009-known-files.md says more. Known content lowers the
// verdict on that text and nothing else: what a known program is told to do by
// its arguments is another script, or not seen by any.
package known
