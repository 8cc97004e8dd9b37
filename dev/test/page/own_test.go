package page

import (
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/chromedp/cdproto/network"
	"github.com/chromedp/chromedp"
	"github.com/chromedp/chromedp/kb"

	"warble/dev/local/fakeclerk"
	"warble/dev/testkit/browser"
)

// focused is an expression: whether the focus is on a button of the first post.
func focused(name string) string {
	return `document.activeElement.innerText === '` + name + `' && document.activeElement.closest('article') === document.querySelector('` + newest + `')`
}

// edit puts a text into the first post's field and saves it.
func edit(tab *browser.Tab, text string) {
	tab.Press(newest, "Edit")
	tab.Fill("article textarea", text)
	tab.Press(newest, "Save")
}

// remove deletes the first post, and confirms it.
func remove(tab *browser.Tab) {
	tab.Press(newest, "Delete")
	tab.Press("dialog[open]", "Delete")
}

func editing(t *testing.T, s *site) {
	s.insert(t, ada, "older", 2*time.Hour)
	s.insert(t, ada, "as it was", time.Hour)
	s.insert(t, grace, "somebody else's", 3*time.Hour)
	tab := s.as(t, "ada")
	tab.Press(newest, "Edit")
	tab.Wait(`document.activeElement.matches('article textarea') && document.activeElement.value === 'as it was' && !document.querySelector('article p').checkVisibility()`)
	tab.Fill("article textarea", strings.Repeat("長", 1000)+"い文")
	// While it is composed, as Chromium and Firefox say it, and as WebKit does.
	for _, how := range []string{`isComposing: true`, `keyCode: 229`} {
		browser.Eval[bool](tab, `['Escape', 'Enter'].forEach((key) => document.activeElement.dispatchEvent(new KeyboardEvent('keydown', { key, ctrlKey: key === 'Enter', bubbles: true, cancelable: true, `+how+` }))), true`)
		if !browser.Eval[bool](tab, `document.querySelector('article textarea')?.value.endsWith('い文') && !document.querySelector('article [data-says]').innerText`) {
			t.Fatalf("a key with %s ends the edit", how)
		}
	}
	tab.Keys(kb.PageDown) // is the field's
	tab.Keys(kb.Escape)
	tab.Wait(focused("Edit") + ` && !document.querySelector('article textarea')`)
	wantShown(tab, "as it was", "older", "somebody else's")
	tab.Keys(kb.Enter)
	tab.Text("You had not saved this.")
	tab.Keys("!")
	tab.Wait(`document.querySelector('article textarea').value.endsWith('い文!')`) // the caret is at the end, however long the text
	tab.Press(newest, "Cancel")
	tab.Press(newest, "Edit")
	tab.Wait(`document.querySelector('article textarea').value === 'as it was'`)
	tab.Press(newest, "Save") // which has nothing to save
	tab.Press(newest, "Edit")
	tab.Fill("article textarea", " ")
	tab.Press(newest, "Save")
	tab.Text("Write something first.")
	tab.Press(newest, "Cancel")
	tab.Press(newest, "Edit")
	tab.Keys(", edited")
	tab.Keys(kb.Enter, chromedp.ModifierCtrl)
	tab.Text("Saved.")
	tab.Wait(focused("Edit"))
	tab.Text("edited")
	s.wantStored(t, "as it was, edited", "older", "somebody else's")
	if n := len(tab.Requests("PATCH", "/api/posts")); n != 1 {
		t.Errorf("%d edits are sent of one", n)
	}

	tab.Press(newest, "Delete")
	tab.Wait(`document.querySelector('dialog[open]').innerText.includes('as it was, edited')`)
	tab.Keys(kb.Escape)
	tab.Wait(focused("Delete") + ` && !document.querySelector('dialog[open]')`)
	remove(tab)
	wantShown(tab, "older", "somebody else's")
	tab.Text("Post deleted.") // for those who do not see it go
	tab.Wait(`document.activeElement === document.querySelector('` + newest + `')`)
	s.wantStored(t, "older", "somebody else's")
}

// endsElsewhere has what somebody begins wait for its answer until they are in another place. Nothing can be read
// then: what becomes of it is told by the page itself, and at the end by the API too.
func endsElsewhere(t *testing.T, s *site) {
	tab := s.as(t, "ada")
	deletes := func() { remove(tab) }
	clears := func() { tab.Press("section", "Delete all posts"); tab.Press("dialog[open]", "Delete") }
	downloads := func() {
		browser.Eval[bool](tab, `URL.createObjectURL = (blob) => (window.saved = blob.text(), 'about:blank'), HTMLAnchorElement.prototype.click = () => {}, true`)
		tab.Press("section", "Download all posts")
	}
	const hers, latest = "/u/" + ada, "/"
	all := []string{"newest", "by Ada", "by Grace"}
	done, no := browser.Outcome{}, problem(422, "")
	piece := answer(`{"deleted":0,"more":true}`)
	more := answer(`{"posts":[],"next":"4102444800000-1"}`) // nothing, and where all is
	for _, one := range []struct {
		who, from, to string
		begin         func()
		call          string // what waits: a method, and a part of the address
		answer        browser.Outcome
		want          []string // that is left of the latest posts
	}{
		{"ada", hers, latest, func() { edit(tab, "edited") }, "PATCH /", done, []string{"edited", "by Ada", "by Grace"}},
		{"ada", hers, latest, func() { edit(tab, "refused") }, "PATCH /", no, all},
		{"ada", hers, latest, deletes, "DELETE /", done, all[1:]},
		{"ada", hers, latest, deletes, "DELETE /", no, all},
		{"ada", hers, latest, clears, "DELETE /", done, all[2:]},
		{"ada", hers, latest, downloads, "GET &limit=100", more, all},
		{"hedy", hers, latest, deletes, "DELETE /", done, all[1:]},
		{"hedy", latest, hers, deletes, "DELETE /", done, all[1:]},
		{"hedy", latest, hers, deletes, "DELETE /", no, all},
		{"hedy", hers, latest, clears, "DELETE /", piece, all[2:]},
	} {
		s.db.MustExec("DELETE FROM posts")
		s.insert(t, grace, "by Grace", 3*time.Hour)
		s.insert(t, ada, "by Ada", 2*time.Hour)
		s.insert(t, ada, "newest", time.Hour)
		browser.Eval[bool](tab, `sessionStorage.removeItem('warble.own'), true`)
		signIn(tab, one.who) // before: ClerkJS leads elsewhere when it signs out
		tab.Go(s.URL + one.from)
		isSignedIn(tab)
		shows := func(path string, texts []string) {
			t.Helper()
			tab.Wait(`location.pathname === ` + browser.Quote(path))
			if path == hers {
				texts = slices.DeleteFunc(slices.Clone(texts), func(text string) bool { return text == "by Grace" })
			}
			wantShown(tab, texts...)
		}
		shows(one.from, all)
		method, part, _ := strings.Cut(one.call, " ")
		asked, released := make(chan struct{}), make(chan struct{})
		one.answer.Until = released
		tab.Intercept(reads, func(request *network.Request) browser.Outcome {
			isIt := request.Method == method && strings.Contains(request.URL, part)
			select {
			case <-released:
				return browser.Outcome{Block: request.Method == "GET" && !isIt} // a download has a next page
			default:
			}
			if !isIt {
				return browser.Outcome{}
			}
			close(asked)
			return one.answer
		})
		one.begin()
		<-asked
		tab.Do("elsewhere", chromedp.Click(chromedp.CSS(`:is(header.bar, article header) a[href="`+one.to+`"]`)))
		tab.Wait(`location.pathname === ` + browser.Quote(one.to) + ` && document.querySelectorAll('article').length`)
		close(released)
		if one.answer.Body == more.Body {
			const saved = `window.saved?.then((text) => JSON.parse(text).map(({ content }) => content))`
			tab.Wait(`window.saved`)
			if got := browser.Eval[[]string](tab, saved); !slices.Equal(got, all[:2]) {
				t.Errorf("Ada's posts are downloaded as %q", got)
			}
		}
		const later = 300 * time.Millisecond // what comes then changes nothing
		time.Sleep(later)
		shows(one.to, one.want)
		tab.Back(1)
		shows(one.from, one.want)
		tab.StopIntercepting()
		browser.Eval[bool](tab, `dispatchEvent(new Event('online'))`) // so that it reads
		time.Sleep(later)
		shows(one.from, one.want)
	}
}

func mistakesShow(t *testing.T, s *site) {
	for _, mistake := range []struct{ file, script, says, console string }{
		{"*/clerk.browser.js", "window.Clerk = { load() {} }", "Signing in cannot be reached just now.", "addListener"},
		{"*/js/person.js", "export const connect = nowhere;", "Signing in could not be loaded.", "nowhere is not defined"},
		{"*/js/pages.js", "export const most = 1, readPage = () => nowhere, belongs = readPage;", "Trying again in", "nowhere is not defined"},
	} {
		found := &breaches{TB: t}
		tab := s.browser.NewContext(found)
		tab.Fail(mistake.file, browser.Outcome{Status: 200, Header: map[string]string{"Content-Type": "text/javascript", "Access-Control-Allow-Origin": "*"}, Body: mistake.script})
		tab.StartLoading(s.URL)
		tab.Text(mistake.says)
		found.mu.Lock()
		if !strings.Contains(strings.Join(found.said, "\n"), mistake.console) {
			t.Errorf("the console says %q; want what is wrong in %s", found.said, mistake.file)
		}
		found.mu.Unlock()
	}
}

// askedAgainAtOnce presses faster than the browser draws: a dialog's close event comes
// with the next frame, when the dialog may be open for another question.
func askedAgainAtOnce(t *testing.T, s *site) {
	for i, content := range []string{"stays", "second", "first"} {
		s.insert(t, ada, content, time.Duration(3-i)*time.Hour)
	}
	tab := s.as(t, "ada")
	wantShown(tab, "first", "second", "stays")
	press := func(presses ...[2]string) {
		t.Helper()
		browser.Eval[bool](tab, `(`+browser.Quote(presses)+`.forEach(([scope, name]) => [...document.querySelectorAll(scope + ' button')].find((b) => b.innerText.startsWith(name)).click()), true)`)
	}
	second := newest + " + article"
	press([2]string{second, "Delete"}, [2]string{"dialog[open]", "Keep"}, [2]string{newest, "Delete"})
	browser.Eval[bool](tab, `new Promise((drawn) => requestAnimationFrame(() => drawn(true)))`)
	tab.Press("dialog[open]", "Delete")
	wantShown(tab, "second", "stays")
	s.wantStored(t, "second", "stays")
	press([2]string{newest, "Delete"}, [2]string{"dialog[open]", "Delete"}, [2]string{second, "Delete"}, [2]string{"dialog[open]", "Keep"})
	wantShown(tab, "stays")
	s.wantStored(t, "stays")
}

func refused(t *testing.T, s *site) {
	s.insert(t, ada, "as it was", time.Hour)
	id := s.insert(t, ada, "deleted elsewhere", 30*time.Minute)
	tab := s.as(t, "ada")
	wantShown(tab, "deleted elsewhere", "as it was")
	s.db.MustExec("DELETE FROM posts WHERE id = ?", id)
	remove(tab) // it is gone, which is what was asked for
	wantShown(tab, "as it was")
	tab.Wait(deletionKnown)

	s.proxy.Down()
	edit(tab, "as it never was")
	tab.Text("Not saved:")
	wantShown(tab, "as it was")
	remove(tab)
	tab.Text("Not deleted:")
	wantShown(tab, "as it was")
	s.proxy.Up()
	tab.Press(newest, "Edit")
	tab.Wait(`document.querySelector('article textarea').value === 'as it never was'`) // not lost
	tab.Press(newest, "Cancel")

	s.proxy.SwallowAnswer("UPDATE")
	edit(tab, "as it is")
	tab.Text("Saving…")
	tab.Text("Saved.")
	wantShown(tab, "as it is")
	s.wantStored(t, "as it is")
	browser.Eval[bool](tab, `sessionStorage.removeItem('warble.own'), true`)
	s.proxy.SwallowAnswer("DELETE")
	remove(tab)
	s.wantStored(t)
	tab.Wait(deletionKnown)
	wantShown(tab)
}

func byKeyboard(t *testing.T, s *site) {
	s.insert(t, grace, "somebody else's", time.Hour)
	tab := s.visit(t, "/")
	tab.Text("somebody else's")
	tab.Wait(`[...document.querySelectorAll('button')].some((b) => b.innerText === 'Sign in' && !b.disabled)`)
	// to presses Tab until the focus is on what has a name.
	to := func(name string) {
		t.Helper()
		for range 25 {
			tab.Keys(kb.Tab)
			if browser.Eval[bool](tab, `(document.activeElement.ariaLabel || document.activeElement.labels?.[0]?.innerText || document.activeElement.innerText).startsWith(`+browser.Quote(name)+`) && document.activeElement.matches(':focus-visible') &&
				[document.activeElement, document.activeElement.closest('form')].some((one) => one && getComputedStyle(one).outlineStyle !== 'none')`) {
				return
			}
		}
		t.Fatalf("Tab does not lead to %q", name)
	}
	to("Skip to the posts")
	tab.Keys(kb.Enter)
	tab.Wait(`document.activeElement.id === 'posts'`)
	to("Skip to the posts")
	to("Sign in")
	tab.Keys(kb.Enter)
	tab.Do("the modal", chromedp.WaitVisible(browser.Identifier))
	tab.Wait(`document.activeElement.name === 'identifier'`)
	tab.Keys("alan" + kb.Enter)
	tab.Do("the password", chromedp.WaitVisible(browser.Password))
	tab.Wait(`document.activeElement.name === 'password'`)
	tab.Keys(fakeclerk.Password + kb.Enter)
	isSignedIn(tab)
	tab.Wait(`document.activeElement.matches('.cl-userButtonTrigger')`) // not lost with the modal

	to("Your post")
	tab.Keys("by keyboard")
	to("Publish")
	tab.Keys(kb.Enter)
	published(tab, "by keyboard")
	to("Edit")
	tab.Keys(kb.Enter)
	tab.Wait(`document.activeElement.matches('article textarea')`)
	tab.Keys("!")
	to("Save")
	tab.Keys(kb.Enter)
	tab.Text("Saved.")
	tab.Wait(focused("Edit"))
	to("Delete")
	tab.Keys(kb.Enter)
	tab.Wait(`document.activeElement.innerText === 'Keep it'`)
	to("Delete")
	tab.Keys(kb.Enter)
	wantShown(tab, "somebody else's")
	s.wantStored(t, "somebody else's")
	tab.Wait(`document.activeElement.matches('article')`)
	tab.Keys(kb.Tab, chromedp.ModifierShift) // and on from there
	tab.Wait(`document.activeElement !== document.body`)
	tab.PressInUserMenu(browser.SignOut) // whose keys are Clerk's
	tab.Wait(`Clerk.session === null`)   // undefined means that ClerkJS is not ready yet
	tab.Press("header", "Sign in")
	tab.Do("signed out", chromedp.WaitVisible(browser.Identifier))
}
