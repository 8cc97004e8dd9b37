package page

import (
	"slices"
	"strings"
	"testing"

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
	tab.Do("double click", chromedp.Click(chromedp.CSS("form button.loud")), chromedp.Click(chromedp.CSS("form button.loud")))
}

func counter(t *testing.T, s *site) {
	tab := s.as(t, "ada")
	for _, one := range []struct{ text, count, meter, says string }{
		{" \n ", "0 / 200", "0,false,false", "Write something first."},
		{" \n x \t\n", "1 / 200", "0.005,false,false", ""},
		{strings.Repeat("🐦", 200), "200 / 200", "1,false,false", ""},
		{strings.Repeat("🐦", 201), "201 / 200", "1,true,true", "Too long by 1."},
		{"from a\v spread\u001esheet", "20 / 200", "0.1,false,false", "U+001E, after “spread”"}, // a vertical tab is a line end
	} {
		write(tab, one.text)
		tab.Text(one.count)
		const meter = `[document.querySelector('[data-meter]').style.getPropertyValue('--used'), document.querySelector('form').matches('.over'), document.querySelector('textarea').ariaInvalid].join()`
		tab.Wait(meter + ` === ` + browser.Quote(one.meter))
		if one.says != "" {
			tab.Press("form", "Publish")
			tab.Text(one.says)
			tab.Wait(`document.activeElement.matches('textarea')`)
		}
	}
	const colours = `[getComputedStyle(document.querySelector('form .says')).color, getComputedStyle(document.querySelector('.motto')).color]`
	if colour := browser.Eval[[]string](tab, colours); colour[0] == colour[1] {
		t.Errorf("an error is %s, as a hint is", colour[0])
	}
	write(tab, "שלום")
	tab.Wait(`getComputedStyle(document.querySelector('form textarea')).direction === 'rtl'`)
	for key, modifier := range map[string]chromedp.Modifier{"Ctrl": chromedp.ModifierCtrl, "Cmd": chromedp.ModifierMeta} {
		text := strings.Repeat("🐦", 190)
		write(tab, text)
		tab.Keys("\r" + key) // Enter alone is a line feed
		tab.Keys("\r", modifier)
		published(tab, text+"\n"+key)
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
	if !browser.Eval[bool](tab, `document.querySelector('form textarea').readOnly && document.querySelector('form .loud').ariaDisabled === 'true'`) {
		t.Error("it looks as if one could write on")
	}
	if browser.Eval[bool](tab, `[...document.querySelectorAll('`+newest+` :is(button, [href^="/p/"])')].some((e) => e.checkVisibility())`) {
		t.Error("a post can be edited or opened before the server has it")
	}
	s.proxy.Resume()
	published(tab, "at once")
	tab.NoText("On its way")
	wantShown(tab, "at once", "a warm connection")
	wantKeys(t, tab, 2, 2)

	tab.Intercept(posts, on("POST", 1, browser.Outcome{Lose: true}))
	write(tab, "exactly once")
	tab.Press("form", "Publish")
	tab.Text("No answer came. Your text is kept; sending it again cannot publish it twice.")
	s.wantStored(t, "exactly once", "at once", "a warm connection")
	tab.Reload()
	isSignedIn(tab)
	tab.Wait(draft + ` === 'exactly once'`)
	doubleClick(tab)
	published(tab, "exactly once")
	wantShown(tab, "exactly once", "at once", "a warm connection")
	s.wantStored(t, "exactly once", "at once", "a warm connection")
	wantKeys(t, tab, 4, 3)
}

func draftSurvives(t *testing.T, s *site) {
	tab := s.browser.NewContext(t)
	released := make(chan struct{})
	tab.Fail("*/js/person.js", browser.Outcome{Until: released})
	tab.StartLoading(s.URL)
	tab.Fill("form textarea", "worth keeping") // faster than the script
	close(released)
	tab.Wait(`window.Clerk?.loaded`)
	tab.Reload()
	tab.Wait(draft + ` === 'worth keeping'`)
	tab.Press("form", "Sign in to write")
	tab.SignIn("grace", fakeclerk.Password)
	published(tab, "worth keeping") // without a second press
	tab.Wait(`document.activeElement.innerText === 'Publish'`)
	s.wantStored(t, "worth keeping")
	tab.Reload()
	tab.Wait(textOf(newest) + ` === 'worth keeping' && ` + draft + ` === ''`)
}
