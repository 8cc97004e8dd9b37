package trust

import (
	"encoding/base64"
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"
	"time"

	"warble/dev/local/fakeclerk"
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
	}
	for name, authorization := range s.badAuthorizations(t) {
		callers["bad: "+name] = caller{authorization: authorization}
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

				kind, _, _ := strings.Cut(name, ":")
				want, after := permitted(kind, route, owner == theirs)
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

// bearer is the Authorization of a user.
func (s *site) bearer(user string) string { return "Bearer " + s.Token(user) }

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

// badAuthorizations are session tokens that must be refused, each good but for one
// thing.
func (s *site) badAuthorizations(t *testing.T) map[string]string {
	t.Helper()
	stranger, err := fakeclerk.New(fakeclerk.Config{Origin: testkit.ClerkOrigin})
	if err != nil {
		t.Fatal(err)
	}
	now := time.Now()
	claims := func(change string, value any) string {
		all := map[string]any{
			"azp": testkit.ClerkOrigin, "iss": "https://" + fakeclerk.DefaultHost, "sid": "sess_1", "sub": ada, "sts": "active", "v": 2,
			"iat": now.Unix(), "nbf": now.Unix(), "exp": now.Add(time.Hour).Unix(),
		}
		all[change] = value
		maps.DeleteFunc(all, func(_ string, value any) bool { return value == nil })
		return "Bearer " + s.clerk.SignClaims(all)
	}
	if got, err := s.Try(nobody, "GET", "/api/posts", "", "Authorization", claims("v", 2)); err != nil || got.Status != 200 {
		t.Fatalf("the token that the bad ones are made of = %d %s, %v", got.Status, got.Text, err)
	}
	encode := base64.RawURLEncoding.EncodeToString
	header, payload, signature := cut(s.Token(ada))
	return map[string]string{
		"empty":                    "Bearer ",
		"null":                     "Bearer null",
		"no token":                 "Bearer a.b.c",
		"another scheme":           "Basic " + s.Token(ada),
		"no scheme":                s.Token(ada),
		"two tokens":               s.bearer(ada) + ", " + s.bearer(ada),
		"expired":                  claims("exp", now.Add(-10*time.Second).Unix()),
		"never expires":            claims("exp", nil),
		"not valid yet":            claims("nbf", now.Add(time.Hour).Unix()),
		"issued in the future":     claims("iat", now.Add(time.Hour).Unix()),
		"another instance's":       "Bearer " + stranger.Token(ada),
		"another issuer":           claims("iss", "https://clerk.evil.example"),
		"no issuer":                claims("iss", nil),
		"another site's":           claims("azp", "https://evil.example"),
		"a site of a like name":    claims("azp", "https://warble.example.evil.example"),
		"no session":               claims("sid", nil),
		"no user":                  claims("sub", nil),
		"a machine":                claims("sub", "mch_1"),
		"a user of two lines":      claims("sub", ada+"\n"),
		"pending":                  claims("sts", "pending"),
		"signed by nobody":         "Bearer " + encode([]byte(`{"alg":"none","typ":"JWT"}`)) + "." + payload + ".",
		"signed with nothing":      "Bearer " + encode([]byte(`{"alg":"none","typ":"JWT"}`)) + "." + payload + "." + signature,
		"signed with the key text": "Bearer " + encode([]byte(`{"alg":"HS256","typ":"JWT"}`)) + "." + payload + "." + signature,
		"another's signature":      "Bearer " + header + "." + encode([]byte(`{"sub":"`+grace+`"}`)) + "." + signature,
		"cut short":                s.bearer(ada)[:200],
		"64 KB":                    "Bearer " + strings.Repeat("a", 64<<10) + ".b.c",
	}
}

func cut(token string) (header, payload, signature string) {
	parts := strings.Split(token, ".")
	return parts[0], parts[1], parts[2]
}
