package page

import (
	"fmt"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/chromedp/cdproto/emulation"
	"github.com/chromedp/cdproto/network"
	"github.com/chromedp/chromedp"
	"github.com/chromedp/chromedp/kb"

	"warble/dev/local/fakeclerk"
	"warble/dev/testkit/browser"
)

// scripts are the two of ClerkJS that bring the rest, and clerkAPI is what they ask.
const (
	scripts  = "*/__clerk/npm/*.browser.js"
	clerkAPI = "*/__clerk/v1/*"
)

func postsFirst(t *testing.T, s *site) {
	for i := range 3 {
		s.insert(t, ada, fmt.Sprint("first things first ", i), time.Hour)
	}
	tab := s.browser.NewContext(t)
	tab.AddScript(`window.shift = 0; new PerformanceObserver((list) => list.getEntries().forEach((e) => shift += e.hadRecentInput ? 0 : e.value)).observe({ type: 'layout-shift', buffered: true })`)
	tab.SpeedUpTimers(5) // it is slow after 4 s, and down after 20
	released := make(chan struct{})
	tab.Fail(scripts, browser.Outcome{Until: released})
	tab.StartLoading(s.URL)
	tab.Text("first things first")
	tab.Press("header", "Sign in") // before there is a Clerk to ask
	if browser.Eval[bool](tab, `Boolean(window.Clerk)`) {
		t.Error("the posts waited for Clerk")
	}
	for _, request := range tab.Requests("GET", "/api/posts") {
		if browser.Header(request, "Authorization") != "" {
			t.Error("the feed is asked for with a token: no CDN may answer")
		}
	}
	tab.Text("Signing in is slow just now. Reading works.")
	tab.Text("Signing in cannot be reached just now")
	tab.Press("aside", "Try again")
	tab.Text("Signing in is on its way")
	close(released)
	tab.Do("the modal comes when Clerk does", chromedp.WaitVisible(browser.Identifier))
	tab.Wait(`document.querySelector('aside').hidden`)
	if n := browser.Eval[int](tab, `document.querySelectorAll('script[src*="/npm/@clerk/"][data-clerk-publishable-key]').length`); n != 2 {
		t.Errorf("%d scripts of Clerk's entries; want ClerkJS and its components, once each", n)
	}
	// 0.1 is where a shift begins to count as poor (web.dev/cls).
	if shift := browser.Eval[float64](tab, `shift`); shift > 0.1 {
		t.Errorf("the layout shifts by %v while it loads", shift)
	}
}

func readEarly(t *testing.T, s *site) {
	for i := range 5 {
		s.insert(t, ada, fmt.Sprint("early bird ", i), time.Hour)
	}
	come := make(chan struct{})
	tab := s.browser.NewContext(t)
	tab.Fail("*/js/*", browser.Outcome{Until: come})
	tab.StartLoading(s.URL)
	tab.Text("early bird 4")
	browser.Eval[bool](tab, `window.first = document.querySelector('article'), true`)
	close(come)
	tab.Wait(`document.querySelectorAll('article a[href^="/p/"]').length === 5`)
	if !browser.Eval[bool](tab, `first === document.querySelector('article')`) {
		t.Error("the post that somebody reads is replaced")
	}

	// An answer that comes after the modules, which are not waited for longer than 1 s.
	tab = s.browser.NewContext(t)
	answered := make(chan struct{})
	tab.Fail("*/api/posts", browser.Outcome{Until: answered})
	tab.StartLoading(s.URL)
	tab.Wait(`window.Clerk`)
	close(answered)
	tab.Wait(`document.querySelectorAll('article a[href^="/p/"]').length === 5`)
	if count := browser.Eval[int](tab, `document.querySelectorAll('article').length`); count != 5 {
		t.Errorf("%d posts are shown of 5", count)
	}
}

func firstScriptAgrees(t *testing.T, s *site) {
	s.insert(t, grace, "by somebody with a name", time.Hour)
	s.insert(t, "user_gone", "by somebody without", time.Hour)
	id := s.insert(t, grace, "by one more", time.Hour)
	const names = `[...document.querySelectorAll('article bdi')].map((one) => one.textContent)`
	tab := s.browser.NewContext(t)
	tab.AddScript(`{
		const { fetch } = window, { timeout } = AbortSignal;
		let after;
		AbortSignal.timeout = (ms) => timeout.call(AbortSignal, after = ms);
		window.reads = [];
		window.fetch = (path, options) => {
			if (path.startsWith?.('/api/posts')) reads.push(JSON.stringify([path, options.cache, options.method, options.body, [...new Headers(options.headers)], after]));
			after = undefined;
			return fetch(path, options);
		};
	}`)
	tab.SpeedUpTimers(20)
	for _, path := range []string{"/", "/u/" + grace, fmt.Sprint("/p/", id)} {
		come := make(chan struct{})
		tab.Fail("*/js/*", browser.Outcome{Until: come})
		tab.StartLoading(s.URL + path)
		tab.Wait(`location.pathname === ` + browser.Quote(path) + ` && document.body?.innerText.includes('by one more')`)
		early := browser.Eval[[]string](tab, names)
		close(come)
		tab.Wait(modulesAreThere)
		if now := browser.Eval[[]string](tab, names); len(early) == 0 || fmt.Sprint(now) != fmt.Sprint(early) {
			t.Errorf("%s: posts are first by %q, then by %q", path, early, now)
		}
		tab.Wait(`reads.length > 1`)
		if reads := browser.Eval[[]string](tab, `reads`); reads[0] != reads[1] {
			t.Errorf("%s: the first script reads\n%s, the modules\n%s", path, reads[0], reads[1])
		}
	}

	tab = s.browser.NewContext(t)
	tab.AddScript(`sessionStorage['warble.own'] = '[]'`)
	tab.Fail("*/js/*", browser.Outcome{Delay: time.Hour})
	tab.StartLoading(s.URL)
	tab.Wait(`window.early`)
	if shown := browser.Eval[bool](tab, `early.answer.then(() => new Promise((done) => setTimeout(done, 100))).then(() => Boolean(document.querySelector('article')))`); shown {
		t.Error("the first script shows posts to somebody whose own changes may be newer than the answer")
	}
}

func clerkDown(t *testing.T, s *site) {
	s.insert(t, ada, "still here", time.Hour)
	tab := s.browser.NewContext(t)
	tab.Fail(scripts, browser.Outcome{Block: true}) // as a content blocker does
	tab.Go(s.URL)
	tab.Text("still here")
	tab.Text("Signing in cannot be reached just now. Reading works; your draft is kept.")
	const tries = `document.querySelectorAll('script[src*="/npm/@clerk/"]').length / 2`
	tab.Press("aside", "Try again")
	tab.Wait(tries + ` === 2 && document.querySelector('aside').innerText.includes('cannot be reached')`)
	browser.Eval[bool](tab, `dispatchEvent(new Event('online'))`)
	tab.Wait(tries + ` === 3 && document.querySelector('aside').innerText.includes('cannot be reached')`)
	tab.Press("aside", "Dismiss")
	tab.Wait(`!document.querySelector('aside').checkVisibility()`)
	write(tab, "while Clerk was away")
	tab.StopIntercepting()
	tab.Press("form", "Sign in to write") // which tries again too
	tab.Text("Sign in to publish; your text is kept.")
	tab.Do("what was asked for comes after all", chromedp.WaitVisible(browser.Identifier))
	tab.Wait(`document.querySelector('aside').hidden && ` + draft + ` === 'while Clerk was away'`)

	tab = s.browser.NewContext(t) // the scripts come, and nothing else
	tab.Fail(clerkAPI, browser.Outcome{Status: 500, Body: `{"errors":[]}`})
	tab.SpeedUpTimers(10)
	tab.Go(s.URL)
	tab.Text("still here")
	tab.Wait(`/^Signing in .* Reading works/.test(document.querySelector('aside').innerText)`)
}

func tokenHangs(t *testing.T, s *site) {
	tab := s.as(t, "ada", fast)
	tab.Fail(tokens, browser.Outcome{Until: make(chan struct{})})
	browser.Eval[bool](tab, `Clerk.session.clearCache(), true`)
	write(tab, "timeout")
	tab.Press("form", "Publish")
	tab.Text("Signing in does not answer just now")
	tab.Wait(draft + ` === 'timeout'`)
	tab.StopIntercepting()
	tab.Reload() // ClerkJS itself still waits for the token
	isSignedIn(tab)
	tab.Press("form", "Publish")
	published(tab, "timeout")
}

func feedRecovers(t *testing.T, s *site) {
	s.insert(t, ada, "back again", time.Hour)
	s.proxy.Down()
	tab := s.visit(t, "/", func(tab *browser.Tab) { tab.Size(390, 700) }, speak("de-DE")) // our sentences are English
	tab.Wait(`/Trying again in \d+ seconds?/.test(document.querySelector('main').innerText)`)
	tab.Wait(visibleButton("Try again") + `.getBoundingClientRect().bottom <= innerHeight && !document.querySelector('[role="feed"] > *')`)
	tab.Screenshot("outage-phone")
	s.proxy.Up()
	wantShown(tab, "back again") // by itself
	tab.NoText("Try")
	for _, sooner := range []func(){
		func() { tab.Press("main", "Try again") },
		func() { browser.Eval[bool](tab, `dispatchEvent(new Event('online'))`) },
	} {
		tab.Fail(reads, problem(503, "600"))
		tab.Reload()
		tab.Text("No. Trying again in 11 minutes.")
		tab.StopIntercepting()
		sooner()
		wantShown(tab, "back again")
	}
}

func withoutStorage(t *testing.T, s *site) {
	s.insert(t, ada, "still here", time.Hour)
	tab := s.browser.NewContext(t)
	tab.AddScript(`for (const name of ['localStorage', 'sessionStorage'])
		Object.defineProperty(window, name, { get() { throw new DOMException('off', 'SecurityError'); } })`)
	tab.Fail(scripts, browser.Outcome{Block: true}) // ClerkJS needs storage
	tab.Go(s.URL)
	tab.Text("still here")
	write(tab, "a draft for this visit")
	tab.Press("form", "Sign in to write")
	tab.Text("Sign in to publish")
}

func olderPosts(t *testing.T, s *site) {
	s.numbered(t, 1, 50)
	tab := s.browser.NewContext(t)
	const asked = `performance.getEntriesByType('resource').filter((e) => e.name.includes('/api/posts?before=')).length`
	released := make(chan struct{})
	refusals := 2
	tab.Intercept("*/api/posts?before=*", func(*network.Request) browser.Outcome {
		if refusals--; refusals >= 0 {
			return browser.Outcome{Status: 503, Body: `{"detail":"Resting."}`}
		}
		return browser.Outcome{Until: released}
	})
	tab.Go(s.URL)
	tab.Wait(`document.querySelectorAll('article').length === 20`)
	browser.Eval[bool](tab, `scrollTo(0, 1e6), true`)
	tab.Text("Resting.")
	browser.Eval[bool](tab, `dispatchEvent(new Event('online'))`)
	tab.Wait(asked + ` === 2`)
	tab.Press("main", "Older posts") // asks where scrolling did not get it
	tab.Wait(`document.querySelector('[role=feed]').ariaBusy === 'true'`)
	tab.Press("main", "Older posts")
	close(released)
	tab.Text("Older posts are below.") // for those who do not see them
	tab.Wait(`document.querySelectorAll('article').length === 40`)
	browser.Eval[bool](tab, `scrollTo(0, 1e6), true`)
	wantShown(tab, numbers(1, 50)...)
	tab.Wait(`!(` + visibleButton("Older") + `) && document.activeElement.matches('article') && document.activeElement.innerText.includes('post 10')`) // which had the focus
	const roles = `document.querySelector('[role=feed]').ariaBusy === 'false' && [...document.querySelectorAll('article')].every((a, i) => a.ariaPosInSet === String(i + 1) && a.ariaSetSize === '-1' && document.getElementById(a.getAttribute('aria-describedby')).innerText === 'post ' + (50 - i))`
	if !browser.Eval[bool](tab, roles) {
		t.Error("screen readers are not told what is in the feed")
	}
	browser.Eval[bool](tab, `document.querySelector('article').focus(), true`)
	for key, want := range map[string]string{kb.PageDown: "post 49", kb.PageUp: "post 50"} {
		tab.Keys(key)
		tab.Wait(`document.activeElement.matches('article') && document.activeElement.innerText.includes('` + want + `')`)
	}
}

func places(t *testing.T, s *site) {
	for _, path := range []string{"/p/abc", "/p/0", "/u/ada", "/p/"} {
		response, err := http.Get(s.URL + path)
		if err != nil {
			t.Fatal(err)
		}
		response.Body.Close()
		if response.StatusCode != http.StatusNotFound {
			t.Errorf("%s = %d; want 404", path, response.StatusCode)
		}
	}
	for i := range 15 {
		s.insert(t, grace, fmt.Sprint("by Grace ", i), time.Hour)
	}
	id := s.insert(t, ada, "by Ada, with a title", 2*time.Hour)
	tab := s.visit(t, "/", fast)
	is := func(path, title string, posts int) { // where one has come to
		t.Helper()
		tab.Wait(fmt.Sprintf(`location.pathname === %q && document.title === %q && document.querySelectorAll('article').length === %d`, path, title, posts))
	}
	click := func(selector string) {
		t.Helper()
		tab.Do("click "+selector, chromedp.ScrollIntoView(chromedp.CSS(selector)), chromedp.Click(chromedp.CSS(selector)))
	}
	const her, her1 = "/u/" + ada, "article:last-of-type header a"
	its := fmt.Sprint("/p/", id)
	is("/", "Warble", 16)
	tab.Text("This is the end.")
	tab.Wait(`document.querySelector('link[rel="alternate"][type="application/atom+xml"]').href === location.origin + '/feed.xml'`)
	tab.Do("to Ada's post", chromedp.ScrollIntoView(chromedp.CSS(her1)))
	at := browser.Eval[float64](tab, `scrollY`)
	click(her1)
	is(her, "Ada Lovelace · Warble", 1)
	tab.Back(1)
	is("/", "Warble", 16)
	tab.Wait(fmt.Sprintf(`scrollY === %v && document.querySelector('%s') === document.activeElement`, at, her1))
	click(her1)
	is(her, "Ada Lovelace · Warble", 1)
	tab.Wait(`document.querySelector('link[rel="alternate"]').href.endsWith('` + her + `/feed.xml')`) // for feed readers
	tab.Wait(`document.activeElement === document.querySelector('h1') && document.querySelector('h1').innerText === 'Ada Lovelace'`)
	tab.Wait(`document.querySelector('.head img') && document.querySelector('.head .handle').innerText === '@ada'`)
	click(`article a[href^="/p/"]`)
	is(its, "Post by Ada Lovelace: by Ada, with a title · Warble", 1)
	tab.Reload() // as somebody to whom the address was sent
	is(its, "Post by Ada Lovelace: by Ada, with a title · Warble", 1)
	tab.Back(1)
	is(her, "Ada Lovelace · Warble", 1)
	tab.Back(1)
	is("/", "Warble", 16)
	const hers = `performance.getEntriesByType('resource').filter((e) => e.name.includes('userId=')).length`
	asked := browser.Eval[int](tab, hers)
	browser.Eval[bool](tab, `new Promise((done) => setTimeout(done, 20_000, true))`)
	if now := browser.Eval[int](tab, hers); now != asked {
		t.Error("a place that was left is still read")
	}
	// A link with a modifier is the browser's: this one opens another tab.
	const taken = `(() => {
		const taken = [], see = (event) => { if (event.defaultPrevented) taken.push(event); event.preventDefault(); };
		addEventListener('click', see);
		for (const key of ['ctrl', 'meta', 'shift', 'alt']) document.querySelector('article header a').dispatchEvent(new MouseEvent('click', { [key + 'Key']: true, bubbles: true, cancelable: true }));
		removeEventListener('click', see);
		return taken.length;
	})()`
	if n := browser.Eval[int](tab, taken); n > 0 {
		t.Errorf("%d of four clicks with a modifier are followed in this tab", n)
	}
	is("/", "Warble", 16)
	browser.Eval[bool](tab, `scrollTo(0, 1e6), scrollY > 0 && (document.querySelector('.brand').click(), true)`)
	tab.Wait(`scrollY === 0`)

	tab.Go(s.URL + its)
	click(`section div a[href="` + her + `"]:not(article a)`) // more by Ada
	is(her, "Ada Lovelace · Warble", 1)
	tab.Back(1)
	s.db.MustExec("DELETE FROM posts WHERE id = ?", id)
	tab.Text("It was deleted, or it never was.")
	is(its, "No such post · Warble", 0)
	click(`section div a[href="/"]`)
	is("/", "Warble", 15)
	tab.Go(s.URL + "/u/user_nobody")
	is("/u/user_nobody", "Nobody here · Warble", 0)
	tab.Go(s.URL + "/nothing")
	tab.Text("Nothing sings here")
	click("main a")
	is("/", "Warble", 15)
}

// speak has the browser speak a language from the next load on.
func speak(locale string) func(*browser.Tab) {
	return func(tab *browser.Tab) {
		tab.Do("speak "+locale, browser.Command(emulation.SetLocaleOverride, emulation.SetLocaleOverrideParams{Locale: locale}))
	}
}

// times is how a time is shown, and that it goes on. time.test.js has the words.
func times(t *testing.T, s *site) {
	s.insert(t, ada, "a", 0)
	s.insert(t, ada, "b", 3*time.Hour)
	s.insert(t, ada, "c", time.Since(time.Date(2024, 2, 29, 12, 0, 0, 0, time.UTC)))
	s.db.MustExec("UPDATE posts SET updated_at = created_at + INTERVAL 1 MINUTE WHERE content = 'b'")
	tab := s.visit(t, "/", fast) // it looks at the clock every 20 s
	wantShown(tab, "a", "b", "c")
	const eyes = `[...document.querySelectorAll('article time [aria-hidden]')].map((e) => e.innerText).join()`
	tab.Wait(eyes + ` === 'now,3h ago,Feb 29, 2024'`)
	const others = `[...document.querySelectorAll('article time')].every((e) => /^\w+day, \w+ \d+, 20\d\d at \d+:\d\d/.test(e.title) && e.children[1].innerText === e.title && e.children[1].offsetWidth === 1 && e.dateTime.endsWith('Z'))`
	if !browser.Eval[bool](tab, others) {
		t.Error("times are not exact on hover and for screen readers")
	}
	if marked := browser.Eval[string](tab, `[...document.querySelectorAll('article')].filter((e) => /edited/.test(e.innerText) && / at \d+:/.test(e.querySelector('.edited').title)).map((e) => e.querySelector('p').innerText).join()`); marked != "b" {
		t.Errorf("marked as edited: %q; want b", marked)
	}
	// Time passes. With the next answer the page knows that it was the clock that was put forward.
	tab.Fail("*/api/*", browser.Outcome{Block: true})
	browser.Eval[bool](tab, `{ const real = Date.now; Date.now = () => real() + 3600_000; } true`)
	tab.Wait(eyes + ` === '1h ago,4h ago,Feb 29, 2024'`)
	tab.StopIntercepting()
	tab.Wait(eyes + ` === 'now,3h ago,Feb 29, 2024'`)

	speak("de-DE")(tab)
	tab.Reload()
	tab.Wait(eyes + ` === 'jetzt,vor 3 Std.,29.02.2024'`)
	if last := browser.Eval[string](tab, `((time) => time.lang + ': ' + time.title)(document.querySelector('article:last-of-type time'))`); !strings.HasPrefix(last, "de-DE: Donnerstag, 29. Februar 2024") {
		t.Errorf("a German browser shows the time %q", last)
	}
}

func pictures(t *testing.T, s *site) {
	s.insert(t, ada, "with a picture", time.Hour)
	s.insert(t, "user_oneWhoLeftAAAAAA", "without a profile", 0)
	s.insert(t, "user_anotherWhoLeftBBBBBB", "another", 2*time.Hour)
	tab := s.visit(t, "/")
	const picture = `document.querySelector('article:nth-of-type(2) img')`
	tab.Wait(picture + `?.naturalWidth > 0`)
	if names := browser.Eval[string](tab, `[...document.querySelectorAll('article header')].map((e) => e.textContent).join()`); names != "Somebody AAAAAA,Ada Lovelace @ada,Somebody BBBBBB" {
		t.Errorf("people, two of them without a profile, are %q", names)
	}
	const drawn = `new Set([...document.querySelectorAll('article .face:not(:has(img))')].map((e) => getComputedStyle(e, '::before').backgroundColor).filter((colour) => colour !== 'rgba(0, 0, 0, 0)')).size`
	if faces := browser.Eval[int](tab, drawn); faces != 2 {
		t.Errorf("%d different faces are drawn for two people without a profile", faces)
	}
	tab = s.visit(t, "/", func(tab *browser.Tab) { // who has none in their cache
		tab.Fail("*/__clerk/img/*", browser.Outcome{Block: true})
	})
	wantShown(tab, "without a profile", "with a picture", "another")
	tab.Wait(`!` + picture) // nor a broken one
}

// links is how links are drawn. text.test.js has which parts of a text they are.
func links(t *testing.T, s *site) {
	s.insert(t, ada, "see HTTPS://A.example/x?y=1#z.\n\nwww.b.example\nhttps://аррӏе.com/", time.Hour)
	s.insert(t, ada, "שלום עולם (hello) 123", 2*time.Hour)
	tab := s.visit(t, "/")
	const lookAlike = "https://xn--80ak6aa92e.com/"
	wantShown(tab, "see HTTPS://A.example/x?y=1#z.\n\nwww.b.example\n"+lookAlike, "שלום עולם (hello) 123")
	const rel = "nofollow noopener ugc"
	want := [][]string{{"https://a.example/x?y=1#z", "HTTPS://A.example/x?y=1#z", rel, "ltr"}, {lookAlike, lookAlike, rel, "ltr"}}
	if got := browser.Eval[[][]string](tab, `[...document.querySelectorAll('article p a')].map((a) => [a.href, a.textContent, a.rel, a.dir])`); fmt.Sprint(got) != fmt.Sprint(want) {
		t.Errorf("links %q\nwant  %q", got, want)
	}
	if lines := browser.Eval[int](tab, `document.querySelector('article p').innerText.split('\n').length`); lines != 4 {
		t.Errorf("%d lines; want 4", lines)
	}
	if directions := browser.Eval[string](tab, `[...document.querySelectorAll('article p[dir]')].map((p) => getComputedStyle(p).direction).join()`); directions != "ltr,rtl" {
		t.Errorf("directions %s; want ltr,rtl", directions)
	}
}

// hostileTexts are posts that would break a page which trusts them.
var hostileTexts = []string{
	`<script>window.pwned = 1</script>`, `</script><script>window.pwned = 1</script>`, `<img src=x onerror="window.pwned = 1">`,
	`<svg onload="window.pwned = 1">`, `<svg><script href="data:,window.pwned=1"></script></svg>`, `<iframe srcdoc="<script>parent.pwned = 1</script>"></iframe>`,
	`<base href="https://evil.example/">`, `<meta http-equiv="refresh" content="0;url=https://evil.example">`, `<style>body { display: none }</style>`,
	`<link rel="stylesheet" href="https://evil.example/x.css">`, `<form action="https://evil.example"><button>Sign in</button></form>`, `<template><b></template>`,
	`" onmouseover="window.pwned = 1" x="`, `' autofocus onfocus='window.pwned = 1`, `--><!--<img src=x onerror=alert(1)>`, `]]><![CDATA[<b>`,
	`javascript:window.pwned=1`, `JaVaScRiPt:window.pwned=1 java` + "\t" + `script:alert(1)`, `data:text/html,<script>window.pwned=1</script>`, `vbscript:msgbox(1) file:///etc/passwd`,
	`https://a.example/"onclick="window.pwned=1`, `https://javascript:alert(1)@evil.example/`, `https://[ http:// https://%00 http://a..b`, `http://user:pw@h.example/<b>`,
	`https://a.example/` + "\u202e" + `gpj.exe`, `https://pay` + "\u200b" + `pal.example https://раураl.example`,
	"\u202eright to left override\u202c end", "\u2067isolate\u2069 \u2066left\u2069 \u200f\u200e", "\u200b\u200c\u200d\u2060\ufeff.", "a\u00ad\u034f\u180e\u3164",
	"👩‍👩‍👧‍👦👨🏿‍🚀🏳️‍🌈🏴󠁧󠁢󠁥󠁮󠁧󠁿" + strings.Repeat("🐦", 170), "👩" + strings.Repeat("\u200d👩", 99), "z" + strings.Repeat("\u0301\u0489", 90), strings.Repeat("W", 200), strings.Repeat("﷽", 60),
	`{{7*7}} ${7*7} <%= 7*7 %> #{7*7} {{constructor.constructor('window.pwned=1')()}}`, `&lt;b&gt; &amp;amp; &#60;script&#62; &#x202e;`, `\u003cscript\u003e \x3cb\x3e %3Cscript%3E \" \\ \n`,
	`'; DROP TABLE posts; -- ` + "`x`" + ` /*`, "__proto__ constructor\n\n\n\nline\u2028separator\u2029end",
}

func hostile(t *testing.T, s *site) {
	for i, text := range hostileTexts {
		s.insert(t, ada, text, time.Duration(i+1)*time.Minute)
	}
	tab := s.visit(t, "/")
	tab.Size(320, 700)
	tab.Wait(`window.Clerk?.loaded`)
	for range 2 { // so far down that the rest comes
		browser.Eval[bool](tab, `scrollTo(0, 1e6), true`)
	}
	want := slices.Clone(hostileTexts)
	for i, text := range want {
		text = strings.ReplaceAll(text, "\n\n\n\n", "\n\n")
		want[i] = strings.ReplaceAll(text, "https://раураl.example", "https://xn--l-7sba6dbr.example/")
	}
	wantShown(tab, want...)
	if wide := browser.Eval[int](tab, `document.documentElement.scrollWidth`); wide > 320 {
		t.Errorf("the page is %d px wide on a screen of 320", wide)
	}
	const foreign = `[...document.querySelectorAll('article p[dir] *')].filter((e) => !e.matches('a[rel="nofollow noopener ugc"]') || !/^https?:\/\//.test(e.href) || /[\u200b-\u200f\u202a-\u202e\u2066-\u2069]/.test(e.textContent)).map((e) => e.outerHTML)`
	if found := browser.Eval[[]string](tab, foreign); len(found) > 0 {
		t.Errorf("posts brought elements of their own: %q", found)
	}

	// Who writes can be as hostile as what, also where one is addressed.
	browser.Eval[bool](tab, `(async () => {
		const up = await Clerk.client.signUp.create({ username: 'mallory', password: '`+fakeclerk.Password+`',
			firstName: '<img src=x onerror="window.pwned = 1">`+"\u202e"+`', lastName: '</title><script>window.pwned = 1</script>' });
		await Clerk.setActive({ session: up.createdSessionId });
		return true;
	})()`)
	isSignedIn(tab)
	publish(tab, hostileTexts[0])
	tab.Press(newest, "Edit")
	tab.Keys(kb.Escape)
	tab.Press(newest, "Delete")
	tab.Wait(`document.querySelector('dialog[open] blockquote').textContent === ` + browser.Quote(hostileTexts[0]))
	tab.Press("dialog[open]", "Keep it")
	tab.Do("the post alone", chromedp.Click(chromedp.CSS(newest+` a[href^="/p/"]`)))
	tab.Wait(`document.title.includes('</title><script>') && document.querySelector('h1').textContent.includes('<img src=x')`)
	if browser.Eval[bool](tab, `'pwned' in window || Boolean(document.querySelector('base, iframe, main form[action], body style'))`) {
		t.Error("a hostile text ran, or became a part of the page")
	}
}
