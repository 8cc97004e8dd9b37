package contract

import (
	"fmt"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"warble/dev/testkit"

	"github.com/mmcdole/gofeed/atom"
	"golang.org/x/net/html"
)

func TestPeopleDeleteAllTheirPostsInPiecesAndNobodyElses(t *testing.T) {
	eachDatabase(t, nil, func(t *testing.T, a *api) {
		const posts = 1003
		values := strings.TrimSuffix(strings.Repeat("(?, ?, ?, ?),", posts), ",")
		var args []any
		at := time.Now().UTC().Truncate(time.Millisecond)
		for i := range posts {
			args = append(args, ada, fmt.Sprint(i), at, at)
		}
		if _, err := a.db.Exec("INSERT INTO posts (user_id, content, created_at, updated_at) VALUES "+values, args...); err != nil {
			t.Fatal(err)
		}
		kept := a.Publish(grace, "mine")

		all := "/api/posts?userId=" + ada
		for who, want := range map[string]int{nobody: 401, grace: 403} {
			if got := a.Call(who, "DELETE", all, ""); got.Status != want {
				t.Errorf("DELETE %s by %q = %d; want %d", all, who, got.Status, want)
			}
		}
		for _, query := range []string{"", "?userId=", "?userid=" + ada, "?userId=ada", "?userId=" + ada + "&userId=" + grace} {
			if got := a.Call(ada, "DELETE", "/api/posts"+query, ""); got.Status != 400 {
				t.Errorf("DELETE /api/posts%s = %d; want 400", query, got.Status)
			}
		}
		for i, want := range []string{`{"deleted":1000,"more":true}`, `{"deleted":3,"more":false}`, `{"deleted":0,"more":false}`} {
			who := ada
			if i == 1 {
				who = hedy // a moderator goes on
			}
			if got := a.Call(who, "DELETE", all, ""); got.Status != 200 || got.Text != want || got.Header.Get("Cache-Control") != "private, no-store" {
				t.Errorf("DELETE %d = %d %s; want %s", i+1, got.Status, got.Text, want)
			}
		}
		if got := a.Call(nobody, "GET", kept.Path(), ""); got.Status != 200 {
			t.Errorf("somebody else's post = %d; want it kept", got.Status)
		}
	})
}

func TestFeedReadersFindValidAtom(t *testing.T) {
	eachDatabase(t, nil, func(t *testing.T, a *api) {
		read := func(path string) *atom.Feed {
			t.Helper()
			got := a.Call(nobody, "GET", path, "")
			if got.Status != 200 || got.Header.Get("Content-Type") != "application/atom+xml; charset=utf-8" {
				t.Fatalf("GET %s = %d %s %s", path, got.Status, got.Header.Get("Content-Type"), got.Text)
			}
			feed, err := (&atom.Parser{}).Parse(strings.NewReader(got.Text))
			if err != nil {
				t.Fatalf("GET %s: %v\n%s", path, err, got.Text)
			}
			if feed.ID == "" || feed.Title == "" || feed.UpdatedParsed == nil || len(feed.Links) != 2 {
				t.Errorf("GET %s: id %q, title %q, updated %q, links %v", path, feed.ID, feed.Title, feed.Updated, feed.Links)
			}
			again := a.Call(nobody, "GET", path, "", "If-None-Match", got.Header.Get("Etag"))
			if again.Status != 304 || again.Text != "" {
				t.Errorf("GET %s with its ETag = %d %q; want 304 without a body", path, again.Status, again.Text)
			}
			if head := a.Call(nobody, "HEAD", path, ""); head.Status != 200 || head.Text != "" || head.Header.Get("Etag") != got.Header.Get("Etag") {
				t.Errorf("HEAD %s = %d %q", path, head.Status, head.Text)
			}
			return feed
		}
		if feed := read("/feed.xml"); len(feed.Entries) != 0 {
			t.Errorf("%d entries of no posts", len(feed.Entries))
		}
		const hostile = "<script>alert(1)</script> & ]]> \"quoted\" \uffff\n\nsecond paragraph"
		post := a.Publish(ada, hostile)
		for i := range 20 {
			testkit.InsertPost(t, a.db, grace, fmt.Sprint("older ", i), time.Now().Add(-time.Duration(i+1)*time.Hour))
		}
		feed := read("/feed.xml")
		if len(feed.Entries) != 20 {
			t.Fatalf("%d entries; want the 20 newest", len(feed.Entries))
		}
		newest := feed.Entries[0]
		const want = "&lt;script&gt;alert(1)&lt;/script&gt; &amp; ]]&gt; &#34;quoted&#34; \ufffd<br><br>second paragraph" // XML has no U+FFFF
		if newest.Content == nil || newest.Content.Type != "html" || newest.Content.Value != want || newest.Authors[0].Name != "Ada Lovelace" || newest.Published != post.CreatedAt || newest.Updated != post.UpdatedAt {
			t.Errorf("the newest entry is %+v", newest)
		}
		if newest.Links[0].Href != fmt.Sprintf("%s/p/%v", a.URL, post.ID) {
			t.Errorf("the newest entry leads to %s", newest.Links[0].Href)
		}
		var ids []string
		for _, entry := range feed.Entries {
			ids = append(ids, entry.ID)
		}
		if slices.Sort(ids); len(slices.Compact(ids)) != 20 {
			t.Errorf("entries share ids: %q", ids)
		}

		a.Call(ada, "PATCH", post.Path(), testkit.Content("changed"))
		own := read("/u/" + ada + "/feed.xml")
		if len(own.Entries) != 1 || own.Entries[0].ID != newest.ID || own.Entries[0].Content.Value != "changed" || own.ID == feed.ID || !strings.Contains(own.Title, "Ada Lovelace") {
			t.Errorf("Ada's feed is %+v; want her post with its id, changed", own)
		}
		if feed := read("/u/user_nobody/feed.xml"); len(feed.Entries) != 0 {
			t.Errorf("%d entries of nobody", len(feed.Entries))
		}
		for _, method := range []string{"POST", "DELETE"} {
			if got := a.Call(nobody, method, "/feed.xml", ""); got.Status != 405 || got.Header.Get("Allow") != "GET, HEAD" {
				t.Errorf("%s /feed.xml = %d, Allow %q; want a 405", method, got.Status, got.Header.Get("Allow"))
			}
		}
	})
}

// tags returns the properties of a page's <meta> elements, and its elements.
func tags(t *testing.T, page string) (meta map[string]string, elements []string) {
	t.Helper()
	document, err := html.Parse(strings.NewReader(page))
	if err != nil {
		t.Fatal(err)
	}
	meta = map[string]string{}
	for node := range document.Descendants() {
		if node.Type != html.ElementNode {
			continue
		}
		elements = append(elements, node.Data)
		attributes := map[string]string{}
		for _, attribute := range node.Attr {
			attributes[attribute.Key] = attribute.Val
		}
		if node.Data == "meta" {
			meta[attributes["property"]+attributes["name"]] = attributes["content"]
		}
	}
	return meta, elements
}

func TestASharedLinkShowsRobotsWhatItLeadsToAndPeopleThePage(t *testing.T) {
	eachDatabase(t, nil, func(t *testing.T, a *api) {
		const hostile = `"><script>alert(1)</script><meta property="og:title" content='evil'> & ' &quot;`
		post := a.Publish(ada, hostile)
		address := fmt.Sprintf("/p/%v", post.ID)
		for _, agent := range testkit.Robots {
			got := a.Call(nobody, "GET", address, "", "User-Agent", agent)
			if got.Status != 200 || !strings.HasPrefix(got.Header.Get("Content-Type"), "text/html") {
				t.Fatalf("%s: %d %v", agent, got.Status, got.Header)
			}
			meta, elements := tags(t, got.Text)
			for property, want := range map[string]string{
				"og:title": "Ada Lovelace on Warble", "og:description": hostile, "og:type": "article", "og:site_name": "Warble",
				"og:url":                 strings.Replace(a.URL, "http:", "https:", 1) + address,
				"article:published_time": post.CreatedAt, "twitter:card": "summary", "twitter:description": hostile,
			} {
				if meta[property] != want {
					t.Errorf("%s: %s is %q; want %q", agent, property, meta[property], want)
				}
			}
			if slices.Contains(elements, "script") {
				t.Errorf("%s gets a script:\n%s", agent, got.Text)
			}
		}
		for _, agent := range testkit.People {
			if got := a.Call(nobody, "GET", address, "", "User-Agent", agent); got.Status != 200 || !strings.Contains(got.Text, "/js/main.js") {
				t.Errorf("%s = %d; want the page", agent, got.Status)
			}
		}
		if got := a.Call(nobody, "HEAD", address, "", "User-Agent", testkit.Robots[0]); got.Status != 200 || got.Text != "" {
			t.Errorf("HEAD = %d %q", got.Status, got.Text)
		}

		a.Call(ada, "DELETE", post.Path(), "")
		gone := a.Call(nobody, "GET", address, "", "User-Agent", testkit.Robots[0])
		meta, _ := tags(t, gone.Text)
		if gone.Status != http.StatusNotFound || meta["robots"] != "noindex" || gone.Header.Get("X-Robots-Tag") != "noindex" || gone.Header.Get("Cache-Control") != "no-store" {
			t.Errorf("a post that is gone = %d %v\n%s\nwant 404 and noindex", gone.Status, gone.Header, gone.Text)
		}
	})
}
