// Package page tests Warble's page in a real Chromium, with the real ClerkJS.
package page

import (
	"testing"

	"github.com/chromedp/chromedp"

	"warble/dev/browser"
	"warble/dev/localclerk"
	"warble/dev/product"
)

func TestSomebodySignsInPublishesEditsDeletesAndSignsOut(t *testing.T) {
	p := product.Start(t, map[string]string{"POST_INTERVAL": "0"})
	tab := browser.Open(t)
	tab.Go(p.URL)
	tab.Text("We may hope that machines will eventually compete")
	tab.Wait(`document.querySelectorAll('[role="feed"] article').length === 3`)
	tab.Shot("signed-out")

	tab.Press("header", "Sign in")
	tab.SignIn("ada", localclerk.Password)
	tab.Do("signed in", chromedp.WaitVisible(browser.UserButton))
	tab.Do("write", chromedp.SendKeys(chromedp.CSS("form textarea"), "hello from the test"))
	tab.Press("form", "Publish")
	const newest = `[role="feed"] > article:first-of-type`
	tab.Wait(`document.querySelector('` + newest + `').innerText.includes('hello from the test')`)
	tab.Wait(`document.querySelector('` + newest + `').innerText.includes('Ada Lovelace')`)
	tab.Shot("published")

	tab.Press(newest, "Edit")
	tab.Do("change", chromedp.SendKeys(chromedp.CSS("article textarea"), ", changed"))
	tab.Press(newest, "Save")
	tab.Text("hello from the test, changed")
	tab.Text("edited")
	tab.Do("reload", chromedp.Reload())
	tab.Text("hello from the test, changed")

	tab.Press(newest, "Delete")
	tab.Do("asked", chromedp.WaitVisible(chromedp.CSS("dialog[open]")))
	tab.Shot("delete")
	tab.Press("dialog[open]", "Delete")
	tab.NoText("hello from the test")
	tab.Do("reload", chromedp.Reload())
	tab.Wait(`document.querySelectorAll('[role="feed"] article').length === 3`)
	tab.Do("sign out", chromedp.Click(browser.UserButton), chromedp.Click(browser.SignOut))
	tab.Press("header", "Sign in")
	tab.Do("signed out", chromedp.WaitVisible(browser.Identifier))
}
