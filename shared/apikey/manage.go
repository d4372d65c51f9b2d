package apikey

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"portcullis.example/shared/access"
	"portcullis.example/shared/audit"
	"portcullis.example/shared/idempotency"
	"portcullis.example/shared/mail"
	"portcullis.example/shared/table"
	"portcullis.example/shared/token"
)

// Created is a key and its clear half, which never marshals: it is shown once.
type Created struct {
	Key    Key    `json:"key"`
	Secret string `json:"-"`
}

// Create makes a key of the caller's partner, given name, permissions and end.
// All administrators are told by mail. Errors: access.ErrForbidden,
// access.ErrNotFresh, access.ErrProgram, *input.Error, idempotency.ErrReused.
func (r *Ring) Create(ctx context.Context, caller access.Caller, once idempotency.Key, wanted Key) (Created, error) {
	now := r.Journal.Second()
	created, _, err := idempotency.Do(ctx, r.Journal.Table, now, once, func(record func(Created) ([]table.Write, error)) (Created, error) {
		if err := r.mayManage(caller); err != nil {
			return Created{}, err
		}
		if err := wanted.normalise(now); err != nil {
			return Created{}, err
		}
		for _, p := range wanted.Permissions {
			if !caller.HasEverywhere(p) {
				return Created{}, access.ErrForbidden
			}
		}
		return r.create(ctx, caller, wanted, record)
	})
	return created, err
}

func (r *Ring) create(ctx context.Context, caller access.Caller, key Key, record func(Created) ([]table.Write, error)) (Created, error) {
	id, err := r.Journal.IDs.New()
	if err != nil {
		return Created{}, err
	}
	secret, err := token.New(r.Random, token.APIKey, caller.PartnerID, id)
	if err != nil {
		return Created{}, err
	}
	key.ID, key.PartnerID, key.CreatedBy = id, caller.PartnerID, caller.UserID
	key.Hash, key.CreatedAt = token.HashOf(secret), r.Journal.Second()
	writes, err := r.writes(ctx, caller, key)
	if err != nil {
		return Created{}, err
	}
	created := Created{Key: key, Secret: secret}
	recorded, err := record(created)
	if err != nil {
		return Created{}, err
	}
	return created, r.Journal.Commit(ctx, append(writes, recorded...), entry(caller, audit.APIKeyCreated, key))
}

// writes are the key, the place where its uses are recorded, and the letter.
func (r *Ring) writes(ctx context.Context, caller access.Caller, key Key) ([]table.Write, error) {
	item, err := table.Encode(keyAt(key.PartnerID, key.ID), "apikey", key)
	if err != nil {
		return nil, err
	}
	unused, err := table.Encode(useAt(key.PartnerID, key.ID), "apikey.use", use{})
	if err != nil {
		return nil, err
	}
	letter, err := r.Outbox.Post(ctx, mail.Letter{
		Administrators: caller.PartnerID, Subject: "An API key was made: " + key.Name,
		Text: fmt.Sprintf(createdText, key.Name, caller.Email, permissions(key)),
	})
	return []table.Write{table.Put(item, table.Absent()), table.Put(unused, table.Absent()), letter}, err
}

const createdText = `Hello,

the API key %q was made by %s. A program that has it
reads your phone systems, and may: %s.
It opens nothing.

If this was not meant to happen, remove the key in your control portal and look into the audit.
`

func permissions(key Key) string {
	names := make([]string, len(key.Permissions))
	for i, p := range key.Permissions {
		names[i] = string(p)
	}
	if len(names) == 0 {
		return "nothing more"
	}
	return strings.Join(names, ", ")
}

func entry(caller access.Caller, action audit.Action, key Key) audit.Entry {
	e := audit.By(caller, action, key.ID).With("name", key.Name).With("permissions", permissions(key))
	if !key.ExpiresAt.IsZero() {
		e = e.With("expires_at", key.ExpiresAt.Format(time.RFC3339))
	}
	return e
}

// Delete removes a key: the next request with it is refused. Errors:
// access.ErrForbidden, access.ErrNotFresh, access.ErrProgram, ErrNotFound.
func (r *Ring) Delete(ctx context.Context, caller access.Caller, id string) error {
	if !token.ValidID(id) {
		return ErrNotFound
	}
	item, err := r.Journal.Table.Get(ctx, keyAt(caller.PartnerID, id))
	if errors.Is(err, table.ErrNotFound) {
		return ErrNotFound
	}
	if err != nil {
		return err
	}
	if err := r.mayManage(caller); err != nil {
		return err
	}
	key, err := table.Decode[Key](item)
	if err != nil {
		return err
	}
	gone := []table.Write{table.Delete(item.Key, table.Is(item.Rev)), table.Delete(useAt(caller.PartnerID, id), table.Always())}
	err = r.Journal.Commit(ctx, gone, entry(caller, audit.APIKeyDeleted, key))
	if errors.Is(err, table.ErrConflict) {
		return ErrNotFound // keys never change: somebody else removed it
	}
	return err
}

// Listed is a key and when it was last used, to useEvery; zero: never.
type Listed struct {
	Key
	LastUsedAt time.Time
}

// List answers a page of the caller's partner's keys, oldest first, those that
// have ended included. Administrators only. Errors: access.ErrForbidden.
func (r *Ring) List(ctx context.Context, caller access.Caller, after string, limit int) (page []Listed, next string, err error) {
	if !caller.Administers() {
		return nil, "", access.ErrForbidden
	}
	return r.Everything(ctx, caller.PartnerID, after, limit)
}

// Everything is List for whoever has checked that the caller may see all keys.
func (r *Ring) Everything(ctx context.Context, partner, after string, limit int) (page []Listed, next string, err error) {
	rng := table.Range{Partition: keyAt(partner, "x").Partition, After: after}
	page, next, err = table.Page(ctx, r.Journal.Table, rng, limit, func(item table.Item) (Listed, bool, error) {
		key, err := table.Decode[Key](item)
		return Listed{Key: key}, err == nil, err
	})
	if err != nil || len(page) == 0 {
		return page, next, err
	}
	uses := table.Range{Partition: useAt(partner, "x").Partition, After: after, Limit: len(page)}
	return page, next, r.used(ctx, page, uses)
}

// used fills in when the keys of a page were used.
func (r *Ring) used(ctx context.Context, page []Listed, uses table.Range) error {
	last := map[string]time.Time{}
	for item, err := range r.Journal.Table.List(ctx, uses) {
		if err != nil {
			return err
		}
		one, err := table.Decode[use](item)
		if err != nil {
			return err
		}
		last[item.Sort] = one.LastUsedAt
	}
	for i := range page {
		page[i].LastUsedAt = last[page[i].ID]
	}
	return nil
}
