//go:build linux

package main

import (
	"context"
	"database/sql"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"syscall"

	"warble/dev/bench/floor"
	"warble/dev/testkit"
)

// bytesPerPost is what a post takes on disk with its five indexes, about 350 as
// measured at ten million, and room for the sorting of those.
const bytesPerPost = 700

// keys finds the secondary indexes in SHOW CREATE TABLE.
var keys = regexp.MustCompile("(?m)^  ((?:UNIQUE )?KEY `(\\w+)` .*?),?$")

// fill makes a database with schema.sql and so many posts, one a second, by so
// many authors in turn. The indexes are built when the posts are there, which
// takes a fraction of the time. (With foreign_key_checks off too, InnoDB would
// load the empty table in bulk, which was measured to take longer.)
func (w *world) fill(database string, posts, authors int) error {
	var disk syscall.Statfs_t
	if err := syscall.Statfs(os.TempDir(), &disk); err != nil {
		return fmt.Errorf("look at the disk: %w", err)
	}
	if free := int64(disk.Bavail) * disk.Bsize; free < int64(posts)*bytesPerPost {
		return fmt.Errorf("%s posts need %d MB in %s, which has %d: set ROWS to fewer, or TMPDIR", grouped(posts), posts*bytesPerPost>>20, os.TempDir(), free>>20)
	}
	schema, err := os.ReadFile(filepath.Join(testkit.Root(), "schema.sql"))
	if err != nil {
		return err
	}
	conn, err := w.db.Conn(w.ctx)
	if err != nil {
		return err
	}
	defer conn.Close()
	exec := func(format string, args ...any) error {
		query := fmt.Sprintf(format, args...)
		if _, err := conn.ExecContext(w.ctx, query); err != nil {
			return fmt.Errorf("fill %s: %.60s: %w", database, query, err)
		}
		return nil
	}
	for _, query := range []string{"CREATE DATABASE " + database, "USE " + database, string(schema), "SET unique_checks=0"} {
		if err := exec("%s", query); err != nil {
			return err
		}
	}
	var name, table string
	if err := conn.QueryRowContext(w.ctx, "SHOW CREATE TABLE posts").Scan(&name, &table); err != nil {
		return err
	}
	var drop, add []string
	for _, key := range keys.FindAllStringSubmatch(table, -1) {
		add, drop = append(add, "ADD "+key[1]), append(drop, "DROP KEY "+key[2])
	}
	if err := exec("ALTER TABLE posts %s", strings.Join(drop, ", ")); err != nil {
		return err
	}
	const at = "TIMESTAMPADD(SECOND, seq, '2023-11-14 22:13:20')"
	if err := exec(`INSERT INTO posts (user_id, content, created_at, updated_at)
SELECT CONCAT('user_', LPAD(seq %% %d, 27, '0')), CONCAT(MD5(seq), ' in the hand is worth "two" & more'), %s, %s
FROM seq_1_to_%d`, authors, at, at, posts); err != nil {
		return err
	}
	if err := exec("ALTER TABLE posts %s", strings.Join(add, ", ")); err != nil {
		return err
	}
	return exec("ANALYZE TABLE posts")
}

// cursorAt is the cursor of a post that fill made: the posts before it follow.
func cursorAt(id int) string { return fmt.Sprintf("%d-%d", (1_700_000_000+id)*1000, id) }

// authorOf is the author of a post that fill made.
func authorOf(id, authors int) string { return fmt.Sprintf("user_%027d", id%authors) }

// add inserts posts of floor.Author's and returns their ids.
func add(ctx context.Context, db *sql.DB, posts int) (ids []int64, err error) {
	result, err := db.ExecContext(ctx, fmt.Sprintf(`INSERT INTO posts (user_id, content, created_at, updated_at)
SELECT ?, 'A post to change or to delete, about as long as others are.', NOW(3), NOW(3) FROM seq_1_to_%d`, posts), floor.Author)
	if err != nil {
		return nil, err
	}
	first, err := result.LastInsertId() // one statement's ids follow each other
	for i := range posts {
		ids = append(ids, first+int64(i))
	}
	return ids, err
}
