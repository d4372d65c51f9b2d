package dynamo

import (
	"encoding/json"
	"fmt"
	"strconv"
	"time"
	"unicode/utf8"

	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"

	"portcullis.example/shared/table"
)

// attributes is an item as DynamoDB has it.
type attributes = map[string]types.AttributeValue

// The names of the attributes.
const (
	partitionName = "partition"
	sortName      = "sort"
	kindName      = "kind"
	revName       = "rev"
	expiresName   = "expires"
	dueName       = "due"
	bodyName      = "body"
	sumName       = "n"
)

// What DynamoDB takes of names, in bytes.
const (
	maxPartition = 2048
	maxSort      = 1024
	maxKind      = 255
)

const counterKind = "counter"

// never is the end of a counter that has none: one that is there keeps an end
// from being set later.
const never = 253402300799 // the last second of the year 9999

func text(s string) types.AttributeValue { return &types.AttributeValueMemberS{Value: s} }

func number(n int64) types.AttributeValue {
	return &types.AttributeValueMemberN{Value: strconv.FormatInt(n, 10)}
}

func place(k table.Key) attributes {
	return attributes{partitionName: text(k.Partition), sortName: text(k.Sort)}
}

// encode is an item at its new revision.
func encode(i table.Item, rev int64) attributes {
	a := place(i.Key)
	a[kindName], a[revName], a[bodyName] = text(i.Kind), number(rev), text(string(i.Body))
	if !i.Expires.IsZero() {
		a[expiresName] = number(i.Expires.Unix())
	}
	if !i.Due.IsZero() {
		a[dueName] = number(i.Due.Unix())
	}
	return a
}

// counter is a counter that begins.
func counter(w table.Write, rev int64) attributes {
	a := place(w.Item.Key)
	a[kindName], a[revName], a[sumName], a[expiresName] = text(counterKind), number(rev), number(w.Delta), number(endOf(w.Item.Expires))
	return a
}

func endOf(expires time.Time) int64 {
	if expires.IsZero() {
		return never
	}
	return expires.Unix()
}

// record reads attributes; the first that makes no sense is its error.
type record struct {
	attributes
	err error
}

func (r *record) text(name string) string {
	value, ok := r.attributes[name].(*types.AttributeValueMemberS)
	if !ok {
		r.fail(name)
		return ""
	}
	return value.Value
}

func (r *record) number(name string) int64 {
	value, ok := r.attributes[name].(*types.AttributeValueMemberN)
	if !ok {
		r.fail(name)
		return 0
	}
	n, err := strconv.ParseInt(value.Value, 10, 64)
	if err != nil {
		r.fail(name)
	}
	return n
}

func (r *record) fail(name string) {
	if r.err == nil {
		r.err = fmt.Errorf("%w: an item's %s makes no sense", table.ErrUnavailable, name)
	}
}

func (r *record) time(name string) time.Time {
	if r.attributes[name] == nil {
		return time.Time{}
	}
	if n := r.number(name); n != never {
		return time.Unix(n, 0).UTC()
	}
	return time.Time{}
}

func (r *record) body() json.RawMessage {
	if r.attributes[sumName] != nil {
		return append(strconv.AppendInt([]byte(`{"n":`), r.number(sumName), 10), '}')
	}
	return json.RawMessage(r.text(bodyName))
}

// decode reads an item; living is false where there is none or it has expired.
func decode(a attributes, now int64) (item table.Item, living bool, err error) {
	if len(a) == 0 || expired(a, now) {
		return table.Item{}, false, nil
	}
	item, err = Decode(a)
	return item, true, err
}

// Decode reads an item from its attributes, whether or not it has expired: as it
// stands in the image of a stream's record. What makes no sense is
// table.ErrUnavailable.
func Decode(a map[string]types.AttributeValue) (table.Item, error) {
	r := record{attributes: a}
	item := table.Item{
		Key: table.Key{Partition: r.text(partitionName), Sort: r.text(sortName)}, Kind: r.text(kindName),
		Expires: r.time(expiresName), Due: r.time(dueName), Rev: table.Rev(r.number(revName)), Body: r.body(),
	}
	if item.Rev == 0 {
		r.fail(revName)
	}
	return item, r.err
}

// expired tells whether what stands there counts as absent.
func expired(a attributes, now int64) bool {
	r := record{attributes: a}
	return a[expiresName] != nil && r.number(expiresName) <= now && r.err == nil
}

// validate refuses what the port takes and DynamoDB does not, before anything
// is sent: text that is no UTF-8 would come back as other text.
func validate(writes []table.Write) error {
	if err := table.Validate(writes); err != nil {
		return err
	}
	size := 0
	for _, w := range writes {
		if err := validateKey(w.Item.Key); err != nil {
			return err
		}
		if len(w.Item.Kind) > maxKind || !utf8.ValidString(w.Item.Kind) || !utf8.Valid(w.Item.Body) {
			return fmt.Errorf("%w: %s is no text in UTF-8, or its kind is too long", table.ErrInvalid, w.Item.Key)
		}
		size += len(w.Item.Body) + len(w.Item.Partition) + len(w.Item.Sort) + overhead
	}
	if size > maxTransaction {
		return fmt.Errorf("%w: %d bytes in one call, %d allowed", table.ErrInvalid, size, maxTransaction)
	}
	return nil
}

const (
	maxTransaction = 4 << 20
	overhead       = 512 // of an item's names and numbers, at most
)

func validateKey(k table.Key) error {
	if len(k.Partition) > maxPartition || len(k.Sort) > maxSort || !utf8.ValidString(k.Partition) || !utf8.ValidString(k.Sort) {
		return fmt.Errorf("%w: a key of %d and %d bytes, %d and %d of UTF-8 allowed", table.ErrInvalid, len(k.Partition), len(k.Sort), maxPartition, maxSort)
	}
	return table.ValidateKey(k)
}
