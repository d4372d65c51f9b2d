// Command portcullis is the whole of Portcullis in one process. "portcullis
// code SECRET" prints the present code of an authenticator, for trying things
// out without a telephone.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"log/slog"
	"os"
	"os/signal"
	"syscall"
	"time"

	"portcullis.example/infra/local"
	"portcullis.example/shared/config"
	"portcullis.example/shared/mfa/totp"
)

func main() {
	if err := run(os.Args[1:], os.Stdout, os.Stderr); err != nil {
		fmt.Fprintln(os.Stderr, "portcullis:", err)
		os.Exit(1)
	}
}

func run(args []string, out, errOut *os.File) error {
	if len(args) > 0 && args[0] == "code" {
		if len(args) != 2 {
			return errors.New("usage: portcullis code SECRET, with the secret that enrolling answered")
		}
		return code(args[1], out)
	}
	c, err := config.Read(args, os.LookupEnv, errOut)
	if errors.Is(err, flag.ErrHelp) {
		return nil
	}
	if err != nil {
		return err
	}
	local.TuneMemory(os.LookupEnv)
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	context.AfterFunc(ctx, stop) // a second signal ends at once
	server, greeting, err := local.Start(ctx, c, time.Now, logger(errOut, c.LogJSON))
	if err != nil {
		return err
	}
	return errors.Join(greeting.Write(out), server.Run(ctx))
}

// logger writes for people unless programs are to read it.
func logger(out io.Writer, asJSON bool) *slog.Logger {
	if asJSON {
		return slog.New(slog.NewJSONHandler(out, nil))
	}
	return slog.New(slog.NewTextHandler(out, nil))
}

func code(secret string, out io.Writer) error {
	parsed, err := totp.ParseSecret(secret)
	if err != nil {
		return err
	}
	now, err := totp.Code(parsed, time.Now())
	if err != nil {
		return err
	}
	_, err = fmt.Fprintln(out, now)
	return err
}
