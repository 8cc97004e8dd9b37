//go:build linux

package main

import (
	"maps"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"warble/dev/local/fakeclerk"
	"warble/dev/testkit"
	"warble/dev/testkit/artifact"
	"warble/dev/testkit/faults"
)

var noon = time.Date(2026, 11, 25, 12, 0, 0, 0, time.UTC)

// mistakes are those that people make when they deploy, and what the command
// prints of each.
var mistakes = map[string]struct {
	make   func(*world)
	line   string
	status int
	host   string // "" for preview
}{
	"functions without the publishable key": {
		func(w *world) { w.functions["CLERK_PUBLISHABLE_KEY"] = "" },
		"The environment variable CLERK_PUBLISHABLE_KEY is missing", 1, "",
	},
	"functions without the secret key": {
		func(w *world) { w.functions["CLERK_SECRET_KEY"], w.functions["CLERK_JWT_KEY"] = "", "" },
		"The environment variable CLERK_SECRET_KEY is missing", 1, "",
	},
	"a secret key that Clerk does not accept": {
		func(w *world) { w.functions["CLERK_SECRET_KEY"], w.functions["CLERK_JWT_KEY"] = "sk_test_old", "" },
		"The environment variable CLERK_SECRET_KEY is not accepted by Clerk", 1, "",
	},
	"another instance's signing key": {
		func(w *world) { w.functions["CLERK_JWT_KEY"] = otherInstance(w.t).Env()["CLERK_JWT_KEY"] },
		"The functions refuse a session of the page's own Clerk instance", 1, "",
	},
	"another instance's secret key, so that posts have no authors": {
		func(w *world) {
			other := otherInstance(w.t).Environment("", nil)
			w.functions["CLERK_SECRET_KEY"], w.functions["CLERK_API_URL"] = other["CLERK_SECRET_KEY"], other["CLERK_API_URL"]
			testkit.InsertPost(w.t, w.db, "user_of_the_first_instance", "hello", noon)
		},
		"without an author. The functions do not find the author at Clerk", 1, "",
	},
	"functions with another issuer than the page": {
		func(w *world) { w.functions["CLERK_PUBLISHABLE_KEY"] = key("test", "clerk.other.test") },
		"The functions refuse a session of the page's own Clerk instance", 1, "",
	},
	"a page with the key of an instance that is gone": {
		func(w *world) { w.page["CLERK_PUBLISHABLE_KEY"] = key("test", "clerk.other.test") },
		"GET https://clerk.other.test/npm/@clerk/ui@1/dist/ui.browser.js: Bad Gateway", 1, "",
	},
	"a proxy of Clerk's that is not there": {
		func(w *world) {
			w.page["CLERK_PUBLISHABLE_KEY"], w.page["CLERK_PROXY_URL"] = key("test", fakeclerk.DefaultHost), "https://"+preview+"/__clerk"
		},
		"/__clerk/npm/@clerk/ui@1/dist/ui.browser.js: 404 (and 2 more). Clerk does not answer", 1, "",
	},
	"the command's secret key is another instance's": {
		func(w *world) {
			other := otherInstance(w.t).Environment("", nil)
			w.command["CLERK_SECRET_KEY"], w.command["CLERK_API_URL"] = other["CLERK_SECRET_KEY"], other["CLERK_API_URL"]
		},
		"CLERK_SECRET_KEY is of another instance than the page's key, whose host is clerk.warble.test", 1, "",
	},
	"production's secret key for a test user": {
		func(w *world) { w.command["CLERK_SECRET_KEY"] = "sk_live_x" },
		"users are not made in production", 1, "",
	},
	"a token that has ended": {
		func(w *world) {
			w.command["TOKEN"] = w.clerk.SignClaims(map[string]any{"iss": "https://" + fakeclerk.DefaultHost, "sub": fakeclerk.Ada, "sid": "sess_1", "exp": 1})
		},
		"A session token lives a minute", 1, "",
	},
	"a token of another site": {
		func(w *world) { w.command["TOKEN"] = otherInstance(w.t).Token(fakeclerk.Ada) },
		"The token is another Clerk instance's", 1, "",
	},
	"pk_live on vercel.app": {
		func(w *world) { w.page["CLERK_PUBLISHABLE_KEY"] = key("live", fakeclerk.DefaultHost) },
		"Clerk's production keys do not work on *.vercel.app", 1, "",
	},
	"pk_test on one's own domain": {
		func(*world) {},
		"warning: config.js has a pk_test_ key on https://warble.example", 0, domain,
	},
	"no table": {
		func(w *world) { w.db.MustExec("DROP TABLE posts") },
		"names a database without the table posts: apply schema.sql to it", 1, "",
	},
	"drift": {
		func(w *world) { w.db.MustExec("ALTER TABLE posts DROP COLUMN idempotency_digest") },
		"The database is not as schema.sql says", 1, "",
	},
	"a database without TLS": {
		func(w *world) { // 0.0.0.0 leads to this machine, and is no loopback address
			w.database = strings.Replace(w.database, "127.0.0.1", "0.0.0.0", 1)
			w.command["DATABASE_URL"] = w.database
		},
		"The functions send a password over verified TLS only, and refuse this server", 1, "",
	},
	"a password that was changed": {
		func(w *world) {
			w.database = strings.Replace(w.database, ":functions@", ":old@", 1)
			w.command["DATABASE_URL"] = w.database
		},
		"has a user or password that the database refuses", 1, "",
	},
	"another database's address": {
		func(w *world) { w.command["DATABASE_URL"] = "postgres://warble:hunter2@h/w\n" },
		"DATABASE_URL is a PostgreSQL address; Warble needs MySQL (Vitess)", 1, "",
	},
	"a password with the role admin": {
		func(w *world) {
			u, _ := url.Parse(maria.URL())
			name, _ := url.Parse(w.database)
			u.Path = name.Path
			w.command["DATABASE_URL"] = u.String()
		},
		"SHOW GRANTS has ALL PRIVILEGES ON *.*. The user of DATABASE_URL may do more", 1, "",
	},
	"system environment variables off": {
		func(w *world) { w.functions["VERCEL_URL"], w.functions["VERCEL_PROJECT_PRODUCTION_URL"] = "", "" },
		"system environment variables are off", 1, "",
	},
	"an old page beside new functions": {
		func(w *world) { w.old = map[string]string{"/": oldPage(w.t)} },
		"GET / = 200 is not this tree's", 1, "",
	},
	"protection on": {
		func(w *world) { w.edge = func(e *edge) { e.secret = secret } },
		"GET / = 401. Vercel's deployment protection answers, and not the deployment. Set VERCEL_AUTOMATION_BYPASS_SECRET", 1, "",
	},
	"protection on, and another project's secret": {
		func(w *world) {
			w.edge = func(e *edge) { e.secret = secret }
			w.command["VERCEL_AUTOMATION_BYPASS_SECRET"] = "another"
		},
		"VERCEL_AUTOMATION_BYPASS_SECRET is not this project's secret", 1, "",
	},
	"a proxy in front that keeps everything": {
		func(w *world) {
			w.edge = func(e *edge) { e.inFront = keeps(true, func(*http.Request, int) bool { return true }) }
		},
		"A cache in front of the functions keeps what it must not", 1, "",
	},
	"a proxy in front that keeps refusals": {
		func(w *world) {
			w.edge = func(e *edge) {
				e.inFront = keeps(false, func(_ *http.Request, status int) bool { return status == http.StatusUnauthorized })
			}
		},
		" = 401 after a refused session (and 1 more). A cache in front of the functions keeps what it must not", 1, "",
	},
	"a proxy in front that keeps answers to a session": {
		func(w *world) {
			w.edge = func(e *edge) {
				e.inFront = keeps(false, func(r *http.Request, status int) bool {
					return status == http.StatusOK && r.Header.Get("Authorization") != "" && strings.Contains(r.URL.RawQuery, "limit=97")
				})
			}
		},
		`has Cache-Control "private, no-store" for somebody else too. A cache in front of the functions keeps what it must not`, 1, "",
	},
	"a CDN that keeps nothing": {
		func(w *world) { w.edge = func(e *edge) { e.noCDN = true } },
		"warning: GET /api/posts?limit=99 5 times has X-Vercel-Cache \"MISS\". Vercel's CDN does not keep reads", 0, "",
	},
	"another region than vercel.json's": {
		func(w *world) { w.edge = func(e *edge) { e.region = "fra1" } },
		"The functions run in fra1, where vercel.json says iad1", 1, "",
	},
	"a database far from the functions": {
		func(w *world) {
			far := faults.New(w.t, w.database)
			far.Delay(60 * time.Millisecond)
			w.database = far.URL()
		},
		"The database is far from iad1, where the functions run", 0, "",
	},
	"a database that is gone": {
		func(w *world) { w.database = "mysql://u:p@127.0.0.1:1/warble" },
		"= 503 The database does not answer right now. Try again in a moment (and", 1, "",
	},
	"a proxy in front that takes headers away": {
		func(w *world) { w.edge = func(e *edge) { e.inFront = without("Content-Security-Policy") } },
		"Headers are not those of vercel.json", 1, "",
	},
	"the domain leads to another one": {
		func(w *world) {
			w.edge = func(e *edge) {
				e.inFront = func(http.Handler) http.Handler {
					return http.RedirectHandler("https://www.warble.example/", http.StatusPermanentRedirect)
				}
			}
		},
		"Check that one: make smoke URL=https://www.warble.example", 1, "",
	},
	"another site's functions": {
		func(w *world) {
			w.edge = func(e *edge) {
				delete(e.deployment.Functions, "/api/posts/update")
			}
		},
		"The functions or their routes are not this tree's", 1, "",
	},
}

func otherInstance(t *testing.T) *testkit.Clerk {
	return testkit.StartClerk(t, fakeclerk.Config{Origin: "https://other.test", Host: "clerk.other.test"})
}

func oldPage(t *testing.T) string {
	page, err := os.ReadFile(filepath.Join(artifact.Build(t).Static, "index.html"))
	if err != nil {
		t.Fatal(err)
	}
	file := filepath.Join(t.TempDir(), "index.html")
	if err := os.WriteFile(file, bundled.ReplaceAll(page, []byte(`href="/js/000000000000/chunk.js"`)), 0o600); err != nil {
		t.Fatal(err)
	}
	return file
}

// without is a proxy that takes a header away.
func without(name string) func(http.Handler) http.Handler {
	return func(next http.Handler) http.Handler {
		return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			answer := httptest.NewRecorder()
			next.ServeHTTP(answer, r)
			answer.Header().Del(name)
			maps.Copy(w.Header(), answer.Header())
			w.WriteHeader(answer.Code)
			w.Write(answer.Body.Bytes())
		})
	}
}

// losingAnswerTo is a proxy that loses the first answer to a request with a
// session, after the functions have done what was asked.
func losingAnswerTo(what string) func(http.Handler) http.Handler {
	var lost atomic.Bool
	return func(next http.Handler) http.Handler {
		return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			token := r.Header.Get("Authorization")
			if r.Method+" "+r.URL.Path != what || token == "" || token == stranger || lost.Swap(true) {
				next.ServeHTTP(w, r)
				return
			}
			next.ServeHTTP(httptest.NewRecorder(), r)
			w.WriteHeader(http.StatusBadGateway)
		})
	}
}
