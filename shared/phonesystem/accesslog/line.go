package accesslog

import (
	"net/netip"
	"strconv"
	"strings"
	"time"
)

// record is one line.
type record struct {
	client, method, path, agent string
	at                          time.Time
	served                      bool
}

// stamp is how nginx and Apache write a time.
const stamp = "02/Jan/2006:15:04:05 -0700"

// parse reads ADDRESS - USER [TIME] "REQUEST" STATUS BYTES "REFERER" "AGENT". The
// first quote begins the request: a user's name, which may hold anything else,
// has its quotes escaped.
func parse(line string) (one record, ok bool) {
	quote := strings.IndexByte(line, '"')
	if quote < 0 || !one.readStart(line[:quote]) {
		return one, false
	}
	request, rest, ok := quoted(line[quote:])
	if !ok || !one.readRequest(request) {
		return one, false
	}
	quote = strings.IndexByte(rest, '"')
	if quote < 0 || !one.readStatus(rest[:quote]) {
		return one, false
	}
	if _, rest, ok = quoted(rest[quote:]); !ok || !strings.HasPrefix(rest, " ") {
		return one, false
	}
	one.agent, rest, ok = quoted(rest[1:])
	return one, ok && (rest == "" || rest[0] == ' ')
}

// readStart reads ADDRESS - USER [TIME] and a space.
func (one *record) readStart(text string) bool {
	text, ended := strings.CutSuffix(text, "] ")
	opens := strings.LastIndexByte(text, '[')
	client, _, spaced := strings.Cut(text, " ")
	if !ended || !spaced || opens < len(client) {
		return false
	}
	address, err := netip.ParseAddr(client)
	if err != nil {
		return false
	}
	one.client = address.Unmap().String()
	one.at, err = time.Parse(stamp, text[opens+1:])
	one.at = one.at.UTC()
	return err == nil
}

// readStatus reads STATUS BYTES between spaces.
func (one *record) readStatus(text string) bool {
	fields := strings.Fields(text)
	if len(fields) != 2 || text[0] != ' ' || len(fields[0]) != 3 {
		return false
	}
	status, err := strconv.ParseUint(fields[0], 10, 16)
	one.served = status < 400
	return err == nil && status >= 100
}

// readRequest reads METHOD TARGET PROTOCOL, or METHOD TARGET as HTTP/0.9 has it.
// What is no request line was answered by the web server itself, which says
// nothing about the gate.
func (one *record) readRequest(text string) bool {
	method, target, ok := strings.Cut(text, " ")
	if !ok || method == "" || target == "" {
		return false
	}
	if last := strings.LastIndexByte(target, ' '); last >= 0 {
		if !strings.HasPrefix(target[last+1:], "HTTP/") {
			return false
		}
		target = target[:last]
	}
	one.method = method
	one.path, _, _ = strings.Cut(relative(target), "?")
	return true
}

// relative is a target without scheme and host, which proxies take off (RFC 9112
// section 3.2.2).
func relative(target string) string {
	for _, scheme := range []string{"http://", "https://"} {
		if len(target) < len(scheme) || !strings.EqualFold(target[:len(scheme)], scheme) {
			continue
		}
		rest := target[len(scheme):]
		if end := strings.IndexAny(rest, "/?"); end >= 0 {
			rest = rest[end:]
		} else {
			rest = ""
		}
		if rest == "" || rest[0] == '?' {
			rest = "/" + rest
		}
		return rest
	}
	return target
}

// quoted reads a text in quotes, as nginx escapes it (\xHH) and Apache (\" and
// \\, \n and the like, too). An escape of neither is none.
func quoted(text string) (value, rest string, ok bool) {
	if !strings.HasPrefix(text, `"`) {
		return "", "", false
	}
	var out strings.Builder
	for i := 1; i < len(text); i++ {
		switch c := text[i]; c {
		case '"':
			return out.String(), text[i+1:], true
		case '\\':
			b, length, ok := escape(text[i:])
			if !ok {
				return "", "", false
			}
			out.WriteByte(b)
			i += length - 1
		default:
			out.WriteByte(c)
		}
	}
	return "", "", false
}

// escape reads the escape that a text begins with, and its length.
func escape(text string) (b byte, length int, ok bool) {
	if len(text) < 2 {
		return 0, 0, false
	}
	if text[1] == 'x' && len(text) >= 4 {
		n, err := strconv.ParseUint(text[2:4], 16, 8)
		return byte(n), 4, err == nil
	}
	const letters, signs = `"\bnrtvf`, "\"\\\b\n\r\t\v\f"
	i := strings.IndexByte(letters, text[1])
	if i < 0 {
		return 0, 0, false
	}
	return signs[i], 2, true
}
