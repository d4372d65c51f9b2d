package users_test

import (
	"context"
	"fmt"
	"net/url"
	"slices"
	"sync"
	"testing"

	"portcullis.example/infra/local/localtest"
	"portcullis.example/shared/access"
	"portcullis.example/shared/account"
	"portcullis.example/shared/table"
	"portcullis.example/shared/table/dynamo/dynamotest"
	"portcullis.example/shared/table/tabletest"
)

// crowd is a partner with any number of users, and what an operation there
// spends.
type crowd struct {
	*localtest.World
	admin, tech *localtest.Person
	spent       func() string
	users       int
	made        int
	cursor      string
}

func newCrowd(w *localtest.World, spent func() string) *crowd {
	c := &crowd{World: w, admin: w.Administrator("acme", "admin@acme.example"), spent: spent, users: 2}
	c.tech = w.User(c.admin, "technician@acme.example", access.Technician)
	return c
}

// member is the n-th user of a crowd: addresses and names are spread as people's
// are, but that the first hundred begin alike, so that there is a page to find at
// every size. All are of one length.
func (c *crowd) member(n int) (account.User, error) {
	id, err := c.IDs.New()
	spread := uint32(n) * 2654435761
	first, second := 'a'+rune(spread%26), 'a'+rune(spread/26%26)
	if n < 100 {
		first, second = 'm', 'm'
	}
	now := c.Clock.Now()
	return account.User{
		ID: id, PartnerID: c.admin.PartnerID, Email: fmt.Sprintf("%c%08x@acme.example", first, spread), Name: fmt.Sprintf("%c%08x Example", second, spread*7),
		Active: true, Roles: []string{access.Technician}, Methods: []string{"totp", "recovery_code"}, InvitedAt: now, JoinedAt: now, LastLoginAt: now,
	}, err
}

// perCommit is how many users one transaction takes: each is four items.
const perCommit = table.MaxBatch / 4

// grow loads users as their records and places are written, without the steps of
// each: these are the same for the millionth.
func (c *crowd) grow(size int) error {
	var all sync.WaitGroup
	batches, failed := make(chan int), make(chan error, 64)
	for range cap(failed) {
		all.Go(func() {
			for first := range batches {
				if err := c.load(first, min(first+perCommit, size)); err != nil {
					failed <- err
					return
				}
			}
		})
	}
	for first := c.users; first < size && len(failed) == 0; first += perCommit {
		batches <- first
	}
	close(batches)
	all.Wait()
	close(failed)
	c.users = size
	return <-failed
}

func (c *crowd) load(first, end int) error {
	var writes []table.Write
	for n := first; n < end; n++ {
		user, err := c.member(n)
		if err != nil {
			return err
		}
		own, err := user.Writes(table.Absent(), account.User{})
		if err != nil {
			return err
		}
		writes = append(writes, own...)
	}
	return c.Table.Apply(context.Background(), writes...)
}

// operations are what must cost the same at every size.
func (c *crowd) operations() map[string]func() {
	list := func(query url.Values) localtest.Answer {
		return c.admin.Must(200, "GET", "/v1/users?"+query.Encode(), nil)
	}
	page := func(query url.Values) func() {
		return func() {
			if n := len(list(query).Items()); n != 50 {
				c.T.Fatalf("%v: a page of %d", query, n)
			}
		}
	}
	known, err := c.member(7)
	if err != nil {
		c.T.Fatal(err)
	}
	return map[string]func(){
		"authenticate": func() { c.tech.Must(200, "GET", "/v1/session", nil) },
		"create": func() {
			c.made++
			c.admin.Must(201, "POST", "/v1/users", map[string]any{"email": fmt.Sprintf("new%07d@acme.example", c.made), "name": "Example"})
		},
		"find by e-mail": func() {
			if n := len(list(url.Values{"q": {known.Email}}).Items()); n != 1 {
				c.T.Fatalf("%s is found %d times", known.Email, n)
			}
		},
		"first page":                 page(url.Values{}),
		"page after a cursor":        func() { page(url.Values{"cursor": {c.cursor}})() },
		"search, beginning of both":  page(url.Values{"q": {"m"}}),
		"filter that matches little": func() { list(url.Values{"active": {"false"}}) },
	}
}

// ready makes what operations rest on and what must not count.
func (c *crowd) ready() {
	c.admin.SignIn()
	c.tech.SignIn()
	c.cursor = c.admin.Must(200, "GET", "/v1/users?limit=20", nil).Text("next")
}

// costs are what each operation spends, by its name.
func (c *crowd) costs() map[string]string {
	c.ready()
	found := map[string]string{}
	for name, do := range c.operations() {
		c.spent()
		do()
		found[name] = c.spent()
	}
	return found
}

// An operation spends the same round trips, and on DynamoDB the same units, among
// 100 users and among thousands; only a filter that matches little reads more, and no more than 1,000
// items.
func TestCostsDoNotGrowWithUsers(t *testing.T) {
	t.Run("bolt", func(t *testing.T) {
		clock := localtest.NewClock()
		calls := tabletest.NewCounting(localtest.Bolt(t, clock))
		sameAt(t, newCrowd(localtest.On(t, calls, clock), func() string {
			return fmt.Sprintf("%d round trips", calls.Reset().RoundTrips)
		}), 100, 10000)
	})
	t.Run("DynamoDB", func(t *testing.T) {
		clock, meter := localtest.NewClock(), dynamotest.NewMeter()
		sameAt(t, newCrowd(localtest.On(t, dynamotest.New(t, meter, clock.Now), clock), func() string {
			n := meter.Reset()
			return fmt.Sprintf("%d round trips, %g read units, %g write units", n.RoundTrips, n.ReadUnits, n.WriteUnits)
		}), 102, 800)
	})
}

func sameAt(t *testing.T, c *crowd, sizes ...int) {
	t.Helper()
	var first map[string]string
	for _, size := range sizes {
		if err := c.grow(size); err != nil {
			t.Fatal(err)
		}
		costs := c.costs()
		t.Logf("%d users: %v", size, costs)
		delete(costs, "filter that matches little")
		if first == nil {
			first = costs
		}
		for name, spent := range costs {
			if spent != first[name] {
				t.Errorf("%s among %d users: %s, among %d: %s", name, sizes[0], first[name], size, spent)
			}
		}
	}
	c.walk(t)
}

// walk demands that pages put together are everybody, once, in order.
func (c *crowd) walk(t *testing.T) {
	t.Helper()
	var emails []string
	query := url.Values{"limit": {"200"}}
	for {
		a := c.admin.Must(200, "GET", "/v1/users?"+query.Encode(), nil)
		for _, user := range a.Items() {
			emails = append(emails, user.Text("email"))
		}
		if a.Text("next") == "" {
			break
		}
		query.Set("cursor", a.Text("next"))
	}
	if unique := slices.Compact(slices.Clone(emails)); len(unique) != c.users+c.made || !slices.IsSorted(emails) {
		t.Errorf("walking the list meets %d of %d users", len(unique), c.users+c.made)
	}
}
