package contract

import (
	"encoding/json"
	"fmt"
	"net/http"
	"reflect"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"
)

// The one table of cases: each runs on each database, with its tables empty.
var contract = []struct {
	promise string // what would be broken, for whom
	check   func(t *testing.T, a *api)
}{
	{"a published post reads the same wherever it is read", func(t *testing.T, a *api) {
		before := time.Now().UTC().Truncate(time.Millisecond)
		got := a.call(ada, "POST", "/api/posts", content("hello, world"))
		if got.status != 201 || got.header.Get("Location") != path(got.json) {
			t.Fatalf("%d, Location %q, %s; want 201 and where it is", got.status, got.header.Get("Location"), got.text)
		}
		created, err := time.Parse("2006-01-02T15:04:05.000Z", fmt.Sprint(got.json["createdAt"]))
		if err != nil || created.Before(before) || created.After(time.Now()) || got.json["updatedAt"] != got.json["createdAt"] {
			t.Errorf("createdAt %v, updatedAt %v; want both now, in UTC with milliseconds", got.json["createdAt"], got.json["updatedAt"])
		}
		if got.json["userId"] != string(ada) || got.json["content"] != "hello, world" {
			t.Errorf("%s", got.text)
		}
		one := a.call(nobody, "GET", path(got.json), "")
		list := a.call(nobody, "GET", "/api/posts", "")
		if !reflect.DeepEqual(one.json, got.json) || len(list.posts()) != 1 || !reflect.DeepEqual(list.posts()[0], got.json) {
			t.Errorf("published %s\nread      %s\nlisted    %s", got.text, one.text, list.text)
		}
	}},
	{"readers see a post's author as Clerk knows them, and nothing else of them", func(t *testing.T, a *api) {
		post := a.publish(ada, "hello")
		author, _ := post["author"].(map[string]any)
		if author["id"] != string(ada) || author["name"] != "Ada Lovelace" || author["username"] != "ada" || !strings.HasPrefix(fmt.Sprint(author["imageUrl"]), "http") || len(author) != 4 {
			t.Errorf("author %v", author)
		}
		if all := a.call(nobody, "GET", "/api/posts", "").text; strings.Contains(all, "example.com") || strings.Contains(all, "metadata") {
			t.Errorf("%s gives away what is private", all)
		}
		stranger := a.publish("user_unknown", "hello")
		if _, ok := stranger["author"]; ok {
			t.Errorf("somebody whom Clerk does not know: %v; want a post without author", stranger)
		}
	}},
	{"a page of posts costs one call to Clerk at most", func(t *testing.T, a *api) {
		for i := range 5 {
			a.insert(t, user(fmt.Sprint("user_many", i)), fmt.Sprint(i), time.UnixMilli(int64(i+1)*1000))
		}
		before := a.clerk.Calls("/v1/users")
		a.call(nobody, "GET", "/api/posts", "")
		a.call(nobody, "GET", "/api/posts", "")
		if calls := a.clerk.Calls("/v1/users") - before; calls != 1 {
			t.Errorf("%d calls for two pages of five unknown authors; want 1", calls)
		}
		if calls := a.clerk.Calls("/v1/users/count"); calls != 0 {
			t.Errorf("%d calls of /v1/users/count", calls)
		}
	}},
	{"people's text comes back as they wrote it", func(t *testing.T, a *api) {
		for _, text := range []string{
			"x", strings.Repeat("🐦", 200), strings.Repeat("é", 200), "a\n\n\tb", "'; DROP TABLE posts; --", `\' OR 1=1 -- \`, `"quoted" \"\\"`,
			"?, ?, :name, %s, %00", "<script>alert(1)</script>", "\u202eright to left\u202c", "مرحبا", "e\u0301 is not é", "ẞß", "👩‍👩‍👧‍👦🏳️‍🌈",
			"\u200bzero width", "\ufeffBOM", "\ufffd", "\U0010fffd", "NULL", "0x41", "\u2028x\u2028y", "javascript:alert(1)",
		} {
			want := strings.TrimSpace(text)
			post := a.publish(ada, text)
			if got := a.call(nobody, "GET", path(post), ""); got.json["content"] != want {
				t.Errorf("published %q, read %q", text, got.json["content"])
			}
			if got := a.call(ada, "PATCH", path(post), content("x"+text)); got.json["content"] != "x"+strings.TrimRight(text, " \n\t\u2028") && len([]rune(text)) < 200 {
				t.Errorf("edited to %q, answered %d %s", "x"+text, got.status, got.text)
			}
		}
	}},
	{"white space around a post is not kept", func(t *testing.T, a *api) {
		if post := a.publish(ada, " \n\t\u00a0 hello \u3000\n"); post["content"] != "hello" {
			t.Errorf("content %q; want hello", post["content"])
		}
	}},
	{"bad posts are refused with what to do, and nothing is stored", func(t *testing.T, a *api) {
		post := a.publish(ada, "before")
		for _, test := range []struct {
			body, contentType string
			status            int
		}{
			{content(""), "application/json", 422}, {content(" \n "), "application/json", 422}, {content("a\x00b"), "application/json", 422},
			{content("a\x1bb"), "application/json", 422}, {content(strings.Repeat("a", 201)), "application/json", 422},
			{content(strings.Repeat("🐦", 201)), "application/json", 422}, {"{\"content\":\"\xff\"}", "application/json", 422},
			{`{}`, "application/json", 422}, {`{"content":"x"`, "application/json", 400}, {`{"content":"x"}x`, "application/json", 400},
			{`{"content":"x","extra":1}`, "application/json", 400}, {`["x"]`, "application/json", 400}, {`{"content":1}`, "application/json", 400},
			{"content=x", "application/x-www-form-urlencoded", 415}, {`{"content":"x"}`, "text/plain", 415},
			{content(strings.Repeat("a", 17<<10)), "application/json", 413},
		} {
			for method, at := range map[string]string{"POST": "/api/posts", "PATCH": path(post)} {
				got := a.call(ada, method, at, test.body, "Content-Type", test.contentType)
				if got.status != test.status {
					t.Errorf("%s %.40q as %s = %d %s; want %d", method, test.body, test.contentType, got.status, got.text, test.status)
				}
				checkProblem(t, got)
			}
		}
		list := a.call(nobody, "GET", "/api/posts", "")
		if posts := list.posts(); len(posts) != 1 || posts[0]["content"] != "before" {
			t.Errorf("afterwards there is %s; want the one post, unchanged", list.text)
		}
	}},
	{"the feed is newest first, and paging sees each post once", func(t *testing.T, a *api) {
		// Several to a millisecond: then the id decides.
		for i := range 45 {
			a.insert(t, ada, fmt.Sprint(i), time.UnixMilli(1_700_000_000_000+int64(i/4)))
		}
		for limit, pages := range map[int]int{1: 45, 4: 12, 9: 5, 44: 2, 45: 1, 100: 1} {
			seen, n := a.walk(t, nobody, fmt.Sprint("?limit=", limit))
			if n != pages || len(seen) != 45 {
				t.Errorf("limit %d: %d posts on %d pages; want 45 on %d", limit, len(seen), n, pages)
			}
			for i, post := range seen {
				if post["content"] != fmt.Sprint(44-i) {
					t.Errorf("limit %d: post %d says %s; want %d", limit, i, post["content"], 44-i)
					break
				}
			}
		}
		if posts := a.call(nobody, "GET", "/api/posts", "").posts(); len(posts) != 20 {
			t.Errorf("%d posts without a limit; want 20", len(posts))
		}
	}},
	{"posts that arrive while a reader pages move nothing", func(t *testing.T, a *api) {
		for i := range 10 {
			a.insert(t, ada, fmt.Sprint("old ", i), time.UnixMilli(1_700_000_000_000+int64(i)))
		}
		first := a.call(nobody, "GET", "/api/posts?limit=4", "")
		a.publish(grace, "new")
		a.call(ada, "DELETE", path(first.posts()[3]), "") // the cursor's own post goes
		rest, _ := a.walk(t, nobody, fmt.Sprint("?limit=4&before=", first.json["next"]))
		var got []string
		for _, post := range slices.Concat(first.posts(), rest) {
			got = append(got, fmt.Sprint(post["content"]))
		}
		want := "old 9,old 8,old 7,old 6,old 5,old 4,old 3,old 2,old 1,old 0"
		if strings.Join(got, ",") != want {
			t.Errorf("read %s; want %s", strings.Join(got, ","), want)
		}
	}},
	{"one author's posts are theirs alone, to the letter", func(t *testing.T, a *api) {
		for i, who := range []user{"user_A", "user_a", "user_A", "user_B"} {
			a.insert(t, who, fmt.Sprint(i), time.UnixMilli(1000))
		}
		got, _ := a.walk(t, nobody, "?limit=1&userId=user_A")
		if len(got) != 2 || got[0]["content"] != "2" || got[1]["content"] != "0" {
			t.Errorf("posts of user_A: %v; want 2 and 0", got)
		}
		if got := a.call(nobody, "GET", "/api/posts?userId=user_none", ""); got.status != 200 || got.text != `{"posts":[]}` {
			t.Errorf("posts of nobody: %d %s; want an empty list", got.status, got.text)
		}
	}},
	{"a bad query is refused with what to send", func(t *testing.T, a *api) {
		for _, query := range []string{"limit=0", "limit=101", "limit=x", "limit=", "before=", "before=x", "before=1-0", "userId=", "userId=ada", "limit=%zz"} {
			got := a.call(nobody, "GET", "/api/posts?"+query, "")
			if got.status != 400 {
				t.Errorf("%s = %d %s; want 400", query, got.status, got.text)
			}
			checkProblem(t, got)
		}
	}},
	{"readers without a session share an answer, those with one do not", func(t *testing.T, a *api) {
		post := a.publish(ada, "hello")
		for _, at := range []string{"/api/posts", path(post)} {
			public, private := a.call(nobody, "GET", at, ""), a.call(ada, "GET", at, "")
			// What the CDN was told, it does not pass on: a browser is to ask again.
			if public.header.Get("Cache-Control") != "public, max-age=0, must-revalidate" || private.header.Get("Cache-Control") != "private, no-store" {
				t.Errorf("%s: Cache-Control %q and %q", at, public.header.Get("Cache-Control"), private.header.Get("Cache-Control"))
			}
			if public.text != private.text || public.status != 200 {
				t.Errorf("%s: %d, and another text with a session", at, public.status)
			}
		}
	}},
	{"what a reader has already is not sent again", func(t *testing.T, a *api) {
		post := a.publish(ada, "hello")
		for _, at := range []string{"/api/posts", path(post)} {
			etag := a.call(nobody, "GET", at, "").header.Get("Etag")
			again := a.call(nobody, "GET", at, "", "If-None-Match", "W/"+etag)
			head := a.call(nobody, "HEAD", at, "")
			if etag == "" || again.status != 304 || again.text != "" || head.status != 200 || head.text != "" || head.header.Get("Etag") != etag {
				t.Errorf("%s: ETag %q, then %d %q; HEAD %d %q", at, etag, again.status, again.text, head.status, head.header.Get("Etag"))
			}
			a.call(ada, "PATCH", path(post), content("changed for "+at))
			if changed := a.call(nobody, "GET", at, "", "If-None-Match", etag); changed.status != 200 {
				t.Errorf("%s after a change = %d; want 200", at, changed.status)
			}
		}
	}},
	{"nothing is written without a good session, and a bad one does not even read", func(t *testing.T, a *api) {
		post := a.publish(ada, "hello")
		expired := a.clerk.SignClaims(map[string]any{"azp": a.URL, "exp": time.Now().Add(-time.Hour).Unix(), "iss": "https://clerk.warble.test", "sid": "s", "sub": string(ada)})
		elsewhere := a.clerk.SignClaims(map[string]any{"azp": "https://evil.example", "exp": time.Now().Add(time.Hour).Unix(), "iss": "https://clerk.warble.test", "sid": "s", "sub": string(ada)})
		for _, call := range []struct{ method, at, body string }{
			{"POST", "/api/posts", content("x")}, {"PATCH", path(post), content("x")}, {"DELETE", path(post), ""},
			{"GET", "/api/posts", ""}, {"GET", path(post), ""},
		} {
			for _, authorization := range []string{"", "Bearer " + expired, "Bearer " + elsewhere, "Bearer null", "Basic YTpi", "Bearer a.b.c"} {
				headers := []string{"Cookie", "__session=" + a.clerk.Token(string(ada))}
				if authorization != "" {
					headers = append(headers, "Authorization", authorization)
				}
				got := a.call(nobody, call.method, call.at, call.body, headers...)
				if call.method == "GET" && authorization == "" {
					if got.status != 200 {
						t.Errorf("anonymous GET %s = %d; want 200", call.at, got.status)
					}
					continue
				}
				if got.status != 401 || got.header.Get("Www-Authenticate") != "Bearer" {
					t.Errorf("%s %s with %.20q = %d %s; want 401", call.method, call.at, authorization, got.status, got.text)
				}
				checkProblem(t, got)
			}
		}
		if got := a.call(nobody, "GET", "/api/posts", ""); len(got.posts()) != 1 || got.posts()[0]["content"] != "hello" {
			t.Errorf("afterwards there is %s", got.text)
		}
	}},
	{"authors edit their posts, and only theirs", func(t *testing.T, a *api) {
		post := a.publish(ada, "hello")
		time.Sleep(2 * time.Millisecond) // so that the time of the edit is another
		got := a.call(ada, "PATCH", path(post), content(" hello again "))
		if got.status != 200 || len(got.json) != 4 || got.json["id"] != post["id"] || got.json["userId"] != string(ada) || got.json["content"] != "hello again" {
			t.Fatalf("%d %s", got.status, got.text)
		}
		read := a.call(nobody, "GET", path(post), "").json
		if read["content"] != "hello again" || read["createdAt"] != post["createdAt"] || read["updatedAt"] != got.json["updatedAt"] || read["updatedAt"] == read["createdAt"] {
			t.Errorf("read %v after %s", read, got.text)
		}
		if same := a.call(ada, "PATCH", path(post), content("hello again")); same.status != 200 {
			t.Errorf("the same content again = %d %s; want 200", same.status, same.text)
		}
		before := a.call(nobody, "GET", path(post), "").text
		for who, at := range map[user]string{grace: path(post), ada: "/api/posts/999999"} {
			got := a.call(who, "PATCH", at, content("mine now"))
			if got.status != 404 {
				t.Errorf("PATCH %s by %s = %d; want 404", at, who, got.status)
			}
			checkProblem(t, got)
		}
		if after := a.call(nobody, "GET", path(post), "").text; after != before {
			t.Errorf("somebody else changed %s to %s", before, after)
		}
	}},
	{"authors delete their posts, and only theirs", func(t *testing.T, a *api) {
		post := a.publish(ada, "hello")
		if got := a.call(grace, "DELETE", path(post), ""); got.status != 404 {
			t.Errorf("by somebody else = %d; want 404", got.status)
		}
		if got := a.call(ada, "DELETE", path(post), ""); got.status != 204 || got.text != "" {
			t.Errorf("by its author = %d %q; want 204 and nothing", got.status, got.text)
		}
		for method, who := range map[string]user{"DELETE": ada, "GET": nobody} {
			got := a.call(who, method, path(post), "")
			if got.status != 404 {
				t.Errorf("%s once it is gone = %d; want 404", method, got.status)
			}
			checkProblem(t, got)
		}
	}},
	{"a post that is sent twice is published once", func(t *testing.T, a *api) {
		key := []string{"Idempotency-Key", "key 1"}
		first := a.publish(ada, "hello", key...)
		for _, spelling := range []string{"key 1", `"key 1"`} {
			again := a.call(ada, "POST", "/api/posts", content(" hello "), "Idempotency-Key", spelling)
			if again.status != 200 || !reflect.DeepEqual(again.json, first) {
				t.Errorf("again as %s = %d %s; want 200 and %v", spelling, again.status, again.text, first)
			}
		}
		other := a.call(ada, "POST", "/api/posts", content("another text"), key...)
		if other.status != 422 {
			t.Errorf("with other content = %d %s; want 422", other.status, other.text)
		}
		checkProblem(t, other)
		for _, key := range []string{"KEY 1", "key 2"} { // other keys, other posts
			a.publish(ada, "hello", "Idempotency-Key", key)
		}
		a.publish("user_A", "hello", key...) // two users to Clerk, and to the table's unique keys
		a.publish("user_a", "hello", key...)
		a.publish(grace, "hello", key...) // the key is the author's own
		a.publish(ada, "hello")           // and without one nothing is compared
		a.publish(ada, "hello")
		a.call(ada, "PATCH", path(first), content("edited since"))
		if again := a.call(ada, "POST", "/api/posts", content("hello"), key...); again.status != 200 || again.json["content"] != "edited since" {
			t.Errorf("again after an edit = %d %s; want 200 and the post as it is", again.status, again.text)
		}
		if n := len(a.call(nobody, "GET", "/api/posts", "").posts()); n != 8 {
			t.Errorf("%d posts; want 8", n)
		}
	}},
	{"a bad idempotency key is refused, not ignored", func(t *testing.T, a *api) {
		for _, key := range []string{"", `""`, `"open`, "é", "a, b", strings.Repeat("k", 129)} {
			got := a.call(ada, "POST", "/api/posts", content("hello"), "Idempotency-Key", key)
			if got.status != 400 {
				t.Errorf("key %.10q = %d; want 400", key, got.status)
			}
			checkProblem(t, got)
		}
	}},
	{"what is no route is not found, functions' own names among it", func(t *testing.T, a *api) {
		post := a.publish(ada, "hello")
		for _, at := range []string{
			"/api", "/api/", "/api/posts/", "/api/posts/list", "/api/posts/list.go", "/api/posts/create", "/api/posts/get", "/api/posts/x", "/api/posts/0",
			"/api/posts/-1", "/api/posts/007", "/api/posts/1.5", "/api/posts/" + strings.Repeat("9", 40), path(post) + "/", path(post) + "/x", "/API/posts", "/api/users",
			"/api/posts/%6cist", "/api/posts//list", "/lib/handler/handler.go", "/vercel.json", "/schema.sql", "/.env", "/dev/run/main.go",
		} {
			for _, method := range []string{"GET", "POST", "DELETE", "OPTIONS"} {
				got := a.call(ada, method, at, "")
				if got.status != 404 {
					t.Errorf("%s %s = %d %.60s; want 404", method, at, got.status, got.text)
				}
				if strings.HasPrefix(at, "/api/posts/") && !strings.ContainsAny(at, "%") {
					checkProblem(t, got)
				}
			}
		}
	}},
	{"a known path says which methods it has", func(t *testing.T, a *api) {
		post := a.publish(ada, "hello")
		for at, want := range map[string]struct{ allow, methods string }{
			"/api/posts": {"GET, HEAD, POST, DELETE", "PUT PATCH OPTIONS TRACE BREW"},
			path(post):   {"GET, HEAD, PATCH, DELETE", "POST PUT OPTIONS TRACE BREW"},
			"/feed.xml":  {"GET, HEAD", "POST PUT PATCH DELETE OPTIONS TRACE BREW"},
		} {
			for method := range strings.FieldsSeq(want.methods) {
				got := a.call(ada, method, at, "")
				if got.status != 405 || got.header.Get("Allow") != want.allow {
					t.Errorf("%s %s = %d, Allow %q; want 405, %q", method, at, got.status, got.header.Get("Allow"), want.allow)
				}
				checkProblem(t, got)
			}
		}
	}},
	{"every answer of the API keeps browsers from guessing", func(t *testing.T, a *api) {
		for _, at := range []string{"/api/posts", "/api/posts/999999"} {
			header := a.call(nobody, "GET", at, "").header
			if header.Get("X-Content-Type-Options") != "nosniff" || header.Get("Content-Security-Policy") == "" || header.Get("Referrer-Policy") == "" {
				t.Errorf("%s: header %v", at, header)
			}
		}
	}},
}

// checkProblem checks that an answer is one that says what to do and gives
// nothing away.
func checkProblem(t *testing.T, got answer) {
	t.Helper()
	for _, field := range []string{"type", "title", "detail", "requestId"} {
		if text, _ := got.json[field].(string); text == "" {
			t.Errorf("%d %s has no %s", got.status, got.text, field)
		}
	}
	if got.json["status"] != json.Number(fmt.Sprint(got.status)) || got.json["title"] != http.StatusText(got.status) {
		t.Errorf("%d is told as %v %v", got.status, got.json["status"], got.json["title"])
	}
	if got.header.Get("Content-Type") != "application/problem+json" || got.header.Get("Cache-Control") != "no-store" {
		t.Errorf("%d: header %v; want a problem that nobody stores", got.status, got.header)
	}
	if leak := regexp.MustCompile(`127\.0\.0\.1|localhost|\.go\b|goroutine|SQL|sql|mysql|Bearer ey`).FindString(fmt.Sprint(got.json["title"], got.json["detail"])); leak != "" {
		t.Errorf("%d %s gives %q away", got.status, got.text, leak)
	}
}

// insert stores a post of a given time behind the API's back.
func (a *api) insert(t *testing.T, who user, text string, at time.Time) {
	t.Helper()
	if _, err := a.db.Exec("INSERT INTO posts (user_id, content, created_at, updated_at) VALUES (?, ?, ?, ?)", string(who), text, at.UTC(), at.UTC()); err != nil {
		t.Fatal(err)
	}
}

// walk reads all pages of a query, and returns their posts and number.
func (a *api) walk(t *testing.T, who user, query string) (posts []map[string]any, pages int) {
	t.Helper()
	for at := "/api/posts" + query; ; {
		got := a.call(who, "GET", at, "")
		if got.status != 200 {
			t.Fatalf("GET %s = %d %s", at, got.status, got.text)
		}
		posts, pages = append(posts, got.posts()...), pages+1
		next, ok := got.json["next"].(string)
		if !ok {
			return posts, pages
		}
		query := regexp.MustCompile(`&before=[^&]*`).ReplaceAllString(query, "")
		at = "/api/posts" + query + "&before=" + next
	}
}

func TestContract(t *testing.T) {
	for name, start := range databases {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			a := open(t, start(t), nil)
			for _, test := range contract {
				t.Run(test.promise, func(t *testing.T) {
					if _, err := a.db.Exec("DELETE FROM posts"); err != nil {
						t.Fatal(err)
					}
					in := *a
					in.t = t
					test.check(t, &in)
					count(name)
				})
			}
		})
	}
}

func TestOneUserCannotFloodTheFeed(t *testing.T) {
	for name, start := range databases {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			a := open(t, start(t), map[string]string{"POST_INTERVAL": "86400"})
			first := a.publish(ada, "one", "Idempotency-Key", "1")
			for range 2 {
				got := a.call(ada, "POST", "/api/posts", content("two"), "Idempotency-Key", "2")
				if seconds, err := time.ParseDuration(got.header.Get("Retry-After") + "s"); got.status != 429 || err != nil || seconds < time.Second || seconds > 24*time.Hour {
					t.Errorf("a second post in the slot = %d, Retry-After %q; want 429 and the time to the slot's end", got.status, got.header.Get("Retry-After"))
				}
				checkProblem(t, got)
			}
			if got := a.call(ada, "POST", "/api/posts", content("three")); got.status != 429 {
				t.Errorf("without a key = %d; want 429", got.status)
			}
			if again := a.call(ada, "POST", "/api/posts", content("one"), "Idempotency-Key", "1"); again.status != 200 || again.json["id"] != first["id"] {
				t.Errorf("the first one again = %d %s; want 200 and the post", again.status, again.text)
			}
			a.publish(grace, "mine") // others wait for nobody
			if got := a.call(nobody, "GET", "/api/posts", ""); len(got.posts()) != 2 {
				t.Errorf("stored: %s; want two posts", got.text)
			}
			count(name)
		})
	}
}
