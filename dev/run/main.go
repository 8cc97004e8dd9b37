// Command run is the whole of Warble on one machine: the functions that Vercel
// deploys behind the routes that it applies, a database and a Clerk instance.
// What is not configured is local: an embedded MySQL and a stand-in for Clerk.
package main

import (
	"cmp"
	"context"
	"errors"
	"flag"
	"fmt"
	"net"
	"net/http"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"time"

	"warble/dev/local/fakeclerk"
	"warble/dev/local/fakevercel"
	"warble/dev/local/project"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM, syscall.SIGHUP)
	defer stop()
	race := flag.Bool("race", false, "build the functions with the race detector")
	flag.Parse()
	if err := run(ctx, *race); err != nil {
		fmt.Fprintln(os.Stderr, "warble:", err)
		os.Exit(1)
	}
}

func run(ctx context.Context, race bool) error {
	root, err := project.Root()
	if err != nil {
		return err
	}
	if err := project.LoadEnv(root); err != nil {
		return err
	}
	listener, err := listen(cmp.Or(os.Getenv("PORT"), "3000"))
	if err != nil {
		return err
	}
	defer listener.Close()
	port := listener.Addr().(*net.TCPAddr).Port
	origin := fmt.Sprintf("http://localhost:%d", port)

	kept := cmp.Or(os.Getenv("WARBLE_DATA"), filepath.Join(root, "dev/.cache/data"))
	folder, keeping, err := openFolder(kept, os.Getenv("FRESH") != "", os.Stderr)
	if err != nil {
		return fmt.Errorf("keep what is written: %w", err)
	}
	defer folder.saveAll()
	clerk, err := startClerk(ctx, root, origin, folder)
	if err != nil {
		return err
	}
	database, err := startDatabase(ctx, root, port, folder, clerk.local != nil)
	if err != nil {
		return err
	}
	if database.url != "" {
		database.what += ", " + keeping
	}
	config, err := buildPage(ctx, root, clerk.proxyURL)
	if err != nil {
		return err
	}
	defer os.Remove(config)
	vercel := &fakevercel.Project{
		Root:    root,
		Overlay: map[string]string{"/config.js": config},
		Race:    race,
		Log:     os.Stderr,
		Looked:  database.schemaSaved(root),
	}
	if err := vercel.Open(ctx); err != nil {
		return err
	}
	defer vercel.Close()

	fmt.Printf(`
  Warble        %s
  database      %s
  Clerk         %s
  functions     %d, behind the routes of vercel.json; a saved file takes effect at once

  %s
  Ctrl-C ends it.

`, origin, database.what, clerk.what, vercel.Functions(), clerk.signIn)
	return serve(ctx, listener, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		switch {
		case clerk.local != nil && strings.HasPrefix(r.URL.Path, fakeclerk.Prefix+"/"):
			clerk.local.ServeHTTP(w, r)
		case clerk.local != nil && "http://"+r.Host == strings.Replace(origin, "localhost", "127.0.0.1", 1) && !strings.HasPrefix(r.URL.Path, "/api"):
			// The local Clerk's pictures and sessions are localhost's, as 127.0.0.1 they are another site's.
			http.Redirect(w, r, origin+r.URL.RequestURI(), http.StatusTemporaryRedirect)
		default:
			vercel.ServeHTTP(w, r)
		}
	}))
}

func listen(port string) (net.Listener, error) {
	number, err := strconv.ParseUint(port, 10, 16)
	if err != nil {
		return nil, fmt.Errorf("PORT must be a number from 0 to 65535, not %q", port)
	}
	listener, err := net.Listen("tcp", "localhost:"+port)
	if errors.Is(err, syscall.EADDRINUSE) {
		return nil, fmt.Errorf("port %s is taken: end what listens there, or choose another: PORT=%d make run", port, number+1)
	}
	return listener, err
}

// buildPage runs the build command of vercel.json, and returns the file of the
// page's configuration that it wrote. A proxyURL is for the page alone: the
// functions take the proxy of a deployment for the issuer of its sessions.
func buildPage(ctx context.Context, root, proxyURL string) (string, error) {
	config, err := os.CreateTemp("", "warble-config-*.js")
	if err != nil {
		return "", err
	}
	config.Close()
	build := exec.CommandContext(ctx, "sh", "lib/page/build.sh", config.Name())
	build.Dir, build.Stderr = root, os.Stderr
	if proxyURL != "" {
		build.Env = append(os.Environ(), "CLERK_PROXY_URL="+proxyURL)
	}
	if err := build.Run(); err != nil {
		return "", fmt.Errorf("build the page: %w", err)
	}
	return config.Name(), nil
}

// serve serves until ctx ends, and requests under way end with it.
func serve(ctx context.Context, listener net.Listener, handler http.Handler) error {
	server := &http.Server{Handler: handler, ReadHeaderTimeout: 10 * time.Second}
	context.AfterFunc(ctx, func() { server.Close() })
	if err := server.Serve(listener); !errors.Is(err, http.ErrServerClosed) {
		return err
	}
	return nil
}
