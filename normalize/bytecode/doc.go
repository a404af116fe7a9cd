// Package bytecode reads compiled Python, .pyc files and bare marshal data,
// and writes it as source text again, without executing anything.
//
//	file, err := bytecode.Read(data)   // err says what was wrong; file holds what could be read
//	text, lines, cut := bytecode.Render(file, 1<<20)
//	line := lines.At(offset) // of the source, for a byte of text
//
// # Reading
//
// [Read] knows every type that marshal of Python 2.7 and 3.0 to 3.14 writes,
// references included. It reads the code of 2.7 and 3.6 to 3.14. Depth, objects
// and thereby memory are bounded. Data that is cut off or damaged gives an
// error, and what could be read up to there.
//
// # Rendering
//
// [Render] writes Python-like text for people and for a lexer: imports, calls
// with their arguments, assignments, functions and classes are as they stood in
// the source, as far as the bytecode says; control flow is approximate, since
// jumps only hint at what the source was. It follows the instructions of one
// code object once, in the order they stand in, with a stack of expressions
// instead of values. What is not understood becomes the name "_", and the walk
// goes on. The text is not meant to be run.
//
// Code of a version whose instructions are not known is given as a list of its
// constants and names.
//
// The tables were checked with files that the compilers of 2.7.18, 3.6.15,
// 3.7.16, 3.8.18, 3.9.18, 3.10.13, 3.11.7, 3.12.1 and 3.13.0 made; small ones
// are in testdata. 3.14 was written from public tables alone, and is checked
// with instructions put together by hand.
//
// # Lines
//
// [Lines] says which line of the source each line of the text came from: that
// of the instruction that ends the statement, which is where the statement
// begins. Up to 3.7 it may be a later line of a statement of several lines. The
// documentation of a function has none. Nor has code whose table of lines was
// emptied, from 3.10 on; up to 3.9, all of it is then on the first line of its
// function. A table may lie; it never changes the text.
//
// # What it leaves out
//
// It judges nothing, does not resolve what names are bound to, and does not
// undo what hides code inside constants: package normalize does that with the
// text. Instruction sets of PyPy and of unreleased versions are not known.
package bytecode
