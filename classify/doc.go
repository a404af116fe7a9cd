// Package classify says what we think of a script.
//
// A [Model] judges a [normalize.Text], all of its layers, and gives a
// [Verdict]: a calibrated score, a label by frozen thresholds, and reasons. A
// verdict is a pure function of the text and the model; a Model is immutable
// and safe for concurrent use. Nothing is executed, and no network, file or
// clock is touched. Get the model that kingsnake ships from
// kingsnake/classify/model, or [Load] another.
//
// # What is read
//
// Each layer's tokens are read once, following what names stand for through
// imports, simple assignments and the results of calls. What stands further
// down is known: imports and such assignments are read ahead, so that nothing
// is lost by the order that statements stand in. That gives features:
// sequences of up to three tokens with names abstracted, calls and what is
// passed to them, words in strings and names; behaviors, which are things a
// script can be seen to do, listed in one table; and the shape of the code.
// Comments and documentation are not read. Everything is noted by blocks of
// some 64 tokens.
//
// # How it is weighed
//
// The model is a sum, see [Tables]: of the features of the script's core, which
// is the few blocks that weigh most, and of those of the one window of some 256
// tokens that scores highest. What else stands in a script does not thin out
// what is hostile in it: a short piece in a long file weighs nearly what it
// weighs alone. Behaviors are weighed alone and in pairs.
//
// # Reasons
//
// Because the score is a sum, it can be shared out: each part goes to the
// statement it came from, and to the behavior seen there, which has words. What
// no behavior explains is said to be just that. Only what the model weighed is
// ever a reason.
//
// # What it does not do
//
// It does not look at file names, processes or where a script ran, and not at
// the kind of the script: by which door a text came to run changes nothing.
// Training lives in kingsnake/classify/train, measuring in
// kingsnake/classify/eval.
package classify
