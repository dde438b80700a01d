package tensorboard

import (
	"bufio"
	"encoding/binary"
	"errors"
	"hash/crc32"
	"io"
	"math"
)

// An event file is a TFRecord file of Event messages. Both are small enough to be
// written by hand: github.com/tensorflow/tensorflow, core/util/event.proto and
// core/framework/summary.proto; the framing is core/lib/io/record_writer.h.

var castagnoli = crc32.MakeTable(crc32.Castagnoli)

// masked is the checksum as TFRecord stores it: so that data which holds checksums
// of itself does not confuse it.
func masked(b []byte) uint32 {
	c := crc32.Checksum(b, castagnoli)
	return (c>>15 | c<<17) + 0xa282ead8
}

const (
	headBytes = 12 // length, its checksum
	footBytes = 4  // the data's checksum
)

// appendRecord frames one message: length, checksum, data, checksum.
func appendRecord(b, data []byte) []byte {
	start := len(b)
	b = binary.LittleEndian.AppendUint64(b, uint64(len(data)))
	b = binary.LittleEndian.AppendUint32(b, masked(b[start:start+8]))
	b = append(b, data...)
	return binary.LittleEndian.AppendUint32(b, masked(data))
}

// maxRecord bounds a record that is read back; pbt writes some hundred bytes.
const maxRecord = 64 << 20

var errRecord = errors.New("this is no whole record")

// checkRecords reads records up to a length, which must be the end of one.
func checkRecords(r io.Reader, length int64) error {
	in := bufio.NewReader(r)
	var data []byte
	for left := length; left > 0; {
		var head [headBytes]byte
		if _, err := io.ReadFull(in, head[:]); err != nil {
			return errRecord
		}
		size := binary.LittleEndian.Uint64(head[:8])
		if size > maxRecord || masked(head[:8]) != binary.LittleEndian.Uint32(head[8:]) {
			return errRecord
		}
		if need := int(size) + footBytes; cap(data) < need {
			data = make([]byte, need)
		}
		data = data[:int(size)+footBytes]
		if _, err := io.ReadFull(in, data); err != nil {
			return errRecord
		}
		if masked(data[:size]) != binary.LittleEndian.Uint32(data[size:]) {
			return errRecord
		}
		if left -= headBytes + int64(len(data)); left < 0 {
			return errRecord
		}
	}
	return nil
}

// Fields of the messages.
const (
	eventWallTime    = 1 // double
	eventStep        = 2 // int64
	eventFileVersion = 3 // string
	eventSummary     = 5 // Summary
	eventSessionLog  = 7 // SessionLog

	summaryValue = 1 // repeated Value

	valueTag      = 1 // string
	valueSimple   = 2 // float
	valueTensor   = 8 // TensorProto
	valueMetadata = 9 // SummaryMetadata

	metadataPlugin = 1 // PluginData
	pluginName     = 1 // string

	tensorType   = 1 // DataType
	tensorShape  = 2 // TensorShapeProto
	tensorString = 8 // repeated bytes
	shapeDim     = 2 // repeated Dim
	dimSize      = 1 // int64

	sessionStatus = 1 // SessionStatus
	sessionStart  = 1
	typeString    = 7 // DT_STRING
)

// The wire types of protobuf.
const (
	wireVarint = 0
	wire64     = 1
	wireBytes  = 2
	wire32     = 5
)

func key(b []byte, field, wire int) []byte { return binary.AppendUvarint(b, uint64(field<<3|wire)) }

func varint(b []byte, field int, x int64) []byte {
	return binary.AppendUvarint(key(b, field, wireVarint), uint64(x))
}

func double(b []byte, field int, x float64) []byte {
	return binary.LittleEndian.AppendUint64(key(b, field, wire64), math.Float64bits(x))
}

func float(b []byte, field int, x float32) []byte {
	return binary.LittleEndian.AppendUint32(key(b, field, wire32), math.Float32bits(x))
}

func text(b []byte, field int, s string) []byte {
	b = binary.AppendUvarint(key(b, field, wireBytes), uint64(len(s)))
	return append(b, s...)
}

func message(b []byte, field int, m []byte) []byte { return text(b, field, string(m)) }

// event begins an Event message.
func event(at, step int64) []byte {
	b := double(nil, eventWallTime, float64(at)/1e9)
	return varint(b, eventStep, step)
}

// fileStart is the first record of a file.
func fileStart(at int64) []byte {
	return appendRecord(nil, text(event(at, 0), eventFileVersion, "brain.Event:2"))
}

// sessionBegins says that what was shown from this step on holds no more.
func sessionBegins(at, step int64) []byte {
	return appendRecord(nil, message(event(at, step), eventSessionLog, varint(nil, sessionStatus, sessionStart)))
}

// scalar is a value of a summary.
func scalar(tag string, x float64) []byte {
	return float(text(nil, valueTag, tag), valueSimple, float32(x))
}

// words is a value of a summary that is a text.
func words(tag, s string) []byte {
	shape := message(nil, shapeDim, varint(nil, dimSize, 1))
	tensor := text(message(varint(nil, tensorType, typeString), tensorShape, shape), tensorString, s)
	plugin := message(nil, metadataPlugin, text(nil, pluginName, "text"))
	return message(message(text(nil, valueTag, tag), valueMetadata, plugin), valueTensor, tensor)
}

// summary is a record with values of one step.
func summary(at, step int64, values ...[]byte) []byte {
	var s []byte
	for _, v := range values {
		s = message(s, summaryValue, v)
	}
	return appendRecord(nil, message(event(at, step), eventSummary, s))
}
