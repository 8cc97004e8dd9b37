package fakeclerk

import (
	"context"
	"encoding/json"
	"io"
	"net/http"
	"net/http/cookiejar"
	"net/http/httptest"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/clerk/clerk-sdk-go/v2"
	clerkjwt "github.com/clerk/clerk-sdk-go/v2/jwt"
	clerkuser "github.com/clerk/clerk-sdk-go/v2/user"
)

// start serves a local Clerk, and page at "/", on a loopback port.
func start(tb testing.TB, page string) *Clerk {
	tb.Helper()
	server := httptest.NewUnstartedServer(nil) // 127.0.0.1, a free port
	c := New(Config{Origin: "http://" + server.Listener.Addr().String(), Scripts: "../../" + ScriptsFolder})
	mux := http.NewServeMux()
	mux.Handle(Prefix+"/", c)
	mux.HandleFunc("/{$}", func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "text/html; charset=utf-8")
		_, _ = io.WriteString(w, strings.ReplaceAll(page, "PUBLISHABLE_KEY", c.Env()["CLERK_PUBLISHABLE_KEY"]))
	})
	server.Config.Handler = mux
	server.Start()
	tb.Cleanup(server.Close)
	return c
}

// jsClient calls the Frontend API as ClerkJS does, keeping cookies.
type jsClient struct {
	t      *testing.T
	client *http.Client
	clerk  *Clerk
}

func newJSClient(t *testing.T, c *Clerk) *jsClient {
	jar, _ := cookiejar.New(nil) // never fails
	return &jsClient{t, &http.Client{Jar: jar}, c}
}

// answer is what the tests read of an answer.
type answer struct {
	Response struct {
		ID      string
		Session string `json:"created_session_id"`
	}
	Client struct {
		Sessions []struct{ User clerk.User }
	}
	JWT    string
	Errors []clerk.Error
}

// want sends a call as ClerkJS does, where anything but GET is a POST. The answer must
// have a status, and the error of the code unless that is "".
func (b *jsClient) want(status int, code, call string, form ...string) (got answer) {
	b.t.Helper()
	method, path, _ := strings.Cut(call, " ")
	values := url.Values{}
	for i := 0; i < len(form); i += 2 {
		values.Set(form[i], form[i+1])
	}
	target := b.clerk.origin + Prefix + path
	request := func() (*http.Response, error) { return b.client.Get(target) }
	if method != "GET" {
		request = func() (*http.Response, error) { return b.client.PostForm(target+"?_method="+method, values) }
	}
	res, err := request()
	if err != nil {
		b.t.Fatal(err)
	}
	defer res.Body.Close()
	if err := json.NewDecoder(res.Body).Decode(&got); err != nil || res.StatusCode != status || code != "" && (len(got.Errors) != 1 || got.Errors[0].Code != code) {
		b.t.Errorf("%s %v = %d %+v, %v; want %d %s", call, form, res.StatusCode, got, err, status, code)
	}
	return got
}

// signIn signs in with the password and returns the path of the session.
func (b *jsClient) signIn(identifier string) (session string) {
	b.t.Helper()
	begun := b.want(200, "", "POST /v1/client/sign_ins", "identifier", identifier)
	done := b.want(200, "", "POST /v1/client/sign_ins/"+begun.Response.ID+"/attempt_first_factor", "strategy", "password", "password", Password)
	return "/v1/client/sessions/" + done.Response.Session
}

// A laxer stand-in would let through what Clerk refuses, and no other test would tell.
func TestSessionsAreOneBrowsersAndEndThere(t *testing.T) {
	c := start(t, "")
	b, phone := newJSClient(t, c), newJSClient(t, c)
	if got := b.want(200, "", "GET /v1/client").Response.ID; got != "" || len(c.Clients) > 0 {
		t.Errorf("a reader who never signed in has the client %q; Clerk says null, and keeps nothing", got)
	}
	b.want(422, "form_identifier_not_found", "POST /v1/client/sign_ins", "identifier", "")
	b.want(422, "form_password_incorrect", "POST /v1/client/sign_ins", "identifier", "ada", "strategy", "password", "password", "x")
	b.want(401, "authentication_invalid", "PATCH /v1/me", "first_name", "X")
	session, onPhone := b.signIn("ADA"), phone.signIn("ada")
	b.want(400, "session_exists", "POST /v1/client/sign_ins", "identifier", "grace")
	b.want(400, "session_exists", "POST /v1/client/sign_ups", "username", "edsger", "password", Password)
	phone.want(401, "authentication_invalid", "POST "+session+"/tokens")

	key, err := clerk.JSONWebKeyFromPEM(c.Env()["CLERK_JWT_KEY"])
	if err != nil {
		t.Fatal(err)
	}
	claims, err := clerkjwt.Verify(t.Context(), &clerkjwt.VerifyParams{Token: b.want(200, "", "POST "+session+"/tokens").JWT, JWK: key})
	if err != nil || claims.Subject != Ada || !strings.HasSuffix(session, claims.SessionID) || claims.AuthorizedParty != c.origin || *claims.Expiry-*claims.IssuedAt != 60 {
		t.Errorf("claims %+v, %v; want ada's on %s, for a minute", claims, err, c.origin)
	}

	b.want(200, "", "DELETE /v1/client/sessions")
	b.want(401, "authentication_invalid", "POST "+session+"/tokens")
	phone.want(200, "", "POST "+onPhone+"/tokens")
	b.signIn("grace") // somebody else, in the same browser

	for _, cl := range c.Clients {
		cl.Session.Created = time.Now().Add(-sessionLife)
	}
	phone.want(401, "authentication_invalid", "POST "+onPhone+"/tokens")
}

// Otherwise two people could have one name.
func TestUserNamesAreChecked(t *testing.T) {
	b := newJSClient(t, start(t, ""))
	for name, code := range map[string]string{"ab": "form_username_invalid_character", "<b>hi</b>": "form_username_invalid_character", "Ada": "form_identifier_exists"} {
		b.want(422, code, "POST /v1/client/sign_ups", "username", name, "password", Password)
	}
	b.want(422, "form_password_length_too_short", "POST /v1/client/sign_ups", "username", "edsger", "password", "short")
	b.signIn("ada")
	b.want(422, "form_identifier_exists", "PATCH /v1/me", "username", "grace")
	if got := b.want(200, "", "PATCH /v1/me", "username", "Countess").Client.Sessions; len(got) != 1 || *got[0].User.Username != "countess" {
		t.Errorf("the client has %+v; want the new user name", got)
	}
}

func TestAnAccountThatIsDeletedIsGoneEverywhere(t *testing.T) {
	c := start(t, "")
	b, phone, waiting := newJSClient(t, c), newJSClient(t, c), newJSClient(t, c)
	b.signIn("ada")
	onPhone := phone.signIn("ada")
	begun := waiting.want(200, "", "POST /v1/client/sign_ins", "identifier", "ada")
	b.want(200, "", "DELETE /v1/me")
	phone.want(401, "authentication_invalid", "POST "+onPhone+"/tokens")
	waiting.want(422, "form_identifier_not_found", "POST /v1/client/sign_ins/"+begun.Response.ID+"/attempt_first_factor", "strategy", "password", "password", Password)
	list, err := users(t, c, c.secret, &clerkuser.ListParams{UserIDs: []string{Ada, Grace}})
	if err != nil || len(list.Users) != 1 || list.Users[0].ID != Grace {
		t.Errorf("functions see %+v, %v; want Grace alone: Ada's posts have no author", list, err)
	}
}

// users asks for users as the functions do.
func users(t *testing.T, c *Clerk, secret string, params *clerkuser.ListParams) (*clerk.UserList, error) {
	return clerkuser.NewClient(&clerk.ClientConfig{BackendConfig: clerk.BackendConfig{
		Key: &secret, URL: clerk.String(c.Env()["CLERK_API_URL"] + "/v1")}}).List(t.Context(), params)
}

// Authors would be missing in a deployment, and not here.
func TestBackendAPIWantsItsKeyAndStopsAtTheLimit(t *testing.T) {
	c := start(t, "")
	if list, err := users(t, c, "sk_test_another", &clerkuser.ListParams{}); err == nil {
		t.Errorf("another key gets %+v", list)
	}
	for range 9 {
		newJSClient(t, c).want(200, "", "POST /v1/client/sign_ups", "username", newID("u"), "password", Password)
	}
	list, err := users(t, c, c.secret, &clerkuser.ListParams{})
	if err != nil || len(list.Users) != 10 || list.TotalCount != 13 { // Clerk's own limit
		t.Errorf("%+v, %v; want 10 of 13 users", list, err)
	}
}

func TestWhatTheLocalClerkDoesNotDoIsSaidInWordsForPeople(t *testing.T) {
	b := newJSClient(t, start(t, ""))
	if said := b.want(404, "resource_not_found", "POST /v1/me/change_password").Errors[0].LongMessage; !strings.Contains(said, "real Clerk instance") {
		t.Errorf("change of password: %q; want words for people", said)
	}
}

func TestFetchRefusesAPackageThatIsNotThePinnedOne(t *testing.T) {
	bin, dir := t.TempDir(), t.TempDir()
	npm := "#!/bin/sh\necho noise >&2; echo other >clerk-clerk-js-6.40.0.tgz\n"
	if err := os.WriteFile(filepath.Join(bin, "npm"), []byte(npm), 0o755); err != nil {
		t.Fatal(err)
	}
	t.Setenv("PATH", bin+":"+os.Getenv("PATH"))
	if err := FetchScripts(context.Background(), dir); err == nil || !strings.Contains(err.Error(), "not the pinned one") {
		t.Errorf("FetchScripts of another package: %v; want a refusal", err)
	}
	if left, _ := filepath.Glob(filepath.Join(dir, "npm/@clerk/*")); left != nil {
		t.Errorf("left behind: %q; want nothing", left)
	}
}
