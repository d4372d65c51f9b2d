package gate

import (
	"bufio"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"time"
)

// input is a request line to compare: its target may be no URL at all.
type input struct{ method, target string }

func (i input) String() string { return fmt.Sprintf("%s %q", i.method, i.target) }

// path is what stands before the query.
func (i input) path() string {
	path, _, _ := strings.Cut(i.target, "?")
	return path
}

// reply is what a server answered to an input; without a status: nothing.
type reply struct {
	status int
	header http.Header
	body   string
}

// pipeline asks one server many inputs at once over a connection that it keeps
// for as long as the server does.
type pipeline struct {
	host string
	// disorderly servers answer what they refuse before what came earlier.
	disorderly bool
	dial       func() (net.Conn, error)
	connection net.Conn
	answers    *bufio.Reader
}

// atOnce is how many requests are on their way together.
const atOnce = 32

func (p *pipeline) close() {
	if p.connection != nil {
		_ = p.connection.Close()
		p.connection = nil
	}
}

func (p *pipeline) open() error {
	connection, err := p.dial()
	if err != nil {
		return err
	}
	if err := connection.SetDeadline(time.Now().Add(time.Hour)); err != nil {
		return err
	}
	p.connection, p.answers = connection, bufio.NewReaderSize(connection, 64<<10)
	return nil
}

// ask answers each input with its reply. Whatever a server drops with a
// connection is asked anew, at last alone: so nothing goes unasked because of
// what stood beside it.
func (p *pipeline) ask(inputs []input) ([]reply, error) {
	replies := make([]reply, 0, len(inputs))
	for depth := atOnce; len(replies) < len(inputs); {
		fresh := p.connection == nil
		if fresh {
			if err := p.open(); err != nil {
				return nil, err
			}
		}
		left := inputs[len(replies):]
		some := left[:min(depth, len(left))]
		got := p.exchange(some)
		if n := len(got) - 1; p.disorderly && len(some) > 1 && n >= 0 && got[n].status == http.StatusBadRequest {
			got, fresh = got[:0], true // whose is it? Asked alone, they tell
		}
		replies = append(replies, got...)
		switch {
		case len(got) > 0:
			depth = atOnce
		case fresh && len(some) == 1:
			replies, depth = append(replies, reply{}), atOnce
		case fresh:
			depth = 1
		}
	}
	return replies, nil
}

// exchange answers as many replies as came; with fewer than asked for, the
// connection is over.
func (p *pipeline) exchange(inputs []input) []reply {
	var text strings.Builder
	for _, in := range inputs {
		fmt.Fprintf(&text, "%s %s HTTP/1.1\r\nHost: %s\r\nContent-Length: 0\r\n\r\n", in.method, in.target, p.host)
	}
	// A server that has closed already may have answered before: reading tells.
	_, _ = io.WriteString(p.connection, text.String())
	replies := make([]reply, 0, len(inputs))
	for _, in := range inputs {
		response, err := http.ReadResponse(p.answers, &http.Request{Method: in.method})
		if err != nil {
			p.close()
			return replies
		}
		body, err := io.ReadAll(response.Body)
		if err != nil {
			p.close()
			return replies
		}
		replies = append(replies, reply{response.StatusCode, response.Header, string(body)})
		if response.Close {
			p.close()
			return replies
		}
	}
	return replies
}
