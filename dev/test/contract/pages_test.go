package contract

import (
	"fmt"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/mmcdole/gofeed/atom"
	"golang.org/x/net/html"
)

// hedy is a moderator.
const hedy user = "user_hedy0000000000000000000000"

func TestModeratorsDeleteAnybodysPostsAndNobodyElseDoes(t *testing.T) {
	eachDatabase(t, func(t *testing.T, a *api) {
		post := a.publish(ada, "unwanted")
		if got := a.call(grace, "DELETE", path(post), ""); got.status != 404 {
			t.Errorf("another user's DELETE = %d; want 404", got.status)
		}
		if got := a.call(hedy, "PATCH", path(post), content("words of hedy")); got.status != 404 {
			t.Errorf("a moderator's PATCH of another's post = %d; want 404", got.status)
		}
		if got := a.call(hedy, "DELETE", path(post), ""); got.status != 204 {
			t.Errorf("a moderator's DELETE = %d %s; want 204", got.status, got.text)
		}
		if got := a.call(hedy, "DELETE", path(post), ""); got.status != 404 {
			t.Errorf("the second DELETE = %d; want 404", got.status)
		}
	})
}

func TestPeopleDeleteAllTheirPostsInPiecesAndNobodyElses(t *testing.T) {
	eachDatabase(t, func(t *testing.T, a *api) {
		const posts = 1003
		values := strings.TrimSuffix(strings.Repeat("(?, ?, ?, ?),", posts), ",")
		var args []any
		at := time.Now().UTC().Truncate(time.Millisecond)
		for i := range posts {
			args = append(args, string(ada), fmt.Sprint(i), at, at)
		}
		if _, err := a.db.Exec("INSERT INTO posts (user_id, content, created_at, updated_at) VALUES "+values, args...); err != nil {
			t.Fatal(err)
		}
		kept := a.publish(grace, "mine")

		all := "/api/posts?userId=" + string(ada)
		for who, want := range map[user]int{nobody: 401, grace: 403} {
			if got := a.call(who, "DELETE", all, ""); got.status != want {
				t.Errorf("DELETE %s by %q = %d; want %d", all, who, got.status, want)
			}
		}
		for _, query := range []string{"", "?userId=", "?userid=" + string(ada), "?userId=ada", "?userId=" + string(ada) + "&userId=" + string(grace)} {
			if got := a.call(ada, "DELETE", "/api/posts"+query, ""); got.status != 400 {
				t.Errorf("DELETE /api/posts%s = %d; want 400", query, got.status)
			}
		}
		for i, want := range []string{`{"deleted":1000,"more":true}`, `{"deleted":3,"more":false}`, `{"deleted":0,"more":false}`} {
			who := ada
			if i == 1 {
				who = hedy // a moderator goes on
			}
			if got := a.call(who, "DELETE", all, ""); got.status != 200 || got.text != want || got.header.Get("Cache-Control") != "private, no-store" {
				t.Errorf("DELETE %d = %d %s; want %s", i+1, got.status, got.text, want)
			}
		}
		if got := a.call(nobody, "GET", path(kept), ""); got.status != 200 {
			t.Errorf("somebody else's post = %d; want it kept", got.status)
		}
	})
}

func TestFeedReadersFindValidAtom(t *testing.T) {
	eachDatabase(t, func(t *testing.T, a *api) {
		read := func(path string) *atom.Feed {
			t.Helper()
			got := a.call(nobody, "GET", path, "")
			if got.status != 200 || got.header.Get("Content-Type") != "application/atom+xml; charset=utf-8" {
				t.Fatalf("GET %s = %d %s %s", path, got.status, got.header.Get("Content-Type"), got.text)
			}
			feed, err := (&atom.Parser{}).Parse(strings.NewReader(got.text))
			if err != nil {
				t.Fatalf("GET %s: %v\n%s", path, err, got.text)
			}
			if feed.ID == "" || feed.Title == "" || feed.UpdatedParsed == nil || len(feed.Links) != 2 {
				t.Errorf("GET %s: id %q, title %q, updated %q, links %v", path, feed.ID, feed.Title, feed.Updated, feed.Links)
			}
			again := a.call(nobody, "GET", path, "", "If-None-Match", got.header.Get("Etag"))
			if again.status != 304 || again.text != "" {
				t.Errorf("GET %s with its ETag = %d %q; want 304 without a body", path, again.status, again.text)
			}
			if head := a.call(nobody, "HEAD", path, ""); head.status != 200 || head.text != "" || head.header.Get("Etag") != got.header.Get("Etag") {
				t.Errorf("HEAD %s = %d %q", path, head.status, head.text)
			}
			return feed
		}
		if feed := read("/feed.xml"); len(feed.Entries) != 0 {
			t.Errorf("%d entries of no posts", len(feed.Entries))
		}
		const hostile = "<script>alert(1)</script> & ]]> \"quoted\" \uffff\n\nsecond paragraph"
		post := a.publish(ada, hostile)
		for i := range 20 {
			a.insert(t, grace, fmt.Sprint("older ", i), time.Now().Add(-time.Duration(i+1)*time.Hour))
		}
		feed := read("/feed.xml")
		if len(feed.Entries) != 20 {
			t.Fatalf("%d entries; want the 20 newest", len(feed.Entries))
		}
		newest := feed.Entries[0]
		want := strings.ReplaceAll(hostile, "\uffff", "\ufffd") // XML has no U+FFFF
		if newest.Content == nil || newest.Content.Value != want || newest.Authors[0].Name != "Ada Lovelace" || newest.Published != post["createdAt"] || newest.Updated != post["updatedAt"] {
			t.Errorf("the newest entry is %+v", newest)
		}
		if newest.Links[0].Href != fmt.Sprintf("%s/p/%v", a.URL, post["id"]) {
			t.Errorf("the newest entry leads to %s", newest.Links[0].Href)
		}
		var ids []string
		for _, entry := range feed.Entries {
			ids = append(ids, entry.ID)
		}
		if slices.Sort(ids); len(slices.Compact(ids)) != 20 {
			t.Errorf("entries share ids: %q", ids)
		}

		a.call(ada, "PATCH", path(post), content("changed"))
		own := read("/u/" + string(ada) + "/feed.xml")
		if len(own.Entries) != 1 || own.Entries[0].ID != newest.ID || own.Entries[0].Content.Value != "changed" || own.ID == feed.ID || !strings.Contains(own.Title, "Ada Lovelace") {
			t.Errorf("Ada's feed is %+v; want her post with its id, changed", own)
		}
		if feed := read("/u/user_nobody/feed.xml"); len(feed.Entries) != 0 {
			t.Errorf("%d entries of nobody", len(feed.Entries))
		}
		for _, method := range []string{"POST", "DELETE"} {
			if got := a.call(nobody, method, "/feed.xml", ""); got.status != 405 || got.header.Get("Allow") != "GET, HEAD" {
				t.Errorf("%s /feed.xml = %d, Allow %q; want a 405", method, got.status, got.header.Get("Allow"))
			}
		}
	})
}

// robots and people are user agents as they are sent.
var (
	robots = []string{
		"Slackbot-LinkExpanding 1.0 (+https://api.slack.com/robots)",
		"Twitterbot/1.0",
		"facebookexternalhit/1.1 (+http://www.facebook.com/externalhit_uatext.php)",
		"WhatsApp/2.23.20.0 A",
		"Mozilla/5.0 (compatible; Discordbot/2.0; +https://discordapp.com)",
		"TelegramBot (like TwitterBot)",
		"LinkedInBot/1.0 (compatible; Mozilla/5.0; Apache-HttpClient +http://www.linkedin.com)",
		"http.rb/5.1.1 (Mastodon/4.2.10; +https://mastodon.social/) Bot",
		"Mastodon/4.3.2 (http.rb/5.2.0; +https://mastodon.social/) Bot",
		"Mozilla/5.0 (compatible; Bluesky Cardyb/1.1; +mailto:support@bsky.app)",
		"Mozilla/5.0 (compatible; Googlebot/2.1; +http://www.google.com/bot.html)",
		"Mozilla/5.0 (Linux; Android 6.0.1; Nexus 5X Build/MMB29P) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/141.0.0.0 Mobile Safari/537.36 (compatible; Googlebot/2.1; +http://www.google.com/bot.html)",
		"Mozilla/5.0 (Macintosh; Intel Mac OS X 10_15_5) AppleWebKit/605.1.15 (KHTML, like Gecko) Version/13.1.1 Safari/605.1.15 (Applebot/0.1; +http://www.apple.com/go/applebot)",
		"Mozilla/5.0 (Macintosh; Intel Mac OS X 10_11_1) AppleWebKit/601.2.4 (KHTML, like Gecko) Version/9.0.1 Safari/601.2.4 facebookexternalhit/1.1 Facebot Twitterbot/1.0",
		"Mozilla/5.0 AppleWebKit/537.36 (KHTML, like Gecko; compatible; bingbot/2.0; +http://www.bing.com/bingbot.htm) Chrome/116.0.1938.76 Safari/537.36",
	}
	people = []string{
		"",
		"Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/142.0.0.0 Safari/537.36",
		"Mozilla/5.0 (iPhone; CPU iPhone OS 18_6 like Mac OS X) AppleWebKit/605.1.15 (KHTML, like Gecko) Version/18.6 Mobile/15E148 Safari/604.1",
		"Mozilla/5.0 (X11; Linux x86_64; rv:144.0) Gecko/20100101 Firefox/144.0",
		"Mozilla/5.0 (iPhone; CPU iPhone OS 18_5 like Mac OS X) AppleWebKit/605.1.15 (KHTML, like Gecko) Mobile/15E148 [FBAN/FBIOS;FBAV/500.0;FBDV/iPhone16,1]",
		"Mozilla/5.0 (iPhone; CPU iPhone OS 18_5 like Mac OS X) AppleWebKit/605.1.15 (KHTML, like Gecko) Mobile/15E148 Instagram 390.0.0.28.85",
		"Mozilla/5.0 (iPhone; CPU iPhone OS 18_5 like Mac OS X) AppleWebKit/605.1.15 (KHTML, like Gecko) Mobile/15E148 Twitter for iPhone/11.9",
		"Mozilla/5.0 (iPhone; CPU iPhone OS 18_5 like Mac OS X) AppleWebKit/605.1.15 (KHTML, like Gecko) Mobile/15E148 [LinkedInApp]/9.30",
		"Mozilla/5.0 (Linux; Android 14; SM-S918B) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/142.0.0.0 Mobile Safari/537.36 Slack/25.10",
		"Mozilla/5.0 (Linux; Android 13; CUBOT P80) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/142.0.0.0 Mobile Safari/537.36",
		"Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) discord/1.0.9 Chrome/134.0.0.0 Electron/35.0.0 Safari/537.36",
	}
)

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
	eachDatabase(t, func(t *testing.T, a *api) {
		const hostile = `"><script>alert(1)</script><meta property="og:title" content='evil'> & ' &quot;`
		post := a.publish(ada, hostile)
		address := fmt.Sprintf("/p/%v", post["id"])
		for _, agent := range robots {
			got := a.call(nobody, "GET", address, "", "User-Agent", agent)
			if got.status != 200 || !strings.HasPrefix(got.header.Get("Content-Type"), "text/html") {
				t.Fatalf("%s: %d %v", agent, got.status, got.header)
			}
			meta, elements := tags(t, got.text)
			for property, want := range map[string]string{
				"og:title": "Ada Lovelace on Warble", "og:description": hostile, "og:type": "article", "og:site_name": "Warble",
				"og:url":                 strings.Replace(a.URL, "http:", "https:", 1) + address,
				"article:published_time": fmt.Sprint(post["createdAt"]), "twitter:card": "summary", "twitter:description": hostile,
			} {
				if meta[property] != want {
					t.Errorf("%s: %s is %q; want %q", agent, property, meta[property], want)
				}
			}
			if slices.Contains(elements, "script") {
				t.Errorf("%s gets a script:\n%s", agent, got.text)
			}
		}
		for _, agent := range people {
			if got := a.call(nobody, "GET", address, "", "User-Agent", agent); got.status != 200 || !strings.Contains(got.text, "/js/main.js") {
				t.Errorf("%s = %d; want the page", agent, got.status)
			}
		}
		if got := a.call(nobody, "HEAD", address, "", "User-Agent", robots[0]); got.status != 200 || got.text != "" {
			t.Errorf("HEAD = %d %q", got.status, got.text)
		}

		a.call(ada, "DELETE", path(post), "")
		gone := a.call(nobody, "GET", address, "", "User-Agent", robots[0])
		meta, _ := tags(t, gone.text)
		if gone.status != http.StatusNotFound || meta["robots"] != "noindex" || gone.header.Get("X-Robots-Tag") != "noindex" || gone.header.Get("Cache-Control") != "no-store" {
			t.Errorf("a post that is gone = %d %v\n%s\nwant 404 and noindex", gone.status, gone.header, gone.text)
		}
	})
}

// eachDatabase runs a check on an empty Warble of its own on each database.
func eachDatabase(t *testing.T, check func(t *testing.T, a *api)) {
	for name, start := range databases {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			check(t, open(t, start(t), nil))
		})
	}
}
