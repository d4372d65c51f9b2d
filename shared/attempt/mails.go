package attempt

import (
	"net/netip"
	"strconv"
	"strings"
	"time"

	"portcullis.example/shared/table"
)

// How many mails whoever is nobody yet may have sent: to one address, and from one
// source to all of them.
const (
	MailLimit       = 3
	MailWindow      = time.Hour
	MailSourceLimit = AddressLimit // within Window, as attempts
)

// mails are the unix seconds at which mails to an address were asked for.
type mails struct {
	Asked []int64 `json:"asked"`
}

// MailKey is where the mails to a normalised address, known or not, are counted.
func MailKey(email string) table.Key {
	return table.Key{Partition: countsPartition + digest("mail\n"+email), Sort: "mails"}
}

// Mail are the writes that reserve one mail to an address, asked for by a client at
// a time, given the item at MailKey as just read; none where MailLimit within
// MailWindow is reached. The first one fails where the source has reached its limit,
// the second where another mail was reserved meanwhile.
func Mail(email string, client netip.Addr, at time.Time, read table.Item) ([]table.Write, error) {
	var before, next mails
	if read.Exists() {
		var err error
		if before, err = table.Decode[mails](read); err != nil {
			return nil, err
		}
	}
	for _, asked := range before.Asked {
		if at.Sub(time.Unix(asked, 0)) < MailWindow {
			next.Asked = append(next.Asked, asked)
		}
	}
	if len(next.Asked) >= MailLimit {
		return nil, nil
	}
	next.Asked = append(next.Asked, at.Unix())
	item, err := table.Encode(MailKey(email), "mails", next)
	item.Expires = at.Add(MailWindow)
	source := table.Key{Partition: countsPartition + digest("mails from\n"+Network(client)), Sort: strconv.FormatInt(at.Unix()/windowSeconds, 10)}
	return []table.Write{table.Count(source, 1, MailSourceLimit, at.Add(2*Window)), table.Put(item, table.Is(read.Rev))}, err
}

// Nobody is an id that no user has, made of an address, so that what is written for
// an unknown one stands apart from others'.
func Nobody(email string) string { return "NOBODY" + strings.ToUpper(digest("nobody\n" + email)[:20]) }
