package contract

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"warble/dev/testkit"
	"warble/dev/testkit/teston"

	"github.com/mmcdole/gofeed/atom"
	"golang.org/x/net/html"
)

// A thousand rows at a time are too many for the embedded engine on a busy machine.
func TestPeopleDeleteAllTheirPostsInPiecesAndNobodyElses(t *testing.T) {
	t.Parallel()
	a := open(t, teston.Start(t), nil)
	for i := range 1003 {
		testkit.InsertPost(t, a.db, ada, fmt.Sprint(i), time.Now())
	}
	kept := a.Publish(grace, "mine")
	for _, want := range []string{`{"deleted":1000,"more":true}`, `{"deleted":3,"more":false}`, `{"deleted":0,"more":false}`} {
		if got := a.Must(200, ada, "DELETE", "/api/posts?userId="+ada, ""); got.Text != want {
			t.Errorf("%s; want %s", got.Text, want)
		}
	}
	a.Must(200, nobody, "GET", kept.Path(), "")
}

func servesAtom(t *testing.T, a *api) {
	read := func(path string, entries int) *atom.Feed {
		t.Helper()
		got := a.Must(200, nobody, "GET", path, "")
		feed, err := (&atom.Parser{}).Parse(strings.NewReader(got.Text))
		if err != nil {
			t.Fatalf("GET %s: %v\n%s", path, err, got.Text)
		}
		if len(feed.Entries) != entries || feed.ID == "" || feed.Title == "" || feed.UpdatedParsed == nil || len(feed.Links) != 2 {
			t.Fatalf("GET %s: %d entries, id %q, title %q, updated %q, links %v; want %d entries", path, len(feed.Entries), feed.ID, feed.Title, feed.Updated, feed.Links, entries)
		}
		return feed
	}
	read("/feed.xml", 0)
	post := a.Publish(ada, "<hello>\uffff") // XML has no U+FFFF; root tests have the rest that is hostile
	for i := range 20 {
		testkit.InsertPost(t, a.db, grace, fmt.Sprint("older ", i), time.Now().Add(-time.Duration(i+1)*time.Hour))
	}
	feed := read("/feed.xml", 20)
	newest := feed.Entries[0]
	if newest.Content == nil || newest.Content.Type != "html" || newest.Content.Value != "&lt;hello&gt;\ufffd" || newest.Authors[0].Name != "Ada Lovelace" || newest.Published != post.CreatedAt || newest.Updated != post.UpdatedAt {
		t.Errorf("the newest entry is %+v", newest)
	}
	if newest.Links[0].Href != fmt.Sprintf("%s/p/%v", a.URL, post.ID) {
		t.Errorf("the newest entry leads to %s", newest.Links[0].Href)
	}

	a.Must(200, ada, "PATCH", post.Path(), testkit.Content("changed"))
	own := read("/u/"+ada+"/feed.xml", 1)
	if own.Entries[0].ID != newest.ID || own.Entries[0].Content.Value != "changed" || own.ID == feed.ID || !strings.Contains(own.Title, "Ada Lovelace") {
		t.Errorf("Ada's feed is %+v; want her post with its id, changed", own)
	}
	read("/u/user_nobody/feed.xml", 0)
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

func sharesPosts(t *testing.T, a *api) {
	const hostile = `"><script>alert(1)</script><meta property="og:title" content='evil'> & ' &quot;`
	post := a.Publish(ada, hostile)
	address := fmt.Sprintf("/p/%v", post.ID)
	robots := agents(t, "robots.txt")
	for _, agent := range robots {
		got := a.Must(200, nobody, "GET", address, "", "User-Agent", agent)
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
	for _, agent := range append(agents(t, "people.txt"), "") { // or none
		if got := a.Must(200, nobody, "GET", address, "", "User-Agent", agent); !strings.Contains(got.Text, "/js/main.js") {
			t.Errorf("%s does not get the page", agent)
		}
	}

	a.Must(204, ada, "DELETE", post.Path(), "")
	gone := a.Must(404, nobody, "GET", address, "", "User-Agent", robots[0])
	if meta, _ := tags(t, gone.Text); meta["robots"] != "noindex" || gone.Header.Get("X-Robots-Tag") != "noindex" {
		t.Errorf("a post that is gone = %v\n%s\nwant noindex", gone.Header, gone.Text)
	}
}

// agents are the User-Agent headers in a file, without its comments.
func agents(t *testing.T, file string) (agents []string) {
	t.Helper()
	text, err := os.ReadFile(filepath.Join("testdata", file))
	if err != nil {
		t.Fatal(err)
	}
	for line := range strings.Lines(string(text)) {
		if !strings.HasPrefix(line, "#") {
			agents = append(agents, strings.TrimSpace(line))
		}
	}
	return agents
}
