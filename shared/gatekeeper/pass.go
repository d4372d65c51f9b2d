package gatekeeper

import (
	"context"
	"errors"
	"net/url"
	"time"

	"portcullis.example/shared/account"
	"portcullis.example/shared/attempt"
	"portcullis.example/shared/audit"
	"portcullis.example/shared/phonesystem"
	"portcullis.example/shared/table"
	"portcullis.example/shared/token"
	"portcullis.example/shared/unlock"
)

var (
	// ErrTicket says that a ticket was used, is late, or belongs elsewhere.
	ErrTicket = errors.New("this pass was used already, has ended, or is for another phone system; get a new one in the control portal")
	// ErrForeignOrigin says that a page that is not ours posted a ticket.
	ErrForeignOrigin = errors.New("this request came from a page that may not hand over passes")
	// ErrUnreadable says that the gate did not say clearly who is asking.
	ErrUnreadable = errors.New("the gate did not name one client address")
)

// OtherPassError says that this browser holds another user's living pass, which
// is not overwritten unasked.
type OtherPassError struct{ Holder, User string }

func (e *OtherPassError) Error() string {
	return "this browser holds the pass of " + e.Holder
}

// Visit is a browser at the phone system's own host, as its gate relays it.
type Visit struct {
	Authorization []string
	Client        []string
	Cookie        []string
	// Origin is the request's, one value; empty where there is none.
	Origin []string
	Ticket string
	// Config is as a Request's.
	Config []string
	// Replace says that the person wants another's pass overwritten.
	Replace bool
}

// Admitted is a browser that has its pass.
type Admitted struct {
	System  phonesystem.PhoneSystem
	Cookie  string // name
	Pass    string // value, shown once
	Expires time.Time
}

// visit is a Visit with what was read for it.
type visit struct {
	system phonesystem.PhoneSystem
	ticket unlock.Ticket
	window window
	items  []table.Item // phone system, ticket; lease, user, role
	client string       // network
}

// System finds the phone system that a visit's gate key names. Errors:
// ErrUnknownKey, the table's.
func (k *Keeper) System(ctx context.Context, v Visit) (phonesystem.PhoneSystem, error) {
	ctx, cancel := context.WithTimeout(ctx, k.within)
	defer cancel()
	id, hash, ok := readKey(v.Authorization)
	if !ok {
		return phonesystem.PhoneSystem{}, ErrUnknownKey
	}
	items, err := k.journal.Table.GetAll(ctx, phonesystem.Key(id))
	if err != nil {
		return phonesystem.PhoneSystem{}, err
	}
	return k.authenticated(items[0], hash, v.Config)
}

func (k *Keeper) authenticated(item table.Item, hash token.Hash, config []string) (phonesystem.PhoneSystem, error) {
	if !item.Exists() {
		return phonesystem.PhoneSystem{}, ErrUnknownKey
	}
	known, err := k.systems.of(item)
	if err != nil {
		return phonesystem.PhoneSystem{}, err
	}
	if !known.Authenticates(hash, k.journal.Second()) {
		return phonesystem.PhoneSystem{}, ErrUnknownKey
	}
	k.seen.note(known, sight{at: k.journal.Now(), config: config})
	return known.PhoneSystem, nil
}

// Show answers the e-mail address of whom a ticket would admit, and spends
// nothing. Errors: ErrUnknownKey, ErrTicket (the phone system is answered
// beside it), the table's.
func (k *Keeper) Show(ctx context.Context, v Visit) (phonesystem.PhoneSystem, string, error) {
	ctx, cancel := context.WithTimeout(ctx, k.within)
	defer cancel()
	read, err := k.readVisit(ctx, v)
	return read.system, read.window.user.Email, err
}

func (k *Keeper) readVisit(ctx context.Context, v Visit) (visit, error) {
	id, hash, ok := readKey(v.Authorization)
	if !ok {
		return visit{}, ErrUnknownKey
	}
	_, _, malformed := token.Parse(v.Ticket, token.Ticket, 1)
	items, err := k.journal.Table.GetAll(ctx, phonesystem.Key(id), unlock.TicketKey(id, token.HashOf(v.Ticket)))
	if err != nil {
		return visit{}, err
	}
	read := visit{items: items}
	if read.system, err = k.authenticated(items[0], hash, v.Config); err != nil {
		return read, err
	}
	if malformed != nil || !items[1].Exists() {
		return read, ErrTicket
	}
	if read.ticket, err = table.Decode[unlock.Ticket](items[1]); err != nil {
		return read, err
	}
	return read, k.readTicket(ctx, &read)
}

// readTicket judges the window that a ticket belongs to.
func (k *Keeper) readTicket(ctx context.Context, v *visit) error {
	leaseKey := unlock.LeaseKey(v.system.PartnerID, v.system.ID, v.ticket.UserID)
	first, err := k.journal.Table.GetAll(ctx, leaseKey, account.UserKey(v.ticket.UserID))
	if err != nil {
		return err
	}
	if !first[0].Exists() {
		return ErrTicket
	}
	lease, err := table.Decode[unlock.Lease](first[0])
	if err != nil {
		return err
	}
	holder := unlock.Holder{UserID: v.ticket.UserID, Role: lease.Role}
	if holder.Role != "" {
		role, err := k.journal.Table.GetAll(ctx, account.RoleKey(v.system.PartnerID, holder.Role))
		if err != nil {
			return err
		}
		first = append(first, role...)
	}
	if v.window, err = k.windowOf(first, holder); err != nil {
		return err
	}
	v.items = append(v.items, first...)
	if lease.UnlockID != v.ticket.UnlockID || v.window.standing(v.system, k.journal.Second()) != OpenWindow {
		return ErrTicket
	}
	return nil
}

// Admit spends a ticket and gives the browser its pass. Errors: ErrUnknownKey,
// ErrForeignOrigin, ErrUnreadable, ErrTicket, *OtherPassError (nothing is
// spent), table.ErrUnavailable; with all but the first the phone system is
// answered beside it. Of parallel ones with one ticket one succeeds.
func (k *Keeper) Admit(ctx context.Context, v Visit) (Admitted, error) {
	ctx, cancel := context.WithTimeout(ctx, k.within)
	defer cancel()
	system, err := k.System(ctx, v)
	if err != nil {
		return Admitted{}, err
	}
	refused := Admitted{System: system}
	if !k.mayPost(v.Origin, system) {
		return refused, ErrForeignOrigin
	}
	client, ok := ReadClient(v.Client)
	if !ok {
		return refused, ErrUnreadable
	}
	for range admitTries {
		admitted, err := k.admitOnce(ctx, v, attempt.Network(client))
		if err == nil {
			return admitted, nil
		}
		if !errors.Is(err, table.ErrConflict) {
			return refused, err
		}
	}
	return refused, table.ErrUnavailable
}

const admitTries = 5

func (k *Keeper) admitOnce(ctx context.Context, v Visit, network string) (Admitted, error) {
	read, err := k.readVisit(ctx, v)
	if err != nil {
		return Admitted{}, err
	}
	read.client = network
	if err := k.askFirst(ctx, v, read); err != nil {
		return Admitted{}, err
	}
	return k.admit(ctx, read)
}

// mayPost holds to the Fetch standard's Origin: only the portal's pages and the
// phone system's own may hand a ticket over; "null" and none may not.
func (k *Keeper) mayPost(origin []string, system phonesystem.PhoneSystem) bool {
	sent, ok := single(origin)
	if !ok {
		return false
	}
	portal, err := url.Parse(k.baseURL)
	return err == nil && (sent == portal.Scheme+"://"+portal.Host || sent == system.URL(""))
}

// askFirst finds another user's living pass in the browser. Of cookies that
// can't be read it does not know whose they are, and asks as well.
func (k *Keeper) askFirst(ctx context.Context, v Visit, read visit) error {
	held, found, sure := readPass(v.Cookie, read.system.Scheme())
	switch {
	case v.Replace:
		return nil
	case !sure:
		return &OtherPassError{Holder: "somebody who can't be told", User: read.window.user.Email}
	case !found || held.user == read.ticket.UserID:
		return nil
	}
	holder := unlock.Holder{UserID: held.user, Role: held.role}
	items, err := k.journal.Table.GetAll(ctx, windowKeys(read.system.PartnerID, read.system.ID, holder)...)
	if err != nil {
		return err
	}
	w, err := k.windowOf(items, holder)
	if err != nil {
		return err
	}
	_, has := w.lease.Pass(held.hash)
	if !has || w.standing(read.system, k.journal.Second()) != OpenWindow {
		return nil
	}
	return &OtherPassError{Holder: w.user.Email, User: read.window.user.Email}
}

func (k *Keeper) admit(ctx context.Context, v visit) (Admitted, error) {
	role := v.window.lease.Role
	if role == "" {
		role = administratorGrant
	}
	secret, err := token.New(k.random, token.Pass, v.system.PartnerID, v.ticket.UserID, role)
	if err != nil {
		return Admitted{}, err
	}
	v.window.lease.Admit(unlock.Pass{Hash: token.HashOf(secret), Network: v.client})
	write, err := v.window.lease.Write(v.items[2].Key, table.Is(v.items[2].Rev))
	if err != nil {
		return Admitted{}, err
	}
	writes := []table.Write{table.Delete(v.items[1].Key, table.Is(v.items[1].Rev)), write}
	if !v.system.Policy.Binding.ByPass() {
		bound, err := k.bind(ctx, v)
		if err != nil {
			return Admitted{}, err
		}
		writes = append(writes, bound)
	}
	admitted := Admitted{System: v.system, Cookie: CookieName(v.system.Scheme()), Pass: secret, Expires: v.window.lease.ExpiresAt}
	return admitted, k.journal.Commit(ctx, writes, v.entry())
}

func (k *Keeper) bind(ctx context.Context, v visit) (table.Write, error) {
	items, err := k.journal.Table.GetAll(ctx, unlock.AddressKey(v.system.ID, v.client))
	if err != nil {
		return table.Write{}, err
	}
	holder := unlock.Holder{UserID: v.ticket.UserID, Role: v.window.lease.Role}
	return unlock.BindAddress(items[0], holder, v.window.lease.ExpiresAt)
}

func (v visit) entry() audit.Entry {
	e := audit.Entry{Action: audit.PassUsed, Actor: v.ticket.UserID, Subject: v.ticket.UnlockID, PartnerID: v.system.PartnerID, Outcome: audit.Success}
	return e.On(v.system.ID).With("actor_email", v.window.user.Email).With("from", v.client)
}
