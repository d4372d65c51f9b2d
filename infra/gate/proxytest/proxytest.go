// Package proxytest runs the real proxies in tests: nginx and Caddy as fetch.sh
// brings them, with a gate's configuration and an authority whose certificates
// the test believes. It guarantees that what it starts listens on loopback when
// it is handed over and ends with the test, that no two tests of this machine get
// one port, and that the configuration is the one given, but for three places of
// this machine: the folder of the key, the authorities that are trusted, and the
// portal's address; and, in tests that are not about it, for how long Portcullis
// is waited for.
package proxytest

import (
	"crypto/tls"
	"errors"
	"math/rand/v2"
	"net"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"
)

// Names are the programs that everything runs through.
func Names() []string { return []string{"nginx", "caddy"} }

// Program is one of those that `make engines` fetched, for tests that run two
// folders below the repository's root.
func Program(t testing.TB, name string) string {
	t.Helper()
	path, err := filepath.Abs(filepath.Join("..", "..", ".tools", "proxies", name))
	if err == nil {
		_, err = os.Stat(path)
	}
	if err != nil {
		t.Fatalf("%v; `make engines` fetches it", err)
	}
	return path
}

// FreePort is one that nobody has. It is below those that the kernel hands out by
// itself, or some connection might have taken it before its program listens; and
// the test holds it for UDP, by which the others at the same time know that it is
// taken, also while nothing listens there.
func FreePort(t testing.TB) string {
	t.Helper()
	for range 100 {
		port := strconv.Itoa(10_000 + rand.IntN(20_000))
		held, err := net.ListenPacket("udp", "127.0.0.1:"+port)
		if err != nil {
			continue // another test has it
		}
		t.Cleanup(func() { _ = held.Close() })
		listener, err := net.Listen("tcp", "127.0.0.1:"+port)
		if err != nil {
			continue // somebody has it
		}
		if err := listener.Close(); err != nil {
			t.Fatal(err)
		}
		return port
	}
	t.Fatal("no port of a hundred is free")
	return ""
}

// nginxMain is what stands around the gate's file in nginx.
const nginxMain = `daemon off;
worker_processes 1;
pid FOLDER/nginx.pid;
error_log FOLDER/error.log info;
events { worker_connections 1024; }
http {
    access_log FOLDER/access.log;
    client_body_temp_path FOLDER/body;
    proxy_temp_path FOLDER/proxy;
    fastcgi_temp_path FOLDER/fastcgi;
    uwsgi_temp_path FOLDER/uwsgi;
    scgi_temp_path FOLDER/scgi;
    MORE
    include FOLDER/gate.conf;
}
`

// caddyMain is what stands around it in Caddy.
const caddyMain = `{
	admin off
	persist_config off
	auto_https disable_redirects
	servers {
		protocols h1 h2
	}
	log {
		output file FOLDER/error.log
	}
}
import FOLDER/gate.conf
`

// Command starts a proxy in a folder; more stands in nginx's http block.
func Command(t testing.TB, proxy, folder, more string) *exec.Cmd {
	t.Helper()
	main := filepath.Join(folder, "main.conf")
	text := caddyMain
	if proxy == "nginx" {
		if text = nginxMain; os.Getuid() == 0 {
			text = "user root;\n" + text
		}
	}
	text = strings.NewReplacer("FOLDER", folder, "MORE", more).Replace(text)
	if err := os.WriteFile(main, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	if proxy == "nginx" {
		return exec.Command(Program(t, proxy), "-p", folder, "-e", filepath.Join(folder, "error.log"), "-c", main)
	}
	c := exec.Command(Program(t, proxy), "run", "--adapter", "caddyfile", "--config", main)
	c.Env = append(os.Environ(), "SSL_CERT_FILE="+filepath.Join(folder, "roots.pem"), "SSL_CERT_DIR="+folder, "HOME="+folder, "XDG_CONFIG_HOME="+folder, "XDG_DATA_HOME="+folder)
	return c
}

// startsWithin is only to end a test at all: a machine may be busy.
const startsWithin = 5 * time.Minute

// Run starts a program that listens on a port, and ends it with the test.
func Run(t testing.TB, c *exec.Cmd, port string) {
	t.Helper()
	var said strings.Builder
	c.Stdout, c.Stderr = &said, &said
	c.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGTERM, Setpgid: true}
	if err := c.Start(); err != nil {
		t.Fatal(err)
	}
	ended := make(chan error, 1)
	go func() { ended <- c.Wait() }()
	t.Cleanup(func() {
		if err := syscall.Kill(-c.Process.Pid, syscall.SIGKILL); err != nil && !errors.Is(err, syscall.ESRCH) {
			t.Error(err)
		}
		<-ended
	})
	looks, late := time.NewTicker(20*time.Millisecond), time.After(startsWithin)
	defer looks.Stop()
	for {
		select {
		case <-looks.C:
			if connection, err := net.Dial("tcp", "127.0.0.1:"+port); err == nil {
				_ = connection.Close()
				return
			}
		case err := <-ended:
			ended <- err
			t.Fatalf("%s ended at its start: %v: %s", c.Path, err, said.String())
		case <-late:
			t.Fatalf("%s does not listen on %s: %s", c.Path, port, said.String())
		}
	}
}

// Here puts this machine's places into a configuration.
func Here(config, folder, host string, portal *url.URL) string {
	return strings.NewReplacer(
		"/etc/portcullis/"+strings.ReplaceAll(host, ":", "-"), folder,
		"/etc/ssl/certs/ca-certificates.crt", filepath.Join(folder, "roots.pem"),
		"server portal.example:443;", "server "+portal.Host+";",
		"https://portal.example {", "https://"+portal.Host+" {",
	).Replace(config)
}

// Patient has a proxy wait for Portcullis for longer than it is to: on a busy
// machine two seconds are no sign that anything is wrong. It is still less than
// nginx waits by itself.
func Patient(config string) string {
	return strings.ReplaceAll(config, "_timeout 2s", "_timeout 40s")
}

// Lay writes what stands beside a configuration.
func Lay(t testing.TB, proxy, folder, config, key string) {
	t.Helper()
	secret := "proxy_set_header Authorization \"Bearer " + key + "\";\n"
	if proxy == "caddy" {
		secret = "header_up Authorization \"Bearer " + key + "\"\n"
	}
	for name, text := range map[string]string{
		"gate.conf": config, "gate-key." + proxy: secret,
		"certificate.tls": "tls " + folder + "/fullchain.pem " + folder + "/privkey.pem\n",
	} {
		if err := os.WriteFile(filepath.Join(folder, name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
}

// ClientTLS is how a browser reaches a host here.
func (a *Authority) ClientTLS(host string) *tls.Config {
	name, _, _ := strings.Cut(host, ":")
	return &tls.Config{RootCAs: a.Trust(), ServerName: name}
}
