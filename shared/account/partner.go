package account

import (
	"context"
	"errors"
	"strings"

	"portcullis.example/shared/access"
	"portcullis.example/shared/audit"
	"portcullis.example/shared/input"
	"portcullis.example/shared/table"
	"portcullis.example/shared/token"
)

// Lengths of a partner's texts, in characters.
const (
	longestPartner = 200
	longestSupport = 500
)

// partnersPartition lists all partners, for operators.
const partnersPartition = "partners"

// normalise trims a partner's texts. Errors: *input.Error.
func (p *Partner) normalise() error {
	p.Name, p.SupportContact = strings.TrimSpace(p.Name), strings.TrimSpace(p.SupportContact)
	var wrong input.Errors
	wrong.Line(p.Name, "body.name", 1, longestPartner)
	wrong.Line(p.SupportContact, "body.support_contact", 0, longestSupport)
	return wrong.Err()
}

// writes are those of the record and its copy in the list.
func (p Partner) writes(cond table.Cond) ([]table.Write, error) {
	record, err := table.Encode(PartnerKey(p.ID), "partner", p)
	if err != nil {
		return nil, err
	}
	listed, err := table.Encode(table.Key{Partition: partnersPartition, Sort: p.ID}, "partner.listed", p)
	return []table.Write{table.Put(record, cond), table.Put(listed, table.Always())}, err
}

// Partners answers a page of all partners, oldest first. Operators only: a
// partner is nothing to another. Errors: access.ErrForbidden.
func (d *Directory) Partners(ctx context.Context, caller access.Caller, after string, limit int) (page []Partner, next string, err error) {
	if !caller.Has(access.ManagePartners) {
		return nil, "", access.ErrForbidden
	}
	return table.Page(ctx, d.Journal.Table, table.Range{Partition: partnersPartition, After: after}, limit, func(item table.Item) (Partner, bool, error) {
		p, err := table.Decode[Partner](item)
		return p, err == nil, err
	})
}

// PartnerFor is Partner for an operator. Errors: ErrNotFound, also for anybody
// else: which partners there are is no partner's business.
func (d *Directory) PartnerFor(ctx context.Context, caller access.Caller, id string) (Partner, error) {
	if !caller.Has(access.ManagePartners) || !token.ValidID(id) {
		return Partner{}, ErrNotFound
	}
	return d.Partner(ctx, id)
}

// PartnerChange is what may be changed of a partner; what is nil stays.
type PartnerChange struct{ Name, SupportContact *string }

// ChangePartner changes a partner. Operators only, with fresh MFA. Errors:
// access.ErrNotFresh, ErrNotFound (see PartnerFor), *input.Error.
func (d *Directory) ChangePartner(ctx context.Context, caller access.Caller, id string, change PartnerChange) (Partner, error) {
	for range tries {
		changed, err := d.changePartner(ctx, caller, id, change)
		if !errors.Is(err, table.ErrConflict) {
			return changed, err
		}
	}
	return Partner{}, table.ErrUnavailable
}

// tries is how often a change that met another is judged anew.
const tries = 5

func (d *Directory) changePartner(ctx context.Context, caller access.Caller, id string, change PartnerChange) (Partner, error) {
	if !caller.Has(access.ManagePartners) || !token.ValidID(id) {
		return Partner{}, ErrNotFound
	}
	if err := caller.Fresh(d.Journal.Second()); err != nil {
		return Partner{}, err
	}
	item, err := d.Journal.Table.Get(ctx, PartnerKey(id))
	if errors.Is(err, table.ErrNotFound) {
		return Partner{}, ErrNotFound
	}
	if err != nil {
		return Partner{}, err
	}
	p, err := table.Decode[Partner](item)
	if err != nil {
		return Partner{}, err
	}
	if change.Name != nil {
		p.Name = *change.Name
	}
	if change.SupportContact != nil {
		p.SupportContact = *change.SupportContact
	}
	if err := p.normalise(); err != nil {
		return Partner{}, err
	}
	writes, err := p.writes(table.Is(item.Rev))
	if err != nil {
		return Partner{}, err
	}
	return p, d.Journal.Commit(ctx, writes, audit.By(caller, audit.PartnerChanged, p.ID).With("name", p.Name))
}
