package embeddedmysql

import (
	"bytes"
	"database/sql"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/go-sql-driver/mysql"
)

// startKept starts an engine whose file is file, and returns what it says meanwhile.
func startKept(t *testing.T, file string) (*Server, *sql.DB, *bytes.Buffer) {
	t.Helper()
	var said bytes.Buffer
	s, err := Start("127.0.0.1:0", file, &said)
	if err != nil {
		t.Fatal(err)
	}
	return s, connect(t, s, func(*mysql.Config) {}), &said
}

// hostile are values that a careless dump would damage.
var hostile = []string{"", "a", "'", `\`, `\'`, "a;\n", ";\nDROP TABLE posts;\n", "-- This file is complete.\n", "\x00\x1a\r\t", "%s", "\u2028 🎉 名前", " ' OR 1=1 -- ", `\n`, "/* */", "NULL"}

// What a developer wrote is there after a restart: each value, each table, and the
// number that the next post gets, also when the last one was deleted.
func TestAFileKeepsTablesRowsAndIds(t *testing.T) {
	file := filepath.Join(t.TempDir(), "posts.sql")
	schema, err := os.ReadFile("../../../schema.sql")
	if err != nil {
		t.Fatal(err)
	}
	s, db, _ := startKept(t, file)
	exec(t, db, string(schema))
	exec(t, db, "CREATE TABLE likes (at DATETIME(3), level DECIMAL(5,2), data VARBINARY(300), nothing INT)")
	at := time.Date(2026, 11, 29, 23, 59, 59, 7_000_000, time.UTC)
	for i, value := range hostile {
		exec(t, db, "INSERT INTO posts (user_id, content, created_at, updated_at, slot) VALUES (?, ?, ?, ?, ?)", "user_a", value, at, at, i)
		exec(t, db, "INSERT INTO likes VALUES (?, ?, ?, NULL)", at, "3.20", []byte(value+"\xff"))
	}
	exec(t, db, "DELETE FROM posts WHERE id = ?", len(hostile))
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	before, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}

	s, db, said := startKept(t, file)
	if !s.Found || said.Len() > 0 {
		t.Fatalf("found %v, said %q", s.Found, said)
	}
	if follows, err := s.Follows(string(schema)); !follows || err != nil {
		t.Errorf("the table follows its own schema: %v, %v", follows, err)
	}
	if follows, err := s.Follows(strings.Replace(string(schema), "slot BIGINT", "slot INT", 1)); follows || err != nil {
		t.Errorf("the table follows another schema: %v, %v", follows, err)
	}
	for i, want := range hostile[:len(hostile)-1] {
		var content string
		var created time.Time
		if err := db.QueryRow("SELECT content, created_at FROM posts WHERE id = ?", i+1).Scan(&content, &created); err != nil || content != want || !created.Equal(at) {
			t.Errorf("post %d is %q of %v, %v; want %q", i+1, content, created, err, want)
		}
	}
	if after, err := s.engine.dump(); err != nil || !bytes.Equal(before, after) {
		t.Errorf("%v; was\n%s\nis\n%s", err, before, after)
	}
	result, err := db.Exec("INSERT INTO posts (user_id, content, created_at, updated_at) VALUES ('user_a', 'next', ?, ?)", at, at)
	if err != nil {
		t.Fatal(err)
	}
	if id, _ := result.LastInsertId(); id != int64(len(hostile)+1) {
		t.Errorf("the next post is %d: a link to one that was deleted leads to it; want %d", id, len(hostile)+1)
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
}

// A file that was cut anywhere, or is of zeros, is set aside with one line, and the
// engine is empty.
func TestADamagedFileIsSetAside(t *testing.T) {
	folder := t.TempDir()
	file := filepath.Join(folder, "posts.sql")
	s, db, _ := startKept(t, file)
	exec(t, db, "CREATE TABLE notes (id BIGINT NOT NULL AUTO_INCREMENT PRIMARY KEY, name VARCHAR(64))")
	exec(t, db, "INSERT INTO notes (name) VALUES ('a'), ('b')")
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	whole, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	damaged := [][]byte{make([]byte, len(whole)), bytes.Replace(whole, []byte("),"), []byte(")"), 1), append(whole[:len(whole):len(whole)], 'x')}
	for at := range whole {
		damaged = append(damaged, whole[:at])
	}
	for i, text := range damaged {
		if err := os.WriteFile(file, text, 0o600); err != nil {
			t.Fatal(err)
		}
		s, _, said := startKept(t, file)
		names, _, err := s.engine.tables()
		if s.Found || err != nil || len(names) > 0 || strings.Count(said.String(), "\n") != 1 || !strings.Contains(said.String(), "is damaged") {
			t.Errorf("damage %d: found %v, tables %v, %v, said %q", i, s.Found, names, err, said)
		}
		if err := s.Close(); err != nil {
			t.Error(err)
		}
		aside, _ := filepath.Glob(file + ".damaged-*")
		if len(aside) != 1 {
			t.Fatalf("damage %d: set aside as %v", i, aside)
		}
		if kept, err := os.ReadFile(aside[0]); err != nil || !bytes.Equal(kept, text) {
			t.Errorf("damage %d: what is set aside is another, %v", i, err)
		}
		os.Remove(aside[0])
	}
}
