package stack_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"slices"
	"strconv"
	"testing"
	"time"

	"portcullis.example/infra/local/localtest"
	"portcullis.example/shared/stack"
	"portcullis.example/shared/table"
	"portcullis.example/shared/unlock"
)

// image is an item as the table's stream has it.
func image(i table.Item) map[string]any {
	text := func(s string) any { return map[string]string{"S": s} }
	number := func(n int64) any { return map[string]string{"N": strconv.FormatInt(n, 10)} }
	made := map[string]any{"partition": text(i.Partition), "sort": text(i.Sort), "kind": text(i.Kind), "rev": number(int64(i.Rev)), "body": text(string(i.Body))}
	if !i.Expires.IsZero() {
		made["expires"] = number(i.Expires.Unix())
	}
	if !i.Due.IsZero() {
		made["due"] = number(i.Due.Unix())
	}
	return made
}

// record is one change; by is the user identity, nil for a change of ours.
func record(name, side string, i table.Item, by any) map[string]any {
	r := map[string]any{
		"eventID": "c4ca4238a0b923820dcc509a6f75849b", "eventName": name, "eventVersion": "1.1", "eventSource": "aws:dynamodb", "awsRegion": "eu-central-1",
		"dynamodb": map[string]any{
			"Keys": map[string]any{"partition": map[string]string{"S": i.Partition}, "sort": map[string]string{"S": i.Sort}},
			side:   image(i), "SequenceNumber": "seq-" + i.Sort, "SizeBytes": 26, "StreamViewType": "NEW_AND_OLD_IMAGES", "ApproximateCreationDateTime": 1.4e9,
		},
	}
	if by != nil {
		r["userIdentity"] = by
	}
	return r
}

// timeToLive is who removes what has expired.
func timeToLive() any {
	return map[string]string{"type": "Service", "principalId": "dynamodb.amazonaws.com"}
}

func hand(t *testing.T, c stack.Courier, records ...map[string]any) []string {
	t.Helper()
	raw, err := json.Marshal(map[string]any{"Records": records})
	if err != nil {
		t.Fatal(err)
	}
	answer, err := stack.Stream(c, slog.New(slog.DiscardHandler))(t.Context(), raw)
	if err != nil {
		t.Fatal(err)
	}
	failed := []string{}
	for _, f := range answer.BatchItemFailures {
		failed = append(failed, f.ItemIdentifier)
	}
	return failed
}

// The removal of a lease by time-to-live and the sweep tell an end once between
// them, whichever comes first, and however often.
func TestRemovalAndSweepTellOnce(t *testing.T) {
	for _, order := range [][]string{{"stream", "sweep"}, {"sweep", "stream"}, {"stream", "stream", "sweep", "stream"}} {
		w := localtest.New(t)
		alice := w.Administrator("acme", "alice@acme.example")
		gate := alice.PhoneSystem("pbx.acme.example", nil)
		alice.Unlock(gate, 60)
		lease, err := w.Table.Get(t.Context(), unlock.LeaseKey(alice.PartnerID, gate.ID, alice.ID))
		if err != nil {
			t.Fatal(err)
		}
		w.Clock.Add(2 * time.Minute)
		for _, who := range order {
			if who == "sweep" {
				w.Tick()
			} else if failed := hand(t, w.Courier, record("REMOVE", "OldImage", lease, timeToLive())); len(failed) > 0 {
				t.Errorf("%v: %v failed", order, failed)
			}
		}
		told := alice.Must(http.StatusOK, "GET", "/v1/audit?action=unlock.expired", nil).Items()
		if len(told) != 1 {
			t.Errorf("%v: told %d times", order, len(told))
		}
	}
}

// listening is a courier that notes what it is asked.
type listening struct {
	heard  []string
	broken map[string]error
}

func (l *listening) note(what string) error {
	l.heard = append(l.heard, what)
	return l.broken[what]
}

func (l *listening) Deliver(context.Context) (int, error) { return 0, l.note("deliver") }
func (l *listening) DeliverOne(_ context.Context, k table.Key) error {
	return l.note("one " + k.Sort)
}
func (l *listening) Notify(_ context.Context, k table.Key) error {
	return l.note("notify " + k.Sort)
}
func (l *listening) Removed(_ context.Context, i table.Item) error {
	return l.note("removed " + i.Sort)
}

func item(kind, sort string) table.Item {
	return table.Item{Key: table.Key{Partition: "p", Sort: sort}, Kind: kind, Rev: 7, Body: []byte(`{}`)}
}

// Only new letters and removals by time-to-live matter; what fails is answered,
// and the others go on.
func TestStreamHandsOnWhatMatters(t *testing.T) {
	l := &listening{broken: map[string]error{"one b": errors.New("throttled"), "removed d": errors.New("throttled")}}
	unreadable := record("INSERT", "NewImage", item("mail", "x"), nil)
	unreadable["dynamodb"].(map[string]any)["NewImage"] = map[string]any{"partition": map[string]string{"S": "p"}, "set": map[string][]string{"SS": {"a"}}}
	failed := hand(t, l,
		record("INSERT", "NewImage", item("mail", "a"), nil), record("INSERT", "NewImage", item("mail", "b"), nil),
		record("INSERT", "NewImage", item("recovery.notice", "r"), nil), record("MODIFY", "NewImage", item("recovery.notice", "r"), nil),
		record("INSERT", "NewImage", item("user", "c"), nil), record("MODIFY", "NewImage", item("mail", "c"), nil),
		record("REMOVE", "OldImage", item("lease", "d"), timeToLive()), record("REMOVE", "OldImage", item("lease", "e"), nil),
		record("REMOVE", "OldImage", item("lease", "f"), map[string]string{"type": "AssumedRole", "principalId": "x:y"}),
		record("REMOVE", "OldImage", item("lease", "g"), timeToLive()), unreadable,
	)
	if want := []string{"one a", "one b", "notify r", "removed d", "removed g"}; !slices.Equal(l.heard, want) {
		t.Errorf("heard %q, want %q", l.heard, want)
	}
	if want := []string{"seq-b", "seq-d", "seq-x"}; !slices.Equal(failed, want) {
		t.Errorf("failed %q, want %q", failed, want)
	}
}

// An event without records is the schedule's.
func TestScheduleDelivers(t *testing.T) {
	l := &listening{}
	handle := stack.Stream(l, slog.New(slog.DiscardHandler))
	if _, err := handle(t.Context(), json.RawMessage(`{"source":"aws.scheduler"}`)); err != nil || !slices.Equal(l.heard, []string{"deliver"}) {
		t.Errorf("%v, %q", err, l.heard)
	}
	l.broken = map[string]error{"deliver": errors.New("throttled")}
	if _, err := handle(t.Context(), json.RawMessage(`{}`)); err == nil {
		t.Error("what could not be delivered is not told")
	}
	if _, err := handle(t.Context(), json.RawMessage(`[`)); err == nil {
		t.Error("an unreadable event is passed over")
	}
}

// A letter leaves with its record, once.
func TestLettersLeaveWithTheirRecord(t *testing.T) {
	w := localtest.New(t)
	alice := w.Administrator("acme", "alice@acme.example")
	w.Tick()
	w.Invite(alice, "bob@acme.example")
	var letters []map[string]any
	for letter, err := range w.Table.Due(t.Context(), "mail", w.Clock.Now()) {
		if err != nil {
			t.Fatal(err)
		}
		letters = append(letters, record("INSERT", "NewImage", letter, nil))
	}
	for range 2 {
		if failed := hand(t, w.Courier, letters...); len(failed) > 0 {
			t.Errorf("%v failed", failed)
		}
	}
	w.Tick()
	if got := len(w.Mail.To("bob@acme.example")); got != 1 || len(letters) != 1 {
		t.Errorf("%d letters of %d arrived", got, len(letters))
	}
}

func FuzzStream(f *testing.F) {
	f.Add([]byte(fmt.Sprintf(`{"Records":[{"eventName":"INSERT","dynamodb":{"NewImage":%s}}]}`, `{"kind":{"S":"mail"}}`)))
	f.Add([]byte(`{"Records":[{"eventName":"REMOVE","userIdentity":{"type":"Service","principalId":"dynamodb.amazonaws.com"},"dynamodb":{"OldImage":{"kind":{"N":"1"},"rev":{"N":"x"}}}}]}`))
	f.Fuzz(func(t *testing.T, raw []byte) {
		l := &listening{}
		answer, err := stack.Stream(l, slog.New(slog.DiscardHandler))(t.Context(), raw)
		if err != nil && len(answer.BatchItemFailures) > 0 {
			t.Error("both an error and failures")
		}
	})
}
