// Package teston gives a test its database server: the one that `make test-on` names,
// or else a MariaDB of the test's own.
package teston

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/jmoiron/sqlx"

	"warble/dev/local/dsn"
	"warble/dev/testkit"
	"warble/dev/testkit/mariadb"
	"warble/lib/database"
)

// timeout bounds waiting for the given server.
const timeout = 3 * time.Minute

// Given is the URL of the database that `make test-on` names. Without it, each
// test starts a MariaDB of its own.
var Given = os.Getenv("TEST_ON")

// restart is the command that restarts the given server.
var restart = os.Getenv("RESTART")

// Server is the server of one test, with a database that has nothing but an empty
// table posts.
type Server struct {
	URL     string          // as in DATABASE_URL
	Shards  []string        // of a Vitess, as "warble/-80"
	mariadb *mariadb.Server // nil where the server is given
}

// Sharded tells whether the rows are on several shards.
func (s *Server) Sharded() bool { return len(s.Shards) > 1 }

// turn is held by the one test that uses the given database.
var turn sync.Mutex

// Start gives a server until the test ends: a MariaDB of the test's own, or
// the given one, for which tests wait in turn.
func Start(tb testing.TB) *Server {
	tb.Helper()
	if Given == "" {
		server := mariadb.Start(tb)
		return &Server{URL: server.URL(), mariadb: server}
	}
	turn.Lock()
	tb.Cleanup(turn.Unlock)
	server, err := prepared()
	if err != nil {
		// Each other test would say the same.
		fmt.Fprintln(os.Stderr, "test-on:", err)
		os.Exit(1)
	}
	db := testkit.Database(tb, Given)
	tb.Cleanup(func() {
		if _, err := db.Exec("DROP TABLE posts"); err != nil {
			tb.Errorf("empty the database: %v", err)
		}
	})
	return server
}

// CanRestart tells whether Restart can.
func (s *Server) CanRestart() bool { return s.mariadb != nil || restart != "" }

// Restart stops the server and starts it again, and returns when it answers.
func (s *Server) Restart() error {
	if s.mariadb != nil {
		return errors.Join(s.mariadb.Stop(), s.mariadb.Start())
	}
	// Its processes outlive the command and may keep its output open.
	command := exec.Command("sh", "-c", restart)
	if err := command.Run(); err != nil {
		return fmt.Errorf("RESTART=%q: %w", restart, err)
	}
	db, err := given()
	if err != nil {
		return err
	}
	defer db.Close()
	for begun := time.Now(); ; time.Sleep(50 * time.Millisecond) {
		_, err := db.Exec("DELETE FROM posts WHERE id = 0")
		if err == nil || time.Since(begun) > timeout {
			return err
		}
	}
}

// LeaveOut skips a test of what the given server cannot show, and says so.
func LeaveOut(tb testing.TB, what string) {
	tb.Helper()
	fmt.Println("left out:", what)
	tb.SkipNow()
}

// given opens the given database. It must be on this machine: the faults are
// played by a proxy that reads the commands, and elsewhere they are under TLS.
func given() (*sqlx.DB, error) {
	config, err := database.Config(Given)
	if err != nil || config.TLSConfig != "" { // which functions ask for elsewhere
		return nil, errors.New("URL must be as mysql://user:password@127.0.0.1:3306/database; a server elsewhere needs a tunnel, such as `pscale connect`")
	}
	return dsn.Open(config)
}

// prepared makes the given database ready, once in a process.
var prepared = sync.OnceValues(func() (*Server, error) {
	db, err := given()
	if err != nil {
		return nil, err
	}
	defer db.Close()
	ctx, cancel := context.WithTimeout(context.Background(), timeout)
	defer cancel()
	return prepare(ctx, db)
})

// prepare refuses a database that has anything in it, gives it the table, and
// tries whether the ids of posts are their own.
func prepare(ctx context.Context, db *sqlx.DB) (*Server, error) {
	server := &Server{URL: Given}
	var version, keyspace string
	if err := db.QueryRowxContext(ctx, "SELECT VERSION(), DATABASE()").Scan(&version, &keyspace); err != nil {
		return nil, fmt.Errorf("reach the database of URL: %w", err)
	}
	keyspace, _, _ = strings.Cut(keyspace, "@") // Vitess adds the kind of tablet: warble@primary
	if err := db.SelectContext(ctx, &server.Shards, "SHOW VITESS_SHARDS LIKE '"+keyspace+"/%'"); err == nil {
		version = fmt.Sprintf("Vitess, shards: %d", len(server.Shards))
	}
	fmt.Println("test-on:", version)

	var tables []string
	if err := db.SelectContext(ctx, &tables, "SHOW TABLES"); err != nil {
		return nil, fmt.Errorf("list the tables: %w", err)
	}
	if others := slices.DeleteFunc(slices.Clone(tables), func(name string) bool { return name == "posts" }); len(others) > 0 {
		return nil, fmt.Errorf("the database %s has other tables than posts: %s. Give an empty database", keyspace, strings.Join(others, ", "))
	}
	if len(tables) > 0 {
		var rows int
		if err := db.GetContext(ctx, &rows, "SELECT COUNT(*) FROM posts"); err != nil {
			return nil, fmt.Errorf("count the rows of posts: %w", err)
		}
		if rows > 0 {
			return nil, fmt.Errorf("the table posts of the database %s has %d rows, and the tests would delete them. Give an empty database. If the rows are of a test that was interrupted, delete them first", keyspace, rows)
		}
	}
	if server.Sharded() {
		if err := loadVSchema(ctx, keyspace); err != nil {
			return nil, err
		}
	}
	schema, err := os.ReadFile(filepath.Join(testkit.Root(), "schema.sql"))
	if err != nil {
		return nil, err
	}
	if _, err := db.ExecContext(ctx, string(schema)); err != nil {
		return nil, fmt.Errorf("apply schema.sql: %w. The user of URL needs all rights on the database %s", err, keyspace)
	}
	return server, ids(ctx, db)
}

// ids inserts posts of many users, who are on all shards, and deletes them. Without
// a sequence, each shard counts for itself, and posts share ids.
func ids(ctx context.Context, db *sqlx.DB) error {
	const posts = 32
	used := map[int64]bool{}
	for i := range posts {
		result, err := db.ExecContext(ctx, fmt.Sprintf("INSERT INTO posts (user_id, content, created_at, updated_at) VALUES ('user_%d', '', NOW(3), NOW(3))", i))
		if err != nil {
			return fmt.Errorf("insert a post: %w. %s", err, prepareShards)
		}
		id, err := result.LastInsertId()
		if err != nil {
			return err
		}
		used[id] = true
	}
	_, err := db.ExecContext(ctx, "DELETE FROM posts")
	if len(used) < posts {
		return errors.Join(fmt.Errorf("%d posts have %d ids: they do not come from a sequence. %s", posts, len(used), prepareShards), err)
	}
	return err
}

const prepareShards = "If the database has shards, load dev/docs/sharding into it first: dev/docs/sharding.md says how"
