package evidence

import (
	"cmp"
	"context"
	"fmt"
	"maps"
	"slices"
	"time"

	"portcullis.example/shared/access"
	"portcullis.example/shared/account"
	"portcullis.example/shared/mfa"
	"portcullis.example/shared/table"
)

// Person is somebody with access, and what they prove who they are with.
type Person struct {
	account.User
	// Privileged says that they can open or change something, not only look.
	Privileged bool
	// Roles are what gives the access; an administrator needs none.
	Roles []access.Role
	// Systems are the names of the phone systems reached; nil: all.
	Systems []string
	Factors []Factor
}

// Factor is one second factor.
type Factor struct {
	Method string // totp, passkey
	Name   string // a passkey's
	Since  time.Time
}

// Share is how many of the privileged have a second factor.
type Share struct {
	Privileged int
	WithMFA    int
}

func (s *Share) count(p Person) {
	if !p.Privileged {
		return
	}
	s.Privileged++
	if len(p.Methods) > 0 {
		s.WithMFA++
	}
}

// WhyNot says why it is not all of them; empty if it is.
func (s Share) WhyNot() string {
	if s.WithMFA == s.Privileged {
		return ""
	}
	return fmt.Sprintf("%d without a second factor, which was reset or has never been enrolled: they can't sign in before they have enrolled one", s.Privileged-s.WithMFA)
}

// Percent is the share, rounded down; 100 where nobody is privileged.
func (s Share) Percent() int {
	if s.Privileged == 0 {
		return 100
	}
	return 100 * s.WithMFA / s.Privileged
}

// scope is what a report is about: the phone systems, and the roles that reach
// them.
type scope struct {
	names    map[string]string // by id
	roles    map[string]access.Role
	narrowed bool // to a customer's
}

func newScope(systems []System, roles map[string]access.Role, narrowed bool) scope {
	s := scope{names: map[string]string{}, roles: roles, narrowed: narrowed}
	for _, system := range systems {
		s.names[system.ID] = system.Name
	}
	return s
}

// reaches tells whether a role grants a permission on anything in scope.
func (s scope) reaches(role access.Role, p access.Permission) bool {
	return slices.Contains(role.Permissions, p) && s.covers(role)
}

func (s scope) covers(role access.Role) bool {
	if slices.Contains(role.PhoneSystems, access.EveryPhoneSystem) {
		return true
	}
	return slices.ContainsFunc(role.PhoneSystems, func(id string) bool { return s.names[id] != "" })
}

// own are the partner's roles by name.
func (s scope) own() []access.Role {
	return slices.SortedFunc(maps.Values(s.roles), func(a, b access.Role) int { return cmp.Or(cmp.Compare(a.Name, b.Name), cmp.Compare(a.ID, b.ID)) })
}

// person is what a user has access to; ok is false if to nothing in scope. Who
// has not joined, and who may not sign in, has none.
func (s scope) person(u account.User) (p Person, ok bool) {
	if !u.Active || u.JoinedAt.IsZero() {
		return Person{}, false
	}
	p = Person{User: u, Privileged: u.Administrator}
	if u.Administrator {
		return p, true
	}
	p.Systems = []string{}
	for _, id := range u.Roles {
		role, known := s.role(id)
		if !known || !s.covers(role) {
			continue
		}
		p.Roles = append(p.Roles, role)
		p.Privileged = p.Privileged || slices.ContainsFunc(role.Permissions, changes)
		p.add(s, role)
	}
	return p, len(p.Roles) > 0
}

func (s scope) role(id string) (access.Role, bool) {
	if role, builtIn := access.BuiltInRole(id); builtIn {
		return role, true
	}
	role, known := s.roles[id]
	return role, known
}

// add adds the phone systems that a role reaches.
func (p *Person) add(s scope, role access.Role) {
	if slices.Contains(role.PhoneSystems, access.EveryPhoneSystem) {
		p.Systems = nil
	}
	if p.Systems == nil {
		return
	}
	for _, id := range role.PhoneSystems {
		if name := s.names[id]; name != "" && !slices.Contains(p.Systems, name) {
			p.Systems = append(p.Systems, name)
		}
	}
	slices.Sort(p.Systems)
}

// changes tells whether a permission is more than looking.
func changes(p access.Permission) bool { return p != access.ViewUnlocks && p != access.ViewAudit }

// people reads a page of who has access, with their factors, and counts the share
// over all.
func (report *Report) people(ctx context.Context, r *Reporter, caller access.Caller, s scope, at position) (next string, err error) {
	seen := 0
	for u, err := range r.Directory.Everybody(ctx, caller.PartnerID) {
		if err != nil {
			return "", err
		}
		if seen++; seen > MaxCounted {
			report.Missing = append(report.Missing, "people beyond the first 10,000 by e-mail, in the share")
			break
		}
		p, ok := s.person(u)
		if !ok {
			continue
		}
		report.Share.count(p)
		switch {
		case u.Email <= at.after:
		case len(report.People) == at.limit:
			next = report.People[at.limit-1].Email
		default:
			report.People = append(report.People, p)
		}
	}
	return next, r.factors(ctx, report.People)
}

// factors reads when each person's second factors were enrolled.
func (r *Reporter) factors(ctx context.Context, people []Person) error {
	for batch := range slices.Chunk(people, table.MaxBatch) {
		keys := make([]table.Key, len(batch))
		for i, p := range batch {
			keys[i] = mfa.Key(p.ID)
		}
		items, err := r.Journal.Table.GetAll(ctx, keys...)
		if err != nil {
			return err
		}
		for i, item := range items {
			factors, err := mfa.Read(item)
			if err != nil {
				return err
			}
			batch[i].Factors = enrolled(factors)
		}
	}
	return nil
}

func enrolled(f mfa.Factors) (list []Factor) {
	if f.TOTP != nil {
		list = append(list, Factor{Method: "totp", Since: f.TOTP.EnrolledAt})
	}
	for _, key := range f.Passkeys {
		list = append(list, Factor{Method: "passkey", Name: key.Name, Since: key.CreatedAt})
	}
	return list
}
