package local

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"

	gomail "github.com/wneessen/go-mail"

	"portcullis.example/shared/mail"
)

// Outbox delivers letters as files, one a letter and address, that any mail
// program opens. A letter delivered twice is one file.
type Outbox struct {
	Folder string
	// From is the sender's address.
	From string
}

// Send writes one letter. The file appears whole or not at all, readable by its
// owner alone: links let their reader in.
func (o Outbox) Send(_ context.Context, letter mail.Letter) error {
	m := gomail.NewMsg()
	if err := errors.Join(m.From(o.From), m.To(letter.To)); err != nil {
		return fmt.Errorf("outbox: %w", err)
	}
	m.Subject(letter.Subject)
	m.SetMessageIDWithValue(letter.ID + "@portcullis")
	m.SetDate()
	m.SetBodyString(gomail.TypeTextPlain, letter.Text, gomail.WithPartEncoding(gomail.NoEncoding))
	if err := o.publish(m, letter.ID+"-"+fileName(letter.To)+".eml"); err != nil {
		return fmt.Errorf("outbox: %w", err)
	}
	return nil
}

// publish is durable: what was sent is taken out of the table.
func (o Outbox) publish(m *gomail.Msg, name string) (err error) {
	draft, err := os.CreateTemp(o.Folder, ".draft-*") // mode 0600
	if err != nil {
		return err
	}
	defer func() {
		if gone := os.Remove(draft.Name()); !errors.Is(gone, fs.ErrNotExist) {
			err = errors.Join(err, gone)
		}
	}()
	_, err = m.WriteTo(draft)
	if err = errors.Join(err, draft.Sync(), draft.Close()); err != nil {
		return err
	}
	if err := os.Rename(draft.Name(), filepath.Join(o.Folder, name)); err != nil {
		return err
	}
	folder, err := os.Open(o.Folder)
	if err != nil {
		return err
	}
	return errors.Join(folder.Sync(), folder.Close())
}

// Writable is nil if letters can be written now; else it says what to do.
func (o Outbox) Writable() error {
	probe, err := os.CreateTemp(o.Folder, ".probe-*")
	if err == nil {
		err = errors.Join(probe.Close(), os.Remove(probe.Name()))
	}
	if err != nil {
		return fmt.Errorf("the outbox can't be written: %w; make %s a folder that this user may write to", err, o.Folder)
	}
	return nil
}

// fileName keeps of an address what is safe in a file's name anywhere.
func fileName(address string) string {
	name := []byte(address)
	for i, c := range name {
		switch {
		case c >= 'a' && c <= 'z', c >= '0' && c <= '9', c == '.', c == '-', c == '@':
		default:
			name[i] = '_'
		}
	}
	return string(name)
}
