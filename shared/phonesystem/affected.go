package phonesystem

import (
	"context"

	"portcullis.example/shared/access"
	"portcullis.example/shared/phonesystem/extension"
)

// The states of a user of the partner, for who has access to a console.
const (
	NoUser       = "none"
	InvitedUser  = "invited"
	ActiveUser   = "active"
	InactiveUser = "inactive"
)

// Known is what is known of a user with an address.
type Known struct{ ID, State string }

// Affected is an extension, and the user of the partner with its address.
type Affected struct {
	extension.Extension
	// User is told of who has access, to whoever manages users; else empty.
	User Known
}

// Affected tells who of an export's extensions has access to the phone system's
// admin console, and so is affected by the lock. It takes manage_phone_systems
// there. Which of these people are users takes the permission to manage users as
// well, since it tells who is one: matched is false where it was not told. It
// changes nothing. Errors: ErrNotFound, access.ErrForbidden, *input.Error.
func (r *Registry) Affected(ctx context.Context, caller access.Caller, id string, export []byte) (all []Affected, matched bool, err error) {
	if _, _, err := r.Get(ctx, caller, id); err != nil {
		return nil, false, err
	}
	if !caller.May(access.ManagePhoneSystems, id) {
		return nil, false, access.ErrForbidden
	}
	extensions, err := extension.Read(export)
	if err != nil {
		return nil, false, err
	}
	var addresses []string
	for _, e := range extensions {
		if all = append(all, Affected{Extension: e}); e.Admin {
			addresses = append(addresses, e.Email)
		}
	}
	if caller.MayManageUsers() != nil {
		return all, false, nil
	}
	users, err := r.Users(ctx, caller, addresses)
	if err != nil {
		return nil, false, err
	}
	for i := range all {
		if all[i].Admin {
			all[i].User = users[all[i].Email]
		}
		if all[i].Admin && all[i].User.State == "" {
			all[i].User.State = NoUser
		}
	}
	return all, true, nil
}
