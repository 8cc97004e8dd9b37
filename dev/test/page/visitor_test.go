package page

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/chromedp/cdproto/input"
	"github.com/chromedp/cdproto/network"
	"github.com/chromedp/chromedp"
	"github.com/chromedp/chromedp/kb"

	"warble/dev/local/fakeclerk"
	"warble/dev/testkit/browser"
)

// hedy is a moderator.
const hedy = fakeclerk.Hedy

// buttonsOf is an expression: the names of the buttons that an element shows.
func buttonsOf(in string) string {
	return `[...document.querySelector('` + in + `').querySelectorAll('button')].filter((b) => b.checkVisibility({ visibilityProperty: true })).map((b) => b.innerText).join()`
}

func firstVisit(t *testing.T, s *site) {
	s.insert(t, ada, "a post", time.Hour)
	tab := s.visit(t, "/", func(tab *browser.Tab) { tab.Size(390, 800) })
	tab.Wait(buttonsOf("header") + ` === 'Sign in'`)
	tab.Wait(buttonsOf("form") + ` === 'Sign in to write'`)
	tab.Screenshot("first visit, phone")
	const line = `(() => { const line = document.querySelector('header p'); return line.innerText === 'Short posts, by anyone, for everyone.' && line.getBoundingClientRect().bottom < 40; })()`
	if !browser.Eval[bool](tab, line) {
		t.Error("no line at the top says what Warble is")
	}
	if loud := browser.Eval[int](tab, `[...document.querySelectorAll('.loud')].filter((e) => e.checkVisibility()).length`); loud != 1 {
		t.Errorf("%d buttons ask to be pressed; want one", loud)
	}

	// Whoever leaves Clerk's modal and signs in later has not asked to publish.
	write(tab, "not yet")
	tab.Press("form", "Sign in to write")
	tab.Do("the modal", chromedp.WaitVisible(browser.Identifier))
	tab.Keys(kb.Escape)
	tab.ModalClosed()
	signIn(tab, "ada")
	tab.Wait(draft + ` === 'not yet' && ` + buttonsOf("form") + ` === 'Publish'`)
	wantShown(tab, "a post")
	s.wantStored(t, "a post")
	signOut(tab)
	tab.Wait(buttonsOf("form") + ` === 'Sign in to write'`)

	// Nothing was written: signing in is all.
	tab.Press("form", "Sign in to write")
	tab.SignIn("grace", fakeclerk.Password)
	isSignedIn(tab)
	tab.Wait(`document.activeElement.innerText === 'Publish'`)
	s.wantStored(t, "a post")
	if browser.Eval[bool](tab, `document.querySelector('aside').checkVisibility()`) {
		t.Error("somebody who has signed in reads that they are signed out")
	}
}

func reloadSignedIn(t *testing.T, s *site) {
	tab := s.as(t, "ada")
	released := make(chan struct{})
	tab.Fail(scripts, browser.Outcome{Until: released})
	tab.AddScript(`window.flashed = []; requestAnimationFrame(function look() {
		for (const b of document.querySelectorAll('header button, form button')) if (b.checkVisibility({ visibilityProperty: true }) && /Sign/.test(b.innerText)) flashed.push(b.innerText);
		requestAnimationFrame(look);
	})`)
	tab.StartLoading(s.URL + "/u/" + ada)
	tab.StartLoading(s.URL)
	tab.Wait(`location.pathname === '/' && ` + buttonsOf("form") + ` === 'Publish'`)
	close(released)
	isSignedIn(tab)
	if flashed := browser.Eval[[]string](tab, `flashed`); len(flashed) > 0 {
		t.Errorf("somebody who is signed in is shown %q while Clerk loads", flashed)
	}
	publish(tab, "mine")
	browser.Eval[int](tab, `window.before = 1`)
	tab.PressInUserMenu(".cl-userButtonPopoverCustomItemButton")
	tab.Wait(`location.pathname === '/u/` + ada + `' && window.before`) // without another load
	wantShown(tab, "mine")
	signOut(tab)
	tab.Reload()
	tab.Wait(buttonsOf("form") + ` === 'Sign in to write'`)
}

// offline cuts a tab off from the network, or connects it again.
func offline(tab *browser.Tab, is bool) {
	conditions := []*network.Conditions{{Offline: is, DownloadThroughput: -1, UploadThroughput: -1}}
	tab.Do("the network", browser.Command(network.EmulateNetworkConditionsByRule, network.EmulateNetworkConditionsByRuleParams{MatchedNetworkConditions: conditions}),
		browser.Command(network.OverrideNetworkState, network.OverrideNetworkStateParams{Offline: is, DownloadThroughput: -1, UploadThroughput: -1}))
}

func publishingOffline(t *testing.T, s *site) {
	tab := s.as(t, "ada")
	publish(tab, "before")
	offline(tab, true)
	for _, text := range []string{"thought better of", "in the tunnel"} {
		write(tab, text)
		tab.Press("form", "")
		tab.Text("You are offline. Your text is kept, and sent when you are online again.")
		tab.Wait(draft + ` === ` + browser.Quote(text))
	}
	offline(tab, false)
	published(tab, "in the tunnel")
	s.wantStored(t, "in the tunnel", "before")
}

func skipLink(t *testing.T, s *site) {
	s.insert(t, ada, "a post", time.Hour)
	tab := s.visit(t, "/")
	for _, width := range []int64{390, 1280} {
		tab.Size(width, 800)
		tab.Reload()
		wantShown(tab, "a post")
		at := browser.Eval[[]float64](tab, layout)
		tab.Keys(kb.Tab)
		tab.Wait(`document.activeElement.innerText === 'Skip to the posts' && document.activeElement.getBoundingClientRect().top >= 0`)
		if now := browser.Eval[[]float64](tab, layout); fmt.Sprint(now) != fmt.Sprint(at) {
			t.Errorf("at %d px the first Tab moves the page from %v to %v", width, at, now)
		}
		tab.Keys(kb.Enter)
		tab.Keys(kb.Tab)
		tab.Wait(`document.activeElement.matches('article')`) // not the composer
	}
}

// layout is an expression: where the header and the posts are.
const layout = `['header', 'main', '[role=feed]'].flatMap((e) => { const { x, y } = document.querySelector(e).getBoundingClientRect(); return [x, y]; })`

// press presses a key as a keyboard does: no letter follows where the page takes it.
func press(tab *browser.Tab, key string) {
	tab.Do("press "+key, browser.Command(input.DispatchKeyEvent, input.DispatchKeyEventParams{Type: input.DispatchKeyEventTypeKeyDown, Key: key, Text: key}))
}

func keys(t *testing.T, s *site) {
	for i := range 15 {
		s.insert(t, grace, fmt.Sprint("post ", i), time.Hour)
	}
	tab := s.as(t, "ada")
	const writing = `location.pathname === '/' && document.activeElement === document.querySelector('form textarea') && ` + draft + ` === ''`
	for path, write := range map[string]func(){
		"/u/" + grace: func() { press(tab, "n") },
		// A click at its place may miss it while older posts come.
		"/": func() { browser.Eval[bool](tab, `document.querySelector('header .button').click(), true`) },
	} {
		tab.Go(s.URL + path)
		isSignedIn(tab)
		tab.Wait(`document.querySelectorAll('article').length === 15`)
		browser.Eval[bool](tab, `scrollTo(0, 1e6), true`)
		tab.Wait(`document.querySelector('header').getBoundingClientRect().bottom > 0`) // it is still there
		write()
		tab.Wait(writing + ` && scrollY < 300`)
	}
	tab.Keys("nobody?") // in a field they are letters
	tab.Wait(draft + ` === 'nobody?' && !document.querySelector('dialog[open]')`)
	tab.Fill("form textarea", " ")
	tab.Keys(kb.Backspace)
	browser.Eval[bool](tab, `document.activeElement.blur(), true`)
	tab.Keys("n", chromedp.ModifierCtrl)
	tab.Keys("n", chromedp.ModifierAlt)
	press(tab, "?")
	tab.Wait(`/n\s+Write/.test(document.querySelector('dialog[open]')?.innerText)`)
	tab.Screenshot("keys")
	toggle := chromedp.Click(chromedp.CSS("dialog[open] input"))
	tab.Do("letters off", toggle)
	tab.Reload() // which is remembered
	tab.Wait(`document.querySelectorAll('article').length === 15`)
	isSignedIn(tab)
	press(tab, "?")
	press(tab, "n")
	tab.Wait(`!document.querySelector('dialog[open]')`)
	tab.Keys("/", chromedp.ModifierCtrl)
	tab.Wait(`document.querySelector('dialog[open] input')?.checked === false && !document.activeElement.matches('textarea')`)
	tab.Do("letters on", toggle)
	press(tab, "n") // nor behind a dialog
	if browser.Eval[bool](tab, `document.activeElement.matches('textarea')`) {
		t.Error("a key works behind a dialog, or with Ctrl")
	}
	tab.Keys(kb.Escape)
	tab.Wait(`!document.querySelector('dialog[open]')`)
	tab.Do("Clerk's menu", chromedp.Click(browser.UserButton), chromedp.WaitVisible(browser.SignOut))
	press(tab, "n")
	press(tab, "?")
	if browser.Eval[bool](tab, `document.activeElement.matches('textarea') || Boolean(document.querySelector('dialog[open]'))`) {
		t.Error("a key works behind Clerk's menu")
	}
}

func openByTap(t *testing.T, s *site) {
	id := s.insert(t, grace, "tap https://a.example/ here", time.Hour)
	s.insert(t, ada, "another", 2*time.Hour)
	tab := s.as(t, "grace")
	wantShown(tab, "tap https://a.example/ here", "another")
	at := fmt.Sprintf(`location.pathname === '/p/%d'`, id)
	for _, one := range [][2]string{ // what a browser can do, and what becomes of "Share"
		{`navigator.share = async () => { throw new DOMException('no more', 'AbortError'); }`, `!article.querySelector('.says').innerText`},
		{`delete navigator.share, delete Navigator.prototype.share, navigator.clipboard.writeText = async () => { throw Error('no'); }`, `article.innerText.includes(address) && (article.querySelector('.says').click(), location.pathname === '/')`}, // to copy by hand
		{`navigator.clipboard.writeText = async (text) => { window.copied = text; }`, `copied === address && article.innerText.includes('Link copied.')`},
		{`navigator.share = async ({ url }) => { window.shared = url; }`, `shared === address`},
	} {
		browser.Eval[bool](tab, one[0]+`, true`)
		tab.Press(newest, "Share")
		tab.Wait(`((article, address) => ` + one[1] + `)(document.querySelector('` + newest + `'), ` + browser.Quote(fmt.Sprint(s.URL, "/p/", id)) + `)`)
	}
	browser.Eval[bool](tab, `document.querySelector('`+newest+` p a').addEventListener('click', (e) => e.preventDefault()), true`)
	tab.Do("a link", chromedp.Click(chromedp.CSS(newest+" p a")))
	browser.Eval[bool](tab, `getSelection().selectAllChildren(document.querySelector('`+newest+` p')), document.querySelector('`+newest+` p').click(), true`)
	tab.Press(newest, "Edit")
	tab.Do("the field", chromedp.Click(chromedp.CSS("article textarea")))
	tab.Press(newest, "Cancel")
	if browser.Eval[string](tab, `location.pathname`) != "/" {
		t.Fatal("a link, a selection or a button of a post opens the post")
	}
	browser.Eval[bool](tab, `getSelection().empty(), true`)
	tab.Do("tap", chromedp.Click(chromedp.CSS(newest+" header")))
	tab.Wait(`location.pathname !== '/'`)
	tab.Back(1)
	tab.Wait(`location.pathname === '/' && document.querySelectorAll('article').length === 2`)
	browser.Eval[bool](tab, `document.querySelector('`+newest+`').focus(), true`)
	tab.Keys(kb.Enter)
	tab.Wait(at + ` && document.querySelectorAll('article').length === 1`)
	tab.Screenshot("a post")
	tab.Wait(`/^\w+day, \w+ \d+, 20\d\d at/.test(document.querySelector('article time').innerText)`) // the whole date
	browser.Eval[bool](tab, `document.querySelector('article p').click(), true`)
	tab.Wait(at)
}

func tallPosts(t *testing.T, s *site) {
	s.insert(t, ada, "a"+strings.Repeat("\n", 198)+"b", time.Hour)
	s.insert(t, ada, "c\n \n\t\n\nd", 2*time.Hour)
	s.insert(t, ada, strings.Repeat("l\n", 98)+"end", 3*time.Hour)
	s.insert(t, ada, "z"+strings.Repeat("\u0301\u0489", 90), 4*time.Hour)
	s.insert(t, ada, "under the marks", 5*time.Hour)
	tab := s.visit(t, "/")
	tab.Wait(shown + `.slice(0, 2).join('|') === 'a\n\nb|c\n\nd'`)
	tab.Screenshot("hostile")
	const more = `[...document.querySelectorAll('article')].map((a) => a.querySelector('[data-more]').checkVisibility()).join()`
	tab.Wait(more + ` === 'false,false,true,false,false'`)
	const height = `document.querySelector('article:nth-of-type(3)').offsetHeight`
	if tall := browser.Eval[int](tab, height); tall > 500 {
		t.Errorf("a post is %d px tall in the feed", tall)
	}
	// What a post draws beyond its own line is cut off.
	if !browser.Eval[bool](tab, `[...document.querySelectorAll('article p[dir]')].every((p) => getComputedStyle(p).overflowY === 'clip')`) {
		t.Error("marks are drawn over the neighbours")
	}
	tab.Press("article:nth-of-type(3)", "Show more")
	tab.Wait(height + ` > 1000 && document.activeElement === document.querySelector('article:nth-of-type(3)')`)
	tab.Wait(more + ` === 'false,false,false,false,false'`)
}
