package page

import (
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/chromedp/cdproto/network"
	"github.com/chromedp/chromedp"

	"warble/dev/local/fakeclerk"
	"warble/dev/testkit/browser"
)

// posts is the address that publishing asks.
const posts = "*/api/posts"

// on is a outcome for the requests of one method, as often as times says.
func on(method string, times int, outcome browser.Outcome) func(*network.Request) browser.Outcome {
	return func(request *network.Request) browser.Outcome {
		if request.Method != method {
			return browser.Outcome{}
		}
		if times--; times < 0 {
			return browser.Outcome{}
		}
		return outcome
	}
}

// wantKeys wants so many requests to publish, with so many different keys.
func wantKeys(t *testing.T, tab *browser.Tab, requests, keys int) {
	t.Helper()
	var sent []string
	for _, request := range tab.Requests("POST", "/api/posts") {
		sent = append(sent, browser.Header(request, "Idempotency-Key"))
	}
	different := slices.Compact(slices.Sorted(slices.Values(sent)))
	if len(sent) != requests || len(different) != keys || slices.Contains(sent, "") {
		t.Errorf("sent under the keys %q; want %d requests and %d keys", sent, requests, keys)
	}
}

// doubleClick publishes twice, as fast as one can.
func doubleClick(tab *browser.Tab) {
	click := chromedp.Click(chromedp.CSS("form button.loud"))
	tab.Do("double click", click, click)
}

func counter(t *testing.T, s *site) {
	tab := s.as(t, "ada")
	for text, want := range map[string]string{
		"": "0 / 200", "héllo": "5 / 200", "e\u0301": "2 / 200", "🐦🐦": "2 / 200", "👩‍👩": "3 / 200", " \n x \t\n": "1 / 200", strings.Repeat("🐦", 200): "200 / 200",
	} {
		write(tab, text+" ") // never nothing, which is not inserted
		tab.Wait(`document.querySelector('form').innerText.includes(` + browser.Quote(want) + `)`)
	}
	for text, want := range map[string]string{strings.Repeat("🐦", 201): "Too long by 1.", " \n ": "Write something first.",
		"from a\v spread\u001esheet": "U+001E, after “spread”"} { // a vertical tab is a line end
		write(tab, text)
		tab.Press("form", "Publish")
		tab.Text(want)
	}
	for key, modifier := range map[string]chromedp.Modifier{"Ctrl": chromedp.ModifierCtrl, "Cmd": chromedp.ModifierMeta} {
		text := strings.Repeat("🐦", 190) + key
		write(tab, text)
		tab.Keys("\r", modifier)
		published(tab, text)
	}
	if stored := s.contents(t); len(stored) != 2 {
		t.Errorf("stored: %q; want two posts", stored)
	}
}

func optimistic(t *testing.T, s *site) {
	tab := s.as(t, "ada")
	publish(tab, "a warm connection")
	s.proxy.Hang()
	write(tab, "at once")
	doubleClick(tab)
	tab.Wait(textOf(newest) + ` === 'at once' && document.querySelector('` + newest + `').innerText.includes('On its way')`)
	if browser.Eval[bool](tab, `Boolean(document.querySelector('`+newest+` button')?.checkVisibility())`) {
		t.Error("a post can be edited before the server has it")
	}
	s.proxy.Resume()
	published(tab, "at once")
	tab.NoText("On its way")
	s.wantStored(t, "at once", "a warm connection")
	wantShown(tab, "at once", "a warm connection")
	wantKeys(t, tab, 2, 2)
}

func draftSurvives(t *testing.T, s *site) {
	tab := s.visit(t, "/")
	write(tab, "worth keeping")
	tab.Reload()
	tab.Wait(draft + ` === 'worth keeping'`)
	tab.Press("form", "Sign in to write")
	tab.SignIn("grace", fakeclerk.Password)
	published(tab, "worth keeping")                            // without a second press
	tab.Wait(`document.activeElement.innerText === 'Publish'`) // which had the focus before
	s.wantStored(t, "worth keeping")
	tab.Reload()
	tab.Wait(textOf(newest) + ` === 'worth keeping' && ` + draft + ` === ''`)
}

func networkAnswerLost(t *testing.T, s *site) {
	tab := s.as(t, "ada")
	tab.Intercept(posts, on("POST", 1, browser.Outcome{Lose: true}))
	write(tab, "exactly once")
	tab.Press("form", "Publish")
	tab.Text("No answer came. Your text is kept; sending it again cannot publish it twice.")
	s.wantStored(t, "exactly once")
	tab.Reload()
	isSignedIn(tab)
	tab.Wait(draft + ` === 'exactly once'`)
	doubleClick(tab)
	published(tab, "exactly once")
	wantShown(tab, "exactly once")
	s.wantStored(t, "exactly once")
	wantKeys(t, tab, 2, 1)
}

func tokenRenewed(t *testing.T, s *site) {
	tab := s.as(t, "ada")
	tab.Intercept(posts, on("POST", 1, browser.Outcome{Status: 401, Body: `{"detail":"Sign in again."}`}))
	publish(tab, "with a new token")
	wantKeys(t, tab, 2, 1)
	s.wantStored(t, "with a new token")
}

func staleCDN(t *testing.T, s *site) {
	s.insert(t, grace, "from before", time.Hour)
	tab := s.as(t, "ada")
	tab.Text("from before")
	old := browser.Eval[string](tab, `fetch('/api/posts').then((answer) => answer.text())`)
	tab.Intercept(posts, on("GET", 1000, browser.Outcome{Status: 200, Header: map[string]string{"Content-Type": "application/json"}, Body: old}))
	publish(tab, "my own")
	tab.Reload()
	wantShown(tab, "my own", "from before")
	tab.Press(newest, "Edit")
	tab.Fill("article textarea", "my own, better")
	tab.Press(newest, "Save")
	tab.Text("Saved.")
	tab.Reload()
	wantShown(tab, "my own, better", "from before")
	tab.Press(newest, "Delete")
	tab.Press("dialog[open]", "Delete")
	s.wantStored(t, "from before")
	tab.Wait(`sessionStorage['warble.own']?.includes('"post":null')`) // the answer came too
	tab.Reload()
	wantShown(tab, "from before")
}

// As when a text is sent again whose first answer was lost, after others' posts.
func belowNewer(t *testing.T, s *site) {
	s.insert(t, grace, "newer", -time.Minute)
	tab := s.as(t, "ada")
	tab.Text("newer")
	publish(tab, "mine")
	wantShown(tab, "newer", "mine")
}

func twoTabs(t *testing.T, s *site) {
	one := s.as(t, "ada")
	two := one.NewTab()
	two.Go(s.URL)
	isSignedIn(two)
	write(two, "a post")
	one.BringToFront()
	publish(one, "from the other tab")
	two.BringToFront()
	two.Wait(draft + ` === 'a post'`)
	two.Press("main", "1 new post")
	wantShown(two, "from the other tab")
	two.Press("form", "Publish")
	published(two, "a post")
	write(two, "a draft")

	one.BringToFront()
	signOut(one)
	two.BringToFront()
	two.Text("You are signed out. What you were writing is kept.")
	if said := browser.Eval[string](two, `[...document.querySelectorAll('[role=status]:not(.foot *)')].map((e) => e.innerText.trim()).filter(Boolean).join()`); said != "You are signed out. What you were writing is kept." {
		t.Errorf("at the end of a session the page says %q", said)
	}
	wantShown(two, "a post", "from the other tab")
	two.Wait(draft + ` === '' && ![...document.querySelectorAll('article button')].some((b) => b.innerText !== 'Share' && b.checkVisibility())`)
	signIn(two, "ada")
	two.Wait(draft + ` === 'a draft'`)
	s.wantStored(t, "a post", "from the other tab")
}
