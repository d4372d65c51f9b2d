package gateconfig

import (
	"fmt"
	"slices"
	"strings"

	"portcullis.example/shared/phonesystem"
)

func (f *file) nginx() (string, error) {
	return f.template("nginx.conf",
		"{{patterns}}", f.nginxPatterns(), "{{cookies}}", f.nginxCookies(), "{{listen}}", f.nginxListen(),
		"{{upstream_tls}}", f.nginxUpstream(), "{{strip}}", nginxStrip(), "{{portal}}", f.nginxPortal())
}

func (f *file) nginxPatterns() string {
	var all []string
	for _, p := range f.matcher.Patterns() {
		sign, value := "~", 1
		if p.FoldCase {
			sign = "~*"
		}
		if p.Passes {
			value = 0
		}
		all = append(all, fmt.Sprintf("# %s", p.Rule), fmt.Sprintf("\"%s%s\" %d;", sign, p.Expression, value))
	}
	return lines("    ", all)
}

// cookiesTaken is how many cookies of ours are taken out one by one.
const cookiesTaken = 4

// ourCookie finds a cookie with our word in its name, also behind the sign of a
// nameless one.
const ourCookie = `(?:\s*=+)?[^;=]*portcullis`

func (f *file) nginxCookies() string {
	n := f.prefix()
	from := "$http_cookie"
	var all []string
	for i := range cookiesTaken {
		to := fmt.Sprintf("$%s_c%d", n, i)
		all = append(all, fmt.Sprintf("map %s %s {", from, to), fmt.Sprintf("    default %s;", from),
			fmt.Sprintf(`    "~*^(?<%s_a%d>(?:.*;\s*)?)%s[^;]*(?:;\s*|$)(?<%s_b%d>.*)$" "$%s_a%d$%s_b%d";`, n, i, ourCookie, n, i, n, i, n, i), "}")
		from = to
	}
	all = append(all, fmt.Sprintf("map %s $%s_cookies {", from, n), fmt.Sprintf("    default %s;", from),
		fmt.Sprintf(`    "~*(?:^|;)\s*%s" "";`, ourCookie),
		fmt.Sprintf(`    "~^(?<%s_t>.*?)[;\s]+$" $%s_t;`, n, n), "}")
	return lines("", all)
}

func (f *file) nginxListen() string {
	port := "443"
	if f.System.Scheme() == "http" {
		port = "80"
	}
	if _, own, has := strings.Cut(f.System.Host, ":"); has {
		port = own
	}
	if f.System.Scheme() == "http" {
		return lines("    ", []string{"listen 127.0.0.1:" + port + ";"})
	}
	folder := Folder + "/" + hostFile(f.System)
	return lines("    ", []string{
		"listen " + port + " ssl http2;", "listen [::]:" + port + " ssl http2;",
		"ssl_certificate " + folder + "/fullchain.pem;", "ssl_certificate_key " + folder + "/privkey.pem;",
		"ssl_protocols TLSv1.2 TLSv1.3;", "ssl_session_cache shared:" + f.prefix() + "_tls:2m;",
	})
}

// roots is where Debian and its kin keep the certificates of authorities.
const roots = "/etc/ssl/certs/ca-certificates.crt"

func (f *file) nginxUpstream() string {
	if f.upstream.Scheme == "http" {
		return "        # Plain http, as asked for: for one machine alone."
	}
	host, _ := phonesystem.NormaliseHost(f.System.Host, "")
	name, _, _ := strings.Cut(host, ":")
	all := []string{"proxy_ssl_server_name on;", "proxy_ssl_name " + name + ";"}
	if byItself(f.upstream) {
		return lines("        ", all)
	}
	return lines("        ", append(all, "proxy_ssl_verify on;", "proxy_ssl_verify_depth 4;", "proxy_ssl_trusted_certificate "+roots+";"))
}

func (f *file) nginxPortal() string {
	all := []string{
		"proxy_http_version 1.1;", "proxy_pass_request_headers off;", "proxy_redirect off;",
		"proxy_set_header Host " + f.portal.Host + ";", `proxy_set_header Connection "";`,
		"proxy_connect_timeout 2s;", "proxy_send_timeout 2s;", "proxy_read_timeout 2s;",
		"proxy_next_upstream error;", "proxy_next_upstream_tries 2;", "proxy_next_upstream_timeout 2s;",
	}
	if f.portal.Scheme == "https" {
		all = append(all, "proxy_ssl_server_name on;", "proxy_ssl_name "+f.portal.Hostname()+";", "proxy_ssl_protocols TLSv1.2 TLSv1.3;",
			"proxy_ssl_verify on;", "proxy_ssl_verify_depth 4;", "proxy_ssl_trusted_certificate "+roots+";")
	}
	return lines("        ", all)
}

// nginxStrip takes names with _ away as well. One with a dot it could not: nginx
// compares such names with none. It drops them by itself, as long as no server of
// it says otherwise before it knows which one is asked.
func nginxStrip() string {
	all := []string{"proxy_headers_hash_max_size 4096;", "proxy_headers_hash_bucket_size 128;"}
	for _, name := range claims() {
		for _, spelling := range spellings(name, "-", "_") {
			if !slices.Contains(set(), spelling) {
				all = append(all, "proxy_set_header "+spelling+` "";`)
			}
		}
	}
	return lines("        ", all)
}
