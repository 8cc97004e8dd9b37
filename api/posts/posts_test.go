package posts

import (
	"bufio"
	"bytes"
	"crypto"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha256"
	"crypto/x509"
	"encoding/base64"
	"encoding/json"
	"encoding/pem"
	"encoding/xml"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/vercel/go-bridge/go/bridge"

	"warble/lib/post"
	"warble/lib/problem"
)

var handlers = map[string]http.HandlerFunc{"list": List, "create": Create, "get": Get, "update": Update, "delete": Delete,
	"clear": Clear, "feed": Feed, "share": Share}

// A function reads its environment once in a process. Each test therefore
// runs functions as Vercel does, each in a process of its own: this binary
// again, which then answers requests for the bridge, a line of JSON each.
func TestMain(m *testing.M) {
	name, ok := os.LookupEnv("WARBLE_TEST_FUNCTION")
	if !ok {
		os.Exit(m.Run())
	}
	requests := json.NewDecoder(os.Stdin)
	for {
		var request bridge.Request
		if err := requests.Decode(&request); err == io.EOF {
			return
		}
		response, err := bridge.Serve(handlers[name], &request)
		if err != nil {
			panic(err)
		}
		json.NewEncoder(os.Stdout).Encode(response)
	}
}

// function is a running process of one function.
type function struct {
	t    *testing.T
	in   io.Writer
	out  *bufio.Reader
	stop func()
	log  *bytes.Buffer // what it wrote to standard error; whole after stop
}

var private, _ = rsa.GenerateKey(rand.Reader, 2048)

// environment is a whole one, but for a database that nobody listens for.
func environment() map[string]string {
	der, _ := x509.MarshalPKIXPublicKey(&private.PublicKey)
	return map[string]string{
		"DATABASE_URL":             "mysql://u:hunter2@127.0.0.1:1/warble",
		"CLERK_PUBLISHABLE_KEY":    "pk_test_" + base64.StdEncoding.EncodeToString([]byte("clerk.example.com$")),
		"CLERK_SECRET_KEY":         "sk_test_hunter2",
		"CLERK_JWT_KEY":            string(pem.EncodeToMemory(&pem.Block{Type: "PUBLIC KEY", Bytes: der})),
		"CLERK_API_URL":            "http://127.0.0.1:1",
		"CLERK_AUTHORIZED_PARTIES": "https://warble.example",
	}
}

func start(t *testing.T, name string, environment map[string]string) *function {
	t.Helper()
	command := exec.Command(os.Args[0])
	command.Env = []string{"WARBLE_TEST_FUNCTION=" + name, "GORACE=atexit_sleep_ms=0"}
	for name, value := range environment {
		command.Env = append(command.Env, name+"="+value)
	}
	in, err := command.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	out, err := command.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	f := &function{t: t, in: in, out: bufio.NewReader(out), log: &bytes.Buffer{}}
	command.Stderr = f.log
	if err := command.Start(); err != nil {
		t.Fatal(err)
	}
	f.stop = func() {
		in.Close()
		if err := command.Wait(); err != nil {
			t.Errorf("function %s died: %v\n%s", name, err, f.log)
		}
	}
	return f
}

// answered is what the function answers, and its body as JSON.
type answered struct {
	bridge.Response
	header http.Header
	body   map[string]any
}

func (f *function) call(method, path, body string, header ...string) answered {
	f.t.Helper()
	request := bridge.Request{Method: method, Path: path, Body: body, Headers: map[string]bridge.ReqHeaderValues{"x-vercel-id": {"fra1::1"}}}
	for i := 0; i < len(header); i += 2 {
		request.Headers[header[i]] = append(request.Headers[header[i]], header[i+1])
	}
	if err := json.NewEncoder(f.in).Encode(request); err != nil {
		f.t.Fatalf("%s %s: %v\n%s", method, path, err, f.log)
	}
	line, err := f.out.ReadBytes('\n')
	if err != nil {
		f.t.Fatalf("%s %s: the function died: %v\n%s", method, path, err, f.log)
	}
	got := answered{}
	if err := json.Unmarshal(line, &got.Response); err != nil {
		f.t.Fatal(err)
	}
	got.header = got.Headers
	text, err := base64.StdEncoding.DecodeString(got.Body)
	if err != nil {
		f.t.Fatal(err)
	}
	if len(text) > 0 {
		if err := json.Unmarshal(text, &got.body); err != nil {
			f.t.Fatalf("%s %s: body %q: %v", method, path, text, err)
		}
	}
	return got
}

// token is what Clerk would give a signed-in user for our page.
func token(userID string) string {
	part := func(value any) string {
		text, _ := json.Marshal(value)
		return base64.RawURLEncoding.EncodeToString(text)
	}
	now := time.Now().Unix()
	signed := part(map[string]string{"alg": "RS256", "typ": "JWT"}) + "." + part(map[string]any{
		"azp": "https://warble.example", "exp": now + 60, "iat": now, "iss": "https://clerk.example.com", "sid": "sess_1", "sub": userID})
	sum := sha256.Sum256([]byte(signed))
	signature, _ := rsa.SignPKCS1v15(rand.Reader, private, crypto.SHA256, sum[:])
	return "Bearer " + signed + "." + base64.RawURLEncoding.EncodeToString(signature)
}

// calls are one good call of each function, without a session.
var calls = map[string]struct {
	method, path, body string
	write              bool
}{
	"list":   {"GET", "/api/posts", "", false},
	"create": {"POST", "/api/posts", `{"content":"hello"}`, true},
	"get":    {"GET", "/api/posts/42", "", false},
	"update": {"PATCH", "/api/posts/42", `{"content":"hello"}`, true},
	"delete": {"DELETE", "/api/posts/42", "", true},
	"clear":  {"DELETE", "/api/posts?userId=user_1", "", true},
	"feed":   {"GET", "/feed.xml", "", false},
	"share":  {"GET", "/p/42", "", false},
}

func (f *function) good(name string, header ...string) answered {
	call := calls[name]
	return f.call(call.method, call.path, call.body, append(header, "content-type", "application/json")...)
}

func TestWithoutAGoodSessionNothingRuns(t *testing.T) {
	for name, call := range calls {
		f := start(t, name, environment())
		wrong := token("user_1")
		wrong = wrong[:len(wrong)-6] + "AAAAAA"
		for _, header := range [][]string{{}, {"authorization", wrong}, {"authorization", "Bearer null"}, {"authorization", token("org_1")}, {"cookie", "__session=" + token("user_1")[7:]}} {
			got := f.good(name, header...)
			// Without a session, reading goes on: here to a database that is down.
			want := 401
			if !call.write && (len(header) == 0 || header[0] == "cookie") {
				want = 503
			}
			if got.StatusCode != want || (want == 401) != (got.header.Get("Www-Authenticate") == "Bearer") {
				t.Errorf("%s with %.40q = %d %v; want %d", name, header, got.StatusCode, got.body, want)
			}
		}
		f.stop()
	}
}

// Somebody who tests, pushes a schema or measures with DATABASE_URL exported does
// not connect to it by importing this package, and with it all that is deployed.
// Only a process that the platform starts connects before it is asked for posts.
func TestImportingTheFunctionsConnectsToNoDatabase(t *testing.T) {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer listener.Close()
	accept := func() net.Conn {
		t.Helper()
		listener.(*net.TCPListener).SetDeadline(time.Now().Add(time.Minute))
		conn, err := listener.Accept()
		if err != nil {
			t.Fatal(err)
		}
		return conn
	}
	variables := environment()
	variables["DATABASE_URL"] = "mysql://u:hunter2@" + listener.Addr().String() + "/warble"
	importer := start(t, "list", variables)
	for range 20 { // time for what an init may have begun
		time.Sleep(10 * time.Millisecond)
		importer.call("PUT", "/api/posts", "") // a 405, which asks no database
	}
	importer.stop()
	last, err := net.Dial("tcp", listener.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	defer last.Close()
	// The listener accepts in the order of the connections.
	first := accept()
	first.Close()
	if first.RemoteAddr().String() != last.LocalAddr().String() {
		t.Error("a process that is no function of the platform's has connected")
	}

	variables["AWS_LAMBDA_RUNTIME_API"] = "127.0.0.1:1"
	function := start(t, "list", variables)
	accept().Close() // the driver waits for a word
	function.stop()
}

func TestDatabaseThatCannotBeReachedIsA503(t *testing.T) {
	hung, err := net.Listen("tcp", "127.0.0.1:0") // accepts, and says nothing
	if err != nil {
		t.Fatal(err)
	}
	defer hung.Close()
	for kind, address := range map[string]string{"down": "127.0.0.1:1", "hung": hung.Addr().String()} {
		for name := range calls {
			t.Run(name+" "+kind, func(t *testing.T) {
				t.Parallel()
				variables := environment()
				variables["DATABASE_URL"] = "mysql://u:hunter2@" + address + "/warble"
				f := start(t, name, variables)
				got := f.good(name, "authorization", token("user_1")) // a hung server answers nobody: this returns by our deadline
				f.stop()
				if got.StatusCode != 503 || got.header.Get("Retry-After") == "" || got.header.Get("Cache-Control") != "no-store" {
					t.Errorf("%d %v %v; want a 503 with Retry-After", got.StatusCode, got.header, got.body)
				}
				if lines := strings.Count(f.log.String(), "request failed"); lines != 1 {
					t.Errorf("%d lines in the log; want one:\n%s", lines, f.log)
				}
				for _, secret := range []string{"hunter2", "hello", "eyJ"} {
					if strings.Contains(f.log.String()+fmt.Sprint(got.body), secret) {
						t.Errorf("%q shows in the log or the answer:\n%s\n%v", secret, f.log, got.body)
					}
				}
				if strings.Contains(fmt.Sprint(got.body), "127.0.0.1") {
					t.Errorf("%v shows an address", got.body)
				}
			})
		}
	}
}

func TestMissingVariableIsNamedAndBreaksOnlyWhatNeedsIt(t *testing.T) {
	const all = "list create get update delete clear feed share"
	for _, test := range []struct {
		variable, value string
		broken          string // the functions, with a session
		brokenAnonymous string // and without
	}{
		{"DATABASE_URL", "", all, "list get feed share"},
		{"DATABASE_URL", "mysql://hunter2", all, "list get feed share"},
		{"CLERK_PUBLISHABLE_KEY", "", all, ""},
		{"CLERK_PUBLISHABLE_KEY", "pk_hunter2", all, ""},
		{"CLERK_JWT_KEY", "hunter2", all, ""},
		{"CLERK_AUTHORIZED_PARTIES", "hunter2", all, ""},
		{"POST_INTERVAL", "hunter2", "create", ""},
		{"CLERK_SECRET_KEY", "", "", ""},
	} {
		variables := environment()
		variables[test.variable] = test.value
		for name, call := range calls {
			check := func(broken bool, header ...string) {
				t.Helper()
				f := start(t, name, variables)
				got := f.good(name, header...)
				f.stop()
				detail := fmt.Sprint(got.body["detail"])
				named := got.StatusCode == 500 && strings.Contains(detail, test.variable) && strings.Contains(f.log.String(), test.variable)
				if named != broken || strings.Contains(detail+f.log.String(), "hunter2") {
					t.Errorf("%s=%q: %s = %d %q, log %s; want the variable named and not shown: %t", test.variable, test.value, name, got.StatusCode, detail, f.log, broken)
				}
			}
			check(strings.Contains(test.broken, name), "authorization", token("user_1"))
			if !call.write {
				check(strings.Contains(test.brokenAnonymous, name))
			}
		}
	}
}

func TestBadInputIsRefusedBeforeTheDatabaseIsAsked(t *testing.T) {
	const json = "application/json"
	for _, test := range []struct {
		function, method, path, body string
		header                       []string
		status                       int
	}{
		{"list", "GET", "/api/posts?limit=0", "", nil, 400},
		{"list", "GET", "/api/posts?before=yesterday", "", nil, 400},
		{"list", "GET", "/api/posts?userId=ada", "", nil, 400},
		{"list", "PUT", "/api/posts", "", nil, 405},
		{"list", "DELETE", "/api/posts", "", nil, 405},
		{"create", "GET", "/api/posts", "", nil, 405},
		{"create", "POST", "/api/posts", `{"content":`, []string{"content-type", json}, 400},
		{"create", "POST", "/api/posts", `{"content":"x","id":7}`, []string{"content-type", json}, 400},
		{"create", "POST", "/api/posts", `{"content":" "}`, []string{"content-type", json}, 422},
		{"create", "POST", "/api/posts", `{"content":"` + strings.Repeat("x", 201) + `"}`, []string{"content-type", json}, 422},
		{"create", "POST", "/api/posts", `{"content":"` + strings.Repeat("x", 17<<10) + `"}`, []string{"content-type", json}, 413},
		{"create", "POST", "/api/posts", `content=x`, []string{"content-type", "application/x-www-form-urlencoded"}, 415},
		{"create", "POST", "/api/posts", `{"content":"x"}`, []string{"content-type", json, "idempotency-key", ""}, 400},
		{"create", "POST", "/api/posts", `{"content":"x"}`, []string{"content-type", json, "idempotency-key", strings.Repeat("k", 129)}, 400},
		{"get", "GET", "/api/posts/0", "", nil, 404},
		{"get", "GET", "/api/posts/9223372036854775808", "", nil, 404},
		{"get", "GET", "/api/posts/list", "", nil, 404},
		{"get", "OPTIONS", "/api/posts/42", "", nil, 405},
		{"update", "PATCH", "/api/posts/abc", `{"content":"x"}`, []string{"content-type", json}, 404},
		{"update", "PATCH", "/api/posts/42", `[]`, []string{"content-type", json}, 400},
		{"update", "PATCH", "/api/posts/42", `{"content":"\u0000"}`, []string{"content-type", json}, 422},
		{"delete", "DELETE", "/api/posts/-1", "", nil, 404},
		{"delete", "POST", "/api/posts/42", "", nil, 405},
		{"clear", "DELETE", "/api/posts", "", nil, 400},
		{"clear", "DELETE", "/api/posts?userId=", "", nil, 400},
		{"clear", "DELETE", "/api/posts?userId=user_1&limit=1", "", nil, 400},
		{"clear", "DELETE", "/api/posts?userId=user_1&before=1-1", "", nil, 400},
		{"clear", "DELETE", "/api/posts?userId=user_1&dryRun", "", nil, 400},
		{"clear", "DELETE", "/api/posts?userid=user_1", "", nil, 400},
		{"clear", "DELETE", "/api/posts?userId=user_1&%zz", "", nil, 400},
		{"clear", "DELETE", "/api/posts?userId=user_1&userId=user_2", "", nil, 400},
		{"clear", "DELETE", "/api/posts?userId=user_2", "", nil, 403},
		{"clear", "PUT", "/api/posts?userId=user_1", "", nil, 405},
		{"feed", "GET", "/u/ada/feed.xml", "", nil, 404},
		{"feed", "POST", "/feed.xml", "", nil, 405},
		{"share", "GET", "/p/0", "", nil, 404},
		{"share", "PATCH", "/p/42", "", nil, 405},
	} {
		f := start(t, test.function, environment())
		got := f.call(test.method, test.path, test.body, append(test.header, "authorization", token("user_1"))...)
		f.stop()
		if got.StatusCode != test.status || got.header.Get("Content-Type") != "application/problem+json" || got.body["detail"] == "" {
			t.Errorf("%s %s %.40s = %d %v; want a problem of status %d", test.method, test.path, test.body, got.StatusCode, got.body, test.status)
		}
	}
}

// Who sends a post again, not knowing whether it was published, must get that post;
// whoever has mixed up two keys must not lose a text.
func TestARefusedInsertIsAnsweredByWhatRefusedIt(t *testing.T) {
	text := func(s string) *string { return &s }
	at := func(ms int64) post.Time { return post.Time(time.UnixMilli(ms)) }
	key, other := text("k"), text("K")
	row := func(id int64, key, first *string, content string, updated int64) keyedPost {
		p := keyedPost{Post: post.Post{ID: id, Content: content, CreatedAt: at(1000), UpdatedAt: at(updated)}, Key: key}
		if first != nil {
			p.Digest = post.Digest(key, *first)
		}
		return p
	}
	ends := time.Now().Add(time.Hour)
	for _, test := range []struct {
		name   string
		by     []keyedPost
		key    *string
		status int
		id     int64
	}{
		{"the same text", []keyedPost{row(7, key, text("hello"), "hello", 1000)}, key, 200, 7},
		{"the same text, edited since", []keyedPost{row(7, key, text("hello"), "edited", 2000)}, key, 200, 7},
		{"another text", []keyedPost{row(7, key, text("bye"), "bye", 1000)}, key, 422, 7},
		{"another text, edited to this one", []keyedPost{row(7, key, text("bye"), "hello", 2000)}, key, 422, 7},
		{"from before the digest, the same text", []keyedPost{row(7, key, nil, "hello", 1000)}, key, 200, 7},
		{"from before the digest, another text", []keyedPost{row(7, key, nil, "bye", 1000)}, key, 422, 7},
		{"from before the digest, edited since", []keyedPost{row(7, key, nil, "edited", 2000)}, key, 200, 7},
		{"the slot's post is another", []keyedPost{row(7, other, text("hello"), "hello", 1000)}, key, 429, 0},
		{"the slot's post has no key", []keyedPost{row(7, nil, nil, "hello", 1000)}, key, 429, 0},
		{"no key is sent", []keyedPost{row(7, key, text("hello"), "hello", 1000)}, nil, 429, 0},
		{"neither has a key", []keyedPost{row(7, nil, nil, "hello", 1000)}, nil, 429, 0},
		{"the slot's post is found first", []keyedPost{row(8, other, text("hello"), "hello", 1000), row(7, key, text("hello"), "hello", 1000)}, key, 200, 7},
	} {
		stored, status, err := refused(test.by, test.key, "hello", post.Slot{End: ends})
		if err != nil {
			status = problem.From(err).Status
		}
		if status != test.status || stored.ID != test.id {
			t.Errorf("%s: post %d with %d (%v); want %d with %d", test.name, stored.ID, status, err, test.id, test.status)
		}
		if wait := problem.From(err).RetryAfter; test.status == 429 && (wait > time.Hour || wait < time.Hour-time.Minute) {
			t.Errorf("%s: Retry-After %v; want the time to the slot's end", test.name, wait)
		}
	}
	if wait := problem.From(tooSoon(post.Slot{End: time.Now()})).RetryAfter; wait < time.Second {
		t.Errorf("at the slot's end: Retry-After %v; want a second", wait)
	}
}

// Feed readers show a post's lines as its author wrote them, and its marks as text.
func TestFeedsKeepTheLinesOfAPost(t *testing.T) {
	if got, want := contentHTML("a <b> & \"c\"\n\n\td"), "a &lt;b&gt; &amp; &#34;c&#34;<br><br>\td"; got != want {
		t.Errorf("contentHTML = %q; want %q", got, want)
	}
}

// A feed reader follows the feed's links, and takes entries with a known id for read:
// ids stay the same on every domain of the site.
func TestFeedsNameTheirPageAndKeepTheirIDs(t *testing.T) {
	posts := []post.Post{{ID: 7, UserID: "user_1", Author: &post.Author{Name: "Ada"}}}
	for _, test := range []struct{ production, path, page, title, id string }{
		{"", "", "https://www.warble.example:8443/", "Warble", "tag:www.warble.example,2026:"},
		{"warble.example", "", "https://www.warble.example:8443/", "Warble", "tag:warble.example,2026:"},
		{"warble.example", "/u/user_1", "https://www.warble.example:8443/u/user_1", "Ada on Warble", "tag:warble.example,2026:"},
	} {
		t.Setenv("VERCEL_PROJECT_PRODUCTION_URL", test.production)
		r, _ := http.NewRequest("GET", "https://www.warble.example:8443/feed.xml", nil)
		feed := atomOf(r, test.path, posts)
		if feed.Links[1].Href != test.page || feed.Title != test.title || feed.ID != test.id+test.path+"/feed" || feed.Entries[0].ID != test.id+"/p/7" {
			t.Errorf("%+v: %q %q %q %q", test, feed.Links[1].Href, feed.Title, feed.ID, feed.Entries[0].ID)
		}
	}
}

// Names are what their people write at Clerk, and no more to be trusted than texts.
func TestHostileNamesAndTextsAddNoMarkup(t *testing.T) {
	marks := regexp.MustCompile(`[<>"']`)
	r, _ := http.NewRequest("GET", "https://warble.example/feed.xml", nil)
	written := func(text string) (page, feed string) {
		p := post.Post{ID: 1, UserID: "user_1", Content: text, Author: &post.Author{ID: "user_1", Name: text, Username: text, ImageURL: text}}
		document, err := xml.Marshal(atomOf(r, "", []post.Post{p}))
		if err != nil {
			t.Fatal(err)
		}
		return string(shareHTML(r.Host, p)), string(document)
	}
	page, feed := written("harmless")
	for _, hostile := range []string{`"><script>alert(1)</script>`, `' onload='alert(1)`, `</title><meta http-equiv="refresh" content="0">`, "]]><x>", "&quot;&lt;script&gt;", "<!--", "\x00<\x01>"} {
		hostilePage, hostileFeed := written(hostile)
		for what, pair := range map[string][2]string{"the page": {page, hostilePage}, "the feed": {feed, hostileFeed}} {
			if !slices.Equal(marks.FindAllString(pair[0], -1), marks.FindAllString(pair[1], -1)) {
				t.Errorf("%q adds markup to %s:\n%s", hostile, what, pair[1])
			}
		}
	}
}
