package contract

import (
	"fmt"
	"regexp"
	"strings"
	"testing"

	"warble/dev/testkit"
	"warble/dev/testkit/teston"
)

// What dev/docs/sharding.md says of each statement, by Vitess's own plan for the
// statement as the functions sent it. A statement that begins to ask all shards
// costs more with each shard that is added.
func TestOnShardsAStatementGoesWhereTheDocumentSays(t *testing.T) {
	t.Parallel()
	if teston.Given == "" {
		teston.LeaveOut(t, "which shards a statement goes to: make test has no Vitess, make test-on can have one")
	}
	server := teston.Start(t)
	if !server.Sharded() {
		teston.LeaveOut(t, "which shards a statement goes to: the database has no shards")
	}
	a, proxy := behindFaults(t, server)
	key := []string{"Idempotency-Key", "k"}
	post := a.Publish(ada, "hello", key...)
	cursor := "before=" + fmt.Sprint("1800000000000-", post.ID)
	for _, test := range []struct {
		name               string
		who                string
		method, path, body string
		header             []string
		shards             string
	}{
		{"create", ada, "POST", "/api/posts", testkit.Content("x"), nil, "one"},
		{"replay", ada, "POST", "/api/posts", testkit.Content("hello"), key, "one"},
		{"update", ada, "PATCH", post.Path(), testkit.Content("y"), nil, "one"},
		{"delete", ada, "DELETE", post.Path(), "", nil, "one"},
		{"clear", ada, "DELETE", "/api/posts?userId=" + ada, "", nil, "one"},
		{"an author's page", nobody, "GET", "/api/posts?userId=" + ada, "", nil, "one"},
		{"an author's feed", nobody, "GET", "/u/" + ada + "/feed.xml", "", nil, "one"},
		{"first page", nobody, "GET", "/api/posts", "", nil, "all"},
		{"a deep page", nobody, "GET", "/api/posts?" + cursor, "", nil, "all"},
		{"feed.xml", nobody, "GET", "/feed.xml", "", nil, "all"},
		{"get by id", nobody, "GET", post.Path(), "", nil, "all"},
		{"a moderator's delete", hedy, "DELETE", post.Path(), "", nil, "all"},
	} {
		a.Call(test.who, test.method, test.path, test.body, test.header...)
		commands := proxy.Commands()
		statement := commands[len(commands)-1]
		var plan string
		if err := a.db.Get(&plan, "VEXPLAIN PLAN "+statement); err != nil {
			t.Errorf("%s: %v\n%s", test.name, err, statement)
			continue
		}
		variants := regexp.MustCompile(`"OperatorType": "(\w+)",\s+"Variant": "(\w+)"`).FindAllStringSubmatch(plan, -1)
		if len(variants) == 0 {
			t.Errorf("%s: no variant in the plan %s", test.name, plan)
			continue
		}
		route := variants[len(variants)-1]
		fmt.Printf("shards: %-20s %-6s %-11s %s\n", test.name, route[1], route[2], strings.Join(strings.Fields(statement), " "))
		shards := "one"
		if route[2] == "Scatter" {
			shards = "all"
		}
		if shards != test.shards {
			t.Errorf("%s goes to %s (%s); want %s: %s", test.name, shards, route[2], test.shards, plan)
		}
	}
}
