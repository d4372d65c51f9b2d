package local

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/url"
	"time"

	"portcullis.example/infra/local/demo"
	"portcullis.example/shared/account/password"
	"portcullis.example/shared/config"
	"portcullis.example/shared/ground"
)

// Server is an installation that serves. Make one with Start.
type Server struct {
	*System
	folder  *Folder
	demo    *demo.Demo
	closers []func() error
	log     *slog.Logger
	servers []*http.Server
	failed  chan error
}

// Greeting is what a start tells whoever started it.
type Greeting struct {
	BaseURL string
	// Links are the invitations made by this start; none on a later one.
	Links []Link
	// Demo is nil without a demonstration.
	Demo    *Demonstration
	DemoURL string
	Outbox  string
}

const stopWithin = 10 * time.Second

// Start opens the data folder, takes the addresses, does what the first start
// does, and serves. The errors say what is wrong and what to do; after one,
// nothing is left held, and a start that could not serve has invited nobody.
func Start(ctx context.Context, c config.Config, now func() time.Time, log *slog.Logger) (_ *Server, _ Greeting, err error) {
	if c.RestoredAt.After(now()) {
		return nil, Greeting{}, fmt.Errorf("%w: -restored-at lies in the future: until then nobody could sign in", config.ErrConfig)
	}
	folder, err := OpenFolder(ctx, c.Data, now)
	if err != nil {
		return nil, Greeting{}, err
	}
	s := &Server{folder: folder, log: log, failed: make(chan error, 2)}
	defer func() {
		if err != nil {
			err = errors.Join(err, s.close())
		}
	}()
	listeners, err := listen(c.Addr, c.DemoAddr)
	if err != nil {
		return nil, Greeting{}, err
	}
	for _, listener := range listeners {
		s.closers = append(s.closers, closed(listener))
	}
	if err := s.build(c, now); err != nil {
		return nil, Greeting{}, err
	}
	g := Greeting{BaseURL: c.BaseURL, Outbox: folder.file(outboxName)}
	if g.Links, err = s.InviteOperator(ctx, c.OperatorEmail); err != nil {
		return nil, Greeting{}, fmt.Errorf("the operator can't be invited: %w", err)
	}
	handlers := []http.Handler{proxied(s.API, c.TrustedProxies)}
	if c.DemoAddr != "" {
		if err := s.prepareDemo(ctx, c, now, &g); err != nil {
			return nil, Greeting{}, err
		}
		handlers = append(handlers, s.demo)
	}
	s.Tick(ctx) // whoever is told of invitations, or is answered, finds the mails
	for i, listener := range listeners {
		s.serve(listener, handlers[i])
	}
	return s, g, nil
}

// build puts the system together on the opened folder.
func (s *Server) build(c config.Config, now func() time.Time) error {
	outbox := Outbox{Folder: s.folder.file(outboxName), From: "portcullis@localhost"}
	if err := outbox.Writable(); err != nil {
		return err
	}
	hasher, err := password.New(password.Options{Rand: rand.Reader, Params: password.DefaultParams()})
	if err != nil {
		return err
	}
	s.System = New(ground.Options{
		Table: s.folder.Store, Sealer: s.folder.Key, CursorKey: s.folder.Key.Derive("cursors"), Hasher: hasher,
		Sender: outbox, Now: now, Random: rand.Reader, Log: s.log, BaseURL: c.BaseURL, Sessions: c.Sessions, RestoredAt: c.RestoredAt,
		GateWithin: gateWithin,
	})
	return nil
}

// prepareDemo makes the stand-in phone system and its gate.
func (s *Server) prepareDemo(ctx context.Context, c config.Config, now func() time.Time, g *Greeting) error {
	_, port, err := net.SplitHostPort(c.DemoAddr)
	if err != nil {
		return fmt.Errorf("%w: -demo-addr: %w", config.ErrConfig, err)
	}
	host := "pbx.localhost:" + port
	d, links, err := s.PrepareDemo(ctx, s.folder.file(demoName), host)
	if err != nil {
		return fmt.Errorf("the demonstration can't be prepared: %w", err)
	}
	g.Links, g.Demo, g.DemoURL = append(g.Links, links...), &d, "http://"+host
	backend, memory := demo.InProcess(&url.URL{Scheme: "http", Host: "portcullis"}, s.API)
	s.closers = append(s.closers, memory.Close)
	s.demo, err = demo.New(demo.Options{
		PublicHost: host, Portcullis: backend, GateKey: func() string { return d.GateKey },
		Administrator: d.Administrator, Extension: d.Extension, Now: now, Random: rand.Reader, Log: s.log, Within: gateWithin,
	})
	if err != nil {
		return err
	}
	s.closers = append(s.closers, s.demo.Close)
	return nil
}

// listen takes every address that is not empty, or none.
func listen(addresses ...string) ([]net.Listener, error) {
	var taken []net.Listener
	for _, address := range addresses {
		if address == "" {
			continue
		}
		listener, err := net.Listen("tcp", address)
		if err != nil {
			err = fmt.Errorf("%w; choose another address with -addr or -demo-addr, or stop the program that has it", err)
			for _, one := range taken {
				err = errors.Join(err, one.Close())
			}
			return nil, err
		}
		taken = append(taken, listener)
	}
	return taken, nil
}

// closed closes a listener that its server may have closed already.
func closed(listener net.Listener) func() error {
	return func() error {
		if err := listener.Close(); !errors.Is(err, net.ErrClosed) {
			return err
		}
		return nil
	}
}

// serve answers on a listener in the background.
func (s *Server) serve(listener net.Listener, handler http.Handler) {
	server := &http.Server{
		Handler: handler, ReadHeaderTimeout: 5 * time.Second, ReadTimeout: time.Minute, IdleTimeout: 2 * time.Minute,
		MaxHeaderBytes: 128 << 10, ErrorLog: slog.NewLogLogger(s.log.Handler(), slog.LevelDebug),
	}
	s.servers = append(s.servers, server)
	go func() {
		if err := server.Serve(listener); !errors.Is(err, http.ErrServerClosed) {
			s.failed <- err
		}
	}()
}

// Run does what is scheduled until ctx ends or a listener fails, then stops
// gracefully: requests under way are answered, the store is closed.
func (s *Server) Run(ctx context.Context) error {
	ticks, minutes := time.NewTicker(time.Second), time.NewTicker(time.Minute)
	defer ticks.Stop()
	defer minutes.Stop()
	for {
		select {
		case <-ticks.C:
			s.Tick(ctx)
		case <-minutes.C:
			s.attempt(ctx, "recording when gates were seen failed", s.Keeper.Flush(ctx))
		case err := <-s.failed:
			return errors.Join(err, s.Stop())
		case <-ctx.Done():
			return s.Stop()
		}
	}
}

// reapAtOnce is how many expired items one tick removes at most.
const reapAtOnce = 500

// Tick does once what is scheduled. What fails is logged, and the next tick
// meets it again.
func (s *Server) Tick(ctx context.Context) {
	_, err := s.Auditor.Run(ctx)
	s.attempt(ctx, "telling the ends of windows failed", err)
	_, err = s.Courier.Deliver(ctx)
	s.attempt(ctx, "delivering mail failed", err)
	_, err = s.folder.Store.Reap(ctx, reapAtOnce, s.Courier.Removed)
	s.attempt(ctx, "removing what has expired failed", err)
	s.attempt(ctx, "recording that a gate was seen failed", s.Keeper.FlushNews(ctx))
}

// attempt logs what failed, but not that the server was told to stop.
func (s *Server) attempt(ctx context.Context, what string, err error) {
	if err != nil && ctx.Err() == nil {
		s.log.WarnContext(ctx, what, slog.Any("error", err))
	}
}

// Stop ends the server: no new requests, those under way answered (for at most
// stopWithin), what is only in memory written, the store closed.
func (s *Server) Stop() error {
	ctx, cancel := context.WithTimeout(context.Background(), stopWithin)
	defer cancel()
	for _, server := range s.servers {
		if err := server.Shutdown(ctx); err != nil {
			s.log.Warn("requests were cut off", slog.Any("error", err))
		}
	}
	return errors.Join(s.Keeper.Flush(context.WithoutCancel(ctx)), s.close())
}

// close ends what is left, in the order of what needs what.
func (s *Server) close() error {
	var err error
	for _, server := range s.servers {
		err = errors.Join(err, server.Close())
	}
	for _, closer := range s.closers {
		err = errors.Join(err, closer())
	}
	return errors.Join(err, s.folder.Store.Close())
}

// Write prints the greeting for a person.
func (g Greeting) Write(w io.Writer) error {
	p := &printer{w: w}
	p.line("Portcullis answers at %s", g.BaseURL)
	if len(g.Links) > 0 {
		p.line("\nInvitations (also as mails in %s):", g.Outbox)
	}
	for _, link := range g.Links {
		p.line("  %-22s %s", link.Email, link.URL)
	}
	if g.Demo != nil {
		p.line("\nDemonstration: a stand-in phone system behind its gate at %s", g.DemoURL)
		p.line("  phone system id        %s", g.Demo.PhoneSystemID)
		p.line("  its administrator      user %s, password %s", g.Demo.Administrator.Name, g.Demo.Administrator.Password)
		p.line("  an extension user      user %s, password %s", g.Demo.Extension.Name, g.Demo.Extension.Password)
		p.line("\nThe console there stays locked until you open a window: see \"The walk\" in README.md.")
	}
	p.line("\nStop with Ctrl-C.")
	return p.err
}

type printer struct {
	w   io.Writer
	err error
}

func (p *printer) line(format string, values ...any) {
	if p.err == nil {
		_, p.err = fmt.Fprintf(p.w, format+"\n", values...)
	}
}
