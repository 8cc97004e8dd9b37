package main

import (
	"bytes"
	"context"
	"database/sql"
	_ "embed"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"syscall"

	"github.com/go-sql-driver/mysql"

	"warble/dev/local/embeddedmysql"
	"warble/dev/local/project"
	"warble/lib/database"
	"warble/lib/env"
)

// db is the database in use.
type db struct {
	what string // for the banner
	url  string // of the embedded one; "" for that of DATABASE_URL

	embedded *embeddedmysql.Server // nil for that of DATABASE_URL
}

// startDatabase uses the database of DATABASE_URL, or starts an embedded one
// and names that there. The functions speak to either over TCP.
func startDatabase(ctx context.Context, root string, port int, kept kept) (d db, err error) {
	if env.Get("DATABASE_URL") != "" {
		config, err := project.DatabaseConfig()
		if err != nil {
			return db{}, err
		}
		what := fmt.Sprintf("the one of DATABASE_URL in %s, at %s", project.Source("DATABASE_URL"), config.Addr)
		if advice := reach(ctx); advice != "" {
			what += "\n                " + advice
		}
		return db{what: what}, nil
	}
	schema, err := os.ReadFile(filepath.Join(root, "schema.sql"))
	if err != nil {
		return db{}, fmt.Errorf("read the schema: %w", err)
	}
	server, note, err := startMySQL(port, kept.file("posts.sql"))
	if err != nil {
		return db{}, fmt.Errorf("start the embedded database: %w", err)
	}
	os.Setenv("DATABASE_URL", server.URL())
	if err := execute(ctx, string(schema), "apply the schema"); err != nil {
		return db{}, err
	}
	if server.Found {
		follows, err := server.Follows(string(schema))
		if err != nil {
			return db{}, fmt.Errorf("compare with the schema: %w", err)
		}
		if !follows {
			followSchema(ctx, root, server.URL())
		}
	}
	return db{what: server.URL() + note, url: server.URL(), embedded: server}, nil
}

// startMySQL starts the embedded database on a port that stays the same for a
// port of the site: 13000 for 3000. If it is taken, any other will do.
func startMySQL(port int, file string) (server *embeddedmysql.Server, note string, err error) {
	fixed := (port+10_000)%65_536 + (port+10_000)/65_536*1_024 // no reserved port, past the last
	server, err = embeddedmysql.Start(fmt.Sprintf("127.0.0.1:%d", fixed), file, os.Stderr)
	if errors.Is(err, syscall.EADDRINUSE) {
		note = fmt.Sprintf(" (its usual port, %d, is taken)", fixed)
		server, err = embeddedmysql.Start("127.0.0.1:0", file, os.Stderr)
	}
	return server, note, err
}

// reach says what is wrong with the database of DATABASE_URL, or nothing. It may
// come up later, and so this ends nothing.
func reach(ctx context.Context) (advice string) {
	pool, err := database.Pool()
	if err == nil {
		var one int
		err = pool.GetContext(ctx, &one, "SELECT 1 FROM posts LIMIT 1")
	}
	refused, ok := errors.AsType[*mysql.MySQLError](err)
	switch {
	case err == nil, errors.Is(err, sql.ErrNoRows):
		return ""
	case ok && refused.Number == 1146:
		return "It has no table posts: make push creates it."
	case ok:
		return fmt.Sprintf("It refuses: %v. Correct DATABASE_URL in %s, or remove it there for an embedded database.", err, project.Source("DATABASE_URL"))
	}
	return fmt.Sprintf("It cannot be reached: %v. Correct DATABASE_URL in %s, or remove it there for an embedded database.", err, project.Source("DATABASE_URL"))
}

// schemaSaved looks whether schema.sql was changed, and tells what to do. The embedded
// database keeps its posts; the difference may lose some, which is for people to
// decide.
func (d db) schemaSaved(root string) func() {
	file := filepath.Join(root, "schema.sql")
	known, _ := os.ReadFile(file)
	return func() {
		now, err := os.ReadFile(file)
		if err != nil || bytes.Equal(now, known) {
			return
		}
		known = now
		command := "make push"
		if d.url != "" {
			command = "DATABASE_URL=" + d.url + " make push"
		}
		fmt.Printf("schema.sql was changed. Bring the database to it in another terminal: %s\n", command)
	}
}

// posts counts the posts of the embedded database.
func posts(ctx context.Context) (count int, err error) {
	pool, err := database.Pool()
	if err == nil {
		err = pool.GetContext(ctx, &count, "SELECT COUNT(*) FROM posts")
	}
	return count, err
}

//go:embed demo.sql
var demoPosts string

// execute runs a statement; what says what it is for.
func execute(ctx context.Context, statement, what string) error {
	pool, err := database.Pool()
	if err != nil {
		return err
	}
	if _, err := pool.ExecContext(ctx, statement); err != nil {
		return fmt.Errorf("%s: %w", what, err)
	}
	return nil
}
