package page

import (
	"fmt"
	"testing"
	"time"

	"github.com/chromedp/cdproto/network"

	"warble/dev/testkit/browser"
)

// ownPage is what somebody who has just signed up would miss, and who leaves. endsElsewhere downloads more than a page.
func ownPage(t *testing.T, s *site) {
	s.insert(t, grace, "by Grace", time.Hour)
	tab := s.visit(t, "/u/"+ada)
	tab.Wait(`document.querySelector('main').innerText.includes('There is nobody, or they have not written yet.') && !document.querySelector('form textarea').checkVisibility()`)
	signIn(tab, "ada")
	tab.Wait(`document.querySelector('h1').innerText === 'Ada Lovelace' && document.title === 'Ada Lovelace · Warble'`)
	tab.Text("You have not written yet.")
	publish(tab, "from my own page")
	tab.NoText("You have not written yet.")
	publish(tab, "and one more")
	wantShown(tab, "and one more", "from my own page")

	browser.Eval[bool](tab, `URL.createObjectURL = (blob) => (window.saved = blob.text(), 'about:blank'), HTMLAnchorElement.prototype.click = function () { window.file = this.download }, true`)
	tab.Press("section", "Download all posts")
	tab.Wait(`window.saved`)
	if saved := browser.Eval[string](tab, `saved.then((text) => file + ': ' + JSON.parse(text).map(({ content }) => content))`); saved != "warble-posts.json: and one more,from my own page" {
		t.Errorf("downloaded: %s", saved)
	}
	tab.Press("section", "Delete all posts")
	tab.Press("dialog[open]", "Keep")
	tab.Press("section", "Delete all posts")
	tab.Text("Delete all posts of Ada Lovelace?")
	tab.Press("dialog[open]", "Delete")
	s.wantStored(t, "by Grace")
	tab.Text("2 posts deleted.")
	wantShown(tab)
	tab.Text("You have not written yet.")

	tab.Go(s.URL + "/u/" + grace)
	wantShown(tab, "by Grace")
	isSignedIn(tab)
	tab.Wait(`!document.querySelector('form textarea').checkVisibility()`)
	tab.Press(newest, "Share") // a button that everybody has
	if browser.Eval[bool](tab, `[...document.querySelectorAll('button')].some((b) => /all posts/.test(b.innerText) && b.checkVisibility())`) {
		t.Error("somebody may delete or download another person's posts")
	}
}

// moderating is how a moderator removes what a spammer wrote, and stops.
func moderating(t *testing.T, s *site) {
	for i := range 30 {
		s.insert(t, grace, fmt.Sprint("spam ", i), time.Hour)
	}
	s.insert(t, hedy, "the moderator's own", 0)
	tab := s.as(t, "hedy")
	tab.Wait(buttonsOf(newest) + ` === 'Share,Edit,Delete' && ` + buttonsOf(newest+" + article") + ` === 'Share,Delete'`)
	tab.Screenshot("moderator")
	tab.Go(s.URL + "/u/" + grace)
	tab.Press("section", "Delete all posts")
	pieces := 0
	released := make(chan struct{})
	piece := answer(`{"deleted":1000,"more":true}`)
	tab.Intercept("*/api/posts?userId=*", func(request *network.Request) browser.Outcome {
		if request.Method != "DELETE" {
			return browser.Outcome{}
		}
		if pieces++; pieces > 1 {
			piece.Until = released
		}
		return piece
	})
	tab.Press("dialog[open]", "Delete")
	tab.Text("1000 posts deleted…")
	tab.Press("section", "Stop")
	close(released)
	tab.Text("2000 posts deleted. There are more.")
	if pieces != 2 {
		t.Errorf("%d pieces were deleted; want no other after Stop", pieces)
	}
	piece = problem(503, "")
	for _, says := range []string{"No.", "30 posts deleted."} {
		tab.Press("section", "Delete all posts")
		tab.Press("dialog[open]", "Delete")
		tab.Text(says)
		tab.StopIntercepting()
	}
	tab.Text("Grace Hopper has not written yet.")
	s.wantStored(t, "the moderator's own")
}
