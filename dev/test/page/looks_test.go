package page

import (
	"fmt"
	"math"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/chromedp/cdproto/emulation"
	"github.com/chromedp/chromedp"
	"github.com/chromedp/chromedp/kb"

	"warble/dev/testkit"
	"warble/dev/testkit/browser"
)

// fromNPM is a file of dev/npm/node_modules.
func fromNPM(t *testing.T, name string) string {
	t.Helper()
	file := filepath.Join(testkit.Root(), "dev/npm/node_modules", name)
	if _, err := os.Stat(file); err != nil {
		t.Fatalf("%v: make test installs it", err)
	}
	return file
}

func accessible(t *testing.T, s *site) {
	axe, err := os.ReadFile(fromNPM(t, "axe-core/axe.min.js"))
	if err != nil {
		t.Fatal(err)
	}
	s.insert(t, ada, "with https://a.example/ in it", time.Hour)
	id := s.insert(t, grace, "somebody else's", 2*time.Hour)
	s.numbered(t, 1, 20)
	tab := s.browser.NewContext(t)
	const colours = `, { runOnly: ['color-contrast', 'link-in-text-block'] }`
	judge := func(where, scope, rules string) {
		t.Helper()
		// What is dark or forced has other colours, and nothing else.
		for _, scheme := range [][3]string{{"prefers-color-scheme", "light", rules}, {"prefers-color-scheme", "dark", colours}, {"forced-colors", "active", colours}} {
			tab.Media(scheme[0], scheme[1])
			tab.Wait(`document.getAnimations().every((a) => a.playState !== 'running' || a.effect.getTiming().iterations === Infinity)`)
			browser.Eval[bool](tab, `if (!window.axe) {`+string(axe)+`} true`) // the policy of the page's own scripts is not in the way
			violations := browser.Eval[[]string](tab, `axe.run(`+scope+scheme[2]+`).then((found) => found.violations.map((v) => v.id + ': ' + v.nodes.map((n) => n.target + ' ' + n.failureSummary).join('\n')))`)
			if len(violations) > 0 {
				t.Errorf("%s, %s:\n%s", where, scheme[1], strings.Join(violations, "\n"))
			}
		}
	}
	check := func(where string) { // Clerk's own components are not ours to judge, but for the colours that are
		t.Helper()
		judge(where, `{ exclude: [['[class^="cl-"]']] }`, "")
	}
	tab.Go(s.URL)
	tab.Wait(`[...document.querySelectorAll('header button')].some((b) => b.innerText === 'Sign in' && !b.disabled) && window.Clerk?.loaded`)
	check("signed out")
	signIn(tab, "ada")
	write(tab, strings.Repeat("x", 201))
	tab.Press("form", "Publish")
	tab.Text("Too long by 1.")
	check("signed in, with too long a text")
	if !browser.Eval[bool](tab, `[...document.querySelectorAll('.says')].every((e) => e.role === 'status') && document.querySelector('[aria-describedby=say-count]').id === 'say'`) {
		t.Error("a screen reader does not tell what is said, or what is left of a text")
	}
	tab.Do("Clerk's menu", chromedp.Click(browser.UserButton), chromedp.WaitVisible(browser.SignOut))
	judge("Clerk's menu", `'.cl-userButtonPopoverMain'`, colours)
	tab.Keys(kb.Escape)
	press(tab, "?")
	tab.Text("Page Down")
	check("the keys")
	tab.Press("dialog[open]", "Close")
	tab.Press(newest, "Edit")
	check("editing")
	tab.Press(newest, "Cancel")
	tab.Press(newest, "Delete")
	check("the dialog")
	tab.Press("dialog[open]", "Keep it")
	tab.Go(s.URL + "/u/" + grace)
	wantShown(tab, "somebody else's")
	check("one person's posts")
	tab.Go(fmt.Sprint(s.URL, "/p/", id))
	wantShown(tab, "somebody else's")
	check("one post")
	tab.Go(s.URL + "/p/999999")
	tab.Text("It was deleted")
	check("no post")
	tab.Go(s.URL + "/nothing")
	check("no page")
	tab.Fail(scripts, browser.Outcome{Block: true})
	tab.Go(s.URL)
	tab.Text("Signing in cannot be reached")
	check("without Clerk")
}

func looks(t *testing.T, s *site) {
	s.insert(t, ada, strings.Repeat("W", 200), time.Hour)
	tab := s.as(t, "ada")
	write(tab, strings.Repeat("W", 150))
	widths := func(where string) {
		t.Helper()
		for _, width := range []int64{320, 390, 1000, 1600} {
			tab.Size(width, 900)
			// Text at 200 % is for a phone of the usual width, and for desks.
			size := map[bool]string{true: "200%", false: ""}[width == 390 || width == 1600]
			browser.Eval[string](tab, `document.documentElement.style.fontSize = '`+size+`'`)
			tab.Wait(fmt.Sprintf(`innerWidth === %d`, width))
			if wide := browser.Eval[int64](tab, `document.documentElement.scrollWidth`); wide > width {
				t.Errorf("%s is %d px wide on a screen of %d", where, wide, width)
			}
			if browser.Eval[bool](tab, `[...document.querySelectorAll('article p[dir], textarea, blockquote')].some((e) => e.scrollWidth > e.clientWidth)`) {
				t.Errorf("%s cuts a long word off at %d px", where, width)
			}
		}
		const sides = `!document.querySelector('header') ? [0, 0] : [document.querySelector('header').getBoundingClientRect().left, document.documentElement.clientWidth - document.querySelector('main').getBoundingClientRect().right]`
		browser.Eval[string](tab, `document.documentElement.style.fontSize = ''`)
		tab.Size(1000, 900)
		if margins := browser.Eval[[]float64](tab, sides); math.Abs(margins[0]-margins[1]) > 2 {
			t.Errorf("%s has %v px on its sides at 1000 px", where, margins)
		}
	}
	widths("the feed")
	tab.Press(newest, "Edit")
	widths("editing")
	tab.Press(newest, "Cancel")
	tab.Press(newest, "Delete")
	widths("the dialog")
	for _, path := range []string{"/u/" + ada, "/p/999999", "/nothing"} {
		tab.Go(s.URL + path)
		tab.Wait(`document.querySelector('h1').innerText.length > 1`)
		widths(path)
	}

	tab.Go(s.URL + "/u/" + ada)
	tab.Wait(`document.querySelector('article')`)
	tab.Do("print", browser.Command(emulation.SetEmulatedMedia, emulation.SetEmulatedMediaParams{Media: "print"}))
	if printed := browser.Eval[[]string](tab, `[...document.querySelectorAll('button, form, aside')].filter((e) => e.checkVisibility()).map((e) => e.outerHTML)`); len(printed) > 0 {
		t.Errorf("on paper there are things to press: %q", printed)
	}

	s.proxy.Hang() // the skeleton stays
	tab.Go(s.URL)
	const moving = `document.getAnimations().length > 0`
	tab.Wait(moving)
	tab.Media("prefers-reduced-motion", "reduce")
	tab.Wait(`document.querySelector('.bones') && !(` + moving + `)`)
}
