package page

import (
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/chromedp/cdproto/network"

	"warble/dev/testkit/browser"
)

// tokens is the address that gives session tokens.
const tokens = "*/__clerk/v1/client/sessions/*/tokens*"

// signOut signs out through ClerkJS.
func signOut(tab *browser.Tab) {
	browser.Eval[bool](tab, `Clerk.signOut().then(() => true)`)
	tab.Wait(`!document.querySelector('header .cl-userButtonTrigger')`)
}

// signInAgain signs out, and in as somebody.
func signInAgain(tab *browser.Tab, username string) {
	signOut(tab)
	signIn(tab, username)
}

// leave makes a tab one that was closed.
func (s *site) leave(tab *browser.Tab) {
	tab.BringToFront()
	tab.Go(s.URL + "/robots.txt")
}

// tooSoon is the answer 429 with a Retry-After.
func tooSoon(retryAfter string) browser.Outcome {
	outcome := browser.Outcome{Status: 429, Header: map[string]string{"Content-Type": "application/problem+json"}, Body: `{"detail":"Wait as Retry-After says."}`}
	if retryAfter != "" {
		outcome.Header["Retry-After"] = retryAfter
	}
	return outcome
}

func anotherTextCameBack(t *testing.T, s *site) {
	tab := s.as(t, "ada")
	tab.Intercept(posts, on("POST", 1, browser.Outcome{Lose: true}))
	write(tab, "the first text")
	tab.Press("form", "Publish")
	tab.Text("No answer came")
	tab.Press("main", "1 new post")
	edit(tab, "the first text, edited")
	tab.Text("Saved.")

	// What the server said before it knew what the first text was.
	id := browser.Eval[string](tab, `document.querySelector('`+newest+` a[href^="/p/"]').pathname.slice(3)`)
	old := browser.Eval[string](tab, `fetch('/api/posts/`+id+`').then((answer) => answer.text())`)
	for _, outcome := range []browser.Outcome{{Status: 200, Header: map[string]string{"Content-Type": "application/json"}, Body: old}, {}} {
		tab.Intercept(posts, on("POST", 1, outcome))
		write(tab, "the second text")
		tab.Press("form", "Publish")
		if outcome.Status == 0 {
			break // under a new key
		}
		tab.Text("This would be a second post.")
		tab.Wait(draft + ` === 'the second text'`)
		wantShown(tab, "the first text, edited")
	}
	published(tab, "the second text")
	s.wantStored(t, "the second text", "the first text, edited")
	wantKeys(t, tab, 3, 2)
}

func waitEndsWithSession(t *testing.T, s *site) {
	tab := s.as(t, "ada")
	tab.Intercept(posts, on("POST", 1, tooSoon("2")))
	write(tab, "Ada's words")
	tab.Press("form", "Publish")
	tab.Text("it is sent by itself")
	tab.Text("On its way")
	signOut(tab)
	wantShown(tab) // it is not on its way any more
	tab.NoText("it is sent by itself")
	signIn(tab, "grace")
	tab.Wait(draft + ` === ''`)
	browser.Eval[bool](tab, `new Promise((done) => setTimeout(done, 3000, true))`) // after the page's own
	publish(tab, "Grace's words")
	wantShown(tab, "Grace's words")
	s.wantStored(t, "Grace's words")

	signInAgain(tab, "ada")
	tab.Wait(draft + ` === "Ada's words"`)
	tab.Press("form", "Publish")
	published(tab, "Ada's words")
	wantShown(tab, "Ada's words", "Grace's words")
	if got := s.authors(t); got != ada+" "+grace {
		t.Errorf("published by %s", got)
	}
	if requests := tab.Requests("POST", "/api/posts"); browser.Header(requests[0], "Idempotency-Key") != browser.Header(requests[2], "Idempotency-Key") {
		t.Error("Ada's text is sent again under another key")
	}
}

// authors are the stored posts' authors, newest first.
func (s *site) authors(t *testing.T) string {
	t.Helper()
	var ids []string
	if err := s.db.Select(&ids, "SELECT user_id FROM posts ORDER BY created_at DESC, id DESC"); err != nil {
		t.Fatal(err)
	}
	return strings.Join(ids, " ")
}

func tokenOfAnother(t *testing.T, s *site) {
	tab := s.as(t, "ada")
	released := make(chan struct{})
	held := false
	tab.Intercept(tokens, func(*network.Request) browser.Outcome {
		if held { // Grace's own come at once
			return browser.Outcome{}
		}
		held = true
		return browser.Outcome{Until: released}
	})
	browser.Eval[bool](tab, `Clerk.session.clearCache(), true`)
	write(tab, "Ada's words")
	tab.Press("form", "Publish")
	tab.Text("On its way")
	signInAgain(tab, "grace")
	wantShown(tab)
	close(released)
	publish(tab, "Grace's words")
	wantShown(tab, "Grace's words")
	s.wantStored(t, "Grace's words")
	signInAgain(tab, "ada")
	tab.Wait(draft + ` === "Ada's words"`)
	tab.NoText("No answer came")
}

func formsEndWithSession(t *testing.T, s *site) {
	s.insert(t, ada, "Ada's post", time.Hour)
	tab := s.as(t, "ada")
	tab.Press(newest, "Edit")
	tab.Fill("article textarea", "Ada's change")
	signInAgain(tab, "grace")
	tab.Wait(`!document.querySelector('article textarea')`)
	wantShown(tab, "Ada's post")
	if browser.Eval[bool](tab, `document.body.innerHTML.includes("Ada's change")`) {
		t.Error("Grace finds what Ada was writing")
	}
	signInAgain(tab, "ada")
	tab.Press(newest, "Edit")
	tab.Wait(`document.querySelector('article textarea').value === "Ada's change"`)
	tab.Press(newest, "Cancel")
	tab.Press(newest, "Edit")
	tab.Wait(`document.querySelector('article textarea').value === "Ada's post"`)
	tab.Press(newest, "Cancel")

	tab.Press(newest, "Delete")
	tab.Wait(`document.querySelector('dialog[open]')`)
	signInAgain(tab, "grace")
	tab.Wait(`!document.querySelector('dialog[open]')`)
	s.wantStored(t, "Ada's post")
	wantShown(tab, "Ada's post")

	// An edit and a deletion that wait for a token.
	signInAgain(tab, "ada")
	for _, change := range []func(){func() { edit(tab, "Ada's change") }, func() { remove(tab) }} {
		released := make(chan struct{})
		tab.Intercept(tokens, func(*network.Request) browser.Outcome { return browser.Outcome{Until: released} })
		browser.Eval[bool](tab, `Clerk.session.clearCache(), true`)
		change()
		tab.Wait(`!document.querySelector('dialog[open], article textarea')`)
		signOut(tab)
		close(released)
		wantShown(tab, "Ada's post")
		if browser.Eval[bool](tab, `/Not (saved|deleted)/.test(document.body.innerText)`) {
			t.Error("the next person reads what became of Ada's change")
		}
		signIn(tab, "ada")
	}
	s.wantStored(t, "Ada's post")
}

func typedEarly(t *testing.T, s *site) {
	tab := s.browser.NewContext(t)
	released := make(chan struct{})
	tab.Fail("*/js/person.js", browser.Outcome{Until: released})
	tab.StartLoading(s.URL)
	tab.Fill("form textarea", "faster than the script")
	close(released)
	tab.Wait(`window.Clerk?.loaded`)
	signIn(tab, "ada")
	tab.Reload()
	tab.Wait(draft + ` === 'faster than the script'`)
	isSignedIn(tab)
	tab.Press("form", "Publish")
	published(tab, "faster than the script")
}

// What the drafts do when two tabs are mixed with sign-ins and lost answers is
// draft.test.js's; these are the browser's own locks and storage.
func textsOfTwoTabs(t *testing.T, s *site) {
	s.insert(t, ada, "as it was", time.Hour)
	one := s.as(t, "ada")
	write(one, "the draft of one")
	one.Press(newest, "Edit")
	one.Fill("article textarea", "the edit of one")
	two := one.NewTab()
	two.Go(s.URL)
	isSignedIn(two)
	write(two, "the draft of two")
	two.Press(newest, "Edit")
	two.Fill("article textarea", "the edit of two")
	two.Reload()
	isSignedIn(two)
	two.Wait(draft + ` === 'the draft of two'`)
	two.Press(newest, "Edit")
	two.Text("You had not saved this.")
	two.Press(newest, "Save")
	two.Text("Saved.")
	s.wantStored(t, "the edit of two")
	s.leave(one)
	two.BringToFront()
	two.Press("form", "Publish")
	two.Text("Published. Here is another draft of yours.")
	two.Wait(draft + ` === 'the draft of one'`)
	two.Press(newest+" + article", "Edit")
	two.Wait(`document.querySelector('article textarea').value === 'the edit of one'`)
	s.wantStored(t, "the draft of two", "the edit of two")
}

func editOfDeleted(t *testing.T, s *site) {
	tab := s.as(t, "ada")
	for i, text := range []string{"saved too late", "left open"} {
		id := s.insert(t, ada, "as it was", time.Hour)
		tab.Reload()
		isSignedIn(tab)
		tab.Press(newest, "Edit")
		tab.Fill("article textarea", text)
		if _, err := s.db.Exec("DELETE FROM posts WHERE id = ?", id); err != nil {
			t.Fatal(err)
		}
		if i == 0 {
			tab.Press(newest, "Save")
			tab.Text("Your text is a draft now.")
		} else {
			tab.Reload()
		}
		tab.Text("The post was deleted. Here is the text that you had not saved.")
		tab.Wait(draft + ` === ` + browser.Quote(text))
		tab.Press("form", "Publish")
		published(tab, text)
		s.wantStored(t, text)
		remove(tab)
		s.wantStored(t)
	}
	if browser.Eval[bool](tab, `Object.keys(localStorage).some((name) => /^warble.(draft|edit)/.test(name))`) {
		t.Error("a text is left in storage")
	}
}

func waitsInWords(t *testing.T, s *site) {
	tab := s.as(t, "ada")
	for retryAfter, want := range map[string]string{
		"61": "in 61 seconds;", "91": "in 2 minutes;", "2520": "in 42 minutes;", "7200": "in 2 hours;", "604800": "in 7 days;", "": "later;", "soon": "later;",
		time.Now().Add(42*time.Minute - 10*time.Second).UTC().Format(http.TimeFormat): "in 42 minutes;",
	} {
		tab.Intercept(posts, on("POST", 1, tooSoon(retryAfter)))
		write(tab, fmt.Sprint("after ", retryAfter))
		tab.Press("form", "")
		tab.Text("Send this one " + want + " your text is kept.")
		tab.NoText("Retry-After")
		tab.Wait(draft + ` === ` + browser.Quote(fmt.Sprint("after ", retryAfter)))
		wantShown(tab)
	}
	tab.Press("form", "Send again")
	tab.Wait(draft + ` === ''`)
}

func retriesSlowDown(t *testing.T, s *site) {
	tab := s.browser.NewContext(t)
	tab.SpeedUpTimers(20)
	tab.Go(s.URL)
	signIn(tab, "ada")
	browser.Eval[bool](tab, `window.waits = [], new MutationObserver((changes) => {
		for (const { addedNodes } of changes) {
			const wait = /in (\d+) seconds/.exec(addedNodes[0]?.textContent);
			if (wait) waits.push(Number(wait[1]));
		}
	}).observe(document.querySelector('form [data-says]'), { childList: true }), true`)
	tab.Intercept(posts, on("POST", 5, tooSoon("1")))
	publish(tab, "in the end")
	waits := browser.Eval[[]int](tab, `waits`)
	if len(waits) != 5 || waits[0] != 2 || waits[3] < 5 || waits[4] < 9 {
		t.Errorf("waited %v s; want Retry-After, and a time that doubles on top of it", waits)
	}
	wantKeys(t, tab, 6, 1)
}
