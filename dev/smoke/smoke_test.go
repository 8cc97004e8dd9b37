//go:build linux

package main

import (
	"bytes"
	"cmp"
	"crypto/tls"
	"encoding/base64"
	"errors"
	"fmt"
	"maps"
	"net/http/httptest"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/clerk/clerk-sdk-go/v2"
	"github.com/clerk/clerk-sdk-go/v2/user"
	"github.com/go-sql-driver/mysql"
	"github.com/jmoiron/sqlx"

	"warble/dev/local/fakeclerk"
	"warble/dev/local/fakevercel"
	"warble/dev/testkit"
	"warble/dev/testkit/artifact"
	"warble/dev/testkit/mariadb"
	"warble/dev/testkit/shards"
)

// asCommand has this binary be the command: tests run it as make does, in a
// process of its own.
const asCommand = "WARBLE_TEST_SMOKE"

// What all tests share. Each has a deployment of its own.
var (
	maria     *mariadb.Server
	ours      tls.Certificate
	authority string // the file of its certificate
	worlds    int
)

func TestMain(m *testing.M) {
	if os.Getenv(asCommand) != "" {
		main()
		return
	}
	os.Exit(func() int {
		dir, err := os.MkdirTemp("", "warble-smoke-")
		if err == nil {
			defer os.RemoveAll(dir)
			ours, authority, err = certificate(dir)
		}
		if err == nil {
			maria, err = mariadb.New()
		}
		if err != nil {
			fmt.Fprintln(os.Stderr, err)
			return 1
		}
		defer maria.Close()
		return m.Run()
	}())
}

const (
	preview = "warble-git-smoke-team.vercel.app"
	domain  = "warble.example"
	secret  = "bypass-for-automation"
)

// world is a deployment on the built artifact, and how the command is called.
// Mistakes change it before it serves.
type world struct {
	t         *testing.T
	host      string
	database  string            // DATABASE_URL of the functions
	functions map[string]string // their other variables; empty for unset
	page      map[string]string // variables of the build that made config.js
	old       map[string]string // path → file of another deployment
	edge      func(*edge)
	command   map[string]string // its environment; empty for unset
	hosts     map[string]string // more of the internet

	clerk *testkit.Clerk
	db    *sqlx.DB // past the functions
}

// newDatabase makes a database with schema.sql, and a user who may do what the
// functions need.
func newDatabase(t *testing.T, name string) (db *sqlx.DB, databaseURL string) {
	t.Helper()
	admin, err := url.Parse(maria.URL())
	if err != nil {
		t.Fatal(err)
	}
	root := testkit.Open(t, testkit.DatabaseConfig(t, maria.URL()))
	root.MustExec("CREATE OR REPLACE DATABASE " + name)
	root.MustExec("CREATE OR REPLACE USER " + name + "@'127.0.0.1' IDENTIFIED BY 'functions'")
	root.MustExec("GRANT SELECT, INSERT, UPDATE, DELETE ON " + name + ".* TO " + name + "@'127.0.0.1'")
	admin.Path = "/" + name
	db = testkit.Database(t, admin.String())
	return db, "mysql://" + name + ":functions@" + maria.Addr() + "/" + name
}

// newWorld is a good preview, or production's domain, and a run with all that the
// command can be given.
func newWorld(t *testing.T, host string) *world {
	t.Helper()
	worlds++
	name := fmt.Sprint("smoke", worlds)
	w := &world{t: t, host: host, page: map[string]string{}, edge: func(e *edge) { e.preview = host == preview }, command: map[string]string{}, hosts: map[string]string{}}
	w.db, w.database = newDatabase(t, name)
	w.clerk = testkit.StartClerk(t, fakeclerk.Config{Origin: "https://" + w.host, Scripts: filepath.Join(testkit.Root(), "dev", fakeclerk.ScriptsFolder)})
	w.functions = map[string]string{
		"CLERK_AUTHORIZED_PARTIES": "", "VERCEL_URL": preview, "VERCEL_PROJECT_PRODUCTION_URL": domain,
	}
	environment := w.clerk.Environment("", nil)
	w.command["CLERK_SECRET_KEY"], w.command["CLERK_API_URL"] = environment["CLERK_SECRET_KEY"], environment["CLERK_API_URL"]
	w.command["DATABASE_URL"] = w.database
	return w
}

// smoke deploys the world, and runs the command on it.
func (w *world) smoke() (said string, status int) {
	w.t.Helper()
	deployed := artifact.Start(w.t, w.clerk.Environment(w.database, w.functions), 4)
	server := deployed.Handler.(*fakevercel.Server)
	server.Overlay = map[string]string{}
	if len(w.page) > 0 {
		server.Overlay["/config.js"] = w.build()
	}
	maps.Copy(server.Overlay, w.old)
	front := newEdge(server)
	w.edge(front)
	hosts := map[string]string{w.host: serveTLS(w.t, front.handler()), fakeclerk.DefaultHost: serveTLS(w.t, w.clerk)}
	maps.Copy(hosts, w.hosts)

	command := exec.Command(os.Args[0])
	command.Dir = filepath.Join(testkit.Root(), "dev")
	command.Env = []string{asCommand + "=1", "SSL_CERT_FILE=" + authority, "SSL_CERT_DIR=/none", "GORACE=atexit_sleep_ms=0", "HTTPS_PROXY=" + internet(w.t, hosts), "URL=https://" + w.host}
	for name, value := range w.command {
		if value != "" {
			command.Env = append(command.Env, name+"="+value)
		}
	}
	output, err := command.CombinedOutput()
	exit, failed := errors.AsType[*exec.ExitError](err)
	if err != nil && !failed {
		w.t.Fatal(err)
	}
	if failed {
		status = exit.ExitCode()
	}
	w.t.Logf("%s", output)
	return string(output), status
}

// build makes config.js as the build step does.
func (w *world) build() string {
	out := filepath.Join(w.t.TempDir(), "config.js")
	command := exec.Command("sh", filepath.Join(testkit.Root(), "lib/page/build.sh"), out)
	command.Env = []string{"PATH=" + os.Getenv("PATH"), "DATABASE_URL=mysql://u:p@db.example/warble", "CLERK_SECRET_KEY=sk_test_x"}
	for name, value := range w.page {
		command.Env = append(command.Env, name+"="+value)
	}
	if said, err := command.CombinedOutput(); err != nil {
		w.t.Fatalf("%v: %s", err, said)
	}
	return out
}

// key is a publishable key of a host.
func key(kind, host string) string {
	return "pk_" + kind + "_" + base64.StdEncoding.EncodeToString([]byte(host+"$"))
}

// leavesNothing fails the test if the run left a post or a user.
func (w *world) leavesNothing() {
	w.t.Helper()
	var posts int
	err := w.db.Get(&posts, "SELECT COUNT(*) FROM posts WHERE content LIKE '%make smoke%'")
	if refused, ok := errors.AsType[*mysql.MySQLError](err); ok && refused.Number == 1146 {
		err = nil // a mistake's: there is no table
	}
	if err != nil || posts > 0 {
		w.t.Errorf("%d posts are left, %v", posts, err)
	}
	environment := w.clerk.Environment("", nil)
	users, err := user.NewClient(&clerk.ClientConfig{BackendConfig: clerk.BackendConfig{
		Key: clerk.String(environment["CLERK_SECRET_KEY"]), URL: clerk.String(environment["CLERK_API_URL"] + "/v1"),
	}}).Count(w.t.Context(), &user.ListParams{})
	if err != nil || users.TotalCount != int64(len(fakeclerk.People)) {
		w.t.Errorf("Clerk has the users %+v, %v; want none more than before", users, err)
	}
}

// Otherwise nobody trusts a finding.
func TestAGoodDeploymentHasNoFinding(t *testing.T) {
	for name, test := range map[string]struct {
		host string
		make func(*world)
	}{
		"a preview": {preview, func(*world) {}},
		"a protected preview, with its secret": {preview, func(w *world) {
			w.edge = func(e *edge) { e.secret = secret }
			w.command["VERCEL_AUTOMATION_BYPASS_SECRET"] = secret
		}},
		"production, with a token": {domain, func(w *world) {
			w.page["CLERK_PUBLISHABLE_KEY"] = key("live", fakeclerk.DefaultHost)
			maps.Copy(w.command, map[string]string{"TOKEN": w.clerk.Token(fakeclerk.Ada), "WRITE": "1", "CLERK_SECRET_KEY": ""})
		}},
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t, test.host)
			test.make(w)
			testkit.InsertPost(t, w.db, fakeclerk.Grace, "A post that was there before.", noon)
			said, status := w.smoke()
			if status != 0 || !strings.Contains(said, ": 0 wrong, 0 warnings") ||
				!strings.Contains(said, "8 of 8 steps are as promised") || !strings.Contains(said, "note: the database: no TLS, on this machine") {
				t.Errorf("status %d; want 0, no finding, a post that came and went, and the database checked", status)
			}
			w.leavesNothing()
		})
	}
}

func TestMistakesThatPeopleMakeAreNamed(t *testing.T) {
	for name, test := range mistakes {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t, cmp.Or(test.host, preview))
			test.make(w)
			said, status := w.smoke()
			found := ""
			for line := range strings.Lines(said) {
				if strings.Contains(line, test.line) {
					found = line
				}
			}
			if found == "" || test.status != status {
				t.Errorf("status %d and no line with %q; want status %d and it", status, test.line, test.status)
			}
			for _, secret := range []string{w.command["CLERK_SECRET_KEY"], "functions@", secret} {
				if secret != "" && strings.Contains(said, secret) {
					t.Errorf("it shows %q", secret)
				}
			}
			w.leavesNothing()
		})
	}
}

// A run that is interrupted or fails half-way must not leave a post behind.
func TestWhatItMadeIsDeletedWhenAStepFails(t *testing.T) {
	w := newWorld(t, preview)
	w.edge = func(e *edge) { e.inFront = losingAnswerTo("POST /api/posts") }
	said, status := w.smoke()
	if status != 1 || !strings.Contains(said, "= 502") {
		t.Errorf("status %d; want 1, and that publishing was answered with 502", status)
	}
	w.leavesNothing()
}

// Otherwise a run for a look publishes in production.
func TestNothingIsWrittenInProductionUnlessToldSo(t *testing.T) {
	w := newWorld(t, preview)
	w.edge = func(e *edge) { e.preview = false } // production's own *.vercel.app
	said, status := w.smoke()
	if status != 0 || !strings.Contains(said, "note: nothing was written: this is production") || w.clerk.Calls("/v1/sessions") != 0 {
		t.Errorf("status %d; want 0, and that nothing was written", status)
	}
}

// A route that no probe reaches can be broken without a finding.
func TestProbesReachEveryRouteOfVercelJSON(t *testing.T) {
	config, err := fakevercel.ReadConfig(filepath.Join(testkit.Root(), "vercel.json"))
	if err != nil {
		t.Fatal(err)
	}
	routes := slices.DeleteFunc(config.Routes, func(r fakevercel.Route) bool { return r.Continue })
	reached := make([]bool, len(routes))
	pages := []probe{{method: "GET", path: "/u/user_smoke"}, {method: "GET", path: "/p/" + noPost}} // checkPage's
	for _, p := range append(pages, probes...) {
		request := httptest.NewRequest(p.method, p.path, nil)
		if p.session == robot {
			request.Header.Set("User-Agent", robot)
		}
		// The first is taken.
		if i := slices.IndexFunc(routes, func(route fakevercel.Route) bool { return route.IsFor(request, request.URL.Path) }); i >= 0 {
			reached[i] = true
		}
	}
	for i, route := range routes {
		if !reached[i] {
			t.Errorf("no probe reaches %q for %q", route.Src, route.Methods)
		}
	}
}

// On PlanetScale SHOW GRANTS tells nothing: an admin's password would pass there.
func TestRightsOnVitessAreSeenByWhatIsDenied(t *testing.T) {
	_, limited := newDatabase(t, "vitess")
	for databaseURL, want := range map[string]int{limited: 0, maria.URL(): 1} {
		s := &smoke{}
		s.checkRights(t.Context(), testkit.Open(t, testkit.DatabaseConfig(t, databaseURL)), true)
		if len(s.findings) != want {
			t.Errorf("%d findings; want %d", len(s.findings), want)
		}
	}
}

// The shard that answers is one of them, and the other one's drift is found by people.
func TestEachShardsDriftIsSeen(t *testing.T) {
	databaseURL := shards.Start(t)
	text, err := os.ReadFile(filepath.Join(testkit.Root(), "schema.sql"))
	if err != nil {
		t.Fatal(err)
	}
	db := testkit.Open(t, testkit.DatabaseConfig(t, databaseURL))
	db.MustExec(string(text[bytes.Index(text, []byte("CREATE TABLE")):]))
	for _, shard := range []string{":-80", ":80-"} {
		one := testkit.Open(t, testkit.DatabaseConfig(t, databaseURL+shard))
		one.MustExec("DROP INDEX posts_feed ON posts")
		s := &smoke{schema: text}
		s.checkSchema(t.Context(), db)
		if len(s.findings) != 1 || s.findings[0].advice != drift || !strings.Contains(s.findings[0].seen, shard) {
			t.Errorf("with %s altered, %+v is found; want its drift", shard, s.findings)
		}
		one.MustExec("ALTER TABLE posts ADD INDEX posts_feed (created_at, id)")
	}
}
