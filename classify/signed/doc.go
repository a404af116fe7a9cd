// Package signed is the file in which a model travels: a model file under a
// small text header that is signed with Ed25519, so that a sensor takes a model
// only from those it was told to trust.
//
//	kingsnake signed model 1
//	signer <name of the key>
//	key <public key, base64>
//	date <when it was signed, RFC 3339, UTC>
//	note <one line for people; may be empty>
//	size <bytes of the model>
//	sha256 <of the model, hexadecimal>
//	signature <of all lines above, base64>
//
//	<the model's bytes>
//
// The header has these lines in this order, spelled in one way only: what
// [Open] accepts, [Sign] would have written. The signature covers every line
// above it, and through the digest the model. Nothing of the model is read
// before the signature was found good.
//
// [PublicKey] and [PrivateKey] have a text form of three lines. A key's name is
// for people; what is trusted are its bytes, and the name shown is the one in
// the trusted key's file.
//
// The package does not know what a model is (kingsnake/classify), and does not
// decide which one judges (kingsnake/classify/serve).
package signed
