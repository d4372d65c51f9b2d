package gatekeeper

import (
	"slices"
	"time"

	"portcullis.example/shared/access"
	"portcullis.example/shared/account"
	"portcullis.example/shared/phonesystem"
	"portcullis.example/shared/table"
	"portcullis.example/shared/unlock"
)

// window is what one user's access rests on, as read in one round trip.
type window struct {
	lease  unlock.Lease
	user   account.User
	role   access.Role
	holder unlock.Holder
	found  bool
	// void says that the store was restored after the window had been opened.
	void bool
}

// windowOf reads the items of windowKeys.
func (k *Keeper) windowOf(items []table.Item, holder unlock.Holder) (window, error) {
	w := window{holder: holder}
	if !items[0].Exists() {
		return w, nil
	}
	lease, err := k.leases.of(items[0])
	if err != nil {
		return w, err
	}
	w.found, w.lease, w.void = true, *lease, lease.OpenedAt.Before(k.restored)
	if items[1].Exists() {
		user, err := k.users.of(items[1])
		if err != nil {
			return w, err
		}
		w.user = *user
	}
	if builtIn, ok := access.BuiltInRole(holder.Role); ok {
		w.role = builtIn
	} else if holder.Role != "" && items[2].Exists() {
		role, err := k.roles.of(items[2])
		if err != nil {
			return w, err
		}
		w.role = *role
	}
	return w, nil
}

// standing judges the window anew, from everything it rests on.
func (w *window) standing(system phonesystem.PhoneSystem, now time.Time) Reason {
	switch {
	case !w.found:
		return Expired
	case w.void || w.lease.Role != w.holder.Role || !w.granted(system.ID) || w.lease.PartnerID != system.PartnerID:
		return Revoked
	case w.user.PartnerID != system.PartnerID || !w.user.Active || w.lease.Dead(system.Epoch, w.user.Epoch):
		return Revoked
	case !now.Before(w.ends(system.Policy)):
		return Expired
	}
	return OpenWindow
}

func (w *window) granted(system string) bool {
	if w.lease.Role == "" {
		return w.user.Administrator
	}
	return w.role.ID == w.lease.Role && slices.Contains(w.user.Roles, w.role.ID) && w.role.Grants(access.Unlock, system)
}

// ends is the lease's end, or what policy and role allow by now if that is
// less.
func (w *window) ends(policy phonesystem.Policy) time.Time {
	limit := policy.MaxSeconds
	if w.lease.Role != "" {
		limit = min(limit, w.role.MaxUnlockSeconds)
	}
	if most := w.lease.OpenedAt.Add(time.Duration(limit) * time.Second); most.Before(w.lease.ExpiresAt) {
		return most
	}
	return w.lease.ExpiresAt
}

func (w *window) allow(system phonesystem.PhoneSystem, now time.Time) Decision {
	ends := w.ends(system.Policy)
	return Decision{
		Allow: true, Reason: OpenWindow, Expires: ends, UserID: w.user.ID, Email: w.user.Email,
		CacheSeconds: min(system.Policy.DecisionCacheSeconds, int64(ends.Sub(now)/time.Second)),
	}
}
