package demo

import (
	"crypto/sha256"
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"sync"
	"time"
)

// maxGrants bounds what the stand-in remembers.
const maxGrants = 1000

var errFull = errors.New("demo: too many sessions")

// use is what a token is good for.
type use string

const (
	forAccess  use = "access"
	forRefresh use = "refresh"
	forPages   use = "browser"
)

// grants are the tokens that live, by digest. A token works while
// now < its end.
type grants struct {
	now    func() time.Time
	random io.Reader
	mu     sync.Mutex // guards random and live
	live   map[[sha256.Size]byte]grant
}

type grant struct {
	name  string
	use   use
	until time.Time
}

func newGrants(now func() time.Time, random io.Reader) *grants {
	return &grants{now: now, random: random, live: map[[sha256.Size]byte]grant{}}
}

// issue makes a token of 256 random bits, or answers errFull, or what the
// source of randomness answered.
func (g *grants) issue(name string, u use, life time.Duration) (string, error) {
	g.mu.Lock()
	defer g.mu.Unlock()
	now := g.now()
	g.sweep(now)
	if len(g.live) >= maxGrants {
		return "", errFull
	}
	var bits [32]byte
	if _, err := io.ReadFull(g.random, bits[:]); err != nil {
		return "", fmt.Errorf("make a token: %w", err)
	}
	token := base64.RawURLEncoding.EncodeToString(bits[:])
	g.live[sha256.Sum256([]byte(token))] = grant{name, u, now.Add(life)}
	return token, nil
}

func (g *grants) sweep(now time.Time) {
	for digest, held := range g.live {
		if !now.Before(held.until) {
			delete(g.live, digest)
		}
	}
}

// holder is the name of the user a living token of that use was issued to.
func (g *grants) holder(token string, u use) (string, bool) {
	g.mu.Lock()
	defer g.mu.Unlock()
	return g.find(sha256.Sum256([]byte(token)), u)
}

// spend is holder once only: the token is dead afterwards.
func (g *grants) spend(token string, u use) (string, bool) {
	g.mu.Lock()
	defer g.mu.Unlock()
	digest := sha256.Sum256([]byte(token))
	name, ok := g.find(digest, u)
	if ok {
		delete(g.live, digest)
	}
	return name, ok
}

func (g *grants) find(digest [sha256.Size]byte, u use) (string, bool) {
	held, ok := g.live[digest]
	if !ok || held.use != u || !g.now().Before(held.until) {
		return "", false
	}
	return held.name, true
}
