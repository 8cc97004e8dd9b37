package teston

import (
	"net/url"
	"strings"
	"testing"

	"warble/dev/testkit"
	"warble/dev/testkit/mariadb"
)

// make test-on deletes all posts of the database that it is given.
func TestADatabaseWithSomebodysTablesIsRefusedAndKept(t *testing.T) {
	server := mariadb.Start(t)
	for _, test := range []struct{ name, before, user, refused string }{
		{"rows in posts", "INSERT INTO posts (user_id, content, created_at, updated_at) VALUES ('user_a', 'mine', NOW(3), NOW(3))", "", "It has the tables posts"},
		{"another table", "DROP TABLE posts; CREATE TABLE orders (id INT PRIMARY KEY)", "", "It has the tables orders"},
		{"no rights", "GRANT SELECT ON warble.* TO reader@'127.0.0.1' IDENTIFIED BY 'reader'; DROP TABLE posts, orders", "reader", "needs all rights on the database warble"},
		{"nothing wrong", "DROP TABLE posts", "", ""},
	} {
		admin := testkit.Database(t, server.URL())
		config := testkit.DatabaseConfig(t, server.URL())
		config.MultiStatements = true
		testkit.Open(t, config).MustExec(test.before)
		if test.user != "" {
			u, err := url.Parse(server.URL())
			if err != nil {
				t.Fatal(err)
			}
			u.User = url.UserPassword(test.user, test.user)
			config = testkit.DatabaseConfig(t, u.String())
		}
		_, err := prepare(testkit.Open(t, config))
		if test.refused == "" && err != nil || test.refused != "" && (err == nil || !strings.Contains(err.Error(), test.refused)) {
			t.Errorf("%s: %v; want %q", test.name, err, test.refused)
		}
		var rows int
		if err := admin.Get(&rows, "SELECT COUNT(*) FROM posts"); test.name == "rows in posts" && (err != nil || rows != 1) {
			t.Errorf("%s: %d rows afterwards, %v; want the one", test.name, rows, err)
		}
	}
}
