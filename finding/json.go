package finding

import (
	"encoding/json"
	"reflect"
	"strings"
	"unicode/utf8"
)

// Stray bytes of a text that is not UTF-8 travel in JSON as the runes
// strayFirst+0x80 … strayFirst+0xff, at the far end of the last private-use
// plane. Those runes themselves travel as their four bytes, each a stray, so
// every byte string has exactly one form and comes back as it was.
const strayFirst = 0x10FE00

// Marshal returns v as JSON that keeps every byte: encoding/json would
// replace bytes that are not UTF-8, and paths, arguments and environments may
// hold any byte but NUL. A byte 0xNN that is not part of a UTF-8 character is
// written as the rune U+10FENN; Unmarshal turns it back. For text in UTF-8 the
// result is what encoding/json writes.
//
// It fails when a time lies outside the years 0 to 9999 or a number is not
// finite.
func Marshal[T Finding | SensorStatus | Sensor](v T) ([]byte, error) {
	out := reflect.New(reflect.TypeFor[T]()).Elem()
	mapStrings(out, reflect.ValueOf(v), hideStrays)
	return json.Marshal(out.Interface())
}

// Unmarshal reads what Marshal wrote. Unknown fields are ignored, so an older
// reader accepts what a newer writer sends.
func Unmarshal[T Finding | SensorStatus | Sensor](b []byte) (T, error) {
	var in, out T
	if err := json.Unmarshal(b, &in); err != nil {
		return out, err
	}
	mapStrings(reflect.ValueOf(&out).Elem(), reflect.ValueOf(in), showStrays)
	return out, nil
}

// mapStrings sets dst to a copy of src in which f was applied to every string.
func mapStrings(dst, src reflect.Value, f func(string) string) {
	switch src.Kind() {
	case reflect.String:
		dst.SetString(f(src.String()))
	case reflect.Struct:
		dst.Set(src) // times and other structs without exported fields
		for i := range src.NumField() {
			if src.Type().Field(i).IsExported() {
				mapStrings(dst.Field(i), src.Field(i), f)
			}
		}
	case reflect.Slice:
		if src.IsNil() || src.Type().Elem().Kind() == reflect.Uint8 {
			dst.Set(src)
			return
		}
		dst.Set(reflect.MakeSlice(src.Type(), src.Len(), src.Len()))
		for i := range src.Len() {
			mapStrings(dst.Index(i), src.Index(i), f)
		}
	case reflect.Map:
		if src.IsNil() {
			dst.Set(src)
			return
		}
		dst.Set(reflect.MakeMapWithSize(src.Type(), src.Len()))
		for it := src.MapRange(); it.Next(); {
			key := reflect.New(src.Type().Key()).Elem()
			value := reflect.New(src.Type().Elem()).Elem()
			mapStrings(key, it.Key(), f)
			mapStrings(value, it.Value(), f)
			dst.SetMapIndex(key, value)
		}
	default:
		dst.Set(src)
	}
}

func isStray(r rune) bool { return r >= strayFirst+0x80 && r <= strayFirst+0xff }

// hideStrays writes the bytes of s that are no UTF-8 as runes.
func hideStrays(s string) string {
	if utf8.ValidString(s) && !strings.ContainsFunc(s, isStray) {
		return s
	}
	var b strings.Builder
	for len(s) > 0 {
		r, n := utf8.DecodeRuneInString(s)
		if isStray(r) || r == utf8.RuneError && n == 1 {
			for i := range n {
				b.WriteRune(strayFirst + rune(s[i]))
			}
		} else {
			b.WriteString(s[:n])
		}
		s = s[n:]
	}
	return b.String()
}

// showStrays undoes hideStrays.
func showStrays(s string) string {
	if !strings.ContainsFunc(s, isStray) {
		return s
	}
	b := make([]byte, 0, len(s))
	for _, r := range s {
		if isStray(r) {
			b = append(b, byte(r-strayFirst))
		} else {
			b = utf8.AppendRune(b, r)
		}
	}
	return string(b)
}
