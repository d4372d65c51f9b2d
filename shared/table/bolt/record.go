package bolt

import (
	"bytes"
	"encoding/binary"
	"encoding/json"
	"fmt"
	"math"
	"strconv"
	"time"

	"portcullis.example/shared/table"
)

// The longest names. bbolt would take more; DynamoDB takes no more than this of
// a partition and sort key, and what works here must work there.
const (
	maxPartition = 2048
	maxSort      = 1024
	maxKind      = 255 // one byte in the record
)

// record is a stored item: layout 1, revision 8, expires 8, due 8, length of
// kind 1, kind, body. All numbers are big endian.
type record struct {
	counter bool // then body is its sum in 8 bytes
	rev     table.Rev
	expires int64 // unix seconds, or never
	due     int64 // unix seconds, or never
	kind    []byte
	body    []byte
}

const (
	layoutDocument = 1
	layoutCounter  = 2
	recordHeader   = 26
	revAt          = 1

	// never orders before all times and is none itself.
	never = math.MinInt64
)

var counterKind = []byte("counter")

func (r record) encode() []byte {
	layout := byte(layoutDocument)
	if r.counter {
		layout = layoutCounter
	}
	b := make([]byte, 0, recordHeader+len(r.kind)+len(r.body))
	b = append(b, layout)
	b = binary.BigEndian.AppendUint64(b, uint64(r.rev))
	b = binary.BigEndian.AppendUint64(b, uint64(r.expires))
	b = binary.BigEndian.AppendUint64(b, uint64(r.due))
	b = append(b, byte(len(r.kind)))
	b = append(b, r.kind...)
	return append(b, r.body...)
}

// decodeRecord reads a record without copying: it lives as long as b.
func decodeRecord(b []byte) (record, error) {
	if len(b) < recordHeader || b[0] == 0 || b[0] > layoutCounter || len(b) < recordHeader+int(b[25]) {
		return record{}, fmt.Errorf("%w: a record of %d bytes makes no sense", ErrTruncated, len(b))
	}
	r := record{
		counter: b[0] == layoutCounter,
		rev:     table.Rev(binary.BigEndian.Uint64(b[revAt:])),
		expires: int64(binary.BigEndian.Uint64(b[9:])),
		due:     int64(binary.BigEndian.Uint64(b[17:])),
		kind:    b[recordHeader : recordHeader+int(b[25])],
		body:    b[recordHeader+int(b[25]):],
	}
	if r.counter && len(r.body) != 8 {
		return record{}, fmt.Errorf("%w: a counter of %d bytes", ErrTruncated, len(r.body))
	}
	return r, nil
}

func (r record) living(now int64) bool { return r.expires == never || now < r.expires }

func (r record) sum() int64 { return int64(binary.BigEndian.Uint64(r.body)) }

// item copies a record out of the transaction.
func (r record) item(key table.Key) table.Item {
	return table.Item{Key: key, Kind: string(r.kind), Expires: fromSeconds(r.expires),
		Due: fromSeconds(r.due), Rev: r.rev, Body: r.document()}
}

func (r record) document() json.RawMessage {
	if !r.counter {
		return bytes.Clone(r.body)
	}
	return append(strconv.AppendInt([]byte(`{"n":`), r.sum(), 10), '}')
}

func counterRecord(sum, expires int64) record {
	return record{counter: true, expires: expires, due: never, kind: counterKind,
		body: binary.BigEndian.AppendUint64(nil, uint64(sum))}
}

func toSeconds(t time.Time) int64 {
	if t.IsZero() {
		return never
	}
	return t.Unix()
}

func fromSeconds(s int64) time.Time {
	if s == never {
		return time.Time{}
	}
	return time.Unix(s, 0).UTC()
}

// appendKey appends an item's name as the buckets have it. The NUL keeps one
// partition's items apart from those of a longer name.
func appendKey(b []byte, k table.Key) []byte {
	b = append(b, k.Partition...)
	b = append(b, 0)
	return append(b, k.Sort...)
}

func parseKey(b []byte) (table.Key, error) {
	partition, sort, found := bytes.Cut(b, []byte{0})
	if !found {
		return table.Key{}, fmt.Errorf("%w: key %q", ErrTruncated, b)
	}
	return table.Key{Partition: string(partition), Sort: string(sort)}, nil
}

// appendTime appends seconds so that bytes order as times do.
func appendTime(b []byte, seconds int64) []byte {
	return binary.BigEndian.AppendUint64(b, uint64(seconds)^1<<63)
}

// cutTime undoes appendTime and gives what follows.
func cutTime(b []byte) (int64, []byte, error) {
	if len(b) < 8 {
		return 0, nil, fmt.Errorf("%w: index key %q", ErrTruncated, b)
	}
	return int64(binary.BigEndian.Uint64(b) ^ 1<<63), b[8:], nil
}

func dueKey(r record, key []byte) []byte {
	return append(appendTime(duePrefix(r.kind), r.due), key...)
}

func duePrefix[S string | []byte](kind S) []byte {
	return append(append(make([]byte, 0, len(kind)+128), kind...), 0)
}

func expiryKey(r record, key []byte) []byte {
	return append(appendTime(make([]byte, 0, 8+len(key)), r.expires), key...)
}

func validateKey(k table.Key) error {
	if len(k.Partition) > maxPartition || len(k.Sort) > maxSort {
		return fmt.Errorf("%w: key of %d and %d bytes, %d and %d allowed", table.ErrInvalid,
			len(k.Partition), len(k.Sort), maxPartition, maxSort)
	}
	return table.ValidateKey(k)
}
