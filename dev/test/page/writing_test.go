package page

import (
	"fmt"
	"testing"
	"time"

	"github.com/chromedp/chromedp/kb"

	"warble/dev/local/fakeclerk"
	"warble/dev/testkit/browser"
)

// sessions begins the paths of what ClerkJS asks about sessions; tokens are the addresses of their tokens.
const (
	sessions = fakeclerk.Prefix + "/v1/client/sessions/"
	tokens   = "*/v1/client/sessions/*/tokens*"
)

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
	for _, outcome := range []browser.Outcome{answer(old), {}} {
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
	tab := s.as(t, "ada", func(tab *browser.Tab) { // its waits last until they are let go of
		tab.AddScript(`{ const { setTimeout } = window; let held = [];
			window.setTimeout = (act, after, ...rest) => (after >= 20_000 && after <= 21_000 ? held.push(act) : setTimeout(act, after, ...rest));
			window.letGo = () => held.splice(0).forEach((act) => act()); }`)
	})
	token := make(chan struct{})
	var want []string
	for i, wait := range []struct {
		begin, end func()
	}{
		{func() { tab.Intercept(posts, on("POST", 1, problem(429, "20"))) },
			func() { browser.Eval[bool](tab, `letGo(), true`) }},
		{func() {
			tab.Intercept(tokens, on("POST", 1, browser.Outcome{Until: token})) // Grace's own come at once
			browser.Eval[bool](tab, `Clerk.session.clearCache(), true`)
		}, func() { close(token) }},
	} {
		hers, graces := fmt.Sprint("Ada's words ", i), fmt.Sprint("Grace's words ", i)
		wait.begin()
		write(tab, hers)
		tab.Press("form", "Publish")
		tab.Text("On its way")
		signOut(tab)
		wantShown(tab, want...) // it is not on its way any more
		tab.NoText("it is sent by itself")
		signIn(tab, "grace")
		tab.Wait(draft + ` === ''`)
		wait.end()
		publish(tab, graces)
		want = append([]string{graces}, want...)
		wantShown(tab, want...)
		s.wantStored(t, want...)

		signInAgain(tab, "ada")
		tab.Wait(draft + ` === ` + browser.Quote(hers))
		tab.NoText("No answer came")
		tab.Press("form", "Publish")
		published(tab, hers)
		want = append([]string{hers}, want...)
	}
	// ClerkJS may know of it before it tells.
	write(tab, "Ada's words, too late")
	browser.Eval[bool](tab, `Object.defineProperty(Clerk, 'user', { value: null, configurable: true }), document.querySelector('form').requestSubmit(), true`)
	tab.Text("You are signed out.")
	s.wantStored(t, want...)
	var wrong []string
	if err := s.db.Select(&wrong, "SELECT content FROM posts WHERE (content LIKE 'Ada%') <> (user_id = ?)", ada); err != nil || len(wrong) > 0 {
		t.Errorf("published by another person: %q, %v", wrong, err)
	}
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
	tab.Fail("*/api/posts/*", problem(503, "")) // which does not say that the post is gone
	signInAgain(tab, "ada")
	tab.StopIntercepting()
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

	// A deletion that waits for a token.
	signInAgain(tab, "ada")
	released := make(chan struct{})
	tab.Fail(tokens, browser.Outcome{Until: released})
	browser.Eval[bool](tab, `Clerk.session.clearCache(), true`)
	remove(tab)
	wantShown(tab)
	signOut(tab)
	close(released)
	wantShown(tab, "Ada's post")
	if browser.Eval[bool](tab, `document.body.innerText.includes('Not deleted')`) {
		t.Error("the next person reads what became of Ada's change")
	}
	s.wantStored(t, "Ada's post")
}

func editOfDeleted(t *testing.T, s *site) {
	tab := s.as(t, "ada")
	for i, text := range []string{"saved too late", "left open"} {
		id := s.insert(t, ada, "as it was", time.Hour)
		tab.Reload()
		isSignedIn(tab)
		tab.Press(newest, "Edit")
		tab.Fill("article textarea", text)
		news := s.insert(t, grace, "news", 0)
		s.db.MustExec("DELETE FROM posts WHERE id = ?", id)
		tab.Wait(visibleButton("1 new post")) // the page knows, and the form stays
		s.db.MustExec("DELETE FROM posts WHERE id = ?", news)
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
		tab.Press(newest, "Edit")
		tab.Fill("article textarea", "goes with its post")
		tab.Keys(kb.Escape)
		remove(tab)
		s.wantStored(t)
		tab.Wait(deletionKnown)
	}
	tab.Wait(`!Object.keys(localStorage).some((name) => name.startsWith('warble.draft'))`)
}

func toldToWait(t *testing.T, s *site) {
	tab := s.as(t, "ada", fast)
	browser.Eval[bool](tab, `window.waits = [], new MutationObserver((changes) => {
		for (const { addedNodes } of changes) {
			const wait = /in (\d+) seconds/.exec(addedNodes[0]?.textContent);
			if (wait) waits.push(Number(wait[1]));
		}
	}).observe(document.querySelector('form [data-says]'), { childList: true }), true`)
	tab.Intercept(posts, on("POST", 5, problem(429, "1")))
	publish(tab, "in the end")
	waits := browser.Eval[[]int](tab, `waits`)
	if len(waits) != 5 || waits[0] != 2 || waits[3] < 5 || waits[4] < 9 {
		t.Errorf("waited %v s; want Retry-After, and a time that doubles on top of it", waits)
	}
	wantKeys(t, tab, 6, 1)
	for retryAfter, want := range map[string]string{"2520": "in 42 minutes", "": "later"} { // too long to wait out
		tab.Intercept(posts, on("POST", 1, problem(429, retryAfter)))
		write(tab, "after "+retryAfter)
		tab.Press("form", "")
		tab.Text("Send this one " + want + "; your text is kept.")
		tab.Wait(draft + ` === ` + browser.Quote("after "+retryAfter))
		wantShown(tab, "in the end")
	}
	for refusals := 2; refusals > 0; refusals-- { // of the renewed token too, then of the old one alone
		given := len(tab.Requests("POST", sessions))
		tab.Intercept(posts, on("POST", refusals, problem(401, "")))
		tab.Press("form", "Send again")
		tab.Text(map[int]string{2: "No.", 1: "Published."}[refusals])
		if len(tab.Requests("POST", sessions)) == given {
			t.Error("a refused token is sent again")
		}
	}
	tab.NoText("Published.")
	tab.Wait(buttonsOf("form") + ` === 'Publish'`)
	signOut(tab)
	tab.Text("You are signed out.")
	tab.Wait(`!document.querySelector('aside').checkVisibility()`) // with the words, what is around them
}

// What the drafts do when two tabs are mixed with sign-ins and lost answers is
// draft.test.js's; these are the browser's own locks and storage.
func twoTabs(t *testing.T, s *site) {
	s.insert(t, ada, "as it was", time.Hour)
	one := s.as(t, "ada")
	two := one.NewTab()
	two.Go(s.URL)
	isSignedIn(two)
	for name, tab := range map[string]*browser.Tab{"one": one, "two": two} {
		tab.BringToFront()
		write(tab, "the draft of "+name)
		tab.Press(newest, "Edit")
		tab.Fill("article textarea", "the edit of "+name)
	}
	two.BringToFront()
	two.Reload()
	isSignedIn(two)
	two.Wait(draft + ` === 'the draft of two'`)
	two.Press(newest, "Edit")
	two.Text("You had not saved this.")
	two.Press(newest, "Save")
	two.Text("Saved.")

	one.BringToFront()
	signOut(one)
	two.BringToFront()
	two.Text("You are signed out.")
	if said := browser.Eval[string](two, `[...document.querySelectorAll('[role=status]:not(.foot *, article *)')].map((e) => e.innerText.trim()).filter(Boolean).join()`); said != "You are signed out. What you were writing is kept." {
		t.Errorf("at the end of a session the page says %q", said)
	}
	two.Wait(draft + ` === '' && ![...document.querySelectorAll('article button')].some((b) => b.innerText !== 'Share' && b.checkVisibility())`)
	signIn(two, "ada")
	two.Wait(draft + ` === 'the draft of two'`)
	s.leave(one)
	two.BringToFront()
	two.Press("form", "Publish")
	two.Text("Published. Here is another draft of yours.")
	two.Wait(draft + ` === 'the draft of one'`)
	two.Press(newest+" + article", "Edit")
	two.Wait(`document.querySelector('article textarea').value === 'the edit of one'`)
	s.wantStored(t, "the draft of two", "the edit of two")
}
