// Package phonesystem keeps the phone systems: their hosts, policies, profiles
// and gate keys. It guarantees that a phone system is locked from the moment it
// exists, that its host is unique within the partner, that a gate key stands in
// the table as a hash only, and that no field of it turns the lock off.
package phonesystem

import (
	"context"
	"errors"
	"fmt"
	"io"
	"regexp"
	"strconv"
	"strings"
	"sync"
	"time"

	"portcullis.example/shared/access"
	"portcullis.example/shared/audit"
	"portcullis.example/shared/input"
	"portcullis.example/shared/mail"
	"portcullis.example/shared/phonesystem/profile"
	"portcullis.example/shared/table"
	"portcullis.example/shared/token"
)

var (
	// ErrNotFound says that the caller's partner has no such phone system.
	ErrNotFound = errors.New("there is no such phone system")
	// ErrHostTaken says that another phone system of the partner has the host.
	ErrHostTaken = errors.New("another phone system of yours has this host already")
	// ErrProgramEdit says that a program asked to edit what the lock rests on.
	ErrProgramEdit = errors.New("a program with an API key sets no policy, and edits name, customer and restricted_paths only: the rest decides what the lock guards and takes a person who is signed in")
)

// KeyOverlap is how long a gate key works beside its successor.
const KeyOverlap = time.Hour

// Binding is what ties a browser to a window.
type Binding string

// The bindings; the first is the default.
const (
	BindPass   Binding = "pass"
	BindIP     Binding = "ip"
	BindPassIP Binding = "pass+ip"
)

// ByPass tells whether a pass is needed.
func (b Binding) ByPass() bool { return b != BindIP }

// ByAddress tells whether the address must be the one bound.
func (b Binding) ByAddress() bool { return b == BindIP || b == BindPassIP }

// Policy is what a partner sets for a phone system's windows. Durations are in
// seconds.
type Policy struct {
	DefaultSeconds       int64   `json:"default_seconds"`
	MaxSeconds           int64   `json:"max_seconds"`
	MaxExtensions        int64   `json:"max_extensions"`
	Binding              Binding `json:"binding"`
	Reason               string  `json:"reason"`
	DecisionCacheSeconds int64   `json:"decision_cache_seconds"`
}

// Whether opening a window takes a reason.
const (
	ReasonRequired = "required"
	ReasonOptional = "optional"
)

// Shortest and longest a policy may set, in seconds.
const (
	ShortestWindow = 60
	LongestWindow  = 86400
)

// DefaultPolicy is a new phone system's.
func DefaultPolicy() Policy {
	return Policy{DefaultSeconds: 1800, MaxSeconds: 14400, MaxExtensions: 2, Binding: BindPass, Reason: ReasonRequired}
}

func (p Policy) check(e *input.Errors) {
	e.Require(p.DefaultSeconds >= ShortestWindow && p.DefaultSeconds <= LongestWindow, "body.policy.default_seconds", "must be from %d to %d", ShortestWindow, LongestWindow)
	e.Require(p.MaxSeconds >= ShortestWindow && p.MaxSeconds <= LongestWindow, "body.policy.max_seconds", "must be from %d to %d", ShortestWindow, LongestWindow)
	e.Require(p.DefaultSeconds <= p.MaxSeconds, "body.policy.default_seconds", "must not be more than max_seconds (%d)", p.MaxSeconds)
	e.Require(p.MaxExtensions >= 0 && p.MaxExtensions <= 100, "body.policy.max_extensions", "must be from 0 to 100")
	e.Require(p.DecisionCacheSeconds >= 0 && p.DecisionCacheSeconds <= 30, "body.policy.decision_cache_seconds", "must be from 0 to 30")
	e.Require(p.Binding == BindPass || p.Binding == BindIP || p.Binding == BindPassIP, "body.policy.binding", "must be pass, ip or pass+ip")
	e.Require(p.Reason == ReasonRequired || p.Reason == ReasonOptional, "body.policy.reason", "must be required or optional")
}

// String is the policy for the audit.
func (p Policy) String() string {
	return fmt.Sprintf("default %d s, at most %d s, %d extensions, binding %s, reason %s, cache %d s",
		p.DefaultSeconds, p.MaxSeconds, p.MaxExtensions, p.Binding, p.Reason, p.DecisionCacheSeconds)
}

// Wider tells whether p allows anything that old did not.
func (p Policy) Wider(old Policy) bool {
	return p.MaxSeconds > old.MaxSeconds || p.MaxExtensions > old.MaxExtensions ||
		p.DecisionCacheSeconds > old.DecisionCacheSeconds || p.Reason != old.Reason && p.Reason == ReasonOptional ||
		p.Binding != old.Binding && p.Binding != BindPassIP
}

// GateKey is the stored half of a gate's credential.
type GateKey struct {
	Hash token.Hash `json:"hash"`
	// Until is when a replaced key stops working; zero: the current one.
	Until time.Time `json:"until,omitzero"`
}

// PhoneSystem is one PBX behind a gate.
type PhoneSystem struct {
	ID              string   `json:"id"`
	PartnerID       string   `json:"partner_id"`
	Name            string   `json:"name"`
	Host            string   `json:"host"`
	Customer        string   `json:"customer,omitempty"`
	Profile         string   `json:"profile"`
	RestrictedPaths []string `json:"restricted_paths,omitempty"`
	// Exceptions are the operator's; see Except.
	Exceptions []Exception `json:"exceptions,omitempty"`
	Policy     Policy      `json:"policy"`
	Keys       []GateKey   `json:"keys"`
	// Epoch rises when every window must end: what carries an older one is dead.
	Epoch     int64     `json:"epoch"`
	EpochAt   time.Time `json:"epoch_at,omitzero"`
	CreatedAt time.Time `json:"created_at"`
}

// Key is where a phone system's record stands.
func Key(id string) table.Key {
	return table.Key{Partition: "phonesystem#" + id, Sort: "phonesystem"}
}

// listing is the partition of a partner's copies, in the order of their ids.
func listing(partner string) string { return "phonesystems#" + partner }

func hostKey(partner, host string) table.Key {
	return table.Key{Partition: "host#" + partner + "#" + host, Sort: "claim"}
}

// Writes are the writes of the record, on a condition, and of its copy in the
// partner's list.
func (p PhoneSystem) Writes(cond table.Cond) ([]table.Write, error) {
	item, err := table.Encode(Key(p.ID), "phonesystem", p)
	if err != nil {
		return nil, err
	}
	shown := p
	shown.Keys = nil
	entry, err := table.Encode(table.Key{Partition: listing(p.PartnerID), Sort: p.ID}, "phonesystem.listed", shown)
	return []table.Write{table.Put(item, cond), table.Put(entry, table.Always())}, err
}

// Authenticates tells whether a key's hash opens this phone system's gate now.
func (p PhoneSystem) Authenticates(hash token.Hash, now time.Time) bool {
	ok := false
	for _, key := range p.Keys {
		if key.Hash.Equal(hash) && (key.Until.IsZero() || now.Before(key.Until)) {
			ok = true
		}
	}
	return ok
}

// Matcher judges the phone system's paths. Errors: profile.Compile's.
func (p PhoneSystem) Matcher() (*profile.Matcher, error) {
	return profile.CompileExcepted(p.Profile, p.RestrictedPaths, p.excepted())
}

// Scheme is how browsers reach the host: https, but for a demonstration on this
// machine.
func (p PhoneSystem) Scheme() string {
	name, _, _ := strings.Cut(strings.ToLower(p.Host), ":")
	name = strings.TrimSuffix(name, ".")
	if name == "localhost" || strings.HasSuffix(name, ".localhost") {
		return "http"
	}
	return "https"
}

// URL is an address on the phone system's own host.
func (p PhoneSystem) URL(path string) string { return p.Scheme() + "://" + p.Host + path }

// hostShape is compiled when it is first asked for: it takes half a millisecond,
// and most starts of a function never ask.
var hostShape = sync.OnceValue(func() *regexp.Regexp {
	return regexp.MustCompile(`^(?:[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?\.)*[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?(?::([0-9]{1,5}))?$`)
})

// NormaliseHost is the one spelling of a host and port: lower-case, without the
// scheme's own port and the root's dot. ok is false for what is no host.
func NormaliseHost(text, scheme string) (host string, ok bool) {
	name, port, has := strings.Cut(strings.ToLower(text), ":")
	name = strings.TrimSuffix(name, ".")
	if has {
		n, err := strconv.ParseUint(port, 10, 16)
		if err != nil || n == 0 {
			return "", false
		}
		port = strconv.FormatUint(n, 10) // 0443 is 443 to browsers
	}
	if has && (scheme != "http" && port == "443" || scheme == "http" && port == "80") {
		has = false
	}
	if host = name; has {
		host += ":" + port
	}
	return host, len(name) <= 253 && hostShape().MatchString(host)
}

func (p *PhoneSystem) normalise() error {
	var e input.Errors
	p.Name, p.Customer = strings.TrimSpace(p.Name), strings.TrimSpace(p.Customer)
	e.Line(p.Name, "body.name", 1, 200)
	e.Line(p.Customer, "body.customer", 0, 200)
	host, ok := NormaliseHost(p.Host, p.Scheme())
	e.Require(ok, "body.host", "must be a host name, with a port if need be, such as pbx.example.com")
	p.Host = host
	e.Require(len(p.RestrictedPaths) <= 100, "body.restricted_paths", "must be at most 100 paths")
	switch _, err := p.Matcher(); {
	case errors.Is(err, profile.ErrUnknownProfile):
		e.Require(false, "body.profile", "must be one of %s", strings.Join(profile.Names(), ", "))
	case err != nil:
		e.Require(false, "body.restricted_paths", "%s", err)
	}
	p.Policy.check(&e)
	return e.Err()
}

// Registry is the service of this package. Its fields are set once; it is safe
// for concurrent use.
type Registry struct {
	Journal *audit.Journal
	Outbox  *mail.Outbox
	Random  io.Reader
	// Users answers which of some addresses the caller's partner has as users, by
	// the address as it was given, to whoever manages users.
	Users func(ctx context.Context, caller access.Caller, addresses []string) (map[string]Known, error)
}

// Get reads a phone system that the caller sees and its revision. ErrNotFound
// for another partner's; access.ErrForbidden where no role of the caller covers
// it.
func (r *Registry) Get(ctx context.Context, caller access.Caller, id string) (PhoneSystem, table.Rev, error) {
	if !token.ValidID(id) {
		return PhoneSystem{}, 0, ErrNotFound
	}
	item, err := r.Journal.Table.Get(ctx, Key(id))
	if errors.Is(err, table.ErrNotFound) {
		return PhoneSystem{}, 0, ErrNotFound
	}
	if err != nil {
		return PhoneSystem{}, 0, err
	}
	system, err := Read(item, caller)
	return system, item.Rev, err
}

// Read decodes a phone system from an item and judges it as Get does.
func Read(item table.Item, caller access.Caller) (PhoneSystem, error) {
	if !item.Exists() {
		return PhoneSystem{}, ErrNotFound
	}
	system, err := table.Decode[PhoneSystem](item)
	switch {
	case err != nil:
		return PhoneSystem{}, err
	case system.PartnerID != caller.PartnerID || caller.UserID == "":
		return PhoneSystem{}, ErrNotFound
	case !caller.Sees(system.ID):
		return PhoneSystem{}, access.ErrForbidden
	}
	return system, nil
}

// All tells whether a partner has all of some phone systems, at most
// table.MaxBatch.
func (r *Registry) All(ctx context.Context, partner string, ids []string) (bool, error) {
	keys := make([]table.Key, len(ids))
	for i, id := range ids {
		keys[i] = Key(id)
	}
	items, err := r.Journal.Table.GetAll(ctx, keys...)
	if err != nil {
		return false, err
	}
	for _, item := range items {
		if !item.Exists() {
			return false, nil
		}
		system, err := table.Decode[PhoneSystem](item)
		if err != nil || system.PartnerID != partner {
			return false, err
		}
	}
	return true, nil
}

// Filter narrows List; empty fields admit everything. Text is looked for in
// name, host and customer, without case.
type Filter struct{ Customer, Text string }

func (f Filter) admits(p PhoneSystem) bool {
	text := strings.ToLower(p.Name + "\n" + p.Host + "\n" + p.Customer)
	return (f.Customer == "" || strings.EqualFold(f.Customer, p.Customer)) && strings.Contains(text, strings.ToLower(f.Text))
}

// List answers a page of the phone systems that the caller sees, oldest first.
func (r *Registry) List(ctx context.Context, caller access.Caller, f Filter, after string, limit int) (page []PhoneSystem, next string, err error) {
	rng := table.Range{Partition: listing(caller.PartnerID), After: after}
	return table.Page(ctx, r.Journal.Table, rng, limit, func(item table.Item) (PhoneSystem, bool, error) {
		p, err := table.Decode[PhoneSystem](item)
		return p, err == nil && caller.Sees(p.ID) && f.admits(p), err
	})
}
