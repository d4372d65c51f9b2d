package session

import (
	"portcullis.example/shared/table"
	"portcullis.example/shared/token"
)

// newDevice is how a browser that has fully signed in is known next time.
func (d *Desk) newDevice(user string) (string, table.Write, error) {
	secret, err := token.New(d.Random, token.Device, user)
	if err != nil {
		return "", table.Write{}, err
	}
	item, err := table.Encode(deviceKey(user, token.HashOf(secret)), "device", struct{}{})
	item.Expires = d.Journal.Second().Add(deviceKept)
	return secret, table.Put(item, table.Absent()), err
}
