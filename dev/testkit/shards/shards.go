// Package shards gives tests a database of two shards.
package shards

import (
	"context"
	"net"
	"regexp"
	"strings"
	"sync"
	"testing"

	sqle "github.com/dolthub/go-mysql-server"
	"github.com/dolthub/go-mysql-server/memory"
	"github.com/dolthub/go-mysql-server/server"
	gms "github.com/dolthub/go-mysql-server/sql"
	"github.com/dolthub/vitess/go/mysql"
	"github.com/dolthub/vitess/go/sqltypes"
	querypb "github.com/dolthub/vitess/go/vt/proto/query"

	"warble/dev/testkit/teston"
)

// sharded answers as vtgate of Vitess 24 does for a database of two shards, each of
// which is a database here with the name that USE has for it. SHOW VITESS_SHARDS
// lists the shards of all databases. On a connection to the database itself one
// shard answers what is read of the schema, and all take its changes.
type sharded struct {
	mysql.Handler
	mu    sync.Mutex
	shard map[uint32]bool // by connection: it has used a shard
}

var ddl = regexp.MustCompile(`(?i)^\s*(create|alter|drop)\s`)

var shardNames = []string{"warble:-80", "warble:80-"}

func (h *sharded) ComInitDB(c *mysql.Conn, database string) error {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.shard[c.ConnectionID] = strings.Contains(database, ":")
	return h.Handler.ComInitDB(c, database)
}

func (h *sharded) ComQuery(ctx context.Context, c *mysql.Conn, query string, callback mysql.ResultSpoolFn) error {
	inner := func(query string) error {
		return h.Handler.ComQuery(ctx, c, query, func(*sqltypes.Result, bool) error { return nil })
	}
	h.mu.Lock()
	defer h.mu.Unlock()
	switch database, isUse := strings.CutPrefix(query, "USE "); {
	case query == "SHOW VITESS_SHARDS":
		all := &sqltypes.Result{Fields: []*querypb.Field{{Name: "Shards", Type: sqltypes.VarChar}}}
		for _, shard := range []string{"lookup/0", "warble/-80", "warble/80-"} {
			all.Rows = append(all.Rows, []sqltypes.Value{sqltypes.NewVarChar(shard)})
		}
		return callback(all, false)
	case isUse:
		h.shard[c.ConnectionID] = strings.Contains(database, ":")
	case h.shard[c.ConnectionID] || strings.Contains(query, "DATABASE()"):
	case ddl.MatchString(query):
		for _, shard := range shardNames {
			if err := inner("USE `" + shard + "`"); err != nil {
				return err
			}
			if err := inner(query); err != nil {
				return err
			}
		}
		return h.Handler.ComQuery(ctx, c, "USE warble", callback)
	default:
		if err := inner("USE `" + shardNames[0] + "`"); err != nil {
			return err
		}
		defer inner("USE warble")
	}
	return h.Handler.ComQuery(ctx, c, query, callback)
}

// Start gives the URL of a database of two empty shards until the test ends: the given
// server's, or one of a stand-in for vtgate.
func Start(t testing.TB) (databaseURL string) {
	t.Helper()
	if teston.Given != "" {
		given := teston.Start(t)
		if !given.Sharded() {
			teston.LeaveOut(t, "make push on shards: the database has none")
		}
		return given.URL
	}
	address := Serve(t, func(h mysql.Handler) mysql.Handler {
		return &sharded{Handler: h, shard: map[uint32]bool{}}
	}, append(shardNames, "warble")...)
	return "mysql://root@" + address + "/warble"
}

// Serve serves an engine with empty databases until the test ends, and returns its
// address. wrap puts a handler before the engine's own.
func Serve(t testing.TB, wrap func(mysql.Handler) mysql.Handler, names ...string) (address string) {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	var databases []gms.Database
	for _, name := range names {
		databases = append(databases, memory.NewDatabase(name))
	}
	provider := memory.NewDBProvider(databases...)
	engine, err := server.NewServerWithHandler(
		server.Config{Listener: listener, Address: listener.Addr().String()},
		sqle.NewDefault(provider), gms.NewContext, memory.NewSessionBuilder(provider), nil,
		func(h mysql.Handler) (mysql.Handler, error) { return wrap(h), nil })
	if err != nil {
		t.Fatal(err)
	}
	go engine.Start()
	t.Cleanup(func() { engine.Close() })
	return listener.Addr().String()
}
