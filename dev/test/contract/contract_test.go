package contract

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"warble/dev/testkit"
)

// promises are the one table of cases. Each runs on each database, with its table
// empty.
var promises = []struct {
	promise string // what would be broken, for whom
	check   func(t *testing.T, a *api)
}{
	{"a published post reads the same wherever it is read", readsTheSameEverywhere},
	{"readers see a post's author as Clerk knows them, and nothing else of them", showsAuthors},
	{"a page of posts costs one call to Clerk at most", asksClerkOncePerPage},
	{"people's text comes back as they wrote it", keepsText},
	{"white space around a post is not kept", trimsWhiteSpace},
	{"bad posts are refused with what to do, and nothing is stored", refusesBadPosts},
	{"the feed is newest first, and paging sees each post once", pagesNewestFirst},
	{"posts that arrive while a reader pages move nothing", pagesWhilePostsArrive},
	{"one author's posts are theirs alone, to the letter", listsOneAuthor},
	{"a bad query is refused with what to send", refusesBadQueries},
	{"readers without a session share an answer, those with one do not", setsCacheControl},
	{"what a reader has already is not sent again", answersNotModified},
	{"nothing is written without a good session, and a bad one does not even read", requiresGoodSessions},
	{"authors edit their posts, and only theirs", authorsEdit},
	{"authors delete their posts, and only theirs", authorsDelete},
	{"a post that is sent twice is published once", publishesOncePerKey},
	{"a bad idempotency key is refused, not ignored", refusesBadKeys},
	{"what is no route is not found, functions' own names among it", unknownPathsAreNotFound},
	{"a known path says which methods it has", saysAllowedMethods},
	{"every answer of the API keeps browsers from guessing", setsSecurityHeaders},
}

func TestContract(t *testing.T) {
	for name, start := range databases() {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			server := start(t)
			a := open(t, server.URL, nil)
			for _, test := range promises {
				t.Run(test.promise, func(t *testing.T) {
					if _, err := a.db.Exec("DELETE FROM posts"); err != nil {
						t.Fatal(err)
					}
					test.check(t, &api{a.Product, a.Client.For(t), a.clerk, a.db})
					testkit.CountCase(server.Name)
				})
			}
		})
	}
}

func readsTheSameEverywhere(t *testing.T, a *api) {
	before := time.Now().UTC().Truncate(time.Millisecond)
	got := a.Call(ada, "POST", "/api/posts", testkit.Content("hello, world"))
	if got.Status != 201 || got.Header.Get("Location") != got.Path() {
		t.Fatalf("%d, Location %q, %s; want 201 and where it is", got.Status, got.Header.Get("Location"), got.Text)
	}
	created, err := time.Parse("2006-01-02T15:04:05.000Z", got.CreatedAt)
	if err != nil || created.Before(before) || created.After(time.Now()) || got.UpdatedAt != got.CreatedAt {
		t.Errorf("createdAt %v, updatedAt %v; want both now, in UTC with milliseconds", got.CreatedAt, got.UpdatedAt)
	}
	if got.UserID != ada || got.Content != "hello, world" {
		t.Errorf("%s", got.Text)
	}
	one := a.Call(nobody, "GET", got.Path(), "")
	list := a.Call(nobody, "GET", "/api/posts", "")
	if one.Text != got.Text || list.Text != `{"posts":[`+got.Text+`]}` {
		t.Errorf("published %s\nread      %s\nlisted    %s", got.Text, one.Text, list.Text)
	}
}

func showsAuthors(t *testing.T, a *api) {
	post := a.Publish(ada, "hello")
	author := post.Author // openapi.json allows it no other fields
	if author.ID != ada || author.Name != "Ada Lovelace" || author.Username != "ada" || !strings.HasPrefix(author.ImageURL, "http") {
		t.Errorf("author %v", author)
	}
	if all := a.Call(nobody, "GET", "/api/posts", "").Text; strings.Contains(all, "example.com") || strings.Contains(all, "metadata") {
		t.Errorf("%s gives away what is private", all)
	}
	stranger := a.Must(201, "user_unknown", "POST", "/api/posts", testkit.Content("hello"))
	if strings.Contains(stranger.Text, "author") {
		t.Errorf("somebody whom Clerk does not know: %s; want a post without author", stranger.Text)
	}
}

func asksClerkOncePerPage(t *testing.T, a *api) {
	for i := range 5 {
		testkit.InsertPost(t, a.db, fmt.Sprint("user_many", i), fmt.Sprint(i), time.UnixMilli(int64(i+1)*1000))
	}
	before := a.clerk.Calls("/v1/users")
	a.Call(nobody, "GET", "/api/posts", "")
	a.Call(nobody, "GET", "/api/posts", "")
	if calls := a.clerk.Calls("/v1/users") - before; calls != 1 {
		t.Errorf("%d calls for two pages of five unknown authors; want 1", calls)
	}
	if calls := a.clerk.Calls("/v1/users/count"); calls != 0 {
		t.Errorf("%d calls of /v1/users/count", calls)
	}
}

func keepsText(t *testing.T, a *api) {
	for _, text := range []string{
		"x", strings.Repeat("🐦", 200), strings.Repeat("é", 200), "a\n\n\tb", "'; DROP TABLE posts; --", `\' OR 1=1 -- \`, `"quoted" \"\\"`,
		"?, ?, :name, %s, %00", "<script>alert(1)</script>", "\u202eright to left\u202c", "مرحبا", "e\u0301 is not é", "ẞß", "👩‍👩‍👧‍👦🏳️‍🌈",
		"\u200bzero width", "\ufeffBOM", "\ufffd", "\U0010fffd", "NULL", "0x41", "\u2028x\u2028y", "javascript:alert(1)",
	} {
		want := strings.TrimSpace(text)
		post := a.Publish(ada, text)
		if got := a.Call(nobody, "GET", post.Path(), ""); got.Content != want {
			t.Errorf("published %q, read %q", text, got.Content)
		}
		if got := a.Call(ada, "PATCH", post.Path(), testkit.Content("x"+text)); got.Content != "x"+strings.TrimRight(text, " \n\t\u2028") && len([]rune(text)) < 200 {
			t.Errorf("edited to %q, answered %d %s", "x"+text, got.Status, got.Text)
		}
	}
}

func trimsWhiteSpace(t *testing.T, a *api) {
	if post := a.Publish(ada, " \n\t\u00a0 hello \u3000\n"); post.Content != "hello" {
		t.Errorf("content %q; want hello", post.Content)
	}
}

func refusesBadPosts(t *testing.T, a *api) {
	post := a.Publish(ada, "before")
	for _, test := range []struct {
		body, contentType string
		status            int
	}{
		{testkit.Content(""), "application/json", 422}, {testkit.Content(" \n "), "application/json", 422}, {testkit.Content("a\x00b"), "application/json", 422},
		{testkit.Content("a\x1bb"), "application/json", 422}, {testkit.Content(strings.Repeat("a", 201)), "application/json", 422},
		{testkit.Content(strings.Repeat("🐦", 201)), "application/json", 422}, {"{\"content\":\"\xff\"}", "application/json", 422},
		{`{}`, "application/json", 422}, {`{"content":"x"`, "application/json", 400}, {`{"content":"x"}x`, "application/json", 400},
		{`{"content":"x","extra":1}`, "application/json", 400}, {`["x"]`, "application/json", 400}, {`{"content":1}`, "application/json", 400},
		{"content=x", "application/x-www-form-urlencoded", 415}, {`{"content":"x"}`, "text/plain", 415},
		{testkit.Content(strings.Repeat("a", 17<<10)), "application/json", 413},
	} {
		for method, at := range map[string]string{"POST": "/api/posts", "PATCH": post.Path()} {
			got := a.Call(ada, method, at, test.body, "Content-Type", test.contentType)
			got.WantProblem(t, fmt.Sprintf("%s %.40q as %s", method, test.body, test.contentType), test.status)
		}
	}
	list := a.Call(nobody, "GET", "/api/posts", "")
	if posts := list.Posts; len(posts) != 1 || posts[0].Content != "before" {
		t.Errorf("afterwards there is %s; want the one post, unchanged", list.Text)
	}
}

func pagesNewestFirst(t *testing.T, a *api) {
	// Several to a millisecond: then the id decides.
	for i := range 45 {
		testkit.InsertPost(t, a.db, ada, fmt.Sprint(i), time.UnixMilli(1_700_000_000_000+int64(i/4)))
	}
	for limit, pages := range map[int]int{1: 45, 4: 12, 9: 5, 44: 2, 45: 1, 100: 1} {
		seen, n := a.Walk(nobody, fmt.Sprint("?limit=", limit))
		if n != pages || len(seen) != 45 {
			t.Errorf("limit %d: %d posts on %d pages; want 45 on %d", limit, len(seen), n, pages)
		}
		for i, post := range seen {
			if post.Content != fmt.Sprint(44-i) {
				t.Errorf("limit %d: post %d says %s; want %d", limit, i, post.Content, 44-i)
				break
			}
		}
	}
	if posts := a.Call(nobody, "GET", "/api/posts", "").Posts; len(posts) != 20 {
		t.Errorf("%d posts without a limit; want 20", len(posts))
	}
}

func pagesWhilePostsArrive(t *testing.T, a *api) {
	for i := range 10 {
		testkit.InsertPost(t, a.db, ada, fmt.Sprint("old ", i), time.UnixMilli(1_700_000_000_000+int64(i)))
	}
	first := a.Call(nobody, "GET", "/api/posts?limit=4", "")
	a.Publish(grace, "new")
	a.Call(ada, "DELETE", first.Posts[3].Path(), "") // the cursor's own post goes
	rest, _ := a.Walk(nobody, fmt.Sprint("?limit=4&before=", first.Next))
	var got []string
	for _, post := range slices.Concat(first.Posts, rest) {
		got = append(got, post.Content)
	}
	want := "old 9,old 8,old 7,old 6,old 5,old 4,old 3,old 2,old 1,old 0"
	if strings.Join(got, ",") != want {
		t.Errorf("read %s; want %s", strings.Join(got, ","), want)
	}
}

func listsOneAuthor(t *testing.T, a *api) {
	for i, who := range []string{"user_A", "user_a", "user_A", "user_B"} {
		testkit.InsertPost(t, a.db, who, fmt.Sprint(i), time.UnixMilli(1000))
	}
	got, _ := a.Walk(nobody, "?limit=1&userId=user_A")
	if len(got) != 2 || got[0].Content != "2" || got[1].Content != "0" {
		t.Errorf("posts of user_A: %v; want 2 and 0", got)
	}
	if got := a.Call(nobody, "GET", "/api/posts?userId=user_none", ""); got.Status != 200 || got.Text != `{"posts":[]}` {
		t.Errorf("posts of nobody: %d %s; want an empty list", got.Status, got.Text)
	}
}

func refusesBadQueries(t *testing.T, a *api) {
	for _, query := range []string{"limit=0", "limit=101", "limit=x", "limit=", "before=", "before=x", "before=1-0", "userId=", "userId=ada", "limit=%zz"} {
		got := a.Call(nobody, "GET", "/api/posts?"+query, "")
		got.WantProblem(t, query, 400)
	}
}

func setsCacheControl(t *testing.T, a *api) {
	post := a.Publish(ada, "hello")
	for _, at := range []string{"/api/posts", post.Path()} {
		public, private := a.Call(nobody, "GET", at, ""), a.Call(ada, "GET", at, "")
		// What the CDN was told, it does not pass on: a browser is to ask again.
		if public.Header.Get("Cache-Control") != "public, max-age=0, must-revalidate" || private.Header.Get("Cache-Control") != "private, no-store" {
			t.Errorf("%s: Cache-Control %q and %q", at, public.Header.Get("Cache-Control"), private.Header.Get("Cache-Control"))
		}
		if public.Text != private.Text || public.Status != 200 {
			t.Errorf("%s: %d, and another text with a session", at, public.Status)
		}
	}
}

func answersNotModified(t *testing.T, a *api) {
	post := a.Publish(ada, "hello")
	for _, at := range []string{"/api/posts", post.Path()} {
		etag := a.Call(nobody, "GET", at, "").Header.Get("Etag")
		again := a.Call(nobody, "GET", at, "", "If-None-Match", "W/"+etag)
		head := a.Call(nobody, "HEAD", at, "")
		if etag == "" || again.Status != 304 || again.Text != "" || head.Status != 200 || head.Text != "" || head.Header.Get("Etag") != etag {
			t.Errorf("%s: ETag %q, then %d %q; HEAD %d %q", at, etag, again.Status, again.Text, head.Status, head.Header.Get("Etag"))
		}
		a.Call(ada, "PATCH", post.Path(), testkit.Content("changed for "+at))
		if changed := a.Call(nobody, "GET", at, "", "If-None-Match", etag); changed.Status != 200 {
			t.Errorf("%s after a change = %d; want 200", at, changed.Status)
		}
	}
}

func requiresGoodSessions(t *testing.T, a *api) {
	post := a.Publish(ada, "hello")
	expired := a.clerk.SignClaims(map[string]any{"azp": a.URL, "exp": time.Now().Add(-time.Hour).Unix(), "iss": "https://clerk.warble.test", "sid": "s", "sub": ada})
	elsewhere := a.clerk.SignClaims(map[string]any{"azp": "https://evil.example", "exp": time.Now().Add(time.Hour).Unix(), "iss": "https://clerk.warble.test", "sid": "s", "sub": ada})
	for _, call := range []struct{ method, at, body string }{
		{"POST", "/api/posts", testkit.Content("x")}, {"PATCH", post.Path(), testkit.Content("x")}, {"DELETE", post.Path(), ""},
		{"GET", "/api/posts", ""}, {"GET", post.Path(), ""},
	} {
		for _, authorization := range []string{"", "Bearer " + expired, "Bearer " + elsewhere, "Bearer null", "Basic YTpi", "Bearer a.b.c"} {
			headers := []string{"Cookie", "__session=" + a.clerk.Token(ada)}
			if authorization != "" {
				headers = append(headers, "Authorization", authorization)
			}
			got := a.Call(nobody, call.method, call.at, call.body, headers...)
			if call.method == "GET" && authorization == "" {
				if got.Status != 200 {
					t.Errorf("anonymous GET %s = %d; want 200", call.at, got.Status)
				}
				continue
			}
			what := fmt.Sprintf("%s %s with %.20q", call.method, call.at, authorization)
			got.WantProblem(t, what, 401)
			if got.Header.Get("WWW-Authenticate") != "Bearer" {
				t.Errorf("%s: header %v; want WWW-Authenticate: Bearer", what, got.Header)
			}
		}
	}
	if got := a.Call(nobody, "GET", "/api/posts", ""); len(got.Posts) != 1 || got.Posts[0].Content != "hello" {
		t.Errorf("afterwards there is %s", got.Text)
	}
}

func authorsEdit(t *testing.T, a *api) {
	post := a.Publish(ada, "hello")
	time.Sleep(2 * time.Millisecond) // so that the time of the edit is another
	got := a.Call(ada, "PATCH", post.Path(), testkit.Content(" hello again "))
	want := fmt.Sprintf(`{"id":%d,"userId":%q,"content":"hello again","updatedAt":%q}`, post.ID, ada, got.UpdatedAt)
	if got.Status != 200 || got.Text != want {
		t.Fatalf("%d %s; want 200 %s", got.Status, got.Text, want)
	}
	read := a.Call(nobody, "GET", post.Path(), "").Post
	if read.Content != "hello again" || read.CreatedAt != post.CreatedAt || read.UpdatedAt != got.UpdatedAt || read.UpdatedAt == read.CreatedAt {
		t.Errorf("read %v after %s", read, got.Text)
	}
	if same := a.Call(ada, "PATCH", post.Path(), testkit.Content("hello again")); same.Status != 200 {
		t.Errorf("the same content again = %d %s; want 200", same.Status, same.Text)
	}
	before := a.Call(nobody, "GET", post.Path(), "").Text
	for who, at := range map[string]string{grace: post.Path(), ada: "/api/posts/999999"} {
		got := a.Call(who, "PATCH", at, testkit.Content("mine now"))
		got.WantProblem(t, fmt.Sprintf("PATCH %s by %s", at, who), 404)
	}
	if after := a.Call(nobody, "GET", post.Path(), "").Text; after != before {
		t.Errorf("somebody else changed %s to %s", before, after)
	}
}

func authorsDelete(t *testing.T, a *api) {
	post := a.Publish(ada, "hello")
	if got := a.Call(grace, "DELETE", post.Path(), ""); got.Status != 404 {
		t.Errorf("by somebody else = %d; want 404", got.Status)
	}
	if got := a.Call(ada, "DELETE", post.Path(), ""); got.Status != 204 || got.Text != "" {
		t.Errorf("by its author = %d %q; want 204 and nothing", got.Status, got.Text)
	}
	for method, who := range map[string]string{"DELETE": ada, "GET": nobody} {
		got := a.Call(who, method, post.Path(), "")
		got.WantProblem(t, method+" once it is gone", 404)
	}
}

func publishesOncePerKey(t *testing.T, a *api) {
	key := []string{"Idempotency-Key", "key 1"}
	first := a.Publish(ada, "hello", key...)
	for _, spelling := range []string{"key 1", `"key 1"`} {
		again := a.Call(ada, "POST", "/api/posts", testkit.Content(" hello "), "Idempotency-Key", spelling)
		if again.Status != 200 || again.Post != first {
			t.Errorf("again as %s = %d %s; want 200 and %v", spelling, again.Status, again.Text, first)
		}
	}
	other := a.Call(ada, "POST", "/api/posts", testkit.Content("another text"), key...)
	other.WantProblem(t, "with other content", 422)
	for _, key := range []string{"KEY 1", "key 2"} { // other keys, other posts
		a.Publish(ada, "hello", "Idempotency-Key", key)
	}
	a.Publish("user_A", "hello", key...) // two users to Clerk, and to the table's unique keys
	a.Publish("user_a", "hello", key...)
	a.Publish(grace, "hello", key...) // the key is the author's own
	a.Publish(ada, "hello")           // and without one nothing is compared
	a.Publish(ada, "hello")
	a.Call(ada, "PATCH", first.Path(), testkit.Content("edited since"))
	if again := a.Call(ada, "POST", "/api/posts", testkit.Content("hello"), key...); again.Status != 200 || again.Content != "edited since" {
		t.Errorf("again after an edit = %d %s; want 200 and the post as it is", again.Status, again.Text)
	}
	if n := len(a.Call(nobody, "GET", "/api/posts", "").Posts); n != 8 {
		t.Errorf("%d posts; want 8", n)
	}
}

func refusesBadKeys(t *testing.T, a *api) {
	for _, key := range []string{"", `""`, `"open`, "é", "a, b", strings.Repeat("k", 129)} {
		got := a.Call(ada, "POST", "/api/posts", testkit.Content("hello"), "Idempotency-Key", key)
		got.WantProblem(t, fmt.Sprintf("key %.10q", key), 400)
	}
}

func unknownPathsAreNotFound(t *testing.T, a *api) {
	post := a.Publish(ada, "hello")
	for _, at := range []string{
		"/api", "/api/", "/api/posts/", "/api/posts/list", "/api/posts/list.go", "/api/posts/create", "/api/posts/get", "/api/posts/x", "/api/posts/0",
		"/api/posts/-1", "/api/posts/007", "/api/posts/1.5", "/api/posts/" + strings.Repeat("9", 40), post.Path() + "/", post.Path() + "/x", "/API/posts", "/api/users",
		"/api/posts/%6cist", "/api/posts//list", "/lib/handler/handler.go", "/vercel.json", "/schema.sql", "/.env", "/dev/run/main.go",
	} {
		for _, method := range []string{"GET", "POST", "DELETE", "OPTIONS"} {
			got := a.Call(ada, method, at, "")
			if got.Status != 404 {
				t.Errorf("%s %s = %d %.60s; want 404", method, at, got.Status, got.Text)
			}
			if strings.HasPrefix(at, "/api/posts/") && !strings.ContainsAny(at, "%") {
				got.WantProblem(t, method+" "+at, 404)
			}
		}
	}
}

func saysAllowedMethods(t *testing.T, a *api) {
	post := a.Publish(ada, "hello")
	for at, want := range map[string]struct{ allow, methods string }{
		"/api/posts": {"GET, HEAD, POST, DELETE", "PUT PATCH OPTIONS TRACE BREW"},
		post.Path():  {"GET, HEAD, PATCH, DELETE", "POST PUT OPTIONS TRACE BREW"},
		"/feed.xml":  {"GET, HEAD", "POST PUT PATCH DELETE OPTIONS TRACE BREW"},
	} {
		for method := range strings.FieldsSeq(want.methods) {
			got := a.Call(ada, method, at, "")
			got.WantProblem(t, method+" "+at, 405)
			if allow := got.Header.Get("Allow"); allow != want.allow {
				t.Errorf("%s %s: Allow %q; want %q", method, at, allow, want.allow)
			}
		}
	}
}

func setsSecurityHeaders(t *testing.T, a *api) {
	for _, at := range []string{"/api/posts", "/api/posts/999999"} {
		header := a.Call(nobody, "GET", at, "").Header
		if header.Get("X-Content-Type-Options") != "nosniff" || header.Get("Content-Security-Policy") == "" || header.Get("Referrer-Policy") == "" {
			t.Errorf("%s: header %v", at, header)
		}
	}
}

func TestOneUserCannotFloodTheFeed(t *testing.T) {
	eachDatabase(t, map[string]string{"POST_INTERVAL": "86400"}, func(t *testing.T, a *api) {
		first := a.Publish(ada, "one", "Idempotency-Key", "1")
		for range 2 {
			got := a.Call(ada, "POST", "/api/posts", testkit.Content("two"), "Idempotency-Key", "2")
			got.WantProblem(t, "a second post in the slot", 429)
			if seconds, err := strconv.Atoi(got.Header.Get("Retry-After")); err != nil || seconds < 1 || seconds > 86400 {
				t.Errorf("a second post in the slot: Retry-After %q; want the seconds to the slot's end", got.Header.Get("Retry-After"))
			}
		}
		a.Call(ada, "POST", "/api/posts", testkit.Content("three")).WantProblem(t, "without a key", 429)
		if again := a.Call(ada, "POST", "/api/posts", testkit.Content("one"), "Idempotency-Key", "1"); again.Status != 200 || again.ID != first.ID {
			t.Errorf("the first one again = %d %s; want 200 and the post", again.Status, again.Text)
		}
		a.Publish(grace, "mine") // others wait for nobody
		if got := a.Call(nobody, "GET", "/api/posts", ""); len(got.Posts) != 2 {
			t.Errorf("stored: %s; want two posts", got.Text)
		}
	})
}
