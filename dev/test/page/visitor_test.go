package page

import (
	"context"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/chromedp/cdproto/emulation"
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
	tab := s.browser.NewContext(t)
	tab.Size(390, 800)
	tab.Go(s.URL)
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
	for scheme, size := range map[string][2]int64{"light": {1280, 800}, "dark": {390, 800}} {
		tab.Media("prefers-color-scheme", scheme)
		tab.Size(size[0], size[1])
		tab.Screenshot("signed in, " + scheme)
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
	signOut(tab)
	tab.Reload()
	tab.Wait(buttonsOf("form") + ` === 'Sign in to write'`)
}

// offline cuts a tab off from the network, or connects it again.
func offline(tab *browser.Tab, is bool) {
	tab.Do("the network", chromedp.Func(func(ctx context.Context, _ *chromedp.Target) error {
		conditions := &network.Conditions{Offline: is, DownloadThroughput: -1, UploadThroughput: -1}
		if _, err := chromedp.Call(ctx, network.EmulateNetworkConditionsByRule, network.EmulateNetworkConditionsByRuleParams{MatchedNetworkConditions: []*network.Conditions{conditions}}); err != nil {
			return err
		}
		_, err := chromedp.Call(ctx, network.OverrideNetworkState, network.OverrideNetworkStateParams{Offline: is, DownloadThroughput: -1, UploadThroughput: -1})
		return err
	}))
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

func saidForAWhile(t *testing.T, s *site) {
	tab := s.browser.NewContext(t)
	tab.SpeedUpTimers(10) // eight seconds
	tab.Go(s.URL)
	signIn(tab, "ada")
	publish(tab, "a post")
	tab.NoText("Published.")
	edit(tab, "a post, changed")
	tab.Text("Saved.")
	tab.NoText("Saved.")
	signOut(tab)
	tab.Text("You are signed out.")
	tab.NoText("You are signed out.")
	if browser.Eval[bool](tab, `document.querySelector('aside').checkVisibility()`) {
		t.Error("an empty message stays over the posts")
	}

	// What went wrong stays, and does not look like a hint.
	signIn(tab, "ada")
	write(tab, strings.Repeat("x", 201))
	tab.Press("form", "Publish")
	tab.Text("Too long by 1.")
	const colours = `[getComputedStyle(document.querySelector('form .says')).color, getComputedStyle(document.querySelector('.handle')).color]`
	if colour := browser.Eval[[]string](tab, colours); colour[0] == colour[1] {
		t.Errorf("an error is %s, as a hint is", colour[0])
	}
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
	tab.Do("press "+key, chromedp.Func(func(ctx context.Context, _ *chromedp.Target) error {
		_, err := chromedp.Call(ctx, input.DispatchKeyEvent, input.DispatchKeyEventParams{Type: input.DispatchKeyEventTypeKeyDown, Key: key, Text: key})
		return err
	}))
}

func keys(t *testing.T, s *site) {
	for i := range 15 {
		s.insert(t, grace, fmt.Sprint("post ", i), time.Hour)
	}
	tab := s.as(t, "ada")
	const writing = `location.pathname === '/' && document.activeElement === document.querySelector('form textarea') && ` + draft + ` === ''`
	for _, path := range []string{"/u/" + grace, "/"} {
		tab.Go(s.URL + path)
		isSignedIn(tab)
		tab.Wait(`document.querySelectorAll('article').length === 15`)
		browser.Eval[bool](tab, `scrollTo(0, 1e6), true`)
		press(tab, "n")
		tab.Wait(writing + ` && scrollY < 300`)
	}
	tab.Keys("nobody?") // in a field they are letters
	tab.Wait(draft + ` === 'nobody?' && !document.querySelector('dialog[open]')`)
	tab.Fill("form textarea", " ")
	tab.Keys(kb.Backspace)
	browser.Eval[bool](tab, `document.activeElement.blur(), true`)
	tab.Keys("n", chromedp.ModifierCtrl)
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
	tab.Keys(kb.Escape)

	tab.Go(s.URL + "/u/" + grace)
	tab.Wait(`document.querySelectorAll('article').length === 15`)
	browser.Eval[bool](tab, `scrollTo(0, 1e6), true`)
	tab.Wait(`document.querySelector('header').getBoundingClientRect().bottom > 0`)
	// The header is still there. A click at its place may miss it while older posts come.
	browser.Eval[bool](tab, `document.querySelector('header .button').click(), true`)
	tab.Wait(writing)
}

func openByTap(t *testing.T, s *site) {
	id := s.insert(t, grace, "tap https://a.example/ here", time.Hour)
	s.insert(t, ada, "another", 2*time.Hour)
	tab := s.as(t, "grace")
	wantShown(tab, "tap https://a.example/ here", "another")
	at := fmt.Sprintf(`location.pathname === '/p/%d'`, id)
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

func sharing(t *testing.T, s *site) {
	id := s.insert(t, grace, "a post", time.Hour)
	tab := s.browser.NewContext(t)
	tab.AddScript(`navigator.clipboard.writeText = async (text) => { window.copied = text; }; delete Navigator.prototype.share`)
	tab.Go(s.URL)
	tab.Press(newest, "Share")
	tab.Wait(`copied === ` + browser.Quote(fmt.Sprint(s.URL, "/p/", id)))
	tab.Text("Link copied.")
	browser.Eval[bool](tab, `navigator.clipboard.writeText = async () => { throw Error('no'); }, true`)
	tab.Press(newest, "Share")
	tab.Text(fmt.Sprint("/p/", id)) // to copy by hand
	browser.Eval[bool](tab, `navigator.share = async (what) => { window.shared = what.url; }, true`)
	tab.Press(newest, "Share")
	tab.Wait(`shared.endsWith('/p/` + fmt.Sprint(id) + `')`)
}

func moderating(t *testing.T, s *site) {
	s.insert(t, hedy, "the moderator's own", 3*time.Hour)
	s.insert(t, grace, "Grace's", 2*time.Hour)
	s.insert(t, ada, "spam", time.Hour)
	tab := s.as(t, "hedy")
	wantShown(tab, "spam", "Grace's", "the moderator's own")
	tab.Wait(buttonsOf(newest) + ` === 'Share,Delete'`)
	tab.Wait(buttonsOf("article:last-of-type") + ` === 'Share,Edit,Delete'`)
	tab.Screenshot("moderator")
	remove(tab)
	s.wantStored(t, "Grace's", "the moderator's own")
	tab.Reload()
	wantShown(tab, "Grace's", "the moderator's own")
	tab.Wait(buttonsOf(newest) + ` === 'Share,Delete'`)
	signInAgain(tab, "ada")
	tab.Wait(buttonsOf(newest) + ` === 'Share' && ` + buttonsOf("article:last-of-type") + ` === 'Share'`)
}

func yourPosts(t *testing.T, s *site) {
	tab := s.as(t, "grace")
	publish(tab, "mine")
	browser.Eval[int](tab, `window.before = 1`)
	tab.PressInUserMenu(".cl-userButtonPopoverCustomItemButton")
	tab.Wait(`location.pathname === '/u/` + grace + `'`)
	wantShown(tab, "mine")
	if loads := browser.Eval[int](tab, `window.before`); loads != 1 {
		t.Error("the page was loaded again")
	}
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

func deletedPeople(t *testing.T, s *site) {
	s.insert(t, "user_oneWhoLeftAAAAAA", "one", time.Hour)
	s.insert(t, "user_anotherWhoLeftBBBBBB", "another", 2*time.Hour)
	tab := s.visit(t, "/")
	wantShown(tab, "one", "another")
	if names := browser.Eval[string](tab, `[...document.querySelectorAll('article header')].map((e) => e.textContent).join()`); names != "Somebody AAAAAA,Somebody BBBBBB" {
		t.Errorf("two people without a profile are %q", names)
	}
}

func otherLanguages(t *testing.T, s *site) {
	s.insert(t, ada, "a post", 3*time.Hour)
	s.insert(t, ada, "an old post", time.Since(time.Date(2024, 2, 29, 12, 0, 0, 0, time.UTC)))
	tab := s.browser.NewContext(t)
	tab.Do("speak German", chromedp.Func(func(ctx context.Context, _ *chromedp.Target) error {
		_, err := chromedp.Call(ctx, emulation.SetLocaleOverride, emulation.SetLocaleOverrideParams{Locale: "de-DE"})
		return err
	}))
	tab.Go(s.URL)
	wantShown(tab, "a post", "an old post")
	tab.Wait(`[...document.querySelectorAll('article time')].every((time) => time.title)`) // the first texts have none
	times := browser.Eval[[]string](tab, `[...document.querySelectorAll('article time')].flatMap((t) => [t.lang, t.children[0].innerText, t.title])`)
	if times[0] != "de-DE" || times[1] != "vor 3 Std." || times[4] != "29.02.2024" || !strings.HasPrefix(times[5], "Donnerstag, 29. Februar 2024") {
		t.Errorf("a German browser shows the times %q", times)
	}
}
