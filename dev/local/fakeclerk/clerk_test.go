package fakeclerk

import (
	"bytes"
	"context"
	"encoding/base64"
	"encoding/json"
	"errors"
	"io"
	"mime/multipart"
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
	"github.com/go-jose/go-jose/v3/jwt"
)

// scriptsFolder is ScriptsFolder seen from this package.
const scriptsFolder = "../../" + ScriptsFolder

// mustStart serves a local Clerk, and page at "/", on a loopback port.
func mustStart(tb testing.TB, page string) *Clerk {
	tb.Helper()
	server := httptest.NewUnstartedServer(nil) // 127.0.0.1, a free port
	c := mustNew(tb, Config{Origin: "http://" + server.Listener.Addr().String(), Scripts: scriptsFolder})
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

func mustNew(tb testing.TB, cfg Config) *Clerk {
	tb.Helper()
	c, err := New(cfg)
	if err != nil {
		tb.Fatal(err)
	}
	return c
}

// jsClient calls the Frontend API as ClerkJS does, keeping cookies.
type jsClient struct {
	tb     testing.TB
	client *http.Client
	base   string // up to /v1
	origin string
	query  string // on every call
}

func newJSClient(tb testing.TB, c *Clerk) *jsClient {
	jar, _ := cookiejar.New(nil) // never fails
	return &jsClient{tb: tb, client: &http.Client{Jar: jar}, base: c.origin + Prefix, origin: c.origin}
}

// call sends method the way ClerkJS does: anything but GET is a POST.
func (b *jsClient) call(method, path string, form ...string) (int, map[string]any) {
	b.tb.Helper()
	values := url.Values{}
	for i := 0; i < len(form); i += 2 {
		values.Set(form[i], form[i+1])
	}
	return b.send(method, path, "application/x-www-form-urlencoded", strings.NewReader(values.Encode()))
}

func (b *jsClient) send(method, path, contentType string, content io.Reader) (int, map[string]any) {
	b.tb.Helper()
	target := b.base + path + "?_clerk_js_version=6.40.0" + b.query
	sent := method
	if method != http.MethodGet {
		sent, target = http.MethodPost, target+"&_method="+method
	}
	req, err := http.NewRequest(sent, target, content)
	if err != nil {
		b.tb.Fatal(err)
	}
	if sent == http.MethodPost {
		req.Header.Set("Content-Type", contentType)
		req.Header.Set("Origin", b.origin)
	}
	res, err := b.client.Do(req)
	if err != nil {
		b.tb.Fatal(err)
	}
	defer res.Body.Close()
	var body map[string]any
	if err := json.NewDecoder(res.Body).Decode(&body); err != nil {
		b.tb.Fatalf("%s %s: %s: body: %v", method, path, res.Status, err)
	}
	return res.StatusCode, body
}

// at reads a.b.0.c out of decoded JSON; nil when there is no such thing.
func at(value any, path string) any {
	for key := range strings.SplitSeq(path, ".") {
		switch v := value.(type) {
		case map[string]any:
			value = v[key]
		case []any:
			if key != "0" || len(v) == 0 {
				return nil
			}
			value = v[0]
		default:
			return nil
		}
	}
	return value
}

// signIn signs in with the password and returns the session's id.
func (b *jsClient) signIn(identifier string) string {
	b.tb.Helper()
	status, body := b.call("POST", "/v1/client/sign_ins", "identifier", identifier)
	if status != http.StatusOK || at(body, "response.status") != "needs_first_factor" {
		b.tb.Fatalf("sign-in of %q = %d %v", identifier, status, body)
	}
	id := at(body, "response.id").(string)
	status, body = b.call("POST", "/v1/client/sign_ins/"+id+"/attempt_first_factor", "strategy", "password", "password", Password)
	session, _ := at(body, "response.created_session_id").(string)
	if status != http.StatusOK || session == "" || at(body, "client.sessions.0.id") != session {
		b.tb.Fatalf("password of %q = %d %v", identifier, status, body)
	}
	return session
}

// verify checks a token as the functions do with Env, and returns its claims.
func verify(tb testing.TB, c *Clerk, token string) (*clerk.SessionClaims, map[string]any, error) {
	tb.Helper()
	key, err := clerk.JSONWebKeyFromPEM(c.Env()["CLERK_JWT_KEY"])
	if err != nil {
		tb.Fatal(err)
	}
	claims, err := clerkjwt.Verify(context.Background(), &clerkjwt.VerifyParams{Token: token, JWK: key})
	if err != nil {
		return nil, nil, err
	}
	all := map[string]any{}
	parsed, err := jwt.ParseSigned(token)
	if err == nil {
		err = parsed.UnsafeClaimsWithoutVerification(&all)
	}
	return claims, all, err
}

// A functions' Clerk client, made from Env alone.
func userClient(c *Clerk) *clerkuser.Client {
	env := c.Env()
	return clerkuser.NewClient(&clerk.ClientConfig{BackendConfig: clerk.BackendConfig{
		Key: clerk.String(env["CLERK_SECRET_KEY"]), URL: clerk.String(env["CLERK_API_URL"] + "/v1")}})
}

func TestBackendAPIRefusesWithoutTheSecretKey(t *testing.T) {
	c := mustStart(t, "")
	for _, path := range []string{"/v1/users", "/v1/users/count", "/v1/jwks"} {
		status, body := newJSClient(t, c).call("GET", path)
		if status != http.StatusUnauthorized || at(body, "errors.0.code") != "authentication_invalid" {
			t.Errorf("GET %s without a key = %d %v; want 401 in Clerk's form", path, status, body)
		}
	}
}

func TestListOfUsersStopsAtTheLimit(t *testing.T) {
	c := mustStart(t, "")
	for range 9 {
		newJSClient(t, c).call("POST", "/v1/client/sign_ups", "username", "u"+strings.ToLower(newID("x")), "password", "long enough")
	}
	for limit, want := range map[int64]int{0: 10, 2: 2, 100: 9 + len(People)} { // 10 is Clerk's default
		params := &clerkuser.ListParams{}
		if limit > 0 {
			params.Limit = clerk.Int64(limit)
		}
		list, err := userClient(c).List(context.Background(), params)
		if err != nil || len(list.Users) != want || list.TotalCount != int64(9+len(People)) {
			t.Errorf("limit %d: %v, %v; want %d", limit, list, err, want)
		}
	}
}

func TestSignInGivesTokensThatFunctionsAccept(t *testing.T) {
	c := mustStart(t, "")
	for _, identifier := range []string{"ada", "ADA", "ada@example.com"} {
		b := newJSClient(t, c)
		session := b.signIn(identifier)
		status, body := b.call("POST", "/v1/client/sessions/"+session+"/tokens")
		if status != http.StatusOK {
			t.Fatalf("token = %d %v", status, body)
		}
		checkClaims(t, c, body["jwt"].(string), session)
	}
}

// checkClaims fails unless token is ada's, good, and of version 2.
func checkClaims(t *testing.T, c *Clerk, token, session string) {
	t.Helper()
	claims, all, err := verify(t, c, token)
	if err != nil {
		t.Fatal(err)
	}
	host, _ := base64.StdEncoding.DecodeString(strings.TrimPrefix(c.Env()["CLERK_PUBLISHABLE_KEY"], "pk_test_"))
	if claims.Subject != People[0].ID || claims.SessionID != session || claims.AuthorizedParty != c.origin ||
		claims.Issuer+"$" != "https://"+string(host) || all["v"] != 2.0 || all["sts"] != "active" || all["jti"] == "" {
		t.Errorf("claims = %v; want session %s of ada on %s", all, session, c.origin)
	}
	if life := *claims.Expiry - *claims.IssuedAt; life != 60 {
		t.Errorf("token lives %d s; want 60", life)
	}
}

func TestWrongSignInsAreRefusedInClerksWords(t *testing.T) {
	c := mustStart(t, "")
	b := newJSClient(t, c)
	_, begun := b.call("POST", "/v1/client/sign_ins", "identifier", "ada")
	attempt := "/v1/client/sign_ins/" + at(begun, "response.id").(string) + "/attempt_first_factor"
	for _, tt := range []struct {
		name, path  string
		form        []string
		status      int
		code, param any
	}{
		{"nobody", "/v1/client/sign_ins", []string{"identifier", "nobody"}, 422, "form_identifier_not_found", "identifier"},
		{"blank", "/v1/client/sign_ins", nil, 422, "form_identifier_not_found", "identifier"},
		{"wrong password", attempt, []string{"strategy", "password", "password", "x"}, 422, "form_password_incorrect", "password"},
		{"no password", attempt, []string{"strategy", "password"}, 422, "form_password_incorrect", "password"},
		{"other strategy", attempt, []string{"strategy", "email_code"}, 422, "strategy_for_user_invalid", "strategy"},
		{"at once, wrong", "/v1/client/sign_ins", []string{"identifier", "ada", "strategy", "password", "password", "x"}, 422, "form_password_incorrect", "password"},
		{"someone's sign-in", "/v1/client/sign_ins/sia_x/attempt_first_factor", []string{"strategy", "password", "password", Password}, 404, "resource_not_found", nil},
		{"too large", "/v1/client/sign_ins", []string{"identifier", strings.Repeat("x", maxBody)}, 413, "request_body_too_large", nil},
		{"unknown path", "/v1/client/nothing", nil, 404, "resource_not_found", nil},
	} {
		status, body := b.call("POST", tt.path, tt.form...)
		if status != tt.status || at(body, "errors.0.code") != tt.code || at(body, "errors.0.meta.param_name") != tt.param {
			t.Errorf("%s = %d %v; want %d %v at %v", tt.name, status, body, tt.status, tt.code, tt.param)
		}
	}
	if _, body := b.call("GET", "/v1/client"); at(body, "response.sessions.0") != nil {
		t.Errorf("after refused sign-ins the client has a session: %v", body)
	}
}

func TestSignOutEndsTheSessionsOfThisBrowserOnly(t *testing.T) {
	c := mustStart(t, "")
	for _, way := range []string{"DELETE /v1/client/sessions", "DELETE /v1/client", "POST /v1/client/sessions/ID/remove"} {
		b, other := newJSClient(t, c), newJSClient(t, c)
		session, others := b.signIn("ada"), other.signIn("ada")
		if status, _ := other.call("POST", "/v1/client/sessions/"+session+"/tokens"); status != http.StatusUnauthorized {
			t.Errorf("another browser's token for this session = %d; want 401", status)
		}
		method, path, _ := strings.Cut(strings.ReplaceAll(way, "ID", session), " ")
		if status, body := b.call(method, path); status != http.StatusOK {
			t.Errorf("%s = %d %v", way, status, body)
		}
		if status, _ := b.call("POST", "/v1/client/sessions/"+session+"/tokens"); status != http.StatusUnauthorized {
			t.Errorf("token after %s = %d; want 401", way, status)
		}
		if _, body := b.call("GET", "/v1/client"); at(body, "response.sessions.0") != nil {
			t.Errorf("client after %s still has a session: %v", way, body)
		}
		if status, _ := other.call("POST", "/v1/client/sessions/"+others+"/tokens"); status != http.StatusOK {
			t.Errorf("other browser's token after %s = %d; want 200", way, status)
		}
		b.signIn("grace") // and again, as somebody else
	}
}

func TestSecondSignInInOneBrowserIsRefused(t *testing.T) {
	c := mustStart(t, "")
	b := newJSClient(t, c)
	b.signIn("ada")
	for _, path := range []string{"/v1/client/sign_ins", "/v1/client/sign_ups"} {
		if status, body := b.call("POST", path, "identifier", "grace"); status != 400 || at(body, "errors.0.code") != "session_exists" {
			t.Errorf("POST %s while signed in = %d %v; want 400 session_exists", path, status, body)
		}
	}
}

func TestSignUpMakesSomebodyWhoCanSignIn(t *testing.T) {
	c := mustStart(t, "")
	b := newJSClient(t, c)
	for _, tt := range []struct{ username, password, code string }{
		{"ab", "long enough", "form_username_invalid_length"},
		{"<b>hi</b>", "long enough", "form_username_invalid_character"},
		{"Ada", "long enough", "form_identifier_exists"},
		{"edsger", "short", "form_password_length_too_short"},
		{"edsger", strings.Repeat("x", 73), "form_password_length_too_long"},
	} {
		status, body := b.call("POST", "/v1/client/sign_ups", "username", tt.username, "password", tt.password)
		if status != 422 || at(body, "errors.0.code") != tt.code {
			t.Errorf("sign-up %v = %d %v; want 422 %s", tt, status, body, tt.code)
		}
	}
	status, body := b.call("POST", "/v1/client/sign_ups", "username", "edsger", "password", Password, "first_name", "<i>", "last_name", "Dijkstra")
	if status != http.StatusOK || at(body, "response.status") != "complete" || at(body, "client.sessions.0.id") != at(body, "response.created_session_id") {
		t.Fatalf("sign-up = %d %v", status, body)
	}
	id, _ := at(body, "response.created_user_id").(string)
	if !strings.HasPrefix(id, "user_") {
		t.Errorf("new user's id = %q; want user_…", id)
	}
	newJSClient(t, c).signIn("edsger")
	res, err := http.Get(c.origin + Prefix + "/img/" + id + ".svg")
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	if svg, _ := io.ReadAll(res.Body); !strings.Contains(string(svg), ">&lt;D</text>") {
		t.Errorf("picture = %s; want the escaped initials", svg)
	}
}

// upload sends a picture as ClerkJS does.
func (b *jsClient) upload(content []byte) (int, map[string]any) {
	b.tb.Helper()
	var body bytes.Buffer
	form := multipart.NewWriter(&body)
	part, err := form.CreateFormFile("file", "picture.png")
	if err == nil {
		_, err = part.Write(content)
	}
	if err = errors.Join(err, form.Close()); err != nil {
		b.tb.Fatal(err)
	}
	return b.send("POST", "/v1/me/profile_image", form.FormDataContentType(), &body)
}

// png is a picture of one pixel.
var png = []byte("\x89PNG\r\n\x1a\n\x00\x00\x00\rIHDR\x00\x00\x00\x01\x00\x00\x00\x01\x08\x06\x00\x00\x00\x1f\x15\xc4\x89\x00\x00\x00\rIDATx\x9cc\xf8\xcf\xc0\xf0\x1f\x00\x05\x00\x01\xff\x89\x99=\x1d\x00\x00\x00\x00IEND\xaeB`\x82")

func TestPeopleChangeTheirNamesAndPicture(t *testing.T) {
	c := mustStart(t, "")
	b := newJSClient(t, c)
	if status, body := b.call("PATCH", "/v1/me", "first_name", "X"); status != http.StatusUnauthorized {
		t.Errorf("a change by nobody = %d %v; want 401", status, body)
	}
	b.signIn("ada")
	status, body := b.call("PATCH", "/v1/me", "first_name", "Augusta", "last_name", "King", "username", "Countess")
	if status != http.StatusOK || at(body, "response.first_name") != "Augusta" || at(body, "client.sessions.0.user.last_name") != "King" || at(body, "response.username") != "countess" {
		t.Errorf("change of names = %d %v", status, body)
	}
	for username, code := range map[string]string{"grace": "form_identifier_exists", "<b>": "form_username_invalid_character", "": "form_username_invalid_length"} {
		if status, body := b.call("PATCH", "/v1/me", "username", username); status != 422 || at(body, "errors.0.code") != code {
			t.Errorf("user name %q = %d %v; want 422 %s", username, status, body, code)
		}
	}
	fetch := func(url any) (string, string) {
		res, err := http.Get(url.(string))
		if err != nil {
			t.Fatal(err)
		}
		defer res.Body.Close()
		body, _ := io.ReadAll(res.Body)
		return res.Header.Get("Content-Type"), string(body)
	}
	drawn := at(body, "response.image_url")
	status, body = b.upload(png)
	uploaded := at(body, "response.public_url")
	if status != http.StatusOK || uploaded == drawn || at(body, "client.sessions.0.user.image_url") != uploaded {
		t.Fatalf("upload = %d %v; want another address", status, body)
	}
	if kind, content := fetch(uploaded); kind != "image/png" || content != string(png) {
		t.Errorf("the picture is %s %q; want what was uploaded", kind, content)
	}
	for name, content := range map[string][]byte{"a page": []byte("<html><script>alert(1)</script>"), "SVG": []byte("<svg xmlns=\"http://www.w3.org/2000/svg\"/>"), "nothing": nil} {
		if status, body := b.upload(content); status != 422 {
			t.Errorf("upload of %s = %d %v; want 422", name, status, body)
		}
	}
	if status, body := b.upload(make([]byte, maxPicture+1)); status != http.StatusRequestEntityTooLarge {
		t.Errorf("too large a picture = %d %v; want 413", status, body)
	}
	list, err := userClient(c).List(context.Background(), &clerkuser.ListParams{UserIDs: []string{Ada}})
	if err != nil || *list.Users[0].FirstName != "Augusta" || *list.Users[0].ImageURL != uploaded {
		t.Errorf("functions see %+v, %v; want the new names and picture", list.Users[0], err)
	}
	if status, body := b.call("DELETE", "/v1/me/profile_image"); status != http.StatusOK || at(body, "client.sessions.0.user.image_url") != drawn {
		t.Errorf("removed picture = %d %v; want %v again", status, body, drawn)
	}
}

func TestAnAccountThatIsDeletedIsGoneEverywhere(t *testing.T) {
	c := mustStart(t, "")
	b, phone, waiting := newJSClient(t, c), newJSClient(t, c), newJSClient(t, c)
	b.signIn("ada")
	onPhone := phone.signIn("ada")
	_, begun := waiting.call("POST", "/v1/client/sign_ins", "identifier", "ada")
	if status, body := b.call("DELETE", "/v1/me"); status != http.StatusOK || at(body, "response.deleted") != true || at(body, "client.sessions.0") != nil {
		t.Fatalf("delete = %d %v", status, body)
	}
	if status, _ := phone.call("POST", "/v1/client/sessions/"+onPhone+"/tokens"); status != http.StatusUnauthorized {
		t.Errorf("token on another device = %d; want 401", status)
	}
	if status, body := waiting.call("POST", "/v1/client/sign_ins/"+at(begun, "response.id").(string)+"/attempt_first_factor", "strategy", "password", "password", Password); status == http.StatusOK {
		t.Errorf("a sign-in that had begun = %d %v; want a refusal", status, body)
	}
	if status, body := newJSClient(t, c).call("POST", "/v1/client/sign_ins", "identifier", "ada"); status != 422 {
		t.Errorf("sign-in = %d %v; want 422", status, body)
	}
	if list, err := userClient(c).List(context.Background(), &clerkuser.ListParams{UserIDs: []string{Ada, Grace}}); err != nil || len(list.Users) != 1 {
		t.Errorf("functions see %+v, %v; want Grace alone: Ada's posts have no author", list, err)
	}
}

func TestWhatTheLocalClerkDoesNotDoIsSaidInWordsForPeople(t *testing.T) {
	b := newJSClient(t, mustStart(t, ""))
	b.signIn("ada")
	status, body := b.call("POST", "/v1/me/change_password", "new_password", "long enough")
	said, _ := at(body, "errors.0.long_message").(string)
	if status != http.StatusNotFound || !strings.Contains(said, "real Clerk instance") || strings.Contains(said, "/v1") {
		t.Errorf("change of password = %d %q; want words for people", status, said)
	}
}

func mustFetch(tb testing.TB) {
	tb.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), 5*time.Minute)
	defer cancel()
	if err := FetchScripts(ctx, scriptsFolder); err != nil {
		tb.Fatal(err)
	}
}

func TestFetchRefusesAPackageThatIsNotThePinnedOne(t *testing.T) {
	bin, dir := t.TempDir(), t.TempDir()
	npm := "#!/bin/sh\necho noise >&2; echo other >clerk-clerk-js-6.40.0.tgz\n"
	if err := os.WriteFile(filepath.Join(bin, "npm"), []byte(npm), 0o755); err != nil {
		t.Fatal(err)
	}
	t.Setenv("PATH", bin)
	if err := FetchScripts(context.Background(), dir); err == nil || !strings.Contains(err.Error(), "not the pinned one") {
		t.Errorf("FetchScripts of another package: %v; want a refusal", err)
	}
	if left, err := os.ReadDir(dir); err != nil || len(left) > 0 {
		t.Errorf("left behind: %v, %v; want nothing", left, err)
	}
}
