// Package mail is the transactional outbox. It guarantees that a letter exists
// exactly if the change that it tells of was committed, that it is delivered to
// each recipient at least once (after a crash at most one duplicate, under the
// same id), that a recipient who can't be reached holds up no other and is tried
// for a week, after which the letter is set aside and not lost, that nothing of it, least of all a link's token, stands readable in the table, and
// that its HTML says what its text says, loads nothing and links to the control
// portal alone.
package mail

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"
	"unicode"

	"portcullis.example/shared/secrets"
	"portcullis.example/shared/table"
	"portcullis.example/shared/token"
)

// Kind is the kind of the outbox's items, for table.Due; Undelivered is that of
// letters that were given up, which nothing asks for.
const (
	Kind        = "mail"
	Undelivered = "mail.undelivered"
)

// How long a letter that could not be sent waits for its next try, and a courier has
// it to itself: half as long as it has been waiting, within these bounds. After
// triedFor it is set aside for whoever looks for it within keptAside.
const (
	retryAfter   = time.Minute
	longestRetry = time.Hour
	triedFor     = 7 * 24 * time.Hour
	keptAside    = 90 * 24 * time.Hour
)

const partition = "mail#"

// sendWithin is how long handing over one letter may take: well within
// retryAfter, so that no second courier takes it up meanwhile.
const sendWithin = 10 * time.Second

// Letter is one mail. Text is plain text; links in it come from configuration.
type Letter struct {
	// ID is set by Post; a second delivery has the same one.
	ID string `json:"id"`
	// To is nobody where it is empty: such a letter is thrown away, so that what is
	// mailed to known addresses alone costs the same for others.
	To string `json:"to"`
	// Administrators, instead of To, is the partner whose administrators all
	// get the letter.
	Administrators string `json:"administrators,omitempty"`
	// Partner, if set, is whose support contact is put at the end of the letter, as
	// it is when the letter is handed over.
	Partner string `json:"partner,omitempty"`
	Subject string `json:"subject"`
	Text    string `json:"text"`
	// HTML is made from Text as the letter is taken out; senders send both.
	HTML string `json:"-"`
	// Reached are those of Administrators who have the letter.
	Reached []string `json:"reached,omitempty"`
}

// ErrUndelivered says that a letter could not be handed over for a week and is set
// aside. It is told once, with the error of the last try.
var ErrUndelivered = errors.New("mail: given up; the letter is set aside")

// ErrNotReady says that mail would not reach everybody yet, and what to do.
var ErrNotReady = errors.New("mail is not ready")

// Sender delivers one letter to one address. Errors are retried.
type Sender interface {
	Send(ctx context.Context, letter Letter) error
}

// Outbox puts letters in and takes them out. Its fields are set once; it is
// safe for concurrent use.
type Outbox struct {
	Table  table.Table
	Sealer secrets.Sealer
	IDs    *token.IDs
	Now    func() time.Time
	// BaseURL is the control portal's, without a slash at its end: where the links
	// in letters lead.
	BaseURL string
}

type sealed struct {
	Letter []byte `json:"letter"`
}

// Post is the write that puts a letter into the outbox, to be committed with
// the change it tells of. The subject is made one line: it becomes a header.
func (o *Outbox) Post(ctx context.Context, letter Letter) (table.Write, error) {
	id, err := o.IDs.New()
	if err != nil {
		return table.Write{}, err
	}
	letter.ID, letter.Subject = id, oneLine(letter.Subject)
	item, err := o.seal(ctx, table.Key{Partition: partition + id, Sort: "letter"}, letter)
	item.Due = o.Now()
	return table.Put(item, table.Absent()), err
}

func (o *Outbox) seal(ctx context.Context, key table.Key, letter Letter) (table.Item, error) {
	text, err := json.Marshal(letter)
	if err != nil {
		return table.Item{}, fmt.Errorf("mail: %w", err)
	}
	closed, err := o.Sealer.Seal(ctx, text, key.Partition)
	if err != nil {
		return table.Item{}, fmt.Errorf("mail: %w", err)
	}
	return table.Encode(key, Kind, sealed{Letter: closed})
}

// Open reads a letter that Due yielded.
func (o *Outbox) Open(ctx context.Context, item table.Item) (Letter, error) {
	body, err := table.Decode[sealed](item)
	if err != nil {
		return Letter{}, err
	}
	text, err := o.Sealer.Open(ctx, body.Letter, item.Partition)
	if err != nil {
		return Letter{}, fmt.Errorf("mail: %w", err)
	}
	var letter Letter
	if err := json.Unmarshal(text, &letter); err != nil {
		return Letter{}, fmt.Errorf("mail: %w", err)
	}
	letter.HTML = page(letter, o.BaseURL)
	return letter, nil
}

func oneLine(text string) string {
	return strings.TrimSpace(strings.Map(func(r rune) rune {
		if unicode.IsControl(r) || r == '\u2028' || r == '\u2029' {
			return ' '
		}
		return r
	}, strings.ToValidUTF8(text, "")))
}

// Post is where letters are handed in: it knows who gets one, and how.
type Post interface {
	Sender
	// AdministratorEmails lists where a letter to a partner's administrators
	// goes.
	AdministratorEmails(ctx context.Context, partner string) ([]string, error)
	// SupportContact is whom a partner names for help; empty: nobody.
	SupportContact(ctx context.Context, partner string) (string, error)
}

// Deliver hands every letter that is due to post, and answers how many went out
// to all their recipients. One that fails stays and is due again, after a minute at first
// and an hour at last, for those who have not got it; the errors are joined. Any number may deliver
// at once.
func (o *Outbox) Deliver(ctx context.Context, post Post) (sent int, err error) {
	for item, listErr := range o.Table.Due(ctx, Kind, o.Now()) {
		if listErr != nil {
			return sent, errors.Join(err, listErr)
		}
		done, one := o.deliver(ctx, item, post)
		if done {
			sent++
		}
		err = errors.Join(err, one)
	}
	return sent, err
}

// DeliverOne hands one letter to post as soon as it is known of. One that is gone
// or that another courier has is no error: Deliver sees to what is left.
func (o *Outbox) DeliverOne(ctx context.Context, key table.Key, post Post) error {
	item, err := o.Table.Get(ctx, key)
	switch {
	case errors.Is(err, table.ErrNotFound) || err == nil && item.Due.After(o.Now()):
		return nil
	case err != nil:
		return err
	}
	_, err = o.deliver(ctx, item, post)
	return err
}

// waited is how long a letter has been waiting: its id tells when it was posted.
func (o *Outbox) waited(item table.Item) time.Duration {
	posted := token.MadeAt(strings.TrimPrefix(item.Partition, partition))
	if posted.IsZero() {
		return 0
	}
	return o.Now().Sub(posted)
}

func (o *Outbox) deliver(ctx context.Context, item table.Item, post Post) (done bool, err error) {
	// Put off before it is sent: whoever else sees it now loses, and after a
	// crash it is due again.
	rev := item.Rev
	item.Due = o.Now().Add(min(max(o.waited(item)/2, retryAfter), longestRetry))
	err = o.Table.Apply(ctx, table.Put(item, table.Is(rev)))
	if errors.Is(err, table.ErrConflict) {
		return false, nil // another courier has it
	}
	if err != nil {
		return false, err
	}
	letter, err := o.Open(ctx, item)
	if err != nil {
		return false, errors.Join(err, o.keep(ctx, item, nil))
	}
	reached := len(letter.Reached)
	whole, err := o.whole(ctx, letter, post)
	if err == nil {
		err = whole.send(ctx, post)
	}
	if err == nil {
		return true, o.Table.Apply(ctx, table.Delete(item.Key, table.Always()))
	}
	letter.Reached = whole.Reached
	if len(letter.Reached) == reached {
		return false, errors.Join(err, o.keep(ctx, item, nil))
	}
	return false, errors.Join(err, o.keep(ctx, item, &letter))
}

// whole is a letter with whom its partner names for help at its end.
func (o *Outbox) whole(ctx context.Context, letter Letter, post Post) (Letter, error) {
	if letter.Partner == "" || letter.To == "" && letter.Administrators == "" {
		return letter, nil
	}
	contact, err := post.SupportContact(ctx, letter.Partner)
	if contact = oneLine(contact); err != nil || contact == "" {
		return letter, err
	}
	letter.Text = strings.TrimRight(letter.Text, "\n") + "\n\nWhom your organisation names for help: " + contact + "\n"
	letter.HTML = page(letter, o.BaseURL)
	return letter, nil
}

// keep remembers who has been reached, if a letter is given, and sets aside what has
// been tried for long enough.
func (o *Outbox) keep(ctx context.Context, item table.Item, letter *Letter) (told error) {
	next := item
	if letter != nil {
		var err error
		if next, err = o.seal(ctx, item.Key, *letter); err != nil {
			return err
		}
		next.Due = item.Due
	}
	switch {
	case o.waited(item) >= triedFor:
		next.Kind, next.Due, next.Expires = Undelivered, time.Time{}, o.Now().Add(keptAside)
		told = fmt.Errorf("%w: %s", ErrUndelivered, item.Key)
	case letter == nil:
		return nil
	}
	return errors.Join(told, o.Table.Apply(ctx, table.Put(next, table.Present())))
}

// send hands the letter to each recipient who has not got it, and notes who has.
func (l *Letter) send(ctx context.Context, post Post) error {
	ctx, cancel := context.WithTimeout(ctx, sendWithin)
	defer cancel()
	switch {
	case l.Administrators == "" && l.To == "":
		return nil
	case l.Administrators == "":
		return post.Send(ctx, *l)
	}
	emails, err := post.AdministratorEmails(ctx, l.Administrators)
	if err != nil {
		return err
	}
	for _, email := range emails {
		if slices.Contains(l.Reached, email) {
			continue
		}
		one := *l
		one.To, one.Reached = email, nil
		if failed := post.Send(ctx, one); failed != nil {
			err = errors.Join(err, failed)
			continue
		}
		l.Reached = append(l.Reached, email)
	}
	return err
}
