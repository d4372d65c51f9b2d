package gate

import (
	"bufio"
	"encoding/hex"
	"fmt"
	"net"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"portcullis.example/infra/gate/proxytest"
)

// origin is a web server that resolves paths by a program of its own.
type origin struct {
	name, root, port string
	disorderly       bool
	// files are what it took a request for, below its root.
	files func(root string, r reply) []string
}

// secret and open are what the files hold that origins serve, before their path.
const (
	secret = "of an admin console: "
	open   = "of extension users: "
)

// layFiles writes files into restricted and unrestricted places.
func layFiles(t *testing.T, root string) {
	t.Helper()
	for content, names := range map[string][]string{
		secret: {"xapi/v1/Users", "xapi/v1/SystemStatus", "xapi/x.js", "api/login", "api/main.js", "connect/authorize", "management/main.js", "management/index.html", "admin/config.php", "admin/main.js", "webclient/admin/x", "console/x"},
		open:   {"webclient/x", "webclient/main.js", "main.js", "xapi/v1/MyUser/x", "connect/token/x", "MyPhone/x", "ucp/x", "login/x", "ws/webclient/x", "provisioning/x", "callus/x"},
	} {
		for _, name := range names {
			file := filepath.Join(root, name)
			if err := os.MkdirAll(filepath.Dir(file), 0o755); err != nil {
				t.Fatal(err)
			}
			if err := os.WriteFile(file, []byte(content+"/"+name), 0o644); err != nil {
				t.Fatal(err)
			}
		}
	}
}

// startOrigins starts the three.
func startOrigins(t *testing.T) []origin {
	t.Helper()
	folder := t.TempDir()
	root := filepath.Join(folder, "files")
	layFiles(t, root)
	// Apache serves as nobody where it is started by root.
	for at := folder; strings.HasPrefix(at, os.TempDir()) && at != filepath.Clean(os.TempDir()); at = filepath.Dir(at) {
		if err := os.Chmod(at, 0o755); err != nil {
			t.Fatal(err)
		}
	}
	named := func(root string, r reply) []string {
		if file, found := strings.CutPrefix(r.header.Get("X-File"), root); found {
			return []string{file}
		}
		return nil
	}
	origins := []origin{
		{name: "nginx", root: root, port: proxytest.FreePort(t), files: named}, {name: "Apache", root: root, port: proxytest.FreePort(t), files: named},
		{name: "Node", root: root, port: proxytest.FreePort(t), disorderly: true, files: func(root string, r reply) (files []string) {
			for text := range strings.SplitSeq(r.header.Get("X-File"), ",") {
				file, err := url.PathUnescape(text)
				if file, found := strings.CutPrefix(file, root); found && err == nil {
					files = append(files, file)
				}
			}
			return files
		}},
	}
	proxytest.Run(t, nginxOrigin(t, folder, origins[0]), origins[0].port)
	proxytest.Run(t, apacheOrigin(t, folder, origins[1]), origins[1].port)
	proxytest.Run(t, exec.Command("node", filepath.Join("testdata", "origin.js"), root, origins[2].port), origins[2].port)
	return origins
}

func nginxOrigin(t *testing.T, folder string, o origin) *exec.Cmd {
	t.Helper()
	text := `daemon off;
master_process off;
pid ` + folder + `/nginx.pid;
events { worker_connections 1024; }
http {
    access_log off;
    client_body_temp_path ` + folder + `/body; proxy_temp_path ` + folder + `/proxy; fastcgi_temp_path ` + folder + `/fastcgi;
    uwsgi_temp_path ` + folder + `/uwsgi; scgi_temp_path ` + folder + `/scgi;
    large_client_header_buffers 4 32k;
    keepalive_requests 10000000;
    server {
        listen 127.0.0.1:` + o.port + `;
        root ` + o.root + `;
        location / { add_header X-File $request_filename always; }
    }
}
`
	main := filepath.Join(folder, "origin.conf")
	if err := os.WriteFile(main, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	return exec.Command(proxytest.Program(t, "nginx"), "-p", folder, "-e", filepath.Join(folder, "nginx-error.log"), "-c", main)
}

func apacheOrigin(t *testing.T, folder string, o origin) *exec.Cmd {
	t.Helper()
	modules := filepath.Join(filepath.Dir(proxytest.Program(t, "apache2")), "root/usr/lib/apache2/modules")
	var text strings.Builder
	for _, name := range []string{"mpm_event", "authz_core", "headers"} {
		fmt.Fprintf(&text, "LoadModule %s_module %s/mod_%s.so\n", name, modules, name)
	}
	if os.Getuid() == 0 {
		text.WriteString("User nobody\nGroup nogroup\n")
	}
	fmt.Fprintf(&text, `ServerRoot %[1]s
PidFile %[1]s/apache.pid
ErrorLog %[1]s/apache-error.log
LogLevel crit
ServerName origin
Listen 127.0.0.1:%[2]s
LimitRequestLine 32000
MaxKeepAliveRequests 0
AllowEncodedSlashes On
DocumentRoot %[3]s
<Directory %[3]s>
    Require all granted
    AllowOverride None
</Directory>
Header always set X-File "expr=%%{REQUEST_FILENAME}%%{PATH_INFO}"
`, folder, o.port, o.root)
	main := filepath.Join(folder, "apache.conf")
	if err := os.WriteFile(main, []byte(text.String()), 0o600); err != nil {
		t.Fatal(err)
	}
	return exec.Command(proxytest.Program(t, "apache2"), "-f", main, "-D", "FOREGROUND")
}

// startRecorder starts a phone system that answers each request with the target
// as it stood in the request line, whatever stood there. It answers its address.
func startRecorder(t testing.TB) string {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = listener.Close() })
	go func() {
		for {
			connection, err := listener.Accept()
			if err != nil {
				return
			}
			go record(connection)
		}
	}()
	return listener.Addr().String()
}

// record answers requests that have no bodies.
func record(connection net.Conn) {
	defer connection.Close()
	requests := bufio.NewReaderSize(connection, 64<<10)
	for {
		line, err := requests.ReadString('\n')
		if err != nil {
			return
		}
		for header := line; header != "\r\n"; {
			if header, err = requests.ReadString('\n'); err != nil {
				return
			}
		}
		_, target, _ := strings.Cut(line, " ")
		target = strings.TrimSuffix(target, " HTTP/1.1\r\n")
		if _, err := fmt.Fprintf(connection, "HTTP/1.1 200 OK\r\nContent-Length: 0\r\nSeen: %s\r\n\r\n", hex.EncodeToString([]byte(target))); err != nil {
			return
		}
	}
}
