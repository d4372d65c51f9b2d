// Package ground is what every function stands on: the services of the domain,
// put together the same way for the one process on one machine and for each
// deployed function. It guarantees that putting them together asks nothing of
// the store, the network or the clock.
package ground

import (
	"context"
	"io"
	"log/slog"
	"time"

	"portcullis.example/shared/access"
	"portcullis.example/shared/account"
	"portcullis.example/shared/account/password"
	"portcullis.example/shared/apikey"
	"portcullis.example/shared/attempt"
	"portcullis.example/shared/audit"
	"portcullis.example/shared/evidence"
	"portcullis.example/shared/gatekeeper"
	"portcullis.example/shared/mail"
	"portcullis.example/shared/mfa"
	"portcullis.example/shared/notice"
	"portcullis.example/shared/phonesystem"
	"portcullis.example/shared/recovery"
	"portcullis.example/shared/secrets"
	"portcullis.example/shared/session"
	"portcullis.example/shared/table"
	"portcullis.example/shared/token"
	"portcullis.example/shared/unlock"
	"portcullis.example/shared/web"
)

// Options are what everything rests on. One machine needs all of it; a deployed
// function has what it uses.
type Options struct {
	Table  table.Table
	Sealer secrets.Sealer
	// CursorKey authenticates the cursors of lists.
	CursorKey []byte
	Hasher    *password.Hasher
	Sender    mail.Sender
	// MailReady says whether mail reaches everybody; nil: it need not be asked.
	MailReady func(context.Context) error
	Now       func() time.Time
	Random    io.Reader
	Log       *slog.Logger
	// BaseURL is the control portal's, without a slash at its end.
	BaseURL  string
	Sessions session.Lifetimes
	// RestoredAt is when the store was last restored; zero: never.
	RestoredAt time.Time
	// GateWithin is how long an answer to a gate may take before it is a denial;
	// zero: less than a proxy waits. Tests set it that are not about time.
	GateWithin time.Duration
}

// Ground is the services. Make one with New; they are safe for concurrent use.
type Ground struct {
	Options
	IDs       *token.IDs
	Journal   *audit.Journal
	Outbox    *mail.Outbox
	Notices   *notice.Writer
	Directory *account.Directory
	Desk      *session.Desk
	Recovery  *recovery.Service
	Keys      *apikey.Ring
	Registry  *phonesystem.Registry
	Book      *unlock.Book
	Reporter  *evidence.Reporter
}

// New puts the services together.
func New(o Options) *Ground {
	ids := token.NewIDs(o.Now, o.Random)
	journal := &audit.Journal{Table: o.Table, Now: o.Now, IDs: ids}
	outbox := &mail.Outbox{Table: o.Table, Sealer: o.Sealer, IDs: ids, Now: o.Now, BaseURL: o.BaseURL}
	notices := &notice.Writer{Outbox: outbox}
	registry := &phonesystem.Registry{Journal: journal, Outbox: outbox, Random: o.Random}
	book := &unlock.Book{Journal: journal, Random: o.Random, RestoredAt: o.RestoredAt}
	directory := &account.Directory{
		Journal: journal, Outbox: outbox, Hasher: o.Hasher, Passwords: password.NewPolicy(), Random: o.Random, BaseURL: o.BaseURL, RestoredAt: o.RestoredAt,
		Systems: registry.All, Windows: windows{book, o.Log},
	}
	keys := &apikey.Ring{Journal: journal, Outbox: outbox, Random: o.Random, RestoredAt: o.RestoredAt}
	registry.Users = known(directory)
	factors := mfa.Keeper{Sealer: o.Sealer, Random: o.Random, RestoredAt: o.RestoredAt}
	return &Ground{
		Options: o, IDs: ids, Journal: journal, Outbox: outbox, Notices: notices, Directory: directory,
		Desk: &session.Desk{
			Journal: journal, Directory: directory, Hasher: o.Hasher, Guard: attempt.Guard{Table: o.Table},
			Factors: factors, Notices: notices, Random: o.Random, Lifetimes: o.Sessions, RestoredAt: o.RestoredAt,
		},
		Recovery: &recovery.Service{
			Journal: journal, Directory: directory, Factors: factors, Outbox: outbox, Random: o.Random, BaseURL: o.BaseURL, RestoredAt: o.RestoredAt,
		},
		Keys:     keys,
		Registry: registry,
		Book:     book,
		Reporter: &evidence.Reporter{Journal: journal, Directory: directory, Registry: registry, Keys: keys},
	}
}

// known tells of users as the registry asks.
func known(directory *account.Directory) func(context.Context, access.Caller, []string) (map[string]phonesystem.Known, error) {
	return func(ctx context.Context, caller access.Caller, addresses []string) (map[string]phonesystem.Known, error) {
		users, err := directory.Known(ctx, caller, addresses)
		found := map[string]phonesystem.Known{}
		for address, user := range users {
			state := phonesystem.ActiveUser
			switch {
			case !user.Active:
				state = phonesystem.InactiveUser
			case user.JoinedAt.IsZero():
				state = phonesystem.InvitedUser
			}
			found[address] = phonesystem.Known{ID: user.ID, State: state}
		}
		return found, err
	}
}

// windows is the book as the services below it see it.
type windows struct {
	*unlock.Book
	log *slog.Logger
}

// Follow does not fail a change that is done: what it can't tell, the auditor
// will.
func (w windows) Follow(ctx context.Context, task table.Item) {
	if err := w.Book.Follow(ctx, task); err != nil {
		w.log.WarnContext(ctx, "the ends of windows could not be told yet", "error", err)
	}
}

// API makes an API without routes.
func (g *Ground) API() *web.API {
	return web.New(web.Options{BaseURL: g.BaseURL, Desk: g.Desk, Keys: g.Keys, IDs: g.IDs, Log: g.Log, CursorKey: g.CursorKey})
}

// Keeper makes a keeper, which remembers what it has met: one a process.
func (g *Ground) Keeper() *gatekeeper.Keeper {
	return gatekeeper.New(gatekeeper.Options{Journal: g.Journal, Random: g.Random, Log: g.Log, BaseURL: g.BaseURL, RestoredAt: g.RestoredAt, Within: g.GateWithin})
}
