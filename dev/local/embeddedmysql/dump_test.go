package embeddedmysql

import (
	"bytes"
	"database/sql"
	"fmt"
	"io"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/go-sql-driver/mysql"
)

// load starts an engine with what a dump holds.
func load(t *testing.T, dump []byte) (*Server, *sql.DB, error) {
	t.Helper()
	s, err := Start("127.0.0.1:0", io.Discard)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { s.Close() })
	return s, connect(t, s, func(*mysql.Config) {}), s.Load(dump)
}

// hostile are values that a careless dump would damage.
var hostile = []string{"", "a", "'", `\`, `\'`, "a;\n", ";\nDROP TABLE posts;\n", complete, "\x00\x1a\r\t", "%s", "\u2028 🎉 名前", " ' OR 1=1 -- ", `\n`, "/* */", "NULL"}

// What a developer wrote is there after a restart: each value, each table, its keys, and
// the number that the next post gets, also when the last one was deleted.
func TestADumpHasTablesRowsKeysAndIds(t *testing.T) {
	schema, err := os.ReadFile("../../../schema.sql")
	if err != nil {
		t.Fatal(err)
	}
	s, db, _ := load(t, []byte(complete))
	exec(t, db, string(schema))
	exec(t, db, "CREATE TABLE likes (at DATETIME(3), level DECIMAL(5,2), data VARBINARY(300), nothing INT)")
	at := time.Date(2026, 11, 29, 23, 59, 59, 7_000_000, time.UTC)
	insert := "INSERT INTO posts (user_id, content, created_at, updated_at, slot) VALUES ('user_a', ?, ?, ?, ?)"
	for i, value := range hostile {
		exec(t, db, insert, value, at, at, i)
		exec(t, db, "INSERT INTO likes VALUES (?, ?, ?, NULL)", at, "3.20", []byte(value+"\xff"))
	}
	exec(t, db, "DELETE FROM posts WHERE id = ?", len(hostile))
	before, err := s.Dump()
	if err != nil {
		t.Fatal(err)
	}

	s, db, err = load(t, before)
	if err != nil {
		t.Fatal(err)
	}
	for i, want := range hostile[:len(hostile)-1] {
		var content string
		var created time.Time
		if err := db.QueryRow("SELECT content, created_at FROM posts WHERE id = ?", i+1).Scan(&content, &created); err != nil || content != want || !created.Equal(at) {
			t.Errorf("post %d is %q of %v, %v; want %q", i+1, content, created, err, want)
		}
	}
	if after, err := s.Dump(); err != nil || !bytes.Equal(before, after) {
		t.Errorf("%v; was\n%s\nis\n%s", err, before, after)
	}
	_, err = db.Exec(insert, "the slot of another", at, at, 3)
	duplicate(t, "a slot of a loaded post", err)
	_, err = db.Exec("INSERT INTO posts (id, user_id, content, created_at, updated_at) VALUES (3, 'user_a', 'the id of another', ?, ?)", at, at)
	duplicate(t, "the id of a loaded post", err)
	result, err := db.Exec(insert, "next", at.Add(-time.Hour), at, 100)
	if err != nil {
		t.Fatal(err)
	}
	if id, _ := result.LastInsertId(); id != int64(len(hostile)+1) {
		t.Errorf("the next post is %d: a link to one that was deleted leads to it; want %d", id, len(hostile)+1)
	}
	var oldest string
	if err := db.QueryRow("SELECT content FROM posts WHERE user_id = 'user_a' ORDER BY created_at, id LIMIT 1").Scan(&oldest); err != nil || oldest != "next" {
		t.Errorf("the oldest post is %q, %v; want the one with the earliest time", oldest, err)
	}
}

// A dump that was cut anywhere, or is of zeros, is refused, and the engine is empty.
func TestADamagedDumpIsRefusedWhole(t *testing.T) {
	s, db, _ := load(t, []byte(complete))
	exec(t, db, "CREATE TABLE notes (id BIGINT NOT NULL AUTO_INCREMENT PRIMARY KEY, name VARCHAR(64))")
	exec(t, db, "INSERT INTO notes (name) VALUES ('a'), ('b')")
	whole, err := s.Dump()
	if err != nil {
		t.Fatal(err)
	}
	damaged := [][]byte{make([]byte, len(whole)), bytes.Replace(whole, []byte("),"), []byte(")"), 1), append(whole[:len(whole):len(whole)], 'x')}
	for at := range whole {
		damaged = append(damaged, whole[:at])
	}
	s, db, _ = load(t, []byte(complete))
	for i, dump := range damaged {
		if err := s.Load(dump); err == nil {
			t.Errorf("damage %d is loaded:\n%s", i, dump)
		}
		if names := tables(t, db); names != "" {
			t.Fatalf("damage %d: the engine has %s", i, names)
		}
	}
	if err := s.Load(whole); err != nil || tables(t, db) != "notes " {
		t.Errorf("after damage the whole dump loads %q, %v", tables(t, db), err)
	}
}

func tables(t *testing.T, db *sql.DB) (names string) {
	t.Helper()
	rows, err := db.Query("SHOW TABLES")
	if err != nil {
		t.Fatal(err)
	}
	for rows.Next() {
		var name string
		if err := rows.Scan(&name); err != nil {
			t.Fatal(err)
		}
		names += name + " "
	}
	return names
}

// Reads are not written anew each half second: only what changes something counts.
func TestChangesAreCounted(t *testing.T) {
	s, db := start(t, true)
	before := s.Changes()
	for _, query := range []string{"SELECT * FROM notes", " show tables", "select 1"} {
		exec(t, db, query)
	}
	if got := s.Changes() - before; got != 0 {
		t.Errorf("three reads are %d changes", got)
	}
	for i, query := range []string{"INSERT INTO notes (name) VALUES ('a')", "UPDATE notes SET name = 'b'", "DELETE FROM notes", "ALTER TABLE notes ADD COLUMN mood INT"} {
		exec(t, db, query)
		if got := s.Changes() - before; got != int64(i+1) {
			t.Errorf("after %s: %d changes, want %d", query, got, i+1)
		}
	}
}

// make run starts as quickly with the posts of a year as with none.
func BenchmarkLoad(b *testing.B) {
	schema, err := os.ReadFile("../../../schema.sql")
	if err != nil {
		b.Fatal(err)
	}
	var rows []string
	for i := range 1000 {
		rows = append(rows, fmt.Sprintf("(%d, 'user_%024d', '%0100d', '2026-11-29 10:%02d:%02d.123', '2026-11-29 10:00:00.000', '%032d', '%064d', %d)", i+1, i%5, i, i/60, i%60, i, i, 1_700_000_000+i))
	}
	dump := []byte(string(schema) + "INSERT INTO posts VALUES\n" + strings.Join(rows, ",\n") + ";\n" + complete)
	for b.Loop() {
		s, err := Start("127.0.0.1:0", io.Discard)
		if err != nil {
			b.Fatal(err)
		}
		if err := s.Load(dump); err != nil {
			b.Fatal(err)
		}
		s.Close()
	}
}
