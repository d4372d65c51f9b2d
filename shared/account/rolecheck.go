package account

import (
	"context"
	"slices"
	"strconv"
	"strings"

	"portcullis.example/shared/access"
	"portcullis.example/shared/audit"
	"portcullis.example/shared/input"
	"portcullis.example/shared/table"
	"portcullis.example/shared/token"
)

// How much a role and a user may name: a gate reads the role with each decision
// that rests on it, a session all roles of its user in one round trip.
const (
	mostSystems  = 100
	mostRoles    = 20
	longestTitle = 100
)

// normaliseRole puts a role's parts in order. Errors: *input.Error.
func normaliseRole(r access.Role) (access.Role, error) {
	var wrong input.Errors
	r.Name = strings.TrimSpace(r.Name)
	wrong.Line(r.Name, "body.name", 1, longestTitle)
	given := r.Permissions
	r.Permissions = slices.DeleteFunc(access.Permissions(), func(p access.Permission) bool { return !slices.Contains(given, p) })
	for _, p := range given {
		wrong.Require(slices.Contains(access.Permissions(), p), "body.permissions", "must be some of unlock, break_glass, view_unlocks, close_unlocks, manage_phone_systems, manage_users, view_audit")
	}
	wrong.Require(len(r.Permissions) > 0, "body.permissions", "must name at least one permission")
	r.PhoneSystems = slices.Compact(slices.Sorted(slices.Values(r.PhoneSystems)))
	wrong.Require(len(r.PhoneSystems) > 0 && len(r.PhoneSystems) <= mostSystems, "body.phone_systems",
		`must name 1 to %d phone systems, or be ["*"] for every one; for more, make several roles`, mostSystems)
	wrong.Require(!slices.Contains(r.PhoneSystems, access.EveryPhoneSystem) || len(r.PhoneSystems) == 1, "body.phone_systems", `"*" stands alone`)
	unlocks := slices.Contains(r.Permissions, access.Unlock) || slices.Contains(r.Permissions, access.BreakGlass)
	wrong.Require(r.MaxUnlockSeconds >= 0 && r.MaxUnlockSeconds <= access.LongestUnlock, "body.max_unlock_seconds", "must be at most %d", access.LongestUnlock)
	wrong.Require(!unlocks || r.MaxUnlockSeconds >= shortestUnlock, "body.max_unlock_seconds", "a role that unlocks needs a longest unlock, from %d to %d", shortestUnlock, access.LongestUnlock)
	return r, wrong.Err()
}

// shortestUnlock is the shortest that a window lasts, in seconds.
const shortestUnlock = 60

// newSystems refuses phone systems that a role names anew and that the partner
// does not have. What it named before may have been removed since: it stands for
// nothing.
func (d *Directory) newSystems(ctx context.Context, partner string, old, next access.Role) error {
	var named []string
	for _, id := range next.PhoneSystems {
		if id == access.EveryPhoneSystem || slices.Contains(old.PhoneSystems, id) {
			continue
		}
		if !token.ValidID(id) {
			return errNoSystem
		}
		named = append(named, id)
	}
	for some := range slices.Chunk(named, table.MaxBatch) {
		there, err := d.Systems(ctx, partner, some)
		if err != nil {
			return err
		}
		if !there {
			return errNoSystem
		}
	}
	return nil
}

var errNoSystem = input.Invalid("body.phone_systems", "names a phone system that you do not have; list yours with GET /v1/phone-systems")

// described puts what a role grants into an entry.
func described(e audit.Entry, r access.Role, prefix string) audit.Entry {
	return e.With(prefix+"name", r.Name).With(prefix+"permissions", joined(r.Permissions)).
		With(prefix+"phone_systems", strings.Join(r.PhoneSystems, " ")).With(prefix+"max_unlock_seconds", strconv.FormatInt(r.MaxUnlockSeconds, 10))
}

func joined(permissions []access.Permission) string {
	texts := make([]string, len(permissions))
	for i, p := range permissions {
		texts[i] = string(p)
	}
	return strings.Join(texts, " ")
}

func widenedText(r access.Role, by access.Caller) string {
	return "The role " + r.Name + " now grants: " + joined(r.Permissions) + ".\n\nIt was changed by " + by.Email +
		". If this was not meant to happen, look into the audit of your control portal.\n"
}
