package contract

import (
	"fmt"
	"slices"
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
	{"a published post reads the same wherever it is read, with its author as Clerk knows them", readsTheSameEverywhere},
	{"people's text comes back as they wrote it", keepsText},
	{"the feed is newest first, and paging sees each post once", pagesNewestFirst},
	{"posts that arrive while a reader pages move nothing", pagesWhilePostsArrive},
	{"one author's posts are theirs alone, to the letter", listsOneAuthor},
	{"authors edit their posts", authorsEdit},
	{"a post that is sent twice is published once", publishesOncePerKey},
	{"another text under a key is refused, also after an edit", refusesAnotherText},
	{"feed readers find valid Atom", servesAtom},
	{"a shared link shows robots what it leads to, and people the page", sharesPosts},
	{"what is no route is not found, functions' own names among it", unknownPathsAreNotFound},
	{"a known path says which methods it has", saysAllowedMethods},
}

func TestContract(t *testing.T) {
	eachDatabase(t, nil, func(t *testing.T, a *api) {
		for _, test := range promises {
			t.Run(test.promise, func(t *testing.T) {
				if _, err := a.db.Exec("DELETE FROM posts"); err != nil {
					t.Fatal(err)
				}
				test.check(t, &api{a.Product, a.Client.For(t), a.server, a.db})
			})
		}
	})
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
	author := got.Author // openapi.json allows it no other fields
	if got.UserID != ada || got.Content != "hello, world" || author.ID != ada || author.Name != "Ada Lovelace" || author.Username != "ada" || !strings.HasPrefix(author.ImageURL, "http") {
		t.Errorf("published %s", got.Text)
	}
	one := a.Call(nobody, "GET", got.Path(), "")
	list := a.Call(nobody, "GET", "/api/posts", "")
	if one.Text != got.Text || list.Text != `{"posts":[`+got.Text+`]}` {
		t.Errorf("published %s\nread      %s\nlisted    %s", got.Text, one.Text, list.Text)
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

func pagesNewestFirst(t *testing.T, a *api) {
	// Several to a millisecond: then the id decides.
	for i := range 45 {
		testkit.InsertPost(t, a.db, ada, fmt.Sprint(i), time.UnixMilli(1_700_000_000_000+int64(i/4)))
	}
	for limit, pages := range map[int]int{1: 45, 4: 12, 9: 5, 44: 2, 45: 1, 100: 1} {
		seen, n := walk(t, a, fmt.Sprint("limit=", limit))
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

// walk reads all pages of a list from one on, whose query it is given, and returns their
// posts and number.
func walk(t *testing.T, a *api, query string) (posts []testkit.Post, pages int) {
	t.Helper()
	seen := map[string]bool{}
	for next := "first"; next != ""; pages++ {
		got := a.Must(200, nobody, "GET", "/api/posts?"+query, "")
		if seen[got.Next] {
			t.Fatalf("GET /api/posts?%s leads back to %s: the reader gets no further", query, got.Next)
		}
		posts, next = append(posts, got.Posts...), got.Next
		seen[next] = true
		query, _, _ = strings.Cut(query, "&before=")
		query += "&before=" + next
	}
	return posts, pages
}

func pagesWhilePostsArrive(t *testing.T, a *api) {
	for i := range 10 {
		testkit.InsertPost(t, a.db, ada, fmt.Sprint("old ", i), time.UnixMilli(1_700_000_000_000+int64(i)))
	}
	first := a.Call(nobody, "GET", "/api/posts?limit=4", "")
	a.Publish(grace, "new")
	a.Call(ada, "DELETE", first.Posts[3].Path(), "") // the cursor's own post goes
	rest, _ := walk(t, a, fmt.Sprint("limit=4&before=", first.Next))
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
	for i, who := range []string{"user_A", "user_a", "user_A", "user_B", "user_A", "user_A"} {
		testkit.InsertPost(t, a.db, who, fmt.Sprint(i), time.UnixMilli(1000-int64(i/4)))
	}
	got, _ := walk(t, a, "limit=1&userId=user_A")
	if len(got) != 4 || got[0].Content != "2" || got[1].Content != "0" || got[2].Content != "5" || got[3].Content != "4" {
		t.Errorf("posts of user_A: %v; want 2, 0, 5 and 4", got)
	}
	if got := a.Call(nobody, "GET", "/api/posts?userId=user_none", ""); got.Status != 200 || got.Text != `{"posts":[]}` {
		t.Errorf("posts of nobody: %d %s; want an empty list", got.Status, got.Text)
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
	for _, key := range []string{"KEY 1", "key 2"} { // other keys, other posts
		a.Publish(ada, "hello", "Idempotency-Key", key)
	}
	a.Publish("user_A", "hello", key...) // two users to Clerk, and to the table's unique keys
	a.Publish("user_a", "hello", key...)
	hers := a.Publish(grace, "hello", key...) // the key is the author's own
	if again := a.Must(200, grace, "POST", "/api/posts", testkit.Content("hello"), key...); again.Post != hers {
		t.Errorf("Grace's again = %s; want %v", again.Text, hers)
	}
	a.Publish(ada, "hello") // and without one nothing is compared
	a.Publish(ada, "hello")
	if n := len(a.Call(nobody, "GET", "/api/posts", "").Posts); n != 8 {
		t.Errorf("%d posts; want 8", n)
	}
	a.Must(204, ada, "DELETE", first.Path(), "")
	a.Must(404, nobody, "GET", first.Path(), "")                                // and not the post after it
	if second := a.Publish(ada, "other words", key...); second.ID == first.ID { // the key has lived as long as its post
		t.Errorf("published as %v again", first.ID)
	}
}

func refusesAnotherText(t *testing.T, a *api) {
	key := []string{"Idempotency-Key", "key 1"}
	post := a.Publish(ada, "first", key...)
	a.Must(200, ada, "PATCH", post.Path(), testkit.Content("edited"))
	for text, want := range map[string]int{" first ": 200, "edited": 422, "another": 422} {
		if got := a.Must(want, ada, "POST", "/api/posts", testkit.Content(text), key...); want == 200 && got.Content != "edited" {
			t.Errorf("the first text again = %s; want the post as it is now", got.Text)
		}
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
	description := testkit.OpenAPI(t)
	post := a.Publish(ada, "hello")
	for address, item := range description.Paths.Map() {
		if address == "/p/{id}" {
			continue // a file to everybody but robots, which ask with GET and HEAD alone
		}
		var allowed []string
		for _, method := range []string{"GET", "HEAD", "POST", "PATCH", "DELETE"} {
			if item.GetOperation(method) != nil {
				allowed = append(allowed, method)
			}
		}
		at := strings.NewReplacer("/api/posts/{id}", post.Path(), "{userId}", "user_1").Replace(address)
		for _, method := range []string{"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "TRACE", "BREW"} {
			if slices.Contains(allowed, method) {
				continue
			}
			got := a.Call(ada, method, at, "")
			got.WantProblem(t, method+" "+at, 405)
			if allow, want := got.Header.Get("Allow"), strings.Join(allowed, ", "); allow != want {
				t.Errorf("%s %s: Allow %q; want %q", method, at, allow, want)
			}
		}
	}
}

func TestOneUserCannotFloodTheFeed(t *testing.T) {
	eachDatabase(t, map[string]string{"POST_INTERVAL": "86400"}, func(t *testing.T, a *api) {
		first := a.Publish(ada, "one", "Idempotency-Key", "1")
		for range 2 {
			a.Call(ada, "POST", "/api/posts", testkit.Content("two"), "Idempotency-Key", "2").WantProblem(t, "a second post in the slot", 429)
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
