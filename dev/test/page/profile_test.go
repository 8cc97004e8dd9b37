package page

import (
	"encoding/json"
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/chromedp/cdproto/network"
	"github.com/chromedp/chromedp"

	"warble/dev/testkit/browser"
)

// newcomer is what somebody who has just signed up would miss.
func newcomer(t *testing.T, s *site) {
	s.insert(t, grace, "by Grace", time.Hour)
	tab := s.visit(t, "/u/"+ada)
	tab.Wait(`document.querySelector('main').innerText.includes('There is nobody, or they have not written yet.') && !document.querySelector('form textarea').checkVisibility()`)
	signIn(tab, "ada")
	tab.Wait(`document.querySelector('h1').innerText === 'Ada Lovelace' && document.title === 'Ada Lovelace · Warble'`)
	tab.Text("You have not written yet.")
	publish(tab, "from my own page")
	tab.NoText("You have not written yet.")
	wantShown(tab, "from my own page")

	tab.Go(s.URL + "/u/" + grace)
	wantShown(tab, "by Grace")
	isSignedIn(tab)
	tab.Wait(`!document.querySelector('form textarea').checkVisibility()`)
	tab.Press(newest, "Share") // a button that everybody has
	if browser.Eval[bool](tab, `[...document.querySelectorAll('button')].some((b) => /all posts/.test(b.innerText) && b.checkVisibility())`) {
		t.Error("somebody may delete or download another person's posts")
	}
}

// onward is what a reader meets at the end of what an address shows.
func onward(t *testing.T, s *site) {
	for i := range 25 {
		s.insert(t, grace, fmt.Sprint("by Grace ", i), time.Hour)
	}
	id := s.insert(t, ada, "by Ada", 2*time.Hour)
	tab := s.visit(t, "/")
	tab.Wait(`document.querySelectorAll('article').length === 20`)
	browser.Eval[bool](tab, `scrollTo(0, 1e6), true`)
	tab.Text("This is the end.")
	tab.Wait(`document.querySelectorAll('article').length === 26`)

	tab.Go(fmt.Sprintf("%s/p/%d", s.URL, id))
	wantShown(tab, "by Ada")
	tab.Do("more by Ada", chromedp.Click(chromedp.CSS(`section div a[href="/u/`+ada+`"]:not(article a)`)))
	tab.Wait(`location.pathname === '/u/` + ada + `' && document.querySelector('h1').innerText === 'Ada Lovelace'`)
	tab.Go(s.URL + "/p/999999")
	tab.Text("It was deleted, or it never was.")
	tab.Do("to the newest posts", chromedp.Click(chromedp.CSS(`section div a[href="/"]`)))
	tab.Wait(`document.querySelectorAll('article').length === 20`)
}

// outageOnPhone is what a phone shows while the API is down.
func outageOnPhone(t *testing.T, s *site) {
	s.insert(t, ada, "back again", time.Hour)
	tab := s.browser.NewContext(t)
	tab.Size(390, 700)
	down := true
	tab.Intercept("*/api/posts", func(*network.Request) browser.Outcome {
		if down {
			return browser.Outcome{Status: 503, Header: map[string]string{"Retry-After": "1"}, Body: `{"detail":"Resting."}`}
		}
		return browser.Outcome{}
	})
	tab.Go(s.URL)
	tab.Text("Resting. Trying again in")
	const inView = `((e) => e && e.checkVisibility() && e.getBoundingClientRect().bottom <= innerHeight)`
	tab.Wait(inView + `([...document.querySelectorAll('main button')].find((b) => b.innerText === 'Try again'))`)
	tab.Wait(`!document.querySelector('[role="feed"] > *')`)
	tab.Screenshot("outage-phone")
	down = false
	wantShown(tab, "back again") // by itself
	tab.NoText("Resting")
}

// leaving is how somebody takes their posts along, and removes them.
func leaving(t *testing.T, s *site) {
	for i := range 130 {
		s.insert(t, ada, fmt.Sprint("by Ada ", i), time.Hour)
	}
	s.insert(t, grace, "by Grace", time.Hour)
	want := s.contents(t)
	want = slices.DeleteFunc(want, func(content string) bool { return content == "by Grace" })
	tab := s.visit(t, "/u/"+ada)
	signIn(tab, "ada")
	browser.Eval[bool](tab, `URL.createObjectURL = (blob) => (window.saved = blob.text(), 'about:blank'), HTMLAnchorElement.prototype.click = function () { window.file = this.download }, true`)
	tab.Press("section", "Download all posts")
	tab.Wait(`window.saved`)
	var posts []struct{ Content string }
	if err := json.Unmarshal([]byte(browser.Eval[string](tab, `saved`)), &posts); err != nil {
		t.Fatal(err)
	}
	got := make([]string, len(posts))
	for i, post := range posts {
		got[i] = post.Content
	}
	if !slices.Equal(got, want) {
		t.Errorf("downloaded %d posts %q; want the %d that are stored", len(got), got, len(want))
	}
	if file := browser.Eval[string](tab, `file`); file != "warble-posts.json" {
		t.Errorf("downloaded as %q", file)
	}

	tab.Press("section", "Delete all posts")
	tab.Press("dialog[open]", "Keep")
	tab.Press("section", "Delete all posts")
	tab.Text("Delete all posts of Ada Lovelace?")
	tab.Press("dialog[open]", "Delete")
	s.wantStored(t, "by Grace")
	tab.Text("130 posts deleted.")
	wantShown(tab)
	tab.Text("You have not written yet.")
}

// clearing is how a moderator removes what a spammer wrote, and stops.
func clearing(t *testing.T, s *site) {
	for i := range 30 {
		s.insert(t, grace, fmt.Sprint("spam ", i), time.Hour)
	}
	s.insert(t, ada, "by Ada", time.Hour)
	tab := s.visit(t, "/u/"+grace)
	signIn(tab, "hedy")
	tab.Press("section", "Delete all posts")
	pieces := 0
	released := make(chan struct{})
	tab.Intercept("*/api/posts?userId=*", func(request *network.Request) browser.Outcome {
		if request.Method != "DELETE" {
			return browser.Outcome{}
		}
		pieces++
		if pieces == 1 {
			return browser.Outcome{Status: 200, Header: map[string]string{"Content-Type": "application/json"}, Body: `{"deleted":1000,"more":true}`}
		}
		return browser.Outcome{Until: released, Status: 200, Header: map[string]string{"Content-Type": "application/json"}, Body: `{"deleted":1000,"more":true}`}
	})
	tab.Press("dialog[open]", "Delete")
	tab.Text("1000 posts deleted…")
	tab.Press("section", "Stop")
	close(released)
	tab.Text("2000 posts deleted. There are more.")
	if pieces != 2 {
		t.Errorf("%d pieces were deleted; want no other after Stop", pieces)
	}
	tab.StopIntercepting()
	tab.Press("section", "Delete all posts")
	tab.Press("dialog[open]", "Delete")
	tab.Text("30 posts deleted.")
	s.wantStored(t, "by Ada")
}
