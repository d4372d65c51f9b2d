package unlock

import (
	"context"
	"strings"
	"time"

	"portcullis.example/shared/access"
	"portcullis.example/shared/table"
	"portcullis.example/shared/token"
)

// Filter narrows List; zero fields admit everything. From and To are about the
// opening; To is exclusive.
type Filter struct {
	State       string // "open", "ended" or empty
	PhoneSystem string
	User        string
	From, To    time.Time
}

// Get reads one unlock: the caller's own, or anybody's with view_unlocks.
// Errors: ErrNotFound, access.ErrForbidden.
func (b *Book) Get(ctx context.Context, caller access.Caller, id string) (Unlock, error) {
	u, _, err := b.read(ctx, caller.PartnerID, id)
	if err != nil {
		return Unlock{}, err
	}
	if !visible(caller, u) {
		return Unlock{}, access.ErrForbidden
	}
	return u, nil
}

func visible(caller access.Caller, u Unlock) bool {
	return caller.UserID != "" && u.UserID == caller.UserID || caller.May(access.ViewUnlocks, u.PhoneSystemID)
}

// List answers a page of the unlocks that the caller may see, newest first.
func (b *Book) List(ctx context.Context, caller access.Caller, f Filter, after string, limit int) (page []Unlock, next string, err error) {
	if after == "" && !f.To.IsZero() {
		after = token.FirstID(f.To)
	}
	now := b.Journal.Second()
	r := table.Range{Partition: recordKey(caller.PartnerID, "x").Partition, After: after, Reverse: true}
	return table.Page(ctx, b.Journal.Table, r, limit, func(item table.Item) (Unlock, bool, error) {
		u, err := table.Decode[Unlock](item)
		if err == nil && !f.From.IsZero() && u.OpenedAt.Before(f.From) {
			return u, false, table.ErrStop
		}
		return u, err == nil && visible(caller, u) && f.admits(u, now), err
	})
}

func (f Filter) admits(u Unlock, now time.Time) bool {
	state := f.State == "" || (f.State == "open") == u.Open(now)
	return state && (f.PhoneSystem == "" || f.PhoneSystem == u.PhoneSystemID) && (f.User == "" || f.User == u.UserID)
}

// OpenOn counts the open windows of a partner's phone systems by their ids: one
// round trip for all.
func (b *Book) OpenOn(ctx context.Context, partner, system string) (map[string]int, error) {
	open := map[string]int{}
	for item, err := range b.Journal.Table.List(ctx, LeasesOn(partner, system)) {
		if err != nil {
			return nil, err
		}
		id, _, _ := strings.Cut(item.Sort, "#")
		open[id]++
	}
	return open, nil
}

// LeasesOn is where the open windows on a phone system stand; an empty system
// stands for all of the partner's.
func LeasesOn(partner, system string) table.Range {
	r := table.Range{Partition: LeaseKey(partner, "", "").Partition}
	if system != "" {
		r.Prefix = system + "#"
	}
	return r
}
