package main

import (
	"net/url"
	"strings"
	"testing"

	"warble/dev/testkit/shards"
)

// Otherwise the one that answers decides, and the other one's drift is found by
// the functions.
func TestEachShardIsComparedAndMended(t *testing.T) {
	databaseURL := shards.Start(t)
	u, err := url.Parse(databaseURL)
	if err != nil {
		t.Fatal(err)
	}
	keyspace := strings.Trim(u.Path, "/")
	g := newTarget(t, databaseURL)
	g.exec("DROP TABLE IF EXISTS posts")
	if printed := g.mustSettle(""); strings.Count(printed, "CREATE TABLE") != 1 {
		t.Errorf("printed %s; want one statement for all shards", printed)
	}
	for altered, whole := range map[string]string{keyspace + ":80-": keyspace + ":-80", keyspace + ":-80": keyspace + ":80-"} {
		one := g
		one.url = strings.TrimSuffix(databaseURL, keyspace) + altered
		one.exec("DROP INDEX posts_feed ON posts")
		for range 4 { // whichever shard answers
			printed, ok := g.push("", "CHECK=1")
			if ok || !strings.Contains(printed, "From the database "+altered+" to schema.sql") || !strings.Contains(printed, "Nothing to do: the database "+whole+" ") {
				t.Errorf("with %s altered: ok %v, printed %s", altered, ok, printed)
			}
		}
		if printed := g.mustSettle(""); strings.Count(printed, "ADD KEY `posts_feed`") != 1 {
			t.Errorf("with %s altered, the push printed %s; want the statement once", altered, printed)
		}
	}
	g.exec("ALTER TABLE posts ADD COLUMN mood VARCHAR(10) NULL")
	if printed := g.mustSettle("yes\n"); strings.Count(printed, "DROP COLUMN `mood`") != 1 {
		t.Errorf("with both altered, the push printed %s; want one statement", printed)
	}
}
