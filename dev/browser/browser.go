// Package browser drives a real Chromium for tests, through chromedp.
package browser

import (
	"context"
	"fmt"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/chromedp/cdproto/cdp"
	"github.com/chromedp/cdproto/log"
	"github.com/chromedp/cdproto/network"
	"github.com/chromedp/cdproto/runtime"
	"github.com/chromedp/chromedp"
)

// patience is how long a step may take on a busy machine.
const patience = 30 * time.Second

// Clerk's own components, as selectors.
const (
	Identifier = chromedp.CSS(`input[name="identifier"]`)
	Password   = chromedp.CSS(`input[name="password"]:not([tabindex="-1"])`) // there is a hidden one
	Submit     = chromedp.CSS(".cl-formButtonPrimary")
	UserButton = chromedp.CSS(".cl-userButtonTrigger")
	SignOut    = chromedp.CSS(".cl-userButtonPopoverActionButton__signOut")
)

// Tab is a tab of a browser of its own. A step that does not succeed in time
// fails the test.
type Tab struct {
	tb  testing.TB
	ctx context.Context

	mu       sync.Mutex
	requests []string
}

// Open starts a browser, until the test ends, with further command-line flags.
// The test fails on an exception in the page, on a violation of its
// Content-Security-Policy, and on a request that leaves this machine.
func Open(tb testing.TB, flags ...chromedp.ExecAllocatorOption) *Tab {
	tb.Helper()
	if _, err := exec.LookPath("chromium"); err != nil {
		tb.Fatal("chromium is missing: install it (on Debian: apt-get install chromium)")
	}
	tab := &Tab{tb: tb}
	ctx, cancel := chromedp.NewExecAllocator(context.Background(), append([]chromedp.ExecAllocatorOption{
		chromedp.Headless, chromedp.NoSandbox, chromedp.DisableGPU, chromedp.NoFirstRun, chromedp.WindowSize(900, 800),
		chromedp.Flag("disable-quic", true), chromedp.Flag("disable-background-networking", true),
		chromedp.Flag("disable-component-update", true), chromedp.Flag("disable-sync", true),
		chromedp.Flag("disable-blink-features", "AutomationControlled"), // or ClerkJS believes it is offline
	}, flags...)...)
	tb.Cleanup(cancel)
	ctx, cancel = chromedp.NewContext(ctx, chromedp.WithListener(tab.listen))
	tb.Cleanup(func() {
		if err := chromedp.Cancel(ctx); err != nil {
			tb.Logf("stop chromium: %v", err)
		}
		cancel()
	})
	tab.ctx = ctx
	if _, err := chromedp.Call(ctx, network.Enable, network.EnableParams{}); err != nil {
		tb.Fatalf("start chromium: %v", err)
	}
	if _, err := chromedp.Call(ctx, log.Enable, cdp.Empty{}); err != nil {
		tb.Fatalf("start chromium: %v", err)
	}
	return tab
}

func (tab *Tab) listen(event any) {
	switch e := event.(type) {
	case *runtime.EventExceptionThrown:
		tab.tb.Errorf("exception in the page: %s %v", e.ExceptionDetails.Text, e.ExceptionDetails.Exception)
	case *log.EventEntryAdded:
		if strings.Contains(e.Entry.Text, "Content Security Policy") {
			tab.tb.Errorf("the page breaks its policy: %s", e.Entry.Text)
		}
	case *network.EventRequestWillBeSent:
		tab.mu.Lock()
		tab.requests = append(tab.requests, e.Request.Method+" "+e.Request.URL)
		tab.mu.Unlock()
		u, err := url.Parse(e.Request.URL)
		if err == nil && strings.HasPrefix(u.Scheme, "http") && u.Hostname() != "127.0.0.1" && u.Hostname() != "localhost" && !strings.HasSuffix(u.Hostname(), ".test") {
			tab.tb.Errorf("the page asks for %s", e.Request.URL)
		}
	}
}

// Requests are those of the tab so far, as "GET http://…".
func (tab *Tab) Requests() []string {
	tab.mu.Lock()
	defer tab.mu.Unlock()
	return append([]string(nil), tab.requests...)
}

// Context is for what the other methods do not do.
func (tab *Tab) Context() context.Context { return tab.ctx }

// Do takes a step.
func (tab *Tab) Do(step string, actions ...chromedp.Action[chromedp.Void]) {
	tab.tb.Helper()
	ctx, cancel := context.WithTimeout(tab.ctx, patience)
	defer cancel()
	if err := chromedp.Do(ctx, actions...); err != nil {
		tab.Shot("failed")
		tab.tb.Fatalf("%s: %v", step, err)
	}
}

// Go loads an address.
func (tab *Tab) Go(address string) {
	tab.tb.Helper()
	tab.Do("load "+address, chromedp.Navigate(address))
}

// Eval evaluates an expression, which may be a promise.
func Eval[T any](tab *Tab, expression string) T {
	tab.tb.Helper()
	ctx, cancel := context.WithTimeout(tab.ctx, patience)
	defer cancel()
	value, err := chromedp.Run(ctx, chromedp.Evaluate[T](expression, chromedp.EvalAwaitPromise))
	if err != nil {
		tab.Shot("failed")
		tab.tb.Fatalf("%s: %v", expression, err)
	}
	return value
}

// Text waits until the page shows a text.
func (tab *Tab) Text(want string) {
	tab.tb.Helper()
	tab.Wait("document.body.innerText.includes(" + quote(want) + ")")
}

// NoText waits until the page does not show a text any more.
func (tab *Tab) NoText(gone string) {
	tab.tb.Helper()
	tab.Wait("!document.body.innerText.includes(" + quote(gone) + ")")
}

// Wait waits until an expression is true, over page loads too.
func (tab *Tab) Wait(expression string) {
	tab.tb.Helper()
	ctx, cancel := context.WithTimeout(tab.ctx, patience)
	defer cancel()
	for {
		ok, err := chromedp.Run(ctx, chromedp.Evaluate[bool]("Boolean("+expression+")"))
		if ok {
			return
		}
		if ctx.Err() != nil {
			tab.Shot("failed")
			text, _ := chromedp.Run(tab.ctx, chromedp.Evaluate[string]("document.body.innerText"))
			tab.tb.Fatalf("never true: %s (%v); the page shows:\n%s", expression, err, text)
		}
		time.Sleep(50 * time.Millisecond)
	}
}

// Press waits for a visible, enabled button of a name, which is how people and
// screen readers know it, in the first element that matches scope (a CSS
// selector), and clicks it with the mouse.
func (tab *Tab) Press(scope, name string) {
	tab.tb.Helper()
	const marked = "data-test-press"
	tab.Wait(`(() => {
		document.querySelectorAll('[` + marked + `]').forEach(b => b.removeAttribute('` + marked + `'));
		const button = [...(document.querySelector(` + quote(scope) + `)?.querySelectorAll('button') ?? [])].find(b =>
			(b.getAttribute('aria-label') ?? b.innerText).trim().startsWith(` + quote(name) + `) && b.checkVisibility() && !b.disabled);
		button?.setAttribute('` + marked + `', '');
		return button;
	})()`)
	tab.Do("press "+name, chromedp.Click(chromedp.CSS("["+marked+"]")))
}

// SignIn signs in through Clerk's own modal, which is open.
func (tab *Tab) SignIn(username, password string) {
	tab.tb.Helper()
	tab.Do("sign in as "+username, chromedp.WaitVisible(Identifier), chromedp.SendKeys(Identifier, username), chromedp.Click(Submit),
		chromedp.WaitVisible(Password), chromedp.SendKeys(Password, password), chromedp.Click(Submit))
}

// Shot keeps a picture of the tab in the folder SCREENSHOTS, if that is set.
func (tab *Tab) Shot(name string) {
	tab.tb.Helper()
	folder := os.Getenv("SCREENSHOTS")
	if folder == "" {
		return
	}
	time.Sleep(time.Second) // animations
	png, err := chromedp.Run(tab.ctx, chromedp.CaptureScreenshot())
	if err == nil {
		err = os.WriteFile(filepath.Join(folder, name+".png"), png, 0o644)
	}
	if err != nil {
		tab.tb.Errorf("screenshot: %v", err)
	}
}

func quote(text string) string { return fmt.Sprintf("%q", text) }
