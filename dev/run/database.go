package main

import (
	"context"
	"fmt"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"time"

	localclerk "warble/dev/local/clerk"
	localmysql "warble/dev/local/mysql"
	"warble/lib/database"
	"warble/lib/post"
)

// db is the database in use.
type db struct {
	local bool
	what  string // for the banner
	close func() error
}

// startDatabase uses the database of DATABASE_URL, or starts an embedded one
// and names that there. The functions speak to either over TCP.
func startDatabase(ctx context.Context, root string) (db, error) {
	if os.Getenv("DATABASE_URL") != "" {
		return db{what: "the one of DATABASE_URL" + host(os.Getenv("DATABASE_URL")), close: func() error { return nil }}, nil
	}
	server, err := localmysql.Start("127.0.0.1:0")
	if err != nil {
		return db{}, fmt.Errorf("start the embedded database: %w", err)
	}
	os.Setenv("DATABASE_URL", server.URL())
	if err := applySchema(ctx, filepath.Join(root, "schema.sql")); err != nil {
		return db{}, err
	}
	return db{local: true, what: "embedded MySQL, in memory: posts go when it ends", close: server.Close}, nil
}

// host says where a URL leads, and nothing of its user and password.
func host(databaseURL string) string {
	u, err := url.Parse(databaseURL)
	if err != nil || u.Host == "" {
		return ""
	}
	return ", at " + u.Host
}

func applySchema(ctx context.Context, file string) error {
	schema, err := os.ReadFile(file)
	if err != nil {
		return fmt.Errorf("read the schema: %w", err)
	}
	pool, err := database.Pool()
	if err != nil {
		return err
	}
	if _, err := pool.ExecContext(ctx, string(schema)); err != nil {
		return fmt.Errorf("apply the schema: %w", err)
	}
	return nil
}

// demoPosts are what a newcomer finds, oldest first.
var demoPosts = []struct{ author, content string }{
	{"alan", "We may hope that machines will eventually compete with men in all purely intellectual fields.\nUntil then: hello, feed."},
	{"grace", "The most dangerous phrase in the language is: we have always done it this way."},
	{"ada", "The Analytical Engine weaves algebraic patterns just as the Jacquard loom weaves flowers and leaves."},
}

func publishDemoPosts(ctx context.Context) error {
	pool, err := database.Pool()
	if err != nil {
		return err
	}
	for i, demo := range demoPosts {
		author := slices.IndexFunc(localclerk.People, func(p localclerk.Person) bool { return p.Username == demo.author })
		at := post.Now().Add(time.Duration(i-len(demoPosts)) * 17 * time.Minute)
		_, err := pool.ExecContext(ctx, "INSERT INTO posts (user_id, content, created_at, updated_at) VALUES (?, ?, ?, ?)",
			localclerk.People[author].ID, demo.content, at, at)
		if err != nil {
			return fmt.Errorf("publish a demo post: %w", err)
		}
	}
	return nil
}
