package mail_test

import (
	"context"
	"crypto/rand"
	"encoding/json"
	"errors"
	"fmt"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"portcullis.example/infra/local/localtest"
	"portcullis.example/shared/mail"
	"portcullis.example/shared/secrets/keyfile"
	"portcullis.example/shared/table"
	"portcullis.example/shared/table/tabletest"
	"portcullis.example/shared/token"
)

var errRefused = errors.New("the mail server refuses")

// post keeps what is handed in and refuses by address.
type post struct {
	mu       sync.Mutex
	sent     map[string][]mail.Letter
	refuses  map[string]bool
	admins   []string
	deadline bool
	// noContact says that partners can't be read.
	noContact bool
}

func (p *post) Send(ctx context.Context, letter mail.Letter) error {
	p.mu.Lock()
	defer p.mu.Unlock()
	_, p.deadline = ctx.Deadline()
	if p.refuses[letter.To] {
		return fmt.Errorf("%s: %w", letter.To, errRefused)
	}
	p.sent[letter.To] = append(p.sent[letter.To], letter)
	return nil
}

func (p *post) AdministratorEmails(_ context.Context, partner string) ([]string, error) {
	if partner != "acme" {
		return nil, errors.New("no such partner")
	}
	return p.admins, nil
}

func (p *post) SupportContact(_ context.Context, partner string) (string, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.noContact {
		return "", errRefused
	}
	return map[string]string{"acme": "help@acme.example\nor <b>+1 555 0100</b>"}[partner], nil
}

// office is an outbox on a table that fails by plan.
type office struct {
	*mail.Outbox
	t      *testing.T
	clock  *localtest.Clock
	faulty *tabletest.Faulty
	post   *post
}

func newOffice(t *testing.T) office {
	t.Helper()
	clock := localtest.NewClock()
	key, err := keyfile.Create(filepath.Join(t.TempDir(), "key"), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	faulty := tabletest.NewFaulty(localtest.Bolt(t, clock), nil)
	return office{
		Outbox: &mail.Outbox{Table: faulty, Sealer: key, IDs: token.NewIDs(clock.Now, rand.Reader), Now: clock.Now, BaseURL: "https://portal.example"},
		t:      t, clock: clock, faulty: faulty, post: &post{sent: map[string][]mail.Letter{}, refuses: map[string]bool{}},
	}
}

func letterTo(address string) mail.Letter {
	return mail.Letter{To: address, Subject: "Hello", Text: "https://portal.example/#token=secret-token\n"}
}

func (o office) put(letters ...mail.Letter) {
	o.t.Helper()
	for _, letter := range letters {
		write, err := o.Post(o.t.Context(), letter)
		if err == nil {
			err = o.Table.Apply(o.t.Context(), write)
		}
		if err != nil {
			o.t.Fatal(err)
		}
	}
}

func (o office) deliver() (int, error) { return o.Deliver(o.t.Context(), o.post) }

func (o office) left() (n int) {
	o.t.Helper()
	for _, err := range o.Table.Due(o.t.Context(), mail.Kind, o.clock.Now().Add(time.Hour)) {
		if err != nil {
			o.t.Fatal(err)
		}
		n++
	}
	return n
}

func TestLetterExistsWithItsChangeOrNot(t *testing.T) {
	o := newOffice(t)
	write, err := o.Post(t.Context(), letterTo("a@example.com"))
	if err != nil {
		t.Fatal(err)
	}
	change, err := table.Encode(table.Key{Partition: "x", Sort: "x"}, "x", struct{}{})
	if err != nil {
		t.Fatal(err)
	}
	if err := o.Table.Apply(t.Context(), write, table.Put(change, table.Present())); !errors.Is(err, table.ErrConflict) {
		t.Fatal(err)
	}
	if n, err := o.deliver(); n != 0 || err != nil || o.left() != 0 {
		t.Errorf("a letter of a change that was not made: sent %d (%v)", n, err)
	}
	if err := o.Table.Apply(t.Context(), write, table.Put(change, table.Absent())); err != nil {
		t.Fatal(err)
	}
	if n, err := o.deliver(); n != 1 || err != nil || len(o.post.sent["a@example.com"]) != 1 || o.left() != 0 {
		t.Errorf("sent %d (%v): %v", n, err, o.post.sent)
	}
	if got := o.post.sent["a@example.com"][0]; got.Text != letterTo("").Text || got.Subject != "Hello" || got.ID == "" {
		t.Errorf("the letter: %+v", got)
	}
	if n, err := o.deliver(); n != 0 || err != nil || !o.post.deadline {
		t.Errorf("again: %d (%v); with a deadline: %v", n, err, o.post.deadline)
	}
}

// Nothing of a letter stands readable in the table, its key says nothing, and
// one sealed for another place does not open.
func TestLettersAreSealed(t *testing.T) {
	o := newOffice(t)
	o.post.refuses["b@example.com"], o.post.admins = true, []string{"a@example.com", "b@example.com"}
	o.put(letterTo("someone@example.com"), mail.Letter{Administrators: "acme", Subject: "Hello", Text: "secret-token"})
	for range 2 {
		var items []table.Item
		for item, err := range o.Table.Due(t.Context(), mail.Kind, o.clock.Now().Add(time.Hour)) {
			if err != nil {
				t.Fatal(err)
			}
			for _, secret := range []string{"secret-token", "someone", "example.com", "Hello", "acme"} {
				if strings.Contains(item.String()+string(item.Body), secret) {
					t.Errorf("%q stands in %s %s", secret, item.Key, item.Body)
				}
			}
			var body map[string][]byte
			if err := json.Unmarshal(item.Body, &body); err != nil || strings.Contains(string(body["letter"]), "token") {
				t.Errorf("body: %s (%v)", body["letter"], err)
			}
			items = append(items, item)
		}
		swapped := items[0]
		swapped.Key = table.Key{Partition: "mail#01JZZZZZZZZZZZZZZZZZZZZZZZ", Sort: "letter"}
		if _, err := o.Open(t.Context(), swapped); err == nil {
			t.Error("a letter opens under another id")
		}
		if _, err := o.deliver(); !errors.Is(err, errRefused) {
			t.Error(err)
		}
		o.clock.Add(time.Minute)
		o.put(letterTo("someone@example.com"))
	}
}

// One that can't be sent is tried again a minute later, and blocks nobody.
func TestRefusedLetterIsTriedAgainAMinuteLater(t *testing.T) {
	o := newOffice(t)
	o.put(letterTo("a@example.com"), letterTo("bad@example.com"), letterTo("c@example.com"))
	o.post.refuses["bad@example.com"] = true
	if n, err := o.deliver(); n != 2 || !errors.Is(err, errRefused) || len(o.post.sent["c@example.com"]) != 1 {
		t.Errorf("sent %d (%v)", n, err)
	}
	o.post.refuses["bad@example.com"] = false
	o.clock.Add(time.Minute - time.Second)
	if n, err := o.deliver(); n != 0 || err != nil {
		t.Errorf("before its minute: %d (%v)", n, err)
	}
	o.clock.Add(time.Second)
	if n, err := o.deliver(); n != 1 || err != nil || o.left() != 0 {
		t.Errorf("after its minute: %d (%v)", n, err)
	}
	for _, to := range []string{"a@example.com", "bad@example.com", "c@example.com"} {
		if n := len(o.post.sent[to]); n != 1 {
			t.Errorf("%s has it %d times", to, n)
		}
	}
}

// A letter that does not open blocks nobody either, and is not lost.
func TestUnreadableLetterBlocksNobody(t *testing.T) {
	o := newOffice(t)
	item, err := table.Encode(table.Key{Partition: "mail#01A", Sort: "letter"}, mail.Kind, map[string]any{"letter": []byte("no seal")})
	if err != nil {
		t.Fatal(err)
	}
	item.Due = o.clock.Now()
	if err := o.Table.Apply(t.Context(), table.Put(item, table.Absent())); err != nil {
		t.Fatal(err)
	}
	o.put(letterTo("a@example.com"))
	if n, err := o.deliver(); n != 1 || err == nil || o.left() != 1 {
		t.Errorf("sent %d (%v), %d left", n, err, o.left())
	}
}

// Each administrator has the letter once, though one of them can't be reached
// for a while.
func TestEachAdministratorIsReachedOnce(t *testing.T) {
	o := newOffice(t)
	o.post.admins = []string{"a@example.com", "bad@example.com", "c@example.com"}
	o.post.refuses["bad@example.com"] = true
	o.put(mail.Letter{Administrators: "acme", Subject: "Hello"})
	for range 3 {
		if n, err := o.deliver(); n != 0 || !errors.Is(err, errRefused) {
			t.Errorf("sent %d (%v)", n, err)
		}
		o.clock.Add(time.Minute)
	}
	o.post.refuses["bad@example.com"] = false
	if n, err := o.deliver(); n != 1 || err != nil || o.left() != 0 {
		t.Errorf("sent %d (%v)", n, err)
	}
	var ids []string
	for _, to := range o.post.admins {
		if n := len(o.post.sent[to]); n != 1 {
			t.Fatalf("%s has it %d times", to, n)
		}
		if got := o.post.sent[to][0]; got.To != to || len(got.Reached) != 0 {
			t.Errorf("%+v", got)
		}
		ids = append(ids, o.post.sent[to][0].ID)
	}
	if len(slices.Compact(ids)) != 1 || ids[0] == "" {
		t.Errorf("under different ids: %v", ids)
	}
	o.put(mail.Letter{Administrators: "nobody", Subject: "Hello"})
	if n, err := o.deliver(); n != 0 || err == nil || o.left() != 1 {
		t.Errorf("administrators that can't be read: sent %d (%v)", n, err)
	}
}

// Whichever call to the table fails, and however: delivered at least once, at
// most one duplicate and under the same id, nothing left in the end.
func TestFaultsCostAtMostOneDuplicate(t *testing.T) {
	for _, fault := range []tabletest.Fault{tabletest.Fail, tabletest.FailApplied} {
		for call := range 6 {
			o := newOffice(t)
			o.post.admins = []string{"b@example.com", "c@example.com"}
			o.put(letterTo("a@example.com"), mail.Letter{Administrators: "acme", Subject: "Hello"})
			o.faulty.SetPlan(tabletest.At(call, fault))
			for range 3 {
				// The injected errors are what the test is about.
				_, _ = o.deliver()
				o.clock.Add(time.Minute)
			}
			for _, to := range []string{"a@example.com", "b@example.com", "c@example.com"} {
				got := o.post.sent[to]
				if len(got) < 1 || len(got) > 2 || got[0].ID != got[len(got)-1].ID {
					t.Errorf("fault %v at call %d: %s has %v", fault, call, to, got)
				}
			}
			if o.left() != 0 {
				t.Errorf("fault %v at call %d: %d left", fault, call, o.left())
			}
		}
	}
}

// A courier that dies after sending and before noting it costs one duplicate,
// a minute later.
func TestCrashBetweenSendAndDelete(t *testing.T) {
	o := newOffice(t)
	o.put(letterTo("a@example.com"))
	writes := 0
	o.faulty.SetPlan(func(_ int, op tabletest.Op) tabletest.Fault {
		if op.Writes() {
			writes++
		}
		if writes > 1 {
			return tabletest.Fail
		}
		return tabletest.None
	})
	if n, err := o.deliver(); n != 0 && err == nil {
		t.Errorf("sent %d (%v)", n, err)
	}
	o.faulty.SetPlan(nil)
	if n, err := o.deliver(); n != 0 || err != nil {
		t.Errorf("at once: %d (%v)", n, err)
	}
	o.clock.Add(time.Minute)
	if n, err := o.deliver(); n != 1 || err != nil {
		t.Errorf("a minute later: %d (%v)", n, err)
	}
	if got := o.post.sent["a@example.com"]; len(got) != 2 || got[0].ID != got[1].ID {
		t.Errorf("delivered: %v", got)
	}
}

// Eight couriers at once deliver each letter once.
func TestCouriersAtOnce(t *testing.T) {
	o := newOffice(t)
	for i := range 10 {
		o.put(letterTo(fmt.Sprintf("%d@example.com", i)))
	}
	var mu sync.Mutex
	sum := 0
	localtest.Parallel(8, func(int) {
		n, err := o.deliver()
		mu.Lock()
		defer mu.Unlock()
		if sum += n; err != nil {
			t.Error(err)
		}
	})
	for to, got := range o.post.sent {
		if len(got) != 1 {
			t.Errorf("%s has it %d times", to, len(got))
		}
	}
	if sum != 10 || len(o.post.sent) != 10 || o.left() != 0 {
		t.Errorf("sent %d to %d, %d left", sum, len(o.post.sent), o.left())
	}
}

// Whom a partner names for help stands at the end of what is about somebody's
// account, in one line, in text and HTML; a letter is not sent without it because the
// partner could not be read.
func TestLettersNameWhomToAsk(t *testing.T) {
	o := newOffice(t)
	about := func(to, partner string) mail.Letter {
		letter := letterTo(to)
		letter.Partner = partner
		return letter
	}
	o.put(about("alice@acme.example", "acme"), about("op@example.com", "operators"), letterTo("bob@acme.example"))
	o.post.noContact = true
	if sent, err := o.deliver(); sent != 1 || !errors.Is(err, errRefused) || len(o.post.sent["alice@acme.example"]) > 0 {
		t.Errorf("the partner can't be read: %d sent, %v", sent, err)
	}
	o.post.noContact = false
	o.clock.Add(time.Minute)
	if sent, err := o.deliver(); sent != 2 || err != nil {
		t.Fatalf("%d sent, %v", sent, err)
	}
	const says = "Whom your organisation names for help: help@acme.example or "
	got := o.post.sent["alice@acme.example"][0]
	if !strings.HasSuffix(got.Text, "\n\n"+says+"<b>+1 555 0100</b>\n") || !strings.Contains(got.HTML, "<p>"+says+"&lt;b&gt;+1 555 0100&lt;/b&gt;</p>") {
		t.Errorf("%s\n%s", got.Text, got.HTML)
	}
	for _, other := range []string{"op@example.com", "bob@acme.example"} {
		if text := o.post.sent[other][0].Text; text != letterTo(other).Text {
			t.Errorf("%s: %s", other, text)
		}
	}
}
