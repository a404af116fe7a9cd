package normalize

import (
	"bytes"
	"crypto/aes"
	"crypto/cipher"
)

// decodeFernet decrypts a token with the key that stands beside it: base64 of
// a version, a time, an initial vector, AES-128 in CBC mode and a signature,
// which is not insisted on.
func decodeFernet(in []byte, keys [][]byte, _ []int64, limit int) ([]byte, bool) {
	const header, signature = 1 + 8 + aes.BlockSize, 32
	if len(keys) == 0 {
		return nil, false
	}
	key, ok := decodeBase64(keys[0], nil, 64)
	if !ok || len(key) != 32 {
		return nil, false
	}
	token, ok := decodeBase64(in, nil, limit+limit/16+header+signature+aes.BlockSize)
	if !ok || len(token) < header+aes.BlockSize || token[0] != 0x80 {
		return nil, false
	}
	body := token[header:]
	if len(body) >= signature+aes.BlockSize {
		body = body[:len(body)-signature]
	}
	out, ok := decryptCBC(body, key[16:], token[9:header], limit)
	return unpad(out), ok
}

// The modes of AES.new, by their numbers.
const (
	modeECB = 1
	modeCBC = 2
	modeCFB = 3
	modeOFB = 5
	modeCTR = 6
	modeGCM = 11
)

// decodeAES decrypts what stands beside its key and initial vector or nonce,
// in the mode that the first option gives.
func decodeAES(in []byte, keys [][]byte, options []int64, limit int) ([]byte, bool) {
	if len(keys) == 0 || len(options) == 0 {
		return nil, false
	}
	block, err := aes.NewCipher(keys[0])
	if err != nil {
		return nil, false
	}
	in = in[:min(len(in), limit&^(aes.BlockSize-1))]
	var vector [aes.BlockSize]byte
	if len(keys) > 1 {
		if len(keys[1]) > len(vector) {
			return nil, false
		}
		copy(vector[:], keys[1])
	}
	out := make([]byte, len(in))
	switch options[0] {
	case modeECB:
		if len(in)%aes.BlockSize != 0 {
			return nil, false
		}
		for i := 0; i < len(in); i += aes.BlockSize {
			block.Decrypt(out[i:], in[i:])
		}
	case modeCBC:
		// Scripts take the padding off themselves.
		return decryptCBC(in, keys[0], vector[:], limit)
	case modeCFB:
		// One byte at a time, as is the default of AES.new.
		register := vector
		var pad [aes.BlockSize]byte
		for i, c := range in {
			block.Encrypt(pad[:], register[:])
			out[i] = c ^ pad[0]
			copy(register[:], register[1:])
			register[aes.BlockSize-1] = c
		}
	case modeOFB:
		register := vector
		for i, c := range in {
			if i%aes.BlockSize == 0 {
				block.Encrypt(register[:], register[:])
			}
			out[i] = c ^ register[i%aes.BlockSize]
		}
	case modeGCM:
		if len(keys) < 2 || len(keys[1]) != 12 {
			return nil, false
		}
		vector[aes.BlockSize-1] = 2
		cipher.NewCTR(block, vector[:]).XORKeyStream(out, in)
	case modeCTR:
		cipher.NewCTR(block, vector[:]).XORKeyStream(out, in)
	default:
		return nil, false
	}
	return out, len(out) > 0
}

// decryptCBC decrypts whole blocks.
func decryptCBC(in, key, vector []byte, limit int) ([]byte, bool) {
	block, err := aes.NewCipher(key)
	if err != nil {
		return nil, false
	}
	whole := len(in) &^ (aes.BlockSize - 1)
	cut := min(whole, limit&^(aes.BlockSize-1))
	if cut == 0 {
		return nil, false
	}
	out := make([]byte, cut)
	cipher.NewCBCDecrypter(block, vector).CryptBlocks(out, in[:cut])
	return out, true
}

// unpad takes the padding of PKCS 7 off, if there is any.
func unpad(b []byte) []byte {
	if len(b) == 0 {
		return b
	}
	n := int(b[len(b)-1])
	if n == 0 || n > aes.BlockSize || n > len(b) || !bytes.Equal(b[len(b)-n:], bytes.Repeat([]byte{byte(n)}, n)) {
		return b
	}
	return b[:len(b)-n]
}
