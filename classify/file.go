package classify

import (
	"bytes"
	"compress/flate"
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"math"
)

// A model file is, in order and little-endian: the magic, the version of the
// features, the fixed numbers, and the tables, compressed. Its hash covers
// every byte.
const (
	magic          = "kingsnake model\n"
	featureVersion = 2 // of the features: raised whenever their meaning changes
	maxFile        = 16 << 20
)

// header is the fixed part of a model file behind the magic.
type header struct {
	Version               uint32
	Behaviors             uint32 // in the table: they are features
	Slope, Offset         float64
	Suspicious, Malicious float64
	Bias                  float32
	CoreUnit, WindowUnit  float32
}

// Load reads a model. It checks the magic, the version, every number and every
// size, and takes no more than 16 MiB.
func Load(r io.Reader) (*Model, error) {
	data, err := io.ReadAll(io.LimitReader(r, maxFile+1))
	if err != nil {
		return nil, fmt.Errorf("read model: %w", err)
	}
	if len(data) > maxFile {
		return nil, errors.New("read model: file is larger than 16 MiB")
	}
	rest, ok := bytes.CutPrefix(data, []byte(magic))
	if !ok {
		return nil, errors.New("read model: not a kingsnake model")
	}
	in := bytes.NewReader(rest)
	var h header
	if err := binary.Read(in, binary.LittleEndian, &h); err != nil {
		return nil, fmt.Errorf("read model: header: %v", err)
	}
	if h.Version != featureVersion || h.Behaviors != uint32(len(behaviors)) {
		return nil, fmt.Errorf("read model: made for features %d with %d behaviors, this program has %d with %d", h.Version, h.Behaviors, featureVersion, len(behaviors))
	}
	m := &Model{tables: *NewTables[int8](), calibration: Calibration{h.Slope, h.Offset}, thresholds: Thresholds{h.Suspicious, h.Malicious}}
	t := &m.tables
	t.Bias, t.CoreUnit, t.WindowUnit = h.Bias, h.CoreUnit, h.WindowUnit
	body := flate.NewReader(in)
	for _, part := range []any{t.Core, t.Window, t.CoreMark, t.WindowMark, t.ScriptMark} {
		if err := binary.Read(body, binary.LittleEndian, part); err != nil {
			return nil, fmt.Errorf("read model: tables: %v", err)
		}
	}
	if n, err := body.Read(make([]byte, 1)); n != 0 || err != io.EOF {
		return nil, errors.New("read model: tables do not end where they should")
	}
	sum := sha256.Sum256(data)
	m.hash = hex.EncodeToString(sum[:])
	if err := m.validate(); err != nil {
		return nil, err
	}
	return m, nil
}

// Write writes the model as [Load] reads it.
func (m *Model) Write(w io.Writer) error {
	data, err := m.encode()
	if err != nil {
		return err
	}
	_, err = w.Write(data)
	return err
}

func (m *Model) encode() ([]byte, error) {
	var out bytes.Buffer
	out.WriteString(magic)
	t := &m.tables
	h := header{
		featureVersion, uint32(len(behaviors)), m.calibration.Slope, m.calibration.Offset,
		m.thresholds.Suspicious, m.thresholds.Malicious, t.Bias, t.CoreUnit, t.WindowUnit,
	}
	if err := binary.Write(&out, binary.LittleEndian, h); err != nil {
		return nil, fmt.Errorf("write model: %v", err)
	}
	z, err := flate.NewWriter(&out, flate.DefaultCompression)
	if err != nil {
		return nil, fmt.Errorf("write model: %v", err)
	}
	for _, part := range []any{t.Core, t.Window, t.CoreMark, t.WindowMark, t.ScriptMark} {
		if err := binary.Write(z, binary.LittleEndian, part); err != nil {
			return nil, fmt.Errorf("write model: %v", err)
		}
	}
	if err := z.Close(); err != nil {
		return nil, fmt.Errorf("write model: %v", err)
	}
	return out.Bytes(), nil
}

// validate refuses numbers that no training gives.
func (m *Model) validate() error {
	t := &m.tables
	if len(t.Core) != TableSize || len(t.Window) != TableSize || len(t.CoreMark) != MarkCount || len(t.WindowMark) != MarkCount || len(t.ScriptMark) != MarkCount {
		return errors.New("check model: a table has a wrong size")
	}
	numbers := []float64{
		m.calibration.Slope, m.calibration.Offset, m.thresholds.Suspicious, m.thresholds.Malicious,
		float64(t.Bias), float64(t.CoreUnit), float64(t.WindowUnit),
	}
	for _, table := range t.Marks() {
		for _, w := range table {
			numbers = append(numbers, float64(w))
		}
	}
	for _, n := range numbers {
		if math.IsNaN(n) || math.IsInf(n, 0) {
			return errors.New("check model: a number is not finite")
		}
	}
	if th := m.thresholds; m.calibration.Slope <= 0 || th.Suspicious <= 0 || th.Suspicious > th.Malicious || th.Malicious > 1 {
		return errors.New("check model: calibration or thresholds are out of order")
	}
	return nil
}
