package mail_test

import (
	"errors"
	"testing"
	"time"

	"portcullis.example/shared/mail"
	"portcullis.example/shared/table"
)

// A dead address is tried ever more rarely, for a week; then its letter is set aside,
// which is told once, and lies there. Whoever can be reached has theirs once.
func TestDeadAddressIsGivenUpAfterAWeek(t *testing.T) {
	for name, letter := range map[string]mail.Letter{"of one": letterTo("dead@example.com"), "among administrators": {Administrators: "acme", Subject: "Hello"}} {
		t.Run(name, func(t *testing.T) {
			o := newOffice(t)
			o.post.refuses["dead@example.com"], o.post.admins = true, []string{"a@example.com", "dead@example.com"}
			write, err := o.Post(t.Context(), letter)
			if err == nil {
				err = o.Table.Apply(t.Context(), write)
			}
			if err != nil {
				t.Fatal(err)
			}
			begin, tries, told := o.clock.Now(), 0, 0
			for o.clock.Now().Sub(begin) < 10*24*time.Hour {
				n, err := o.deliver()
				if n != 0 {
					t.Fatalf("sent %d", n)
				}
				if errors.Is(err, errRefused) {
					tries++
				}
				if errors.Is(err, mail.ErrUndelivered) {
					if told++; o.clock.Now().Sub(begin) < 7*24*time.Hour || o.clock.Now().Sub(begin) > 7*24*time.Hour+time.Hour {
						t.Errorf("given up after %v", o.clock.Now().Sub(begin))
					}
				}
				o.clock.Add(time.Minute)
			}
			if tries < 100 || tries > 200 || told != 1 || o.left() != 0 {
				t.Errorf("tried %d times, told %d times, %d left", tries, told, o.left())
			}
			item, err := o.Table.Get(t.Context(), write.Item.Key)
			if err != nil || item.Kind != mail.Undelivered {
				t.Fatalf("the letter is %s (%v)", item.Kind, err)
			}
			if kept, err := o.Open(t.Context(), item); err != nil || kept.Subject != letter.Subject {
				t.Errorf("what is set aside: %+v (%v)", kept, err)
			}
			if letter.Administrators != "" && len(o.post.sent["a@example.com"]) != 1 {
				t.Errorf("who can be reached has %v", o.post.sent["a@example.com"])
			}
			o.clock.Add(90 * 24 * time.Hour)
			if _, err := o.Table.Get(t.Context(), write.Item.Key); !errors.Is(err, table.ErrNotFound) {
				t.Errorf("after three months: %v", err)
			}
		})
	}
}

// A mail server that is away for a day costs nobody a letter, and an hour at most.
func TestMailServerThatComesBack(t *testing.T) {
	o := newOffice(t)
	o.put(letterTo("a@example.com"))
	o.post.refuses["a@example.com"] = true
	for range 24 * 60 {
		_, _ = o.deliver() // its errors are what the test is about
		o.clock.Add(time.Minute)
	}
	o.post.refuses["a@example.com"] = false
	for minute := range 61 {
		n, err := o.deliver()
		if err != nil {
			t.Fatal(err)
		}
		if n == 1 {
			return
		}
		if minute == 60 {
			t.Error("an hour later it is not delivered")
		}
		o.clock.Add(time.Minute)
	}
}
