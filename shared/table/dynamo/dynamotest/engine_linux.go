// Package dynamotest runs tests on Amazon's DynamoDB Local. It guarantees that
// the engine is reachable from the tests alone (it listens on all interfaces,
// so the tests and it get a network of their own with nothing in it but
// loopback), that it ends with them, and that a missing engine fails the run.
//
// What the engine does not do, and what needs a stubbed client therefore:
// removal by time-to-live and its stream record, throttling, transactions
// cancelled for overlap, and eventually consistent reads.
package dynamotest

import (
	"bytes"
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// inside tells a test binary that it runs in the network made for it.
const inside = "PORTCULLIS_TEST_NETWORK"

// Main runs a package's tests beside the engine and answers their exit code: for
// TestMain, which must do nothing else.
func Main(m *testing.M) int {
	var code int
	var err error
	if slices.Contains(os.Args, "-test.fuzzworker") { // beside the engine of whoever started it
		return m.Run()
	}
	if os.Getenv(inside) == "" {
		code, err = isolate()
	} else {
		code, err = serve(m)
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, "DynamoDB Local:", err)
		return 1
	}
	return code
}

// isolate runs this very binary again in a network of its own.
func isolate() (int, error) {
	again := exec.Command("/proc/self/exe", os.Args[1:]...)
	again.Env = append(os.Environ(), inside+"=yes")
	again.Stdin, again.Stdout, again.Stderr = os.Stdin, os.Stdout, os.Stderr
	again.SysProcAttr = &syscall.SysProcAttr{
		Cloneflags:  syscall.CLONE_NEWUSER | syscall.CLONE_NEWNET,
		UidMappings: []syscall.SysProcIDMap{{ContainerID: 0, HostID: os.Getuid(), Size: 1}},
		GidMappings: []syscall.SysProcIDMap{{ContainerID: 0, HostID: os.Getgid(), Size: 1}},
		Pdeathsig:   syscall.SIGKILL,
	}
	err := again.Run()
	if ended := (*exec.ExitError)(nil); errors.As(err, &ended) {
		return ended.ExitCode(), nil
	}
	return 0, err
}

func serve(m *testing.M) (code int, err error) {
	if err := loopbackUp(); err != nil {
		return 0, err
	}
	engine, err := start()
	if err != nil {
		return 0, err
	}
	defer func() { err = errors.Join(err, engine.stop()) }()
	if err := engine.awaitAnswer(); err != nil {
		return 0, err
	}
	return m.Run(), nil
}

func loopbackUp() error {
	socket, err := unix.Socket(unix.AF_INET, unix.SOCK_DGRAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return err
	}
	request, err := unix.NewIfreq("lo")
	if err != nil {
		return errors.Join(err, unix.Close(socket))
	}
	request.SetUint16(unix.IFF_UP | unix.IFF_RUNNING)
	return errors.Join(unix.IoctlIfreq(socket, unix.SIOCSIFFLAGS, request), unix.Close(socket))
}

// port is free: nobody else is in this network.
const port = 8000

// Endpoint is where the engine answers.
func Endpoint() string { return "http://" + address() }

func address() string { return net.JoinHostPort("127.0.0.1", strconv.Itoa(port)) }

type engine struct {
	process *exec.Cmd
	ended   chan error
	said    bytes.Buffer // read only once it has ended
}

// start starts the engine that `make engines` fetched.
func start() (*engine, error) {
	folder, err := folder()
	if err != nil {
		return nil, err
	}
	// It lives for a minute: what a longer life would gain from compiling twice and
	// collecting in parallel costs more than it saves, a third of its work.
	e := &engine{ended: make(chan error, 1), process: exec.Command("java", "-Xmx512m", "-XX:TieredStopAtLevel=1", "-XX:+UseSerialGC", "-Dlog4j2.level=OFF", "-Djava.library.path="+folder, "-cp", filepath.Join(folder, "*"),
		"software.amazon.dynamodb.services.local.main.ServerRunner", "-inMemory", "-disableTelemetry", "-port", strconv.Itoa(port))}
	e.process.Stderr = &e.said
	e.process.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	if err := e.process.Start(); err != nil {
		return nil, fmt.Errorf("%w; it needs a Java 17", err)
	}
	go func() { e.ended <- e.process.Wait() }()
	return e, nil
}

// folder is .tools/dynamodb beside the module's go.mod.
func folder() (string, error) {
	at, err := os.Getwd()
	if err != nil {
		return "", err
	}
	for ; ; at = filepath.Dir(at) {
		if _, err := os.Stat(filepath.Join(at, "go.mod")); err == nil {
			break
		}
		if at == filepath.Dir(at) {
			return "", errors.New("there is no go.mod above the tests")
		}
	}
	found := filepath.Join(at, ".tools", "dynamodb")
	if _, err := os.Stat(found); err != nil {
		return "", fmt.Errorf("%w; `make engines` fetches it", err)
	}
	return found, nil
}

// startsWithin is only to end a run at all: a machine may be busy.
const startsWithin = 5 * time.Minute

func (e *engine) awaitAnswer() error {
	looks := time.NewTicker(50 * time.Millisecond)
	defer looks.Stop()
	late := time.After(startsWithin)
	for {
		select {
		case <-looks.C:
			connection, err := net.Dial("tcp", address())
			if err == nil {
				return connection.Close()
			}
		case err := <-e.ended:
			e.ended <- err
			return fmt.Errorf("it ended at its start: %w: %s", err, e.said.String())
		case <-late:
			return fmt.Errorf("it did not answer within %s", startsWithin)
		}
	}
}

func (e *engine) stop() error {
	if err := e.process.Process.Kill(); err != nil && !errors.Is(err, os.ErrProcessDone) {
		return err
	}
	<-e.ended // killed: what it answers is no news
	return nil
}
