// Package gateconfig writes what an administrator installs as the gate of a
// phone system: a configuration of nginx or of Caddy, complete and commented.
// It guarantees that what passes unasked is what profile.Patterns say and no
// more, that every header by which a client could pass for the gate is
// overwritten or removed, that Portcullis' cookies never reach the phone
// system, that whatever is no clear yes is a no, and that no secret stands in
// the file: the gate key has one of its own.
package gateconfig

import (
	"embed"
	"fmt"
	"net"
	"net/netip"
	"net/url"
	"strings"

	"portcullis.example/shared/input"
	"portcullis.example/shared/phonesystem"
	"portcullis.example/shared/phonesystem/profile"
)

//go:embed templates
var templates embed.FS

// Folder is where the files beside a configuration stand, in a folder of each
// phone system's own.
const Folder = "/etc/portcullis"

// Proxies are the programs that there is a configuration for.
func Proxies() []string { return []string{"nginx", "caddy"} }

// Options are what a configuration is made from.
type Options struct {
	System phonesystem.PhoneSystem
	// BaseURL is the control portal's.
	BaseURL string
	// Upstream is the phone system's own web server, scheme://host[:port]; empty:
	// where its product listens by itself.
	Upstream string
}

// file is a configuration in the making.
type file struct {
	Options
	matcher  *profile.Matcher
	portal   *url.URL
	upstream *url.URL
}

// New writes the configuration for a proxy. Errors: *input.Error for a proxy
// that is not in Proxies and for an upstream that can't be one;
// profile.Compile's.
func New(proxy string, o Options) (string, error) {
	matcher, err := o.System.Matcher()
	if err != nil {
		return "", err
	}
	portal, err := url.Parse(o.BaseURL)
	if err != nil {
		return "", fmt.Errorf("gateconfig: the base URL: %w", err)
	}
	f := file{Options: o, matcher: matcher, portal: portal}
	if f.upstream, err = o.upstream(); err != nil {
		return "", err
	}
	switch proxy {
	case "nginx":
		return f.nginx()
	case "caddy":
		return f.caddy()
	}
	return "", input.Invalid("query.proxy", "must be one of %s", strings.Join(Proxies(), ", "))
}

// upstream is held to what can stand in a configuration and mean nothing else
// there.
func (o Options) upstream() (*url.URL, error) {
	text := o.Upstream
	if text == "" {
		text = "https://127.0.0.1:8443"
		if strings.HasPrefix(o.System.Profile, "3cx-") {
			text = "https://127.0.0.1:5001"
		}
	}
	refused := input.Invalid("query.upstream", "must be the phone system's own web server, such as https://127.0.0.1:5001")
	u, err := url.Parse(text)
	if err != nil || u.Scheme != "http" && u.Scheme != "https" || u.Scheme+"://"+u.Host != text {
		return nil, refused
	}
	host := u.Host
	if addr, err := netip.ParseAddr(u.Hostname()); err == nil && addr.Is6() && addr.Zone() == "" {
		host = "ipv6" + strings.TrimPrefix(u.Host, "["+u.Hostname()+"]") // its port is judged as a name's is
	}
	if _, ok := phonesystem.NormaliseHost(host, u.Scheme); !ok {
		return nil, refused
	}
	return u, nil
}

// address is a URL's host with its port.
func address(u *url.URL) string {
	port := u.Port()
	if port == "" {
		port = "443"
		if u.Scheme == "http" {
			port = "80"
		}
	}
	return net.JoinHostPort(u.Hostname(), port)
}

func (f *file) template(name string, more ...string) (string, error) {
	text, err := templates.ReadFile("templates/" + name)
	if err != nil {
		return "", err
	}
	system := f.System
	own := &url.URL{Scheme: system.Scheme(), Host: system.Host}
	_, port, _ := strings.Cut(address(own), ":")
	pairs := append([]string{
		"{{n}}", f.prefix(),
		"{{title}}", system.Name,
		"{{host}}", system.Host,
		"{{hostname}}", own.Hostname(),
		"{{hostfile}}", hostFile(system),
		"{{folder}}", Folder + "/" + hostFile(system),
		"{{scheme}}", own.Scheme,
		"{{port}}", port,
		"{{url}}", own.String(),
		"{{profile}}", system.Profile,
		"{{fingerprint}}", f.matcher.Fingerprint(),
		"{{portal_url}}", f.portal.Scheme + "://" + f.portal.Host,
		"{{portal_scheme}}", f.portal.Scheme,
		"{{portal_address}}", address(f.portal),
		"{{upstream}}", f.upstream.String(),
		"{{upstream_scheme}}", f.upstream.Scheme,
		"{{upstream_address}}", address(f.upstream),
		"{{unsure}}", f.unsure(),
	}, more...)
	return strings.NewReplacer(pairs...).Replace(string(text)), nil
}

// prefix keeps the names of several gates in one proxy apart. PCRE takes names of
// at most 32 characters, so it is the random part of the id and no more.
func (f *file) prefix() string {
	id := strings.ToLower(f.System.ID)
	return "gate_" + id[max(0, len(id)-12):]
}

// hostFile names a phone system in file names.
func hostFile(system phonesystem.PhoneSystem) string {
	return strings.ReplaceAll(system.Host, ":", "-")
}

// unsure is the page for when nobody could say whether a request may pass. It
// holds nothing that a proxy's configuration reads as its own: no quotes, no
// dollar signs, no braces.
func (f *file) unsure() string {
	portal := f.portal.Scheme + "://" + f.portal.Host
	return `<!doctype html><html lang="en" style="color-scheme:light dark;font-family:sans-serif"><meta charset="utf-8">` +
		`<meta name="viewport" content="width=device-width, initial-scale=1"><title>Locked: Portcullis does not answer</title>` +
		`<h1>Locked for the moment</h1><p>The admin console of this phone system stays locked, because Portcullis could not be asked whether it may be opened. ` +
		`Telephones and extension users are not affected.</p><p>Try again in a few seconds. If it stays so, see whether the ` +
		`<a href="` + portal + `">control portal</a> answers, and have whoever runs this gate look into its error log.</p></html>`
}

// byItself tells whether an address is this machine's own, where nobody stands
// between and certificates are mostly for another name.
func byItself(u *url.URL) bool {
	addr, err := netip.ParseAddr(u.Hostname())
	return u.Hostname() == "localhost" || err == nil && addr.IsLoopback()
}

// lines puts lines at an indent.
func lines(indent string, all []string) string {
	return indent + strings.Join(all, "\n"+indent)
}
