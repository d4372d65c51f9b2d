package account

import (
	"context"
	"iter"
	"reflect"
	"slices"
	"strings"
	"time"
	"unicode/utf8"

	"portcullis.example/shared/access"
	"portcullis.example/shared/input"
	"portcullis.example/shared/table"
)

// Each user of a partner stands in lists with a whole copy of what is shown of
// them, so that a page is one round trip however many there are: once by e-mail,
// which is also what keeps an address unique within the partner, and by the
// beginnings of e-mail and name for searches, a partition for each first
// character. The copies are written in the transactions of the record.

// listKey is a user's place in the partner's list. An address stands in it once.
func listKey(partner, email string) table.Key {
	return table.Key{Partition: "users#" + partner, Sort: email}
}

// longestIndexed is how many bytes of a text its place in the index has: a key's
// end of 1,024 bytes is never met.
const longestIndexed = 200

// Indexed texts, as the places in the index end.
const (
	byEmail = "#e"
	byName  = "#n"
)

// searched is the one spelling in which names and addresses are looked for.
func searched(text string) string { return strings.Join(strings.Fields(NormaliseEmail(text)), " ") }

// cut is the beginning of a text that stands in the index, in whole characters.
func cut(text string) string {
	if len(text) <= longestIndexed {
		return text
	}
	end := longestIndexed
	for !utf8.RuneStart(text[end]) {
		end--
	}
	return text[:end]
}

// searchRange is where everything that begins with a text stands.
func searchRange(partner, text string) table.Range {
	_, first := utf8.DecodeRuneInString(text)
	return table.Range{Partition: "people#" + partner + "#" + text[:first], Prefix: cut(text)}
}

// searchKey is where a text of a user's is found; ok is false where there is none.
func searchKey(u User, text, by string) (key table.Key, ok bool) {
	if text = searched(text); text == "" {
		return table.Key{}, false
	}
	r := searchRange(u.PartnerID, text)
	return table.Key{Partition: r.Partition, Sort: r.Prefix + "#" + u.ID + by}, true
}

// text is what a user is found by, and how its places end.
type text struct{ what, by string }

func (u User) indexed() []text { return []text{{u.Email, byEmail}, {u.Name, byName}} }

// places are the keys of all copies of a user: in the list first.
func (u User) places() []table.Key {
	if u.ID == "" || u.PartnerID == access.Operators {
		return nil // operators are no partner's, and few
	}
	keys := []table.Key{listKey(u.PartnerID, u.Email)}
	for _, text := range u.indexed() {
		if key, ok := searchKey(u, text.what, text.by); ok {
			keys = append(keys, key)
		}
	}
	return keys
}

// listIndex is where Writes has the place that makes an address unique within
// the partner.
const listIndex = 1

// Writes are the writes of the record, on a condition, and of everything that is
// kept along with it: the copies in lists, and the place among the
// administrators who get mail. old is the record as it stood; zero: there was
// none. Where nothing changes that is shown, only the record is written.
func (u User) Writes(cond table.Cond, old User) ([]table.Write, error) {
	record, err := u.Write(cond)
	if err != nil {
		return nil, err
	}
	writes, now := []table.Write{record}, u.places()
	if old.ID != "" && reflect.DeepEqual(u.shown(), old.shown()) {
		return writes, nil
	}
	for i, key := range now {
		item, err := table.Encode(key, "user.listed", u.shown())
		if err != nil {
			return nil, err
		}
		unique := table.Always()
		if i == 0 && old.ID == "" {
			unique = table.Absent()
		}
		writes = append(writes, table.Put(item, unique))
	}
	for _, key := range old.places() {
		if !slices.Contains(now, key) {
			writes = append(writes, table.Delete(key, table.Always()))
		}
	}
	place, err := u.amongAdministrators(old)
	return append(writes, place...), err
}

// shown is what the copies have: nothing that lets anybody in.
func (u User) shown() User {
	u.Password, u.Epoch, u.EpochAt, u.SessionsEnded, u.PasswordMailedAt = "", 0, time.Time{}, 0, time.Time{}
	return u
}

// UserFilter narrows Users; zero fields admit everything.
type UserFilter struct {
	// Text is what the e-mail or the name begins with, whatever its case.
	Text   string
	Role   string
	Active *bool
}

// Users answers a page of the partner's users, by e-mail; those whom a text
// finds in the order of what it was found in. Whoever manages users. Errors:
// access.ErrForbidden, *input.Error.
func (d *Directory) Users(ctx context.Context, caller access.Caller, f UserFilter, after string, limit int) (page []User, next string, err error) {
	if err := caller.MayManageUsers(); err != nil {
		return nil, "", err
	}
	var wrong input.Errors
	if wrong.Line(f.Text, "query.q", 0, longestAddress); wrong.Err() != nil {
		return nil, "", wrong.Err()
	}
	f.Text = searched(f.Text)
	r := table.Range{Partition: listKey(caller.PartnerID, "x").Partition}
	if f.Text != "" {
		r = searchRange(caller.PartnerID, f.Text)
	}
	r.After, r.Limit = after, f.reach(limit)
	return table.Page(ctx, d.Journal.Table, r, limit, func(item table.Item) (User, bool, error) {
		u, err := table.Decode[User](item)
		return u, err == nil && f.admits(u, item.Key), err
	})
}

// Everybody goes through a partner's users by e-mail, as lists show them: for
// whoever has checked that the caller may see all of them. Errors:
// table.ErrUnavailable, which ends it.
func (d *Directory) Everybody(ctx context.Context, partner string) iter.Seq2[User, error] {
	return each[User](d.Journal.Table.List(ctx, table.Range{Partition: listKey(partner, "x").Partition}))
}

// each decodes items.
func each[T any](items iter.Seq2[table.Item, error]) iter.Seq2[T, error] {
	return func(yield func(T, error) bool) {
		for item, err := range items {
			var value T
			if err == nil {
				value, err = table.Decode[T](item)
			}
			if !yield(value, err) || err != nil {
				return
			}
		}
	}
}

// PageOfUsers answers a page of a partner's users by e-mail, for what is told to all of
// them. No request reaches it.
func (d *Directory) PageOfUsers(ctx context.Context, partner, after string, limit int) (page []User, next string, err error) {
	r := table.Range{Partition: listKey(partner, "x").Partition, After: after}
	return table.Page(ctx, d.Journal.Table, r, limit, func(item table.Item) (User, bool, error) {
		u, err := table.Decode[User](item)
		return u, err == nil, err
	})
}

// reach is how many items are read at a time. A search meets nobody more than
// twice, so twice the page and its successor is enough for its first page.
func (f UserFilter) reach(limit int) int {
	switch {
	case f.Role != "" || f.Active != nil:
		return 4 * (limit + 1) // few may be shown
	case f.Text != "":
		return 2 * (limit + 1)
	}
	return 0
}

// admits shows whom a search finds by both e-mail and name at the first place.
func (f UserFilter) admits(u User, at table.Key) bool {
	if f.Text != "" && f.firstPlace(u) != at {
		return false
	}
	return (f.Role == "" || slices.Contains(u.Roles, f.Role)) && (f.Active == nil || *f.Active == u.Active)
}

// firstPlace is the first in the index at which the search finds a user.
func (f UserFilter) firstPlace(u User) (first table.Key) {
	for _, text := range u.indexed() {
		key, ok := searchKey(u, text.what, text.by)
		if ok && strings.HasPrefix(searched(text.what), f.Text) && (first.Sort == "" || key.Sort < first.Sort) {
			first = key
		}
	}
	return first
}
