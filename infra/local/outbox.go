package local

import (
	"context"
	"errors"
	"fmt"
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
	draft, err := os.CreateTemp(o.Folder, ".draft-*")
	if err != nil {
		return fmt.Errorf("outbox: %w", err)
	}
	_, err = m.WriteTo(draft)
	if err = errors.Join(err, draft.Sync(), draft.Close()); err != nil {
		return errors.Join(fmt.Errorf("outbox: %w", err), os.Remove(draft.Name()))
	}
	return os.Rename(draft.Name(), filepath.Join(o.Folder, letter.ID+"-"+fileName(letter.To)+".eml"))
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
