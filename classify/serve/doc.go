// Package serve keeps the model that judges, and changes it while scripts are
// being judged.
//
// [Models] follows a signed file (kingsnake/classify/signed). When the file
// changes, or [Models.Reload] is called, it is checked: its size, then its
// signature, then the model itself. A good one takes over between two verdicts.
// A bad one is refused, said once, and counted; the model in use stays. When
// there is no good one to begin with, it is the last one that was good, and
// else the one inside the program, which is always there.
//
// # The folder
//
// A folder keeps what is needed to go back, and to tell what happened:
//
//	HASH.model   the last signed files that were accepted, as they were
//	choice       what is to be in use: "file", "embedded" or a kept model's hash
//	state.json   the State, for those who look from outside
//
// [Choose] writes the choice; who follows the folder takes it within seconds. A
// kept model's signature is checked again when it is taken back.
//
// # The shadow
//
// A second file may name a shadow: a model that judges beside the one in use
// and decides nothing. Each distinct script is judged by it once, later, by one
// goroutine that rests three times as long as it works. What does not fit its
// queue is dropped and counted. Scripts that the two call differently are
// counted, and the last ones listed.
//
// The package knows neither findings nor pages, and trains nothing.
package serve
