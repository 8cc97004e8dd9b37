//go:build linux

package main

import (
	"bytes"
	"encoding/base64"
	"fmt"
	"maps"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"warble/dev/local/fakeclerk"
	"warble/dev/testkit"
	"warble/dev/testkit/artifact"
	"warble/dev/testkit/faults"
	"warble/dev/testkit/shards"
)

// row is a deployment, a good preview but for what is set here, and what the command
// prints of it.
type row struct {
	name string

	host                  string
	production, noCDN     bool
	region, secret        string // as edge has them
	front, clerk, backend change // of answers of the deployment, of Clerk's host, of its Backend API
	functions, command    vars   // that differ in their environments
	database              string // DATABASE_URL of both
	sql                   string // run in the database

	finds found
	notes []string
}

// found has a part of each finding's line, and its advice.
type found map[string]advice

// rows are good deployments, and mistakes that people make when they deploy.
func (w *world) rows(t *testing.T) []row {
	config := func(old, new string) change { return on("/config.js", replacing(old, new)) }
	live := config(artifact.PublishableKey, key("live", fakeclerk.DefaultHost))
	other := vars(w.other.Environment("", nil))
	far := faults.New(t, w.database)
	far.Delay(40 * time.Millisecond)
	sharded := shards.Start(t)
	testkit.Open(t, testkit.DatabaseConfig(t, sharded)).MustExec(w.tree.schema[strings.Index(w.tree.schema, "CREATE TABLE"):])
	testkit.Open(t, testkit.DatabaseConfig(t, sharded+":80-")).MustExec("DROP INDEX posts_feed ON posts")
	const bypass, publishes = "VERCEL_AUTOMATION_BYPASS_SECRET", "a post was published; of reading, editing, repeating, finding and deleting it 8 of 8 steps are as promised"
	return []row{
		{name: "production, with a token", host: domain, front: live, command: vars{"TOKEN": w.clerk.Token(fakeclerk.Ada), "WRITE": "1", "CLERK_SECRET_KEY": ""},
			notes: []string{publishes}},
		{name: "a preview", notes: []string{publishes, "the database: no TLS, on this machine"}},
		{name: "a protected preview, with its secret", secret: secret, command: vars{bypass: secret}, notes: []string{publishes}},
		{name: "a preview, with nothing given", command: vars{"CLERK_SECRET_KEY": "", "DATABASE_URL": ""},
			notes: []string{"nothing was written: set TOKEN", "the database itself was not checked"}},
		// Otherwise a run for a look publishes in production.
		{name: "production on its own domain", host: domain, front: live, notes: []string{"nothing was written: this is production"}},
		{name: "production on *.vercel.app", production: true, notes: []string{"nothing was written: this is production"}},

		// What answers in the deployment's place.
		{name: "a host that is not there", host: "gone.vercel.app", finds: found{"GET /: lookup gone.vercel.app: no such host": noAnswer}},
		{name: "protection on", secret: secret, finds: found{"GET / = 401": protected}},
		{name: "protection on, and another project's secret", secret: secret, command: vars{bypass: "another"}, finds: found{"GET / = 401": otherSecret}},
		{name: "a firewall that asks for a browser", front: on("/", status(403), header("X-Vercel-Mitigated", "challenge")), finds: found{"GET / = 403": firewall}},
		{name: "a domain that leads to another", front: on("/", status(308), header("Location", "https://www.warble.example/")),
			finds: found{"Check that one: make smoke URL=https://www.warble.example.": leadsOn}},
		{name: "a deployment that is gone", front: on("/", status(404), header("X-Vercel-Error", "DEPLOYMENT_NOT_FOUND")),
			finds: found{"Vercel answers DEPLOYMENT_NOT_FOUND": vercelFails}},
		{name: "a domain that leads elsewhere", front: header("X-Vercel-Id", ""), finds: found{"GET / = 200 without X-Vercel-Id": notVercel}},

		// The page, and its Clerk instance.
		{name: "an old page beside new functions", front: oldPage, finds: found{"GET / = 200 is not this tree's": otherPage}},
		{name: "a build without a key", front: config(artifact.PublishableKey, ""), finds: found{`GET /config.js = 200 with the key ""`: noKey}},
		{name: "pk_live on vercel.app", front: live, finds: found{"config.js has a pk_live_ key": liveOnVercel}},
		{name: "pk_test on one's own domain", host: domain, finds: found{"config.js has a pk_test_ key on https://warble.example": testOnDomain}},
		{name: "a page with the key of an instance that is gone", front: config(artifact.PublishableKey, key("test", "clerk.gone.test")),
			finds: found{"GET https://clerk.gone.test/npm/@clerk/ui@1/dist/ui.browser.js: lookup clerk.gone.test: no such host (and 2 more)": noClerk}},
		{name: "a proxy of Clerk's that is not there", front: config(`proxyUrl = ""`, `proxyUrl = "https://`+preview+`/__clerk"`),
			finds: found{"/__clerk/npm/@clerk/ui@1/dist/ui.browser.js = 404, where 200 is promised (and 2 more)": noClerk, "of another instance": noTestUser}},
		{name: "a domain that Clerk does not know", clerk: header("Access-Control-Allow-Origin", "https://other.test"),
			finds: found{`ui.browser.js has Access-Control-Allow-Origin "https://other.test"`: otherDomain}},
		{name: "another site at Clerk's host", clerk: replacing(`"kid"`, `"id"`), finds: found{"/.well-known/jwks.json has no keys": notClerk}},

		// The functions' variables.
		{name: "functions without the publishable key", functions: vars{"CLERK_PUBLISHABLE_KEY": ""},
			finds: found{"The environment variable CLERK_PUBLISHABLE_KEY is missing": wrongVariable}},
		{name: "a secret key that Clerk does not accept", functions: vars{"CLERK_SECRET_KEY": "sk_test_old", "CLERK_JWT_KEY": ""},
			finds: found{"The environment variable CLERK_SECRET_KEY is not accepted by Clerk": wrongVariable, "has posts, and none has an author": noAuthors}},
		{name: "another instance's signing key", functions: vars{"CLERK_JWT_KEY": other["CLERK_JWT_KEY"]}, finds: found{"POST /api/posts = 401": refusesSession}},
		{name: "another instance's secret key, so that posts have no authors", sql: "UPDATE posts SET user_id = 'user_of_the_first_instance'",
			functions: vars{"CLERK_SECRET_KEY": other["CLERK_SECRET_KEY"], "CLERK_API_URL": other["CLERK_API_URL"]},
			finds:     found{"POST /api/posts = 201 without an author": noAuthor, "has posts, and none has an author": noAuthors}},
		{name: "system environment variables off", functions: vars{"VERCEL_URL": "", "VERCEL_PROJECT_PRODUCTION_URL": ""},
			finds: found{"GET /feed.xml = 200 has on a preview the id": noSystemVariables}},

		// The functions, and what stands in front of them.
		{name: "functions that take too long", front: on("GET /api/", status(504), header("X-Vercel-Error", "FUNCTION_INVOCATION_TIMEOUT")),
			finds: found{"GET /api/posts?limit=99 = 504": processEnded}},
		{name: "a function of another site", front: on("PATCH /api/", status(404)),
			finds: found{"PATCH /api/posts/" + noPost + " with a token of nobody's = 404": otherFunctions, "where 200 is promised": publishingFails}},
		{name: "a proxy that makes text of JSON", front: on("GET /api/", header("Content-Type", "text/plain")), finds: found{"GET /api/posts?limit=99 = 200": otherAPI}},
		{name: "a proxy that takes a header of vercel.json away", front: header("Content-Security-Policy", ""),
			finds: found{`has Content-Security-Policy ""`: otherHeaders}},
		{name: "a proxy that leads elsewhere", front: on("/index.html", header("Location", "/home")), finds: found{`has Location "/home"`: otherHeaders}},
		{name: "a proxy that takes a function's header away", front: header("Allow", ""), finds: found{"PUT /api/posts = 405": rewritten}},
		{name: "a proxy that counts requests itself", front: header("X-Vercel-Id", "cdg1::iad1::1"), finds: found{`X-Vercel-Id "cdg1::iad1::1"`: rewritten}},
		{name: "a proxy that changes ETags", front: header("ETag", `"changed"`), finds: found{"GET / again with its ETag = 200, where 304 is promised": changedETag}},
		{name: "a proxy that has browsers keep posts", front: on("GET /api/", header("Cache-Control", "public, max-age=600")),
			finds: found{`has Cache-Control "public, max-age=600"`: keptByReaders, "what openapi.json": otherAPI, `"no-store" is promised`: rewritten, "to a session": keepsTooMuch}},
		{name: "a proxy that keeps posts for minutes", front: on("GET /api/", header("Age", "300")), finds: found{"has Age 5m0s": keptTooLong, " from a cache": keepsTooMuch}},
		{name: "a proxy that keeps everything", front: keeping("7", ""), finds: found{" from a cache": keepsTooMuch, "= 200, where 304": changedETag}},
		{name: "a proxy that keeps refusals", front: keeping("", " = 401"), finds: found{"after a refused session = 401": keepsTooMuch, "= 401": refusesSession, "where 304": changedETag}},
		{name: "a proxy that keeps answers to a session", front: keeping("", "limit=97 = 200 Bearer"),
			finds: found{`has Cache-Control "private, no-store" for everybody`: keepsTooMuch}},
		{name: "a proxy that shares answers to a session", front: on("GET /api/", header("Cache-Control", "public, max-age=0, must-revalidate")),
			finds: found{" to a session has Cache-Control": keepsTooMuch, "what openapi.json": otherAPI, `"no-store" is promised`: rewritten}},
		{name: "a CDN that keeps nothing", noCDN: true, finds: found{"GET /api/posts?limit=99 5 times": keptByNobody}},
		{name: "another region than vercel.json's", region: "fra1", finds: found{"The functions run in fra1, where vercel.json says iad1": otherRegion}},

		// A post by a signed-in person.
		{name: "another instance's secret key here", command: other,
			finds: found{"CLERK_SECRET_KEY is of another instance than the page's key, whose host is clerk.warble.test": noTestUser}},
		{name: "production's secret key here", command: vars{"CLERK_SECRET_KEY": "sk_live_x"}, finds: found{"users are not made in production": noTestUser}},
		{name: "a token that is none", command: vars{"TOKEN": "undefined"}, finds: found{"TOKEN cannot be decoded": noToken}},
		{name: "a token that has ended", command: vars{"TOKEN": w.clerk.SignClaims(map[string]any{"iss": "https://" + fakeclerk.DefaultHost, "exp": 1})},
			finds: found{"TOKEN ended at 00:00:01 UTC": endedToken}},
		{name: "a token of another site", command: vars{"TOKEN": w.other.SignClaims(map[string]any{"iss": "https://clerk.other.test", "exp": 4102444800})},
			finds: found{"TOKEN is of https://clerk.other.test": otherToken}},
		{name: "a Clerk that fails in between", backend: on("POST /v1/sessions/", status(500)), finds: found{"POST /sessions/…/tokens": noSession}},
		{name: "a Clerk that deletes nobody", backend: on("DELETE /v1/users/", status(500)), finds: found{"Clerk does not delete the test user user_": userStays}},
		{name: "a proxy that lets nothing be deleted", front: on("DELETE /api/posts/", status(403)), finds: found{"does not succeed": postStays, "of nobody's = 403": otherFunctions, "= 403, where 204": publishingFails}},
		// The post is deleted all the same.
		{name: "an answer that is lost", front: func(_ *http.Request, a *httptest.ResponseRecorder) {
			if a.Code == 201 {
				a.Code = 502
			}
		}, finds: found{"POST /api/posts = 502": needsUnanswered}},

		// The database.
		{name: "no table", sql: "DROP TABLE posts",
			finds: found{"names a database without the table posts: apply schema.sql to it": wrongVariable, "CREATE TABLE": drift}},
		{name: "a column too few", sql: "ALTER TABLE posts DROP COLUMN idempotency_digest",
			finds: found{"ADD COLUMN `idempotency_digest`": drift, "POST /api/posts = 500": statementFails}},
		{name: "one shard of two that differs", command: vars{"DATABASE_URL": sharded}, finds: found{"From warble:80- to schema.sql": drift, "SHOW GRANTS cannot": unknownRights}},
		{name: "a column of a type that Vitess has not", sql: "ALTER TABLE posts ADD COLUMN other UUID NULL", finds: found{"The database's tables": unreadable}},
		{name: "a database without TLS", database: strings.Replace(w.database, "127.0.0.1", "0.0.0.0", 1), // this machine, and no loopback address
			finds: found{"Connecting to 0.0.0.0": noTLS, "= 503": needsUnanswered}},
		{name: "a password that was changed", database: strings.Replace(w.database, ":functions@", ":old@", 1),
			finds: found{"has a user or password that the database refuses": wrongVariable, "Connecting to 127.0.0.1": refusesPassword}},
		{name: "a database that is gone", database: "mysql://u:p@127.0.0.1:1/warble",
			finds: found{"= 503 The database does not answer right now. Try again in a moment (and": needsUnanswered, "Connecting to 127.0.0.1:1": unreachable}},
		{name: "another database's address", command: vars{"DATABASE_URL": "postgres://warble:hunter2@h/w\n"},
			finds: found{"DATABASE_URL is a PostgreSQL address; Warble needs MySQL (Vitess)": wrongAddress}},
		{name: "a password with the role admin", command: vars{"DATABASE_URL": w.admin}, finds: found{"SHOW GRANTS has ALL PRIVILEGES ON *.*": mayDoMore}},
		{name: "a database far from the functions", functions: vars{"DATABASE_URL": far.URL()}, finds: found{"The database is far from iad1, where the functions run": farAway}},
	}
}

// change is what a proxy of somebody's own does to an answer.
type change func(r *http.Request, a *httptest.ResponseRecorder)

// proxy stands in front of a handler, and changes its answers.
func proxy(next http.Handler, change change) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		a := httptest.NewRecorder()
		if next.ServeHTTP(a, r); change != nil {
			change(r, a)
		}
		maps.Copy(w.Header(), a.Header())
		w.WriteHeader(a.Code)
		w.Write(a.Body.Bytes())
	})
}

// keeping is a cache that keeps answers to GET by their URL, whoever asks: those of which
// URL, status and session match. With an age it says so, as caches do.
func keeping(age, which string) change {
	answers := map[string]httptest.ResponseRecorder{}
	return func(r *http.Request, a *httptest.ResponseRecorder) {
		what := fmt.Sprintf("%s = %d %s", r.URL, a.Code, r.Header.Get("Authorization"))
		if found, ok := answers[r.URL.String()]; ok && r.Method == "GET" {
			*a = found
			a.Header().Set("Age", age)
		} else if r.Method == "GET" && strings.Contains(what, which) {
			answers[r.URL.String()] = *a
		}
	}
}

// key is a publishable key of a host.
func key(kind, host string) string {
	return "pk_" + kind + "_" + base64.StdEncoding.EncodeToString([]byte(host+"$"))
}

// on makes changes to the answers to requests that begin so, as "/api/" or "GET /api/".
func on(what string, changes ...change) change {
	return func(r *http.Request, a *httptest.ResponseRecorder) {
		if strings.HasPrefix(r.URL.Path, what) || strings.HasPrefix(r.Method+" "+r.URL.Path, what) {
			for _, change := range changes {
				change(r, a)
			}
		}
	}
}

func status(code int) change {
	return func(_ *http.Request, a *httptest.ResponseRecorder) { a.Code = code }
}

// header sets a header, "" takes it away.
func header(name, value string) change {
	return func(_ *http.Request, a *httptest.ResponseRecorder) {
		if a.Header().Del(name); value != "" {
			a.Header().Set(name, value)
		}
	}
}

func replacing(old, new string) change {
	return func(_ *http.Request, a *httptest.ResponseRecorder) {
		a.Body = bytes.NewBufferString(strings.ReplaceAll(a.Body.String(), old, new))
	}
}

// oldPage names the modules of another deployment.
func oldPage(_ *http.Request, a *httptest.ResponseRecorder) {
	a.Body = bytes.NewBuffer(bundled.ReplaceAll(a.Body.Bytes(), []byte(`href="/js/000000000000/chunk.js"`)))
}
