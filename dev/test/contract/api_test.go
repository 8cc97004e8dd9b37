// Package contract tests Warble from outside, over HTTP: what callers of the
// API rely on, on each database that it is to run on.
package contract

import (
	"io"
	"testing"

	"github.com/jmoiron/sqlx"

	"warble/dev/local/embeddedmysql"
	"warble/dev/local/fakeclerk"
	"warble/dev/testkit"
	"warble/dev/testkit/faults"
	"warble/dev/testkit/teston"
)

// api is a running Warble, a client of it, and what it stands on.
type api struct {
	*testkit.Product
	*testkit.Client
	server *teston.Server
	db     *sqlx.DB // past the functions
}

const (
	nobody = testkit.Nobody
	ada    = fakeclerk.Ada
	grace  = fakeclerk.Grace
	hedy   = fakeclerk.Hedy // a moderator
)

// databases are those that the contract holds on: the given one alone, where
// there is one.
func databases() map[string]func(testing.TB) *teston.Server {
	if teston.Given != "" {
		return map[string]func(testing.TB) *teston.Server{"given": teston.Start}
	}
	return map[string]func(testing.TB) *teston.Server{"embedded": startEmbedded, "MariaDB": teston.Start}
}

func startEmbedded(tb testing.TB) *teston.Server {
	server, err := embeddedmysql.Start("127.0.0.1:0", io.Discard)
	if err != nil {
		tb.Fatal(err)
	}
	tb.Cleanup(func() { server.Close() })
	return &teston.Server{URL: server.URL()}
}

// eachDatabase runs a check on each database, each with a Warble of its own.
func eachDatabase(t *testing.T, environment map[string]string, check func(t *testing.T, a *api)) {
	for name, start := range databases() {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			check(t, open(t, start(t), environment))
		})
	}
}

// open starts Warble on a server, whose database it brings to schema.sql.
func open(t *testing.T, server *teston.Server, environment map[string]string) *api {
	t.Helper()
	clerk := testkit.StartClerk(t, fakeclerk.Config{})
	db := testkit.Database(t, server.URL)
	product := testkit.Start(t, clerk.Environment(server.URL, environment))
	return &api{product, testkit.NewClient(t, product.URL, clerk), server, db}
}

// behindFaults opens Warble on a server that it reaches through a proxy.
func behindFaults(t *testing.T, server *teston.Server) (*api, *faults.Proxy) {
	t.Helper()
	proxy := faults.New(t, server.URL)
	return open(t, server, map[string]string{"DATABASE_URL": proxy.URL()}), proxy
}
