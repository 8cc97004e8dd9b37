// Command run is the whole of Warble on one machine: the functions that Vercel
// deploys behind the routes that it applies, a database and a Clerk instance.
// What is not configured is local: an embedded MySQL and a stand-in for Clerk.
package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io/fs"
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

	"github.com/joho/godotenv"

	localclerk "warble/dev/local/clerk"
	localvercel "warble/dev/local/vercel"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	if err := run(ctx); err != nil {
		fmt.Fprintln(os.Stderr, "warble:", err)
		os.Exit(1)
	}
}

func run(ctx context.Context) error {
	wd, err := os.Getwd()
	if err != nil {
		return err
	}
	root, err := findRoot(wd)
	if err != nil {
		return err
	}
	// As `vercel env pull` writes it; what the environment says goes first.
	if err := godotenv.Load(filepath.Join(root, ".env.local")); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return errors.New("read .env.local: it has a line that is not NAME=value") // err quotes the file, secrets and all
	}
	listener, err := listen(cmp.Or(os.Getenv("PORT"), "3000"))
	if err != nil {
		return err
	}
	defer listener.Close()
	port := listener.Addr().(*net.TCPAddr).Port
	origin := fmt.Sprintf("http://localhost:%d", port)

	clerk, err := startClerk(ctx, root, origin)
	if err != nil {
		return err
	}
	database, err := startDatabase(ctx, root)
	if err != nil {
		return err
	}
	defer database.close()
	if database.local && clerk.local != nil {
		if err := publishDemoPosts(ctx); err != nil {
			return err
		}
	}
	config, err := buildPage(ctx, root, clerk.proxyURL)
	if err != nil {
		return err
	}
	defer os.Remove(config)
	routes, err := localvercel.ReadRoutes(filepath.Join(root, "vercel.json"))
	if err != nil {
		return err
	}
	vercel := &localvercel.Server{
		Routes:    routes,
		Static:    filepath.Join(root, "public"),
		Overlay:   map[string]string{"/config.js": config},
		Functions: functions,
	}

	fmt.Printf(`
  Warble        %s
  database      %s
  Clerk         %s
  functions     %d, in this process, behind the routes of vercel.json

  %s
  Ctrl-C ends it.

`, origin, database.what, clerk.what, len(functions), clerk.signIn)
	return serve(ctx, listener, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if clerk.local != nil && strings.HasPrefix(r.URL.Path, localclerk.Prefix+"/") {
			clerk.local.ServeHTTP(w, r)
			return
		}
		vercel.ServeHTTP(w, r)
	}))
}

// findRoot returns the nearest folder, from dir upwards, that has a vercel.json.
func findRoot(dir string) (string, error) {
	for {
		if _, err := os.Stat(filepath.Join(dir, "vercel.json")); err == nil {
			return dir, nil
		}
		up := filepath.Dir(dir)
		if up == dir {
			return "", errors.New("there is no vercel.json here or above: run it in the repository")
		}
		dir = up
	}
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

// clerk is the Clerk instance in use.
type clerk struct {
	local        http.Handler // nil for an instance of Clerk's own
	proxyURL     string       // where the page finds its Frontend API; "" for where the key says
	what, signIn string       // for the banner
}

// startClerk uses the instance that the environment names, or puts a local one
// in its place and names that in the environment.
func startClerk(ctx context.Context, root, origin string) (clerk, error) {
	publishable := cmp.Or(os.Getenv("CLERK_PUBLISHABLE_KEY"), os.Getenv("NEXT_PUBLIC_CLERK_PUBLISHABLE_KEY"))
	secret := os.Getenv("CLERK_SECRET_KEY")
	if (publishable == "") != (secret == "") {
		return clerk{}, errors.New("set both CLERK_PUBLISHABLE_KEY and CLERK_SECRET_KEY to use that Clerk instance, or neither for a local one")
	}
	parties := strings.Join([]string{os.Getenv("CLERK_AUTHORIZED_PARTIES"), origin}, ",")
	if publishable != "" {
		os.Setenv("CLERK_AUTHORIZED_PARTIES", parties)
		return clerk{what: "the instance of CLERK_PUBLISHABLE_KEY", signIn: "Sign in as a user of that instance."}, nil
	}
	scripts := filepath.Join(root, "dev", localclerk.ScriptsFolder)
	if err := localclerk.FetchScripts(ctx, scripts); err != nil {
		return clerk{}, err
	}
	local, err := localclerk.New(localclerk.Config{Origin: origin, Scripts: scripts})
	if err != nil {
		return clerk{}, err
	}
	for name, value := range local.Env() {
		os.Setenv(name, value)
	}
	os.Setenv("CLERK_AUTHORIZED_PARTIES", parties)
	var names []string
	for _, person := range localclerk.People {
		names = append(names, person.Username)
	}
	return clerk{
		local:    local,
		proxyURL: localclerk.Prefix,
		what:     "local, under /__clerk (the real ClerkJS, a stand-in for its API)",
		signIn:   fmt.Sprintf("Sign in as %s; the password is %s", strings.Join(names, ", "), localclerk.Password),
	}, nil
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

func serve(ctx context.Context, listener net.Listener, handler http.Handler) error {
	server := &http.Server{Handler: handler, ReadHeaderTimeout: 10 * time.Second}
	ended := make(chan error, 1)
	go func() { ended <- server.Serve(listener) }()
	select {
	case err := <-ended:
		return err
	case <-ctx.Done():
	}
	// Requests under way have a second to end. Unused connections of a browser,
	// which Shutdown would wait for too, are not worth more.
	grace, cancel := context.WithTimeout(context.Background(), time.Second)
	defer cancel()
	if err := server.Shutdown(grace); !errors.Is(err, context.DeadlineExceeded) {
		return err
	}
	return server.Close()
}
