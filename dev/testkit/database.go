package testkit

import (
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/go-sql-driver/mysql"
	"github.com/jmoiron/sqlx"

	"warble/dev/local/dsn"
	"warble/lib/database"
)

// DatabaseConfig is the functions' own configuration of the driver for a DATABASE_URL,
// but that a test waits as long as it takes.
func DatabaseConfig(tb testing.TB, databaseURL string) *mysql.Config {
	tb.Helper()
	config, err := database.Config(databaseURL)
	if err != nil {
		tb.Fatal(err)
	}
	config.Timeout, config.ReadTimeout, config.WriteTimeout = 0, 0, 0
	return config
}

// Open opens a database, and closes it when the test ends.
func Open(tb testing.TB, config *mysql.Config) *sqlx.DB {
	tb.Helper()
	db, err := dsn.Open(config)
	if err != nil {
		tb.Fatal(err)
	}
	tb.Cleanup(func() { db.Close() })
	return db
}

// Database opens the database at a URL, past the functions, and brings it to
// schema.sql. It is closed when the test ends.
func Database(tb testing.TB, databaseURL string) *sqlx.DB {
	tb.Helper()
	db := Open(tb, DatabaseConfig(tb, databaseURL))
	schema, err := os.ReadFile(filepath.Join(Root(), "schema.sql"))
	if err != nil {
		tb.Fatal(err)
	}
	for range 2 { // applying it again is harmless
		if _, err := db.Exec(string(schema)); err != nil {
			tb.Fatalf("apply schema.sql: %v", err)
		}
	}
	return db
}

// InsertPost stores a post of a user, past the functions, and returns its id.
// Milliseconds are all that is kept of its time.
func InsertPost(tb testing.TB, db *sqlx.DB, userID, content string, at time.Time) int64 {
	tb.Helper()
	at = at.UTC().Truncate(time.Millisecond)
	result, err := db.Exec("INSERT INTO posts (user_id, content, created_at, updated_at) VALUES (?, ?, ?, ?)", userID, content, at, at)
	if err != nil {
		tb.Fatal(err)
	}
	id, err := result.LastInsertId()
	if err != nil {
		tb.Fatal(err)
	}
	return id
}
