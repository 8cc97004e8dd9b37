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
	s := deploy(t, 1, nil)

	type caller struct{ scheme, user, authorization, cookie string }
	callers := map[string]caller{
		"anonymous":        {},
		"only a cookie":    {cookie: "__session=" + s.Token(ada)},
		"author":           {scheme: "Bearer ", user: ada},
		"author, bearer":   {scheme: "bearer ", user: ada},
		"other":            {scheme: "Bearer ", user: grace},
		"other, as author": {scheme: "Bearer ", user: grace, cookie: "__session=" + s.Token(ada)},
		"moderator":        {scheme: "Bearer ", user: hedy},
		"bad":              {authorization: "Bearer " + s.Token(ada) + "x"}, // lib/session knows many more
	}
	const theirs, none = "Ada's", "nobody's"
	cells := 0
	for name, caller := range callers {
		for _, route := range []string{"GET list", "HEAD list", "GET list of Ada's", "GET one", "HEAD one", "POST", "PATCH", "DELETE", "DELETE all of Ada's", "GET feed", "GET feed of Ada's", "GET share"} {
			for _, owner := range []string{theirs, none} {
				cells++
				if _, err := s.db.Exec("DELETE FROM posts"); err != nil {
					t.Fatal(err)
				}
				id := testkit.InsertPost(t, s.db, ada, "hers", time.Now())
				if owner == none {
					id += 1000
				}

				want, after := permitted(name, route, owner == theirs)
				method, what, _ := strings.Cut(route, " ")
				path, body := at(id), ""
				switch {
				case what == "list" || method == "POST":
					path = "/api/posts"
				case what == "list of Ada's" || what == "all of Ada's":
					path = "/api/posts?userId=" + ada
				case what == "feed":
					path = "/feed.xml"
				case what == "feed of Ada's":
					path = "/u/" + ada + "/feed.xml"
				case what == "share":
					path = fmt.Sprint("/p/", id)
				}
				if method == "POST" || method == "PATCH" {
					body = testkit.Content(private)
				}
				headers := []string{"User-Agent", "Twitterbot/1.0"} // shared links are for robots
				if caller.user != "" {                              // all cells together may take longer than a token lasts
					caller.authorization = caller.scheme + s.Token(caller.user)
				}
				if caller.authorization != "" {
					headers = append(headers, "Authorization", caller.authorization)
				}
				if caller.cookie != "" {
					headers = append(headers, "Cookie", caller.cookie)
				}
				got, err := s.Try(nobody, method, path, body, headers...)
				if rows := s.rows(t); err != nil || got.Status != want || !slices.Equal(rows, after) {
					t.Errorf("%s: %s, %s post = %d %s, %v, then the table has %q; want %d and %q", name, route, owner, got.Status, got.Text, err, rows, want, after)
				}
				if want == 401 && got.Header.Get("WWW-Authenticate") != "Bearer" {
					t.Errorf("%s: %s: a 401 without WWW-Authenticate", name, route)
				}
			}
		}
	}
	fmt.Printf("trust: %d cells of caller × route × owner tried\n", cells)
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

// rows is what the table has.
func (s *site) rows(t *testing.T) (all []string) {
	rows, err := s.db.Query("SELECT CONCAT(user_id, ': ', content) FROM posts ORDER BY id")
	if err != nil {
		t.Fatal(err)
	}
	defer rows.Close()
	for rows.Next() {
		var row string
		if err := rows.Scan(&row); err != nil {
			t.Fatal(err)
		}
		all = append(all, row)
	}
	return all
}
