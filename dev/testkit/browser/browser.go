// Package browser drives a real Chromium for tests, through chromedp.
package browser

import (
	"context"
	"encoding/json"
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
	"github.com/chromedp/cdproto/emulation"
	"github.com/chromedp/cdproto/fetch"
	"github.com/chromedp/cdproto/input"
	"github.com/chromedp/cdproto/log"
	"github.com/chromedp/cdproto/network"
	"github.com/chromedp/cdproto/page"
	"github.com/chromedp/cdproto/runtime"
	"github.com/chromedp/chromedp"
)

// timeout is how long a step may take on a busy machine.
const timeout = time.Minute

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
	// Ready is an expression that Go and Reload wait for after the load event, in this
	// tab and in those that are opened from it: "true" unless it is set.
	Ready string

	tb  testing.TB
	ctx context.Context

	mu       sync.Mutex
	requests []*network.Request
	decide   func(*network.Request) Outcome
}

// Open starts a browser, until the test ends, with further command-line flags. It is
// Chromium without the parts that draw a window: a test takes half the processor time.
// The test fails on an exception in the page, on a violation of its
// Content-Security-Policy, and on a request that leaves this machine.
func Open(tb testing.TB, flags ...chromedp.ExecAllocatorOption) *Tab {
	tb.Helper()
	program, err := exec.LookPath("chromium-headless-shell")
	if err != nil {
		tb.Fatal("chromium-headless-shell is missing: install it (on Debian: apt-get install chromium-headless-shell)")
	}
	ctx, cancel := chromedp.NewExecAllocator(context.Background(), append([]chromedp.ExecAllocatorOption{
		chromedp.ExecPath(program), chromedp.Headless, chromedp.NoSandbox, chromedp.DisableGPU, chromedp.NoFirstRun, chromedp.WindowSize(900, 800),
		chromedp.Flag("disable-quic", true), chromedp.Flag("disable-background-networking", true),
		chromedp.Flag("disable-component-update", true), chromedp.Flag("disable-sync", true),
		chromedp.Flag("disable-blink-features", "AutomationControlled"), // or ClerkJS believes it is offline
	}, flags...)...)
	tb.Cleanup(cancel)
	return open(tb, ctx, "true")
}

// NewTab opens another tab of the same person, who sees it instead: it shares
// cookies and storage.
func (tab *Tab) NewTab() *Tab {
	tab.tb.Helper()
	return open(tab.tb, tab.ctx, tab.Ready)
}

// NewContext opens a tab as in a browser of somebody else, without the time that one
// takes to start. It belongs to the test tb.
func (tab *Tab) NewContext(tb testing.TB) *Tab {
	tb.Helper()
	return open(tb, tab.ctx, tab.Ready, chromedp.WithNewBrowserContext())
}

// open opens a tab in the browser of ctx, or the first of a new one.
func open(tb testing.TB, ctx context.Context, ready string, options ...chromedp.ContextOption) *Tab {
	tb.Helper()
	tab := &Tab{Ready: ready, tb: tb}
	ctx, cancel := chromedp.NewContext(ctx, append(options, chromedp.WithListener(tab.listen))...)
	tb.Cleanup(func() {
		if err := chromedp.Cancel(ctx); err != nil {
			tb.Logf("close a tab: %v", err)
		}
		cancel()
	})
	tab.ctx = ctx
	// No deadline: one at the first step would be the whole tab's.
	if err := chromedp.Do(ctx, Command(network.Enable, network.EnableParams{}), Command(log.Enable, cdp.Empty{})); err != nil {
		tb.Fatalf("open a tab: %v", err)
	}
	return tab
}

// Command is a step that tells the browser something.
func Command[P, R any](command cdp.Command[P, R], params P) chromedp.Action[chromedp.Void] {
	return chromedp.Func(func(ctx context.Context, _ *chromedp.Target) error {
		_, err := chromedp.Call(ctx, command, params)
		return err
	})
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
		tab.requests = append(tab.requests, e.Request)
		tab.mu.Unlock()
		u, err := url.Parse(e.Request.URL)
		if err == nil && strings.HasPrefix(u.Scheme, "http") && u.Hostname() != "127.0.0.1" && u.Hostname() != "localhost" && !strings.HasSuffix(u.Hostname(), ".test") &&
			!strings.HasSuffix(u.Hostname(), ".clerk.accounts.dev") { // which a test maps to its own Clerk
			tab.tb.Errorf("the page asks for %s", e.Request.URL)
		}
	case *fetch.EventRequestPaused:
		go tab.resolve(e)
	}
}

// Requests are those of the tab so far with a method, and a path that begins
// with prefix.
func (tab *Tab) Requests(method, prefix string) []*network.Request {
	tab.mu.Lock()
	defer tab.mu.Unlock()
	var found []*network.Request
	for _, request := range tab.requests {
		u, err := url.Parse(request.URL)
		if err == nil && request.Method == method && strings.HasPrefix(u.Path, prefix) {
			found = append(found, request)
		}
	}
	return found
}

// Header is a header of a request as the page's script sent it, or "".
func Header(request *network.Request, name string) string {
	for sent, value := range request.Headers {
		if strings.EqualFold(sent, name) {
			return fmt.Sprint(value)
		}
	}
	return ""
}

// An Outcome is what becomes of a request of the page. The zero Outcome lets it pass.
type Outcome struct {
	Delay  time.Duration   // before what follows
	Until  <-chan struct{} // and until this is closed, unless it is nil
	Block  bool            // it never leaves the browser
	Lose   bool            // the server gets and answers it; the answer never arrives
	Status int             // it is answered in the server's place, with this status
	Header map[string]string
	Body   string
}

// Intercept lets decide say what becomes of each request, from now on, whose
// address matches a pattern, in which * is any text. It replaces what an earlier
// call said.
func (tab *Tab) Intercept(pattern string, decide func(*network.Request) Outcome) {
	tab.tb.Helper()
	tab.mu.Lock()
	tab.decide = decide
	tab.mu.Unlock()
	tab.Do("intercept "+pattern, Command(fetch.Enable, fetch.EnableParams{Patterns: []*fetch.RequestPattern{{URLPattern: pattern}}}))
}

// Fail is Intercept with one outcome for all.
func (tab *Tab) Fail(pattern string, outcome Outcome) {
	tab.tb.Helper()
	tab.Intercept(pattern, func(*network.Request) Outcome { return outcome })
}

// StopIntercepting ends what Intercept began, for new requests. Its pattern matches
// none: what the next Intercept decides is never asked about others.
func (tab *Tab) StopIntercepting() {
	tab.tb.Helper()
	tab.Intercept("-", func(*network.Request) Outcome { return Outcome{} })
}

// resolve does to a request what was decided. Errors mean that the page does not
// wait for it any more.
func (tab *Tab) resolve(e *fetch.EventRequestPaused) {
	fail := func(reason network.ErrorReason) {
		_, _ = chromedp.Call(tab.ctx, fetch.FailRequest, fetch.FailRequestParams{RequestID: e.RequestID, ErrorReason: reason})
	}
	if e.ResponseStatusCode != 0 || e.ResponseErrorReason != "" { // the answer to one to lose
		fail(network.ErrorReasonConnectionReset)
		return
	}
	tab.mu.Lock()
	outcome := tab.decide(e.Request)
	tab.mu.Unlock()
	time.Sleep(outcome.Delay)
	if outcome.Until != nil {
		<-outcome.Until
	}
	switch {
	case outcome.Block:
		fail(network.ErrorReasonBlockedByClient)
	case outcome.Status != 0:
		var header []*fetch.HeaderEntry
		for name, value := range outcome.Header {
			header = append(header, &fetch.HeaderEntry{Name: name, Value: value})
		}
		_, _ = chromedp.Call(tab.ctx, fetch.FulfillRequest, fetch.FulfillRequestParams{
			RequestID: e.RequestID, ResponseCode: int64(outcome.Status), ResponseHeaders: header, Body: []byte(outcome.Body)})
	default:
		_, _ = chromedp.Call(tab.ctx, fetch.ContinueRequest, fetch.ContinueRequestParams{RequestID: e.RequestID, InterceptResponse: &outcome.Lose})
	}
}

// AddScript runs a script in each document that is loaded from now on, before the
// page's own.
func (tab *Tab) AddScript(script string) {
	tab.tb.Helper()
	tab.Do("add a script", Command(page.AddScriptToEvaluateOnNewDocument, page.AddScriptToEvaluateOnNewDocumentParams{Source: script}))
}

// SpeedUpTimers makes the page's timers, from its next load on, run so many times as
// fast, or slowly where that is below 1. Its clock stays right.
func (tab *Tab) SpeedUpTimers(times float64) {
	tab.tb.Helper()
	tab.AddScript(fmt.Sprintf(`for (const name of ['setTimeout', 'setInterval']) {
		const real = window[name];
		window[name] = (act, after = 0, ...rest) => real(act, after / %g, ...rest);
	}`, times))
}

// BringToFront makes the tab the visible one.
func (tab *Tab) BringToFront() {
	tab.tb.Helper()
	tab.Do("bring to front", Command(page.BringToFront, cdp.Empty{}))
}

// Media sets what the system prefers, such as "prefers-color-scheme", "dark".
func (tab *Tab) Media(feature, value string) {
	tab.tb.Helper()
	tab.Do("prefer "+value, Command(emulation.SetEmulatedMedia, emulation.SetEmulatedMediaParams{
		Features: []*emulation.MediaFeature{{Name: feature, Value: value}}}))
}

// Size sets the size of the viewport, in CSS pixels.
func (tab *Tab) Size(width, height int64) {
	tab.tb.Helper()
	tab.Do("resize", chromedp.EmulateViewport(width, height))
}

// attempt has an action succeed in time, or fails the test with what the page shows.
func attempt[T any](tab *Tab, step string, action chromedp.Action[T]) T {
	tab.tb.Helper()
	ctx, cancel := context.WithTimeout(tab.ctx, timeout)
	defer cancel()
	value, err := chromedp.Run(ctx, action)
	if err != nil {
		tab.Screenshot("failed")
		text, _ := chromedp.Run(tab.ctx, chromedp.Evaluate[string]("document.body.innerText"))
		tab.tb.Fatalf("%s: %v; the page shows:\n%s", step, err, text)
	}
	return value
}

// Do takes a step.
func (tab *Tab) Do(step string, actions ...chromedp.Action[chromedp.Void]) {
	tab.tb.Helper()
	attempt(tab, step, chromedp.Steps(actions...))
}

// Go loads an address.
func (tab *Tab) Go(address string) {
	tab.tb.Helper()
	tab.Do("load "+address, chromedp.Navigate(address))
	tab.Wait(tab.Ready)
}

// StartLoading loads an address and does not wait for any of it.
func (tab *Tab) StartLoading(address string) {
	tab.tb.Helper()
	tab.Do("begin to load "+address, Command(page.Navigate, page.NavigateParams{URL: address}))
}

// Reload loads the page again.
func (tab *Tab) Reload() {
	tab.tb.Helper()
	tab.Do("reload", chromedp.Reload())
	tab.Wait(tab.Ready)
}

// Back goes so many pages back in the history, as the browser's button does. The page
// may be gone before an answer, so the page is only told to.
func (tab *Tab) Back(pages int) {
	tab.tb.Helper()
	Eval[int](tab, fmt.Sprintf(`setTimeout(() => history.go(-%d))`, pages))
}

// Keys presses keys: the text of keys, or one of package kb's, with modifiers.
func (tab *Tab) Keys(keys string, modifiers ...chromedp.Modifier) {
	tab.tb.Helper()
	tab.Do("press keys", chromedp.KeyEvent(keys, chromedp.KeyModifiers(modifiers...)))
}

// Fill waits for a field (a CSS selector), and puts a text in place of its own,
// as pasting does.
func (tab *Tab) Fill(field, text string) {
	tab.tb.Helper()
	tab.Wait(`document.querySelector(` + Quote(field) + `)?.checkVisibility()`)
	Eval[bool](tab, `(() => { const field = document.querySelector(`+Quote(field)+`); field.focus(); field.select(); return true })()`)
	tab.Do("fill "+field, Command(input.InsertText, input.InsertTextParams{Text: text}))
}

// Eval evaluates an expression, which may be a promise.
func Eval[T any](tab *Tab, expression string) T {
	tab.tb.Helper()
	return attempt(tab, expression, chromedp.Evaluate[T](expression, chromedp.EvalAwaitPromise))
}

// Text waits until the page shows a text.
func (tab *Tab) Text(want string) {
	tab.tb.Helper()
	tab.Wait("document.body.innerText.includes(" + Quote(want) + ")")
}

// NoText waits until the page does not show a text any more.
func (tab *Tab) NoText(gone string) {
	tab.tb.Helper()
	tab.Wait("!document.body.innerText.includes(" + Quote(gone) + ")")
}

// Wait waits until an expression is true, over page loads too.
func (tab *Tab) Wait(expression string) {
	tab.tb.Helper()
	tab.Do("wait until "+expression, chromedp.Func(func(ctx context.Context, _ *chromedp.Target) error {
		for {
			if ok, err := chromedp.Run(ctx, chromedp.Evaluate[bool]("Boolean("+expression+")")); ok || ctx.Err() != nil {
				return err
			}
			time.Sleep(50 * time.Millisecond)
		}
	}))
}

// Press waits for a visible, enabled button of a name, which is how people and
// screen readers know it, in the first element that matches scope (a CSS
// selector), and clicks it with the mouse.
func (tab *Tab) Press(scope, name string) {
	tab.tb.Helper()
	tab.Do("press "+name+" in "+scope, chromedp.Click(chromedp.JSPath(`
		[...(document.querySelector(`+Quote(scope)+`)?.querySelectorAll('button') ?? [])].find((b) =>
			(b.getAttribute('aria-label') ?? b.innerText).trim().startsWith(`+Quote(name)+`) && b.checkVisibility() && !b.disabled)`),
		chromedp.RetryInterval(50*time.Millisecond)))
}

// SignIn signs in through Clerk's own modal, which is open.
func (tab *Tab) SignIn(username, password string) {
	tab.tb.Helper()
	tab.Do("sign in as "+username, chromedp.WaitVisible(Identifier), chromedp.SendKeys(Identifier, username), chromedp.Click(Submit),
		chromedp.WaitVisible(Password), chromedp.SendKeys(Password, password), chromedp.Click(Submit))
	tab.ModalClosed()
}

// ModalClosed waits until Clerk's modal is gone, which covers the page while it closes.
func (tab *Tab) ModalClosed() {
	tab.tb.Helper()
	tab.Wait(`!document.querySelector('.cl-modalBackdrop')`)
}

// PressInUserMenu opens the menu of Clerk's user button, and presses an item of it.
// ClerkJS may close the menu again, as when it gives the focus back late to what had
// it before its modal: then it is opened once more.
func (tab *Tab) PressInUserMenu(item chromedp.CSS) {
	tab.tb.Helper()
	tab.Wait(`(() => {
		const button = document.querySelector(` + Quote(UserButton) + `);
		const item = document.querySelector(` + Quote(item) + `);
		if (item) item.click();
		else if (button?.ariaExpanded !== 'true') button?.click();
		return item;
	})()`)
}

// Screenshot keeps a picture of the tab in the folder SCREENSHOTS, if that is set.
func (tab *Tab) Screenshot(name string) {
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

// Quote writes a value as JavaScript does.
func Quote(value any) string {
	quoted, err := json.Marshal(value)
	if err != nil {
		panic(fmt.Sprintf("quote %v: %v", value, err)) // a mistake in the test
	}
	return string(quoted)
}
