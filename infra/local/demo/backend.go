package demo

import (
	"context"
	"errors"
	"io"
	"net"
	"net/http"
	"net/url"
	"sync"
	"time"
)

// Backend is a server the gate speaks to: where it is, and how to get there.
type Backend struct {
	// Base has a scheme and a host.
	Base *url.URL
	// Transport carries one request; it follows no redirect and keeps no cookie.
	Transport http.RoundTripper
}

// Remote is a server reached over the network, never through a proxy that the
// environment names.
func Remote(base *url.URL) Backend {
	dialer := &net.Dialer{Timeout: 2 * time.Second}
	return Backend{Base: base, Transport: &http.Transport{
		DialContext:         dialer.DialContext,
		DisableCompression:  true,
		MaxIdleConnsPerHost: 16,
		IdleConnTimeout:     time.Minute,
	}}
}

// InProcess serves handler as though it stood at base, over memory instead of
// a port, so that nobody else can reach it. Closing ends the server and waits
// for it to stop accepting.
func InProcess(base *url.URL, handler http.Handler) (Backend, io.Closer) {
	m := &memory{pipes: &pipes{conns: make(chan net.Conn), done: make(chan struct{})}, stopped: make(chan error, 1)}
	m.server = &http.Server{Handler: handler, ReadHeaderTimeout: 10 * time.Second}
	m.transport = &http.Transport{DialContext: m.dial, DisableCompression: true, MaxIdleConnsPerHost: 16}
	go func() { m.stopped <- m.server.Serve(m.pipes) }()
	return Backend{Base: base, Transport: m.transport}, m
}

// memory is a server that is spoken to over pipes.
type memory struct {
	*pipes
	server    *http.Server
	transport *http.Transport
	ending    sync.Once
	stopped   chan error
}

// Close ends the server and every connection to it.
func (m *memory) Close() error {
	var err error
	m.ending.Do(func() {
		m.transport.CloseIdleConnections()
		err = errors.Join(m.pipes.Close(), m.server.Close())
		if serving := <-m.stopped; !errors.Is(serving, http.ErrServerClosed) && !errors.Is(serving, net.ErrClosed) {
			err = errors.Join(err, serving)
		}
	})
	return err
}

// pipes is a listener whose connections stay within the process.
type pipes struct {
	conns  chan net.Conn
	done   chan struct{}
	ending sync.Once
}

func (p *pipes) dial(ctx context.Context, _, _ string) (net.Conn, error) {
	ours, theirs := net.Pipe()
	select {
	case p.conns <- loopback{theirs}:
		return ours, nil
	case <-p.done:
		return nil, net.ErrClosed
	case <-ctx.Done():
		return nil, ctx.Err()
	}
}

func (p *pipes) Accept() (net.Conn, error) {
	select {
	case conn := <-p.conns:
		return conn, nil
	case <-p.done:
		return nil, net.ErrClosed
	}
}

func (p *pipes) Addr() net.Addr { return loopbackAddr() }

func (p *pipes) Close() error {
	p.ending.Do(func() { close(p.done) })
	return nil
}

// loopback gives a pipe an address that handlers can parse.
type loopback struct{ net.Conn }

func (loopback) RemoteAddr() net.Addr { return loopbackAddr() }
func (loopback) LocalAddr() net.Addr  { return loopbackAddr() }

func loopbackAddr() net.Addr { return &net.TCPAddr{IP: net.IPv4(127, 0, 0, 1)} }
