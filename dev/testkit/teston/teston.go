// Package teston gives a test its database server: the one that `make test-on` names,
// or else a MariaDB of the test's own.
package teston

import (
	"encoding/json"
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

// timeout bounds waiting for the given server to restart.
const timeout = 3 * time.Minute

// Given is the URL of the database that `make test-on` names. Without it, each
// test starts a MariaDB of its own.
var Given = os.Getenv("TEST_ON")

// Server is the server of one test, with a database that has nothing but an empty
// table posts.
type Server struct {
	URL     string       // as in DATABASE_URL
	Shards  []string     // of a Vitess, as "warble/-80"
	Restart func() error // returns when the server answers again; nil where nothing can restart it
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
		return &Server{URL: server.URL(), Restart: func() error { return errors.Join(server.Stop(), server.Start()) }}
	}
	turn.Lock()
	tb.Cleanup(turn.Unlock)
	server, err := given()
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

// restart restarts the given server by the command RESTART.
func restart() error {
	// Its processes outlive the command and may keep its output open.
	if err := exec.Command("sh", "-c", os.Getenv("RESTART")).Run(); err != nil {
		return fmt.Errorf("RESTART: %w", err)
	}
	db, err := open()
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

// open opens the given database. It must be on this machine: the faults are
// played by a proxy that reads the commands, and elsewhere they are under TLS.
func open() (*sqlx.DB, error) {
	config, err := database.Config(Given)
	if err != nil || config.TLSConfig != "" { // which functions ask for elsewhere
		return nil, errors.New("URL must be as mysql://user:password@127.0.0.1:3306/database; a server elsewhere needs a tunnel, such as `pscale connect`")
	}
	return dsn.Open(config)
}

// given makes the given database ready, once in a process.
var given = sync.OnceValues(func() (*Server, error) {
	db, err := open()
	if err != nil {
		return nil, err
	}
	defer db.Close()
	server, err := prepare(db)
	if err == nil && os.Getenv("RESTART") != "" {
		server.Restart = restart
	}
	return server, err
})

// prepare refuses a database that has any table, makes the table posts, and tries whether
// the ids of posts are their own. Without a sequence, each shard counts for itself, and
// posts share ids.
func prepare(db *sqlx.DB) (*Server, error) {
	db.SetMaxOpenConns(1) // USE is a connection's own
	server := &Server{URL: Given}
	var version, keyspace string
	if err := db.QueryRow("SELECT VERSION(), DATABASE()").Scan(&version, &keyspace); err != nil {
		return nil, fmt.Errorf("reach the database of URL: %w", err)
	}
	keyspace, _, _ = strings.Cut(keyspace, "@") // Vitess adds the kind of tablet: warble@primary
	if err := db.Select(&server.Shards, "SHOW VITESS_SHARDS LIKE '"+keyspace+"/%'"); err == nil {
		version = fmt.Sprintf("Vitess, shards: %d", len(server.Shards))
	}
	fmt.Println("test-on:", version)

	var tables []string
	if err := db.Select(&tables, "SHOW TABLES"); err != nil {
		return nil, fmt.Errorf("list the tables: %w", err)
	}
	if len(tables) > 0 {
		return nil, fmt.Errorf("the database %s is not empty, and the tests would delete all posts. It has the tables %s. "+
			"Give an empty database. If posts is of a test that was interrupted, drop it first", keyspace, strings.Join(tables, ", "))
	}
	schema, err := os.ReadFile(filepath.Join(testkit.Root(), "schema.sql"))
	if err == nil && server.Sharded() {
		err = loadVSchema(db, keyspace)
	}
	if err != nil {
		return nil, err
	}
	if _, err := db.Exec(string(schema)); err != nil {
		return nil, fmt.Errorf("apply schema.sql: %w. The user of URL needs all rights on the database %s", err, keyspace)
	}

	const posts = 32 // of many users, who are on all shards
	var values []string
	for i := range posts {
		values = append(values, fmt.Sprintf("('user_%d', '', NOW(3), NOW(3))", i))
	}
	var ids int
	_, err = db.Exec("INSERT INTO posts (user_id, content, created_at, updated_at) VALUES " + strings.Join(values, ", "))
	if err == nil {
		err = db.Get(&ids, "SELECT COUNT(DISTINCT id) FROM posts")
	}
	if err == nil {
		_, err = db.Exec("DELETE FROM posts")
	}
	if err != nil || ids < posts {
		return nil, fmt.Errorf("%d posts have %d ids (%v). %s", posts, ids, err, prepareShards)
	}
	return server, nil
}

const prepareShards = "If the database has shards, load dev/docs/sharding into it first: dev/docs/sharding.md says how"

// vschema is what a vschema.json says.
type vschema struct {
	Vindexes map[string]struct{ Type string }
	Tables   map[string]struct {
		Type           string
		ColumnVindexes []struct{ Column, Name string }   `json:"column_vindexes"`
		AutoIncrement  struct{ Column, Sequence string } `json:"auto_increment"`
	}
}

// loadVSchema loads dev/docs/sharding into a sharded keyspace that does not know
// the table posts, in SQL.
func loadVSchema(db *sqlx.DB, keyspace string) error {
	var known []string
	if err := db.Select(&known, "SHOW VSCHEMA TABLES"); err != nil {
		return fmt.Errorf("list the tables of the vschema: %w", err)
	}
	if slices.Contains(known, "posts") {
		return nil
	}
	folder := filepath.Join(testkit.Root(), "dev/docs/sharding")
	sequence, err := os.ReadFile(filepath.Join(folder, "lookup/sequence.sql"))
	if err != nil {
		return err
	}
	statements := append([]string{"USE lookup"}, strings.Split(strings.TrimRight(string(sequence), "; \n"), ";\n")...)
	for _, part := range [][2]string{{"lookup", "lookup"}, {"warble", keyspace}} {
		var v vschema
		text, err := os.ReadFile(filepath.Join(folder, part[0], "vschema.json"))
		if err == nil {
			err = json.Unmarshal(text, &v)
		}
		if err != nil {
			return err
		}
		for name, table := range v.Tables {
			on := "ALTER VSCHEMA ON " + part[1] + "." + name
			if table.Type == "sequence" {
				statements = append(statements, "ALTER VSCHEMA ADD SEQUENCE "+part[1]+"."+name)
			}
			for _, vindex := range table.ColumnVindexes {
				statements = append(statements, fmt.Sprintf("%s ADD VINDEX %s(%s) USING %s", on, vindex.Name, vindex.Column, v.Vindexes[vindex.Name].Type))
			}
			if auto := table.AutoIncrement; auto.Column != "" {
				statements = append(statements, fmt.Sprintf("%s ADD AUTO_INCREMENT %s USING %s", on, auto.Column, auto.Sequence))
			}
		}
	}
	for _, statement := range append(statements, "USE "+keyspace) {
		if _, err := db.Exec(statement); err != nil {
			return fmt.Errorf("%s: %w. %s", statement, err, prepareShards)
		}
	}
	return nil
}
