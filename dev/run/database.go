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

	"github.com/go-sql-driver/mysql"

	"warble/dev/local/dsn"
	"warble/dev/local/embeddedmysql"
	"warble/dev/local/project"
	"warble/lib/database"
	"warble/lib/env"
)

// db is the database in use.
type db struct {
	what string // for the banner
	url  string // of the embedded one; "" for that of DATABASE_URL
}

//go:embed demo.sql
var demoPosts string

// startDatabase uses the database of DATABASE_URL, or starts an embedded one
// and names that there. The functions speak to either over TCP.
func startDatabase(ctx context.Context, root string, port int, folder *folder, demo bool) (db, error) {
	if env.Get("DATABASE_URL") != "" {
		config, err := dsn.Config()
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
	// The port stays the same for a port of the site.
	usual, note := port+10_000, ""
	server, err := embeddedmysql.Start(fmt.Sprintf("127.0.0.1:%d", usual), os.Stderr)
	if err != nil {
		note = fmt.Sprintf(" (its usual port, %d, cannot be had)", usual)
		server, err = embeddedmysql.Start("127.0.0.1:0", os.Stderr)
	}
	if err != nil {
		return db{}, fmt.Errorf("start the embedded database: %w", err)
	}
	os.Setenv("DATABASE_URL", server.URL())
	found, err := folder.keep("posts.sql", server)
	if err != nil {
		return db{}, fmt.Errorf("read the kept posts: %w", err)
	}
	pool, err := database.Pool()
	if err != nil {
		return db{}, err
	}
	if _, err := pool.ExecContext(ctx, string(schema)); err != nil {
		return db{}, fmt.Errorf("apply the schema: %w", err)
	}
	if !found && demo {
		if _, err := pool.ExecContext(ctx, demoPosts); err != nil {
			return db{}, fmt.Errorf("publish the demo posts: %w", err)
		}
	}
	if err := folder.followSchema(ctx, root, server.URL(), schema, found); err != nil {
		return db{}, fmt.Errorf("follow the schema: %w", err)
	}
	var posts int
	if err := pool.GetContext(ctx, &posts, "SELECT COUNT(*) FROM posts"); err != nil {
		return db{}, fmt.Errorf("count the posts: %w", err)
	}
	return db{what: fmt.Sprintf("embedded MySQL, %s%s\n                posts: %d", server.URL(), note, posts), url: server.URL()}, nil
}

// reach says what is wrong with the database of DATABASE_URL, or nothing. It may
// come up later, and so this ends nothing.
func reach(ctx context.Context) (advice string) {
	pool, err := database.Pool()
	if err == nil {
		var one int
		err = pool.GetContext(ctx, &one, "SELECT 1 FROM posts LIMIT 1")
	}
	why := "cannot be reached"
	refused, ok := errors.AsType[*mysql.MySQLError](err)
	switch {
	case err == nil, errors.Is(err, sql.ErrNoRows):
		return ""
	case ok && refused.Number == 1146:
		return "It has no table posts: make push creates it."
	case ok:
		why = "refuses"
	}
	return fmt.Sprintf("It %s: %v. Correct DATABASE_URL in %s, or remove it there for an embedded database.", why, err, project.Source("DATABASE_URL"))
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
