package session

import (
	"errors"

	"portcullis.example/shared/account"
	"portcullis.example/shared/audit"
	"portcullis.example/shared/table"
	"portcullis.example/shared/token"
)

// formerKeys are of the session whose cookie came with a sign-in of user's, and of
// whose it is, where that is somebody else; none where there is no such cookie.
func formerKeys(secret, user string) []table.Key {
	owner, _, hash, err := token.ParseHinted(secret, token.Session)
	if err != nil {
		return nil
	}
	keys := []table.Key{sessionKey(owner, hash)}
	if owner != user {
		keys = append(keys, account.UserKey(owner))
	}
	return keys
}

// supersede adds to a completed sign-in the end of the session whose cookie the new
// one takes the place of (ASVS 7.2.4): nobody would see that session again, and it
// would live on. One that is over already is left alone.
func (d *Desk) supersede(s pendingState, writes []table.Write, entries []audit.Entry) ([]table.Write, []audit.Entry, error) {
	if len(s.former) == 0 || s.login.Delivery != Cookie {
		return writes, entries, nil
	}
	owner := s.items[0]
	if len(s.former) > 1 {
		owner = s.former[1]
	}
	former, err := d.identify(owner, s.former[0])
	if errors.Is(err, ErrUnauthenticated) || err == nil && former.Session.Delivery != Cookie {
		return writes, entries, nil
	}
	if err != nil {
		return nil, nil, err
	}
	ended := audit.Entry{Action: audit.SessionEnded, Actor: former.User.ID, Subject: former.Session.ID, PartnerID: former.User.PartnerID, Outcome: audit.Success}
	ended = ended.From(s.client()).With("actor_email", former.User.Email)
	return append(writes, table.Delete(s.former[0].Key, table.Is(s.former[0].Rev))), append(entries, ended), nil
}
