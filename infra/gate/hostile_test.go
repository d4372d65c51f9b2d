package gate

import (
	"fmt"
	"hash/crc32"
	"math/rand/v2"
	"strings"
)

// territory is what a test knows of a profile by itself, without its data: what
// must never be reached, and where extension users are at home. In lower case.
type territory struct {
	profile          string
	added            []string
	restricted, free []string
	// own are exceptions within what is restricted.
	own []string
	// inside are paths of the console, as it writes them.
	inside []string
	// static tells that files of listed kinds are free.
	static bool
}

func territories() []territory {
	return []territory{
		{profile: "3cx-v20", added: []string{"/webclient/admin", "/Console"}, static: true,
			restricted: []string{"/xapi", "/api", "/connect/authorize", "/webclient/admin", "/console"}, own: []string{"/xapi/v1/myuser", "/xapi/v1/mytokens"},
			free:   []string{"/webclient/", "/connect/token", "/MyPhone/", "/ws/webclient", "/callcontrol/", "/user_images/", "/provisioning/", "/callus/", "/xapi/v1/MyUser", "/xapi/v1/MyTokens", "/"},
			inside: []string{"/xapi/v1/Users", "/xapi/v1/SystemStatus", "/xapi/x.js", "/api/login", "/api/main.js", "/connect/authorize", "/webclient/admin/x", "/console/x", "/xapi/v1/MyGroup"}},
		{profile: "3cx-v18", restricted: []string{"/api", "/management", "/xapi"},
			free:   []string{"/webclient/", "/MyPhone/", "/myphone/", "/ws/webclient", "/user_images/", "/provisioning/", "/connect/", "/callus/", "/webmeeting/"},
			inside: []string{"/api/login", "/api/SystemStatus", "/api/main.js", "/management/main.js", "/management/index.html", "/xapi/v1/Users"}},
		{profile: "freepbx", restricted: []string{"/admin"}, free: []string{"/ucp/", "/socket.io"}, inside: []string{"/admin/config.php", "/admin/ajax.php", "/admin/main.js", "/admin/api/x"}},
		{profile: "yeastar", restricted: []string{"/admin", "/api"}, free: []string{"/login"}, inside: []string{"/admin/main.js", "/admin/config.php", "/api/login", "/api/main.js"}},
	}
}

// console tells whether a server that ended up with a path serves the console:
// without regard to case, and X(key) is X.
func (l territory) console(path string) bool {
	segments := strings.Split(strings.ToLower(path), "/")
	for i, s := range segments {
		segments[i], _, _ = strings.Cut(s, "(")
	}
	path = strings.Join(segments, "/")
	below := func(roots []string) bool {
		for _, root := range roots {
			if path == root || strings.HasPrefix(path, root+"/") {
				return true
			}
		}
		return false
	}
	return below(l.restricted) && !below(l.own)
}

// hostile makes inputs that want to be taken for two things at once.
type hostile struct {
	territory
	*rand.Rand
}

func newHostile(l territory, seed uint64) *hostile {
	return &hostile{l, rand.New(rand.NewPCG(seed, uint64(crc32.ChecksumIEEE([]byte(l.profile)))))}
}

func (h *hostile) of(list ...string) string { return list[h.IntN(len(list))] }

// next is one input. A third of them are clean enough that they may pass.
func (h *hostile) next() input {
	var target string
	switch h.IntN(8) {
	case 0, 1: // from an extension user's place into the console
		target = h.of(h.free...) + h.climb() + h.spell(h.of(h.inside...))
	case 2: // the console, spelled otherwise
		target = h.spell(h.of(h.inside...)) + h.of("", "", ".js", "/x.js", ";x.js", "%00.js", "?/webclient/", "#/webclient/", "%3f.js", "/manifest.json", "(1)", "(1)/x.js")
	case 3: // an extension user's place, spelled otherwise
		target = h.spell(h.place()) + h.words()
	case 4: // tokens, one after another
		target = "/" + h.tokens(1+h.IntN(10))
	case 5: // something put into what is fine
		target = h.broken(h.place() + h.words())
	default: // what extension users ask for
		target = h.place() + h.words()
	}
	return input{h.method(), h.suffixed(target)}
}

func (h *hostile) method() string {
	if h.IntN(5) > 0 {
		return "GET"
	}
	return h.of("POST", "HEAD", "OPTIONS", "PUT", "DELETE", "TRACE", "PROPFIND", "get", "CONNECT")
}

// climb leads out of a folder, in some program's eyes.
func (h *hostile) climb() string {
	var out strings.Builder
	for range 1 + h.IntN(3) {
		dot := func() string {
			return h.of(".", ".", ".", "%2e", "%2E", "%252e", "%c0%ae", "%e0%80%ae", "%u002e", "\xc0\xae", "%25%32%65", "\u2024", "%ef%bc%8e")
		}
		slash := h.of("/", "/", "/", "//", "\\", "%2f", "%2F", "%5c", "%252f", "%c0%af", ";/", ";x=1/", "%00/", "%20/", "./", "/./", "%3b/", "\u2215", "%09/", "%0d/", "?/", "#/")
		out.WriteString(h.of(dot()+dot()+slash, dot()+dot()+slash, dot()+slash, slash, "x/"+dot()+dot()+slash, dot()+dot()+dot()+slash))
	}
	return out.String()
}

// spell writes a path in other signs that mean the same somewhere.
func (h *hostile) spell(path string) string {
	rarely := 2 + h.IntN(12)
	var out strings.Builder
	for i := range len(path) {
		c := path[i]
		if h.IntN(rarely) > 0 {
			out.WriteByte(c)
			continue
		}
		switch h.IntN(10) {
		case 0, 1:
			fmt.Fprintf(&out, "%%%02x", c)
		case 2:
			fmt.Fprintf(&out, "%%%02X", c)
		case 3:
			fmt.Fprintf(&out, "%%25%02x", c)
		case 4:
			fmt.Fprintf(&out, "%%c%x%%%02x", c>>6, 0x80|c&0x3f) // overlong
		case 5:
			out.WriteString(strings.ToUpper(string(c)))
		case 6:
			out.WriteString(strings.ToLower(string(c)))
		case 7:
			out.WriteString(string(rune(0xff00 + int(c) - 0x20))) // full width
		case 8:
			out.WriteString(string(c) + h.of(";", ";x", "/", "/./", "%00", "\u200b", ".", " ", "%20", "+", "\\", "~1", "::$DATA", "%", "\t", "\x00"))
		default:
			out.WriteString(h.of("/", "./", "\\", "%2f", "") + string(c))
		}
	}
	return out.String()
}

// place is an extension user's place, mostly with the slash that ends it.
func (h *hostile) place() string {
	place := h.of(h.free...)
	if !strings.HasSuffix(place, "/") && h.IntN(4) > 0 {
		place += "/"
	}
	return place
}

// words are plain names below a place.
func (h *hostile) words() string {
	var out strings.Builder
	for range h.IntN(4) {
		out.WriteString(h.of("", "/") + h.of("x", "main.js", "a%20b", "%7Eme", "a,b", "%C3%A9", "MyUser", "x(1)", "(1)", "a@2x.png", "Users", "api", "xapi", "v1", "x.js", "a=b", "admin", "a:b", "'x'", "!", "$batch", "x*", "caf\u00e9", "%e6%97%a5", "x.", "-", "a+b", "[x]", "{x}", "a|b", "^"))
	}
	return out.String()
}

func (h *hostile) tokens(n int) string {
	var out strings.Builder
	for range n {
		out.WriteString(h.of("/", "/", "/", ".", "..", "//", "%2e", "%2f", "%5c", ";", "?", "#", "\\", "%00", "\x00", "(", ")", "(1)", "'", "=", " ", "%", "%2", "~1", ":$", "+", "@", "$", "&", "\u212a", "\u017f", "\xff", "%ff", "%c0%af", "%252f", "\"", "<", "|",
			"webclient", "xapi", "XAPI", "v1", "MyUser", "myuser", "MyTokens", "Users", "api", "admin", "management", "connect", "token", "authorize", "ucp", "login", "socket.io", "MyPhone", "main.js", ".js", ".json", "manifest.json", "x", ".portcullis", "pass", "decision"))
	}
	return out.String()
}

// broken puts one or two odd pieces anywhere.
func (h *hostile) broken(path string) string {
	for range 1 + h.IntN(2) {
		at := 1 + h.IntN(len(path))
		path = path[:at] + h.of(h.climb(), h.tokens(1), h.spell(h.of(h.inside...)), "%"+fmt.Sprintf("%02x", h.IntN(256)), string([]byte{byte(1 + h.IntN(255))})) + path[at:]
	}
	return path
}

// suffixed adds a query or a fragment, and leaves out what would end the line.
func (h *hostile) suffixed(target string) string {
	switch h.IntN(12) {
	case 0:
		target += "?" + h.tokens(3)
	case 1:
		target += "?x=1&y=" + h.climb() + "xapi/v1/Users"
	case 2:
		target += "#" + h.tokens(2)
	case 3:
		if h.IntN(50) == 0 {
			target += strings.Repeat("/a", 2000+h.IntN(100))
		}
	}
	return strings.TrimRight(strings.NewReplacer("\n", "", "\r", "").Replace(target), " ")
}
