package account

import (
	"context"
	"slices"

	"portcullis.example/shared/access"
	"portcullis.example/shared/table"
)

// Known answers those of some addresses that the caller's partner has as users,
// by the address as it was given. What is no address is nobody's. Whoever manages
// users. Errors: access.ErrForbidden.
func (d *Directory) Known(ctx context.Context, caller access.Caller, addresses []string) (map[string]User, error) {
	if err := caller.MayManageUsers(); err != nil {
		return nil, err
	}
	spelled := map[table.Key][]string{}
	var keys []table.Key
	for _, address := range addresses {
		email, err := CheckEmail(address)
		if err != nil {
			continue
		}
		key := listKey(caller.PartnerID, email)
		if spelled[key] == nil {
			keys = append(keys, key)
		}
		spelled[key] = append(spelled[key], address)
	}
	known := map[string]User{}
	for some := range slices.Chunk(keys, table.MaxBatch) {
		items, err := d.Journal.Table.GetAll(ctx, some...)
		if err != nil {
			return nil, err
		}
		for _, item := range items {
			if !item.Exists() {
				continue
			}
			user, err := table.Decode[User](item)
			if err != nil {
				return nil, err
			}
			for _, address := range spelled[item.Key] {
				known[address] = user
			}
		}
	}
	return known, nil
}
