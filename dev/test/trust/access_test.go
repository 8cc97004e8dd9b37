package trust

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"warble/dev/testkit"
)

// Every caller tries every route on a post of Ada's and on one that is not
// there. What they get, and what then is in the table, is all written here.
func TestNobodyDoesWhatIsNotTheirs(t *testing.T) {
	t.Parallel()
	s := deploy(t, 1, map[string]string{"CLERK_JWT_KEY": ""}) // the keys of sessions come from Clerk

	cookie := "__session=" + s.Token(ada)
	callers := map[string]struct{ scheme, user, end, cookie string }{
		"anonymous":        {},
		"only a cookie":    {cookie: cookie},
		"author":           {scheme: "Bearer ", user: ada},
		"author, bearer":   {scheme: "bearer ", user: ada},
		"other":            {scheme: "Bearer ", user: grace},
		"other, as author": {scheme: "Bearer ", user: grace, cookie: cookie},
		"moderator":        {scheme: "Bearer ", user: hedy},
		"bad":              {scheme: "Bearer ", user: ada, end: "x"}, // lib/session knows many more
	}
	for name, caller := range callers {
		for route, path := range map[string]string{
			"GET list": "/api/posts", "HEAD list": "/api/posts", "GET list of Ada's": "/api/posts?userId=" + ada, "GET one": "/api/posts/%d", "HEAD one": "/api/posts/%d",
			"POST": "/api/posts", "PATCH": "/api/posts/%d", "DELETE": "/api/posts/%d", "DELETE all of Ada's": "/api/posts?userId=" + ada,
			"GET feed": "/feed.xml", "GET feed of Ada's": "/u/" + ada + "/feed.xml", "GET share": "/p/%d",
		} {
			for _, exists := range []bool{true, false} {
				if _, err := s.db.Exec("DELETE FROM posts"); err != nil {
					t.Fatal(err)
				}
				id := testkit.InsertPost(t, s.db, ada, "hers", time.Now())
				if !exists {
					id += 1000
				}
				method, _, _ := strings.Cut(route, " ")
				body := ""
				if method == "POST" || method == "PATCH" {
					body = testkit.Content(private)
				}
				headers := []string{"User-Agent", "Twitterbot/1.0", "Cookie", caller.cookie} // shared links are for robots
				if caller.user != "" {                                                       // all cells together may take longer than a token lasts
					headers = append(headers, "Authorization", caller.scheme+s.Token(caller.user)+caller.end)
				}
				got, err := s.Try(nobody, method, strings.Replace(path, "%d", fmt.Sprint(id), 1), body, headers...)
				want, after := permitted(name, route, exists)
				var rows []string
				if err := s.db.Select(&rows, "SELECT CONCAT(user_id, ': ', content) FROM posts ORDER BY id"); err != nil {
					t.Fatal(err)
				}
				if err != nil || got.Status != want || !slices.Equal(rows, after) {
					t.Errorf("%s: %s, that exists: %t = %d %s, %v, then the table has %q; want %d and %q", name, route, exists, got.Status, got.Text, err, rows, want, after)
				}
				if want == 401 && got.Header.Get("WWW-Authenticate") != "Bearer" {
					t.Errorf("%s: %s: a 401 without WWW-Authenticate", name, route)
				}
			}
		}
	}
}

// permitted is the contract: the status, and the rows afterwards.
func permitted(caller, route string, exists bool) (status int, rows []string) {
	rows = []string{ada + ": hers"}
	user := map[string]string{"author": ada, "author, bearer": ada, "other": grace, "other, as author": grace, "moderator": hedy}[caller]
	isAuthor := user == ada && exists
	switch {
	case caller == "bad":
		return 401, rows // reading with a bad session is refused too
	case strings.Contains(route, "list"), strings.Contains(route, "feed"):
		return 200, rows
	case (strings.HasSuffix(route, "one") || route == "GET share") && exists:
		return 200, rows
	case strings.HasSuffix(route, "one") || route == "GET share":
		return 404, rows
	case user == "":
		return 401, rows
	case route == "POST":
		return 201, append(rows, user+": "+private)
	case route == "PATCH" && isAuthor:
		return 200, []string{ada + ": " + private}
	case route == "DELETE" && exists && (isAuthor || user == hedy):
		return 204, nil
	case route == "DELETE all of Ada's" && (user == ada || user == hedy):
		return 200, nil
	case route == "DELETE all of Ada's":
		return 403, rows
	}
	return 404, rows // somebody else's looks as if it were not there
}
