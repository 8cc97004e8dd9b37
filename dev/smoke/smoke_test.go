//go:build linux

package main

import (
	"bytes"
	"cmp"
	"crypto/tls"
	"fmt"
	"maps"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/jmoiron/sqlx"

	"warble/dev/local/fakeclerk"
	"warble/dev/local/fakevercel"
	"warble/dev/testkit"
	"warble/dev/testkit/artifact"
	"warble/dev/testkit/mariadb"
)

// Without the flags of go test this binary is the command.
func TestMain(m *testing.M) {
	if len(os.Args) == 1 {
		main()
		return
	}
	os.Exit(m.Run())
}

const (
	preview = "warble-git-smoke-team.vercel.app"
	domain  = "warble.example"
	secret  = "bypass-for-automation"
)

// world is a deployment of the built artifact with its database and its Clerk instance.
// All rows have this one.
type world struct {
	tree         *tree
	admin        string // DATABASE_URL of a user who may do everything
	database     string // of one who may do what the functions need
	db           *sqlx.DB
	clerk, other *testkit.Clerk // the other is of another site
	good         *artifact.Deployment
	internet     internet
}

type vars map[string]string

func newWorld(t *testing.T) *world {
	tree, err := readTree(testkit.Root())
	if err != nil {
		t.Fatal(err)
	}
	maria := mariadb.Start(t)
	w := &world{tree: tree, admin: maria.URL(), database: "mysql://functions:functions@" + maria.Addr() + "/warble", internet: internet{}}
	w.db = testkit.Database(t, w.admin)
	w.db.MustExec("CREATE USER functions@'127.0.0.1' IDENTIFIED BY 'functions'")
	w.db.MustExec("GRANT SELECT, INSERT, UPDATE, DELETE ON warble.* TO functions@'127.0.0.1'")
	scripts := filepath.Join(testkit.Root(), "dev", fakeclerk.ScriptsFolder)
	w.clerk = testkit.StartClerk(t, fakeclerk.Config{Origin: "https://" + preview, Scripts: scripts})
	w.other = testkit.StartClerk(t, fakeclerk.Config{Origin: "https://other.test", Host: "clerk.other.test"})
	w.good = w.deploy(t, w.database, nil)
	before, here := http.DefaultTransport, &http.Transport{}
	here.RegisterProtocol("https", w.internet)
	http.DefaultTransport = here
	t.Cleanup(func() { http.DefaultTransport = before })
	return w
}

// deploy serves the artifact with variables that differ from a good deployment's; ""
// unsets one.
func (w *world) deploy(t *testing.T, databaseURL string, differing vars) *artifact.Deployment {
	all := vars{"CLERK_AUTHORIZED_PARTIES": "", "VERCEL_URL": preview, "VERCEL_PROJECT_PRODUCTION_URL": domain}
	maps.Copy(all, differing)
	return artifact.Start(t, w.clerk.Environment(databaseURL, all), 4)
}

// smoke plants a mistake in the world, and runs the command on it with all that it can
// be given.
func (w *world) smoke(t *testing.T, row row) (said string, good bool) {
	w.db.MustExec("DROP TABLE IF EXISTS posts")
	w.db.MustExec(w.tree.schema)
	testkit.InsertPost(t, w.db, fakeclerk.Grace, "A post that was there before.", time.Now())
	if row.sql != "" {
		w.db.MustExec(row.sql)
	}
	deployed, databaseURL := w.good, cmp.Or(row.database, w.database)
	if row.functions != nil || row.database != "" {
		deployed = w.deploy(t, databaseURL, row.functions)
	}
	host := cmp.Or(row.host, preview)
	edge := &edge{deployed.Handler, cmp.Or(row.region, "iad1"), row.secret, host == preview && !row.production, row.noCDN, map[string]*httptest.ResponseRecorder{}}
	edge.ServeHTTP(httptest.NewRecorder(), httptest.NewRequest("GET", "https://"+host+"/no/such/page", nil)) // the CDN has it
	clerk := row.clerk
	if clerk == nil {
		clerk = header("Access-Control-Allow-Origin", "*")
	}
	front := proxy(edge, row.front)
	maps.Copy(w.internet, internet{preview: front, domain: front, fakeclerk.DefaultHost: proxy(w.clerk, clerk)})
	backend := httptest.NewServer(proxy(w.clerk.Clerk, row.backend))
	t.Cleanup(backend.Close)

	environment := w.clerk.Environment("", nil)
	command := vars{"CLERK_SECRET_KEY": environment["CLERK_SECRET_KEY"], "CLERK_API_URL": backend.URL, "DATABASE_URL": databaseURL,
		"URL": "https://" + host, "TOKEN": "", "WRITE": "", "VERCEL_AUTOMATION_BYPASS_SECRET": ""}
	maps.Copy(command, row.command)
	for name, value := range command {
		t.Setenv(name, value)
	}
	var out bytes.Buffer
	good, err := run(t.Context(), w.tree, &out)
	said = out.String()
	t.Logf("%s", said)
	for _, secret := range []string{environment["CLERK_SECRET_KEY"], "functions@", secret, "hunter2", "eyJ"} {
		if strings.Contains(said, secret) {
			t.Errorf("it shows %q", secret)
		}
	}
	// It leaves no post and no user.
	w.db.MustExec(w.tree.schema) // where the mistake is that there is no table
	var posts int
	if err := w.db.Get(&posts, "SELECT COUNT(*) FROM posts WHERE content LIKE '%make smoke%'"); err != nil || posts > 0 {
		t.Errorf("%d posts are left, %v", posts, err)
	}
	count := httptest.NewRequest("GET", "/v1/users/count", nil)
	count.Header.Set("Authorization", "Bearer "+environment["CLERK_SECRET_KEY"])
	users := httptest.NewRecorder()
	w.clerk.Clerk.ServeHTTP(users, count)
	if !strings.Contains(users.Body.String(), fmt.Sprintf(`"total_count":%d`, len(fakeclerk.People))) {
		t.Errorf("Clerk has the users %s; want none more than before", users.Body)
	}
	return said, good && err == nil
}

// edge is Vercel's network in front of the local Vercel, as far as make smoke
// looks at it: regions, the CDN, a preview's noindex and toolbar, deployment
// protection. It answers one request at a time.
type edge struct {
	deployment http.Handler
	region     string // the functions'
	secret     string // that passes deployment protection; "" for none
	preview    bool
	noCDN      bool
	kept       map[string]*httptest.ResponseRecorder // what the CDN has, by method, host and URL
}

func (e *edge) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if e.secret != "" && r.Header.Get("X-Vercel-Protection-Bypass") != e.secret {
		http.Error(w, "Authentication Required", http.StatusUnauthorized)
		return
	}
	key := r.Method + " " + r.Host + r.URL.String()
	// Robots are led elsewhere before the CDN looks what it has.
	isCacheable := !e.noCDN && (r.Method == "GET" || r.Method == "HEAD") && r.Header.Get("Authorization") == "" && !strings.HasPrefix(r.URL.Path, "/p/")
	answer, state := e.kept[key], "HIT"
	if !isCacheable || answer == nil {
		answer, state = httptest.NewRecorder(), "MISS"
		e.deployment.ServeHTTP(answer, r)
		if isCacheable && strings.HasPrefix(answer.Header().Get("Cache-Control"), "public") {
			e.kept[key] = answer
		}
	}
	header := w.Header()
	maps.Copy(header, answer.Header())
	header.Set("X-Vercel-Cache", state)
	header.Set("Strict-Transport-Security", header.Get("Strict-Transport-Security")+"; includeSubDomains; preload")
	header.Set("X-Vercel-Id", "cdg1::"+e.region+"::"+strings.TrimPrefix(header.Get("X-Vercel-Id"), "dev1::"))
	if e.preview {
		header.Set("X-Robots-Tag", "noindex")
	}
	if etag := header.Get("ETag"); answer.Code == http.StatusOK && etag != "" && r.Header.Get("If-None-Match") == etag {
		w.WriteHeader(http.StatusNotModified)
		return
	}
	w.WriteHeader(answer.Code)
	w.Write(answer.Body.Bytes())
	if e.preview && r.Method == "GET" && r.Header.Get("X-Vercel-Skip-Toolbar") == "" && strings.HasPrefix(header.Get("Content-Type"), "text/html") {
		fmt.Fprint(w, `<script src="https://vercel.live/_next-live/feedback/feedback.js"></script>`)
	}
}

// internet is where https:// leads: to the handlers of some hosts, and no others.
type internet map[string]http.Handler

func (i internet) RoundTrip(r *http.Request) (*http.Response, error) {
	host := i[r.URL.Host]
	if host == nil {
		return nil, &net.DNSError{Err: "no such host", Name: r.URL.Host}
	}
	request := httptest.NewRequestWithContext(r.Context(), r.Method, r.URL.String(), r.Body)
	request.Header, request.RequestURI, request.TLS = r.Header.Clone(), r.URL.RequestURI(), &tls.ConnectionState{}
	w := httptest.NewRecorder()
	host.ServeHTTP(w, request)
	return w.Result(), nil
}

// Each finding is named by the mistake that leads to it. A good deployment has none, or
// nobody trusts them.
func TestFindings(t *testing.T) {
	w := newWorld(t)
	used := map[advice]bool{}
	for _, row := range w.rows(t) {
		for _, means := range row.finds {
			used[means] = true
		}
		t.Run(row.name, func(t *testing.T) {
			said, good := w.smoke(t, row)
			for seen, means := range row.finds {
				a, _, _ := strings.Cut(means.means, "{")
				do, _, _ := strings.Cut(means.do, "{")
				if !slices.ContainsFunc(strings.Split(said, "\n"), func(line string) bool {
					return strings.HasPrefix(line, means.kind+": ") && strings.Contains(line, seen) && strings.Contains(line, a) && strings.Contains(line, do)
				}) {
					t.Errorf("no line with %q: %q", seen, means)
				}
			}
			for _, note := range row.notes {
				if !strings.Contains(said, "note: "+note) {
					t.Errorf("it does not note %q", note)
				}
			}
			wrong, warnings := strings.Count("\n"+said, "\nwrong: "), strings.Count("\n"+said, "\nwarning: ")
			if good != (wrong == 0) || wrong+warnings != len(row.finds) {
				t.Errorf("good: %v, %d wrong, %d warnings; want good unless one is wrong, and %d in all", good, wrong, warnings, len(row.finds))
			}
		})
	}

	// Advice that no mistake leads to may say anything.
	text, err := os.ReadFile("advice.go")
	if all := bytes.Count(text, []byte(" = advice{w")); err != nil || len(used) != all {
		t.Errorf("%d of %d pieces of advice have a mistake, %v; want all", len(used), all, err)
	}

	// On PlanetScale SHOW GRANTS tells nothing: an admin's password would pass there.
	for databaseURL, want := range map[string]string{w.database: "", w.admin: "An ALTER TABLE was not denied"} {
		s, seen := &smoke{}, ""
		db, err := testkit.Open(t, testkit.DatabaseConfig(t, databaseURL)).Connx(t.Context())
		if err == nil {
			s.checkRights(t.Context(), db, "8.4.6-Vitess")
			err = db.Close()
		}
		for _, f := range s.findings {
			seen += f.seen
		}
		if seen != want || err != nil {
			t.Errorf("on Vitess %q, %v; want %q", seen, err, want)
		}
	}
}

func TestTheCommandFailsWithoutADeployment(t *testing.T) {
	command := exec.Command(os.Args[0])
	command.Dir = filepath.Join(testkit.Root(), "dev")
	command.Env = []string{"URL=http://localhost:3000"}
	said, err := command.CombinedOutput()
	if err == nil || string(said) != "smoke: say which deployment: make smoke URL=https://…\n" {
		t.Errorf("%v, %s; want a failure that says what to give", err, said)
	}
}

// A route that no check reaches can be broken without a finding.
func TestChecksReachEveryRouteOfVercelJSON(t *testing.T) {
	tree, err := readTree(testkit.Root())
	if err != nil {
		t.Fatal(err)
	}
	routes := slices.DeleteFunc(tree.vercel.Routes, func(r fakevercel.Route) bool { return r.Continue })
	reached := make([]bool, len(routes))
	// The first two are checkPage's.
	for _, c := range append([]check{{method: "GET", path: "/u/user_smoke"}, {method: "GET", path: "/p/" + noPost}}, checks...) {
		request := httptest.NewRequest(c.method, c.path, nil)
		request.Header.Set("User-Agent", c.headers["User-Agent"])
		// The first route is taken.
		if i := slices.IndexFunc(routes, func(route fakevercel.Route) bool { return route.IsFor(request, request.URL.Path) }); i >= 0 {
			reached[i] = true
		}
	}
	for i, route := range routes {
		if !reached[i] {
			t.Errorf("no check reaches %q for %q", route.Src, route.Methods)
		}
	}
}
