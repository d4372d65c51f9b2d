// Package local is the one-process server: every function on one mux, the
// schedules on a ticker, an embedded store, an outbox folder for mail. It
// guarantees that an acknowledged change survives a crash, that nothing is
// silently made anew where a store or a key has been lost, and that a second
// start goes on where the first ended.
package local

import (
	"io"
	"log/slog"
	"time"

	"portcullis.example/functions/auditor"
	"portcullis.example/functions/courier"
	"portcullis.example/functions/gate"
	"portcullis.example/functions/login"
	"portcullis.example/functions/phonesystems"
	"portcullis.example/functions/portal"
	"portcullis.example/functions/reports"
	"portcullis.example/functions/unlocks"
	"portcullis.example/shared/account"
	"portcullis.example/shared/account/password"
	"portcullis.example/shared/attempt"
	"portcullis.example/shared/audit"
	"portcullis.example/shared/gatekeeper"
	"portcullis.example/shared/mail"
	"portcullis.example/shared/mfa"
	"portcullis.example/shared/phonesystem"
	"portcullis.example/shared/secrets"
	"portcullis.example/shared/session"
	"portcullis.example/shared/table"
	"portcullis.example/shared/token"
	"portcullis.example/shared/unlock"
	"portcullis.example/shared/web"
)

// Ground is what a system stands on. All of it is needed.
type Ground struct {
	Table  table.Table
	Sealer secrets.Sealer
	// CursorKey authenticates the cursors of lists.
	CursorKey []byte
	Hasher    *password.Hasher
	Sender    mail.Sender
	Now       func() time.Time
	Random    io.Reader
	Log       *slog.Logger
	BaseURL   string
	Sessions  session.Lifetimes
	// RestoredAt is when the store was last restored; zero: never.
	RestoredAt time.Time
}

// System is Portcullis: its API, its scheduled functions, and the services that
// the first start needs.
type System struct {
	API       *web.API
	Auditor   auditor.Function
	Courier   courier.Function
	Keeper    *gatekeeper.Keeper
	Directory *account.Directory
	Registry  *phonesystem.Registry
	Journal   *audit.Journal
}

// New puts a system together and adds every route.
func New(g Ground) *System {
	ids := token.NewIDs(g.Now, g.Random)
	journal := &audit.Journal{Table: g.Table, Now: g.Now, IDs: ids}
	outbox := &mail.Outbox{Table: g.Table, Sealer: g.Sealer, IDs: ids, Now: g.Now}
	directory := &account.Directory{Journal: journal, Outbox: outbox, Hasher: g.Hasher, Passwords: password.NewPolicy(), Random: g.Random, BaseURL: g.BaseURL, RestoredAt: g.RestoredAt}
	desk := &session.Desk{
		Journal: journal, Directory: directory, Hasher: g.Hasher, Guard: attempt.Guard{Table: g.Table},
		Factors: mfa.Keeper{Sealer: g.Sealer, Random: g.Random, RestoredAt: g.RestoredAt}, Random: g.Random, Lifetimes: g.Sessions, RestoredAt: g.RestoredAt,
	}
	registry := &phonesystem.Registry{Journal: journal, Outbox: outbox, Random: g.Random}
	book := &unlock.Book{Journal: journal, Random: g.Random, RestoredAt: g.RestoredAt}
	keeper := gatekeeper.New(gatekeeper.Options{Journal: journal, Random: g.Random, Log: g.Log, BaseURL: g.BaseURL, RestoredAt: g.RestoredAt})
	api := web.New(web.Options{BaseURL: g.BaseURL, Desk: desk, IDs: ids, Log: g.Log, CursorKey: g.CursorKey})

	login.Function{API: api, Desk: desk, Now: g.Now}.Routes()
	phonesystems.Function{API: api, Registry: registry, Book: book, Table: g.Table, Log: g.Log}.Routes()
	unlocks.Function{API: api, Book: book, Now: g.Now}.Routes()
	gate.Function{API: api, Keeper: keeper, Directory: directory, BaseURL: g.BaseURL}.Routes()
	reports.Function{API: api, Journal: journal}.Routes()
	portal.Function{API: api, Table: g.Table}.Routes()
	return &System{
		API: api, Auditor: auditor.Function{Book: book}, Keeper: keeper, Directory: directory, Registry: registry, Journal: journal,
		Courier: courier.Function{Outbox: outbox, Directory: directory, Book: book, Sender: g.Sender},
	}
}
