// Command smoke finds what is wrong with a deployment of this tree: from outside
// with no secret, as a signed-in person, and in the database. `make smoke
// URL=https://…` starts it, in dev/. Each finding is a line: what was seen, what
// it means, what to do. Its status is 1 if anything is wrong; a warning alone
// leaves it 0.
//
// Everything is in the environment: URL; TOKEN or CLERK_SECRET_KEY (of a
// development instance) for a post that is published and deleted, WRITE=1 to do
// that in production too; DATABASE_URL, as the functions have it; and
// VERCEL_AUTOMATION_BYPASS_SECRET. It does not read .env.local, whose values are
// this machine's and not the deployment's.
package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net/url"
	"os"
	"os/signal"
	"path/filepath"
	"strings"
	"syscall"

	"warble/dev/local/fakevercel"
	"warble/dev/local/openapi"
	"warble/lib/env"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	good := false
	tree, err := readTree("..")
	if err == nil {
		good, err = run(ctx, tree, os.Stdout)
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, "smoke:", err)
	}
	if !good {
		os.Exit(1)
	}
}

// run looks at the deployment of URL. It returns whether nothing is wrong. An error is
// why nothing was looked at.
func run(ctx context.Context, tree *tree, out io.Writer) (good bool, err error) {
	u, err := url.Parse(env.Get("URL"))
	if err != nil || u.Scheme != "https" || u.Host == "" {
		return false, errors.New("say which deployment: make smoke URL=https://…")
	}
	s := &smoke{tree: tree, url: "https://" + strings.ToLower(u.Host), production: true}
	if s.outside(ctx) {
		s.write(ctx)
	}
	s.database(ctx)
	return s.report(out), nil
}

// tree is what a deployment is held against.
type tree struct {
	schema string            // schema.sql
	files  map[string][]byte // of the page, by path
	vercel fakevercel.Config // vercel.json
	api    *openapi.Description
}

func readTree(root string) (*tree, error) {
	schema, noSchema := os.ReadFile(filepath.Join(root, "schema.sql"))
	vercel, noVercel := fakevercel.ReadConfig(filepath.Join(root, "vercel.json"))
	api, noAPI := openapi.Read(root)
	files, public := map[string][]byte{}, os.DirFS(filepath.Join(root, "public"))
	noFiles := fs.WalkDir(public, ".", func(path string, entry fs.DirEntry, err error) error {
		// The build makes the one, and .vercelignore leaves the other out.
		if err == nil && !entry.IsDir() && path != "config.js" && path != "jsconfig.json" {
			files["/"+path], err = fs.ReadFile(public, path)
		}
		return err
	})
	if err := errors.Join(noSchema, noVercel, noAPI, noFiles); err != nil {
		return nil, fmt.Errorf("run make smoke in the repository: %w", err)
	}
	return &tree{string(schema), files, vercel, api}, nil
}

// smoke is one run: a deployment, and what was found.
type smoke struct {
	*tree
	url string // the deployment's origin

	clerkHost  string // of the page's Clerk instance, which its key encodes
	issuer     string // where ClerkJS finds the instance: a proxy or that host
	clerkKeys  string // the instance's, as it sends them
	isPreview  bool   // which Vercel marks so
	production bool   // or nobody knows
	region     string // where the functions run

	requests int
	notes    []string
	findings []*finding
}

// finding is a line of the report. What means the same is seen more than once.
type finding struct {
	seen   string
	advice advice
	more   int
}

func (s *smoke) find(seen string, a advice) {
	for _, f := range s.findings {
		if f.advice.means == a.means {
			f.more++
			return
		}
	}
	s.findings = append(s.findings, &finding{seen, a, 0})
}

func (s *smoke) note(format string, args ...any) {
	s.notes = append(s.notes, fmt.Sprintf(format, args...))
}

// report prints what was found, and returns whether nothing is wrong.
func (s *smoke) report(out io.Writer) bool {
	for _, note := range s.notes {
		fmt.Fprintln(out, "note:", note)
	}
	about := strings.NewReplacer("{url}", s.url, "{region}", s.region, "{regions}", strings.Join(s.vercel.Regions, ", "))
	count := map[string]int{}
	for _, f := range s.findings {
		count[f.advice.kind]++
		seen := f.seen
		if f.more > 0 {
			seen += fmt.Sprintf(" (and %d more)", f.more)
		}
		line := fmt.Sprintf("%s: %s. %s. %s.", f.advice.kind, seen, about.Replace(f.advice.means), about.Replace(f.advice.do))
		fmt.Fprintln(out, strings.Join(strings.Fields(line), " "))
	}
	fmt.Fprintf(out, "smoke: %s, %d requests: %d wrong, %d warnings\n", s.url, s.requests, count[wrong], count[warning])
	return count[wrong] == 0
}
