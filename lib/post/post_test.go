package post

import (
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"strconv"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"warble/lib/problem"
)

// status is the HTTP status that an error is answered with, 0 for none.
func status(err error) int {
	if err == nil {
		return 0
	}
	return problem.From(err).Status
}

func TestContentThatPeopleWriteIsKeptAndTheRestRefused(t *testing.T) {
	for _, test := range []struct {
		name, content, want string
		status              int
	}{
		{"plain", "hello", "hello", 0},
		{"trimmed", " \t\n hello\u3000\u2028 \n", "hello", 0},
		{"inner white space stays", "a\n\n\tb  c", "a\n\n\tb  c", 0},
		{"one character", "x", "x", 0},
		{"200 emoji", strings.Repeat("🐦", 200), strings.Repeat("🐦", 200), 0},
		{"200 after trimming", "  " + strings.Repeat("é", 200) + "  ", strings.Repeat("é", 200), 0},
		{"right-to-left and zero width", "\u202eabc\u200b", "\u202eabc\u200b", 0},
		{"markup is text", "<script>alert(1)</script>", "<script>alert(1)</script>", 0},
		{"empty", "", "", 422},
		{"blank", " \n\t\u00a0\u2003", "", 422},
		{"201 letters", strings.Repeat("a", 201), "", 422},
		{"201 emoji", strings.Repeat("🐦", 201), "", 422},
		{"NUL", "a\x00b", "", 422},
		{"carriage return inside", "a\r\nb", "", 422},
		{"escape", "a\x1b[31m", "", 422},
		{"DEL", "a\x7fb", "", 422},
		{"C1", "a\u0085b", "", 422},
		{"not UTF-8", "a\xffb", "", 422},
		{"UTF-8 surrogate", "a\xed\xa0\x80b", "", 422},
	} {
		got, err := CheckContent(test.content)
		if got != test.want || status(err) != test.status {
			t.Errorf("%s: CheckContent(%q) = %q, status %d; want %q, %d", test.name, test.content, got, status(err), test.want, test.status)
		}
	}
}

func TestAPostThatNobodyCanSeeIsRefusedAndALetterMakesItOne(t *testing.T) {
	for _, r := range []rune{0xad, 0x115f, 0x180e, 0x200b, 0x200c, 0x200d, 0x202e, 0x2060, 0x2800, 0x3164, 0xfe0f, 0xfeff, 0xffa0, 0xe0041} {
		for _, content := range []string{string(r), strings.Repeat(string(r), 3), " " + string(r) + "\n\u2800\t\u200b"} {
			if _, err := CheckContent(content); status(err) != 422 {
				t.Errorf("CheckContent(%+q): status %d; want 422", content, status(err))
			}
		}
		for _, content := range []string{string(r) + "a", "a" + string(r)} {
			if got, err := CheckContent(content); got != content || err != nil {
				t.Errorf("CheckContent(%+q) = %+q, %v; want it kept", content, got, err)
			}
		}
	}
}

func TestADigestTellsTextsApartAndFitsItsColumn(t *testing.T) {
	// As "printf hello | sha256sum" prints it: rows of earlier versions have it.
	key := "k"
	if got, want := *Digest(&key, "hello"), "2cf24dba5fb0a30e26e83b2ac5b9e29e1b161e5c1fa7425e73043362938b9824"; got != want {
		t.Errorf("Digest(hello) = %s; want %s", got, want)
	}
	if got := Digest(nil, "hello"); got != nil {
		t.Errorf("without a key: %s; want none", *got)
	}
	seen := map[string]string{}
	for _, content := range []string{"", "a", "A", "a ", "e\u0301", "é", "🐦", strings.Repeat("🐦", MaxLength)} {
		digest := *Digest(&key, content)
		if len(digest) != 64 || seen[digest] != "" {
			t.Errorf("Digest(%q) = %s; want 64 characters, no other text's", content, digest)
		}
		seen[digest] = content + "."
	}
}

func request(contentType, body string) *http.Request {
	r, _ := http.NewRequest("POST", "/api/posts", strings.NewReader(body))
	if contentType != "" {
		r.Header.Set("Content-Type", contentType)
	}
	return r
}

func TestBodyIsReadStrictlySoThatNoMistakeIsPublished(t *testing.T) {
	const jsonType = "application/json"
	for _, test := range []struct {
		name, contentType, body, want string
		status                        int
	}{
		{"plain", jsonType, `{"content":"hi"}`, "hi", 0},
		{"charset", "Application/JSON; charset=UTF-8", `{"content":"hi"}`, "hi", 0},
		{"white space around", jsonType, " \n{ \"content\" : \"hi\" }\n ", "hi", 0},
		{"escapes", jsonType, `{"content":"\u00e9\ud83d\udc26\n\"\\\u0041\\ud800"}`, "é🐦\n\"\\A\\ud800", 0},
		{"U+FFFD itself", jsonType, `{"content":"\ufffd�"}`, "��", 0},
		{"no type", "", `{"content":"hi"}`, "", 415},
		{"form", "application/x-www-form-urlencoded", `content=hi`, "", 415},
		{"text", "text/plain", `{"content":"hi"}`, "", 415},
		{"JSON of another kind", "application/ld+json", `{"content":"hi"}`, "", 415},
		{"another charset", "application/json; charset=latin1", `{"content":"hi"}`, "", 415},
		{"empty", jsonType, ``, "", 400},
		{"cut", jsonType, `{"content":"hi"`, "", 400},
		{"cut in the string", jsonType, `{"content":"hi`, "", 400},
		{"trailing value", jsonType, `{"content":"hi"} {}`, "", 400},
		{"trailing brace", jsonType, `{"content":"hi"}}`, "", 400},
		{"array", jsonType, `["hi"]`, "", 400},
		{"string", jsonType, `"hi"`, "", 400},
		{"null", jsonType, `null`, "", 400},
		{"byte order mark", jsonType, "\ufeff{\"content\":\"hi\"}", "", 400},
		{"unknown field", jsonType, `{"content":"hi","userId":"user_x"}`, "", 400},
		{"unknown field first", jsonType, `{"id":1,"content":"hi"}`, "", 400},
		{"other case", jsonType, `{"Content":"hi"}`, "", 400},
		{"twice", jsonType, `{"content":"hi","content":"ho"}`, "", 400},
		{"null and again", jsonType, `{"content":null,"content":"ho"}`, "", 400},
		{"number", jsonType, `{"content":5}`, "", 400},
		{"object", jsonType, `{"content":{"a":1}}`, "", 400},
		{"missing", jsonType, `{}`, "", 422},
		{"null content", jsonType, `{"content":null}`, "", 422},
		{"blank", jsonType, `{"content":"  "}`, "", 422},
		{"NUL", jsonType, `{"content":"a\u0000"}`, "", 422},
		{"not UTF-8", jsonType, "{\"content\":\"a\xff\"}", "", 422},
		{"lone high surrogate", jsonType, `{"content":"\ud83d"}`, "", 422},
		{"lone low surrogate", jsonType, `{"content":"x\udc26y"}`, "", 422},
		{"surrogates the wrong way round", jsonType, `{"content":"\udc26\ud83d"}`, "", 422},
		{"high surrogate and a letter", jsonType, `{"content":"\ud83d\u0041"}`, "", 422},
		{"16 KiB of white space", jsonType, `{"content":"hi"}` + strings.Repeat(" ", 16<<10-16), "hi", 0},
		{"a byte more", jsonType, `{"content":"hi"}` + strings.Repeat(" ", 16<<10-15), "", 413},
		{"deep", jsonType, `{"content":` + strings.Repeat("[", 8000) + strings.Repeat("]", 8000) + `}`, "", 400},
	} {
		got, err := ReadContent(request(test.contentType, test.body))
		if got != test.want || status(err) != test.status {
			t.Errorf("%s: ReadContent = %q, status %d (%v); want %q, %d", test.name, got, status(err), err, test.want, test.status)
		}
	}
	compressed := request(jsonType, `{"content":"hi"}`)
	compressed.Header.Set("Content-Encoding", "gzip")
	if _, err := ReadContent(compressed); status(err) != 415 {
		t.Errorf("compressed body: status %d; want 415", status(err))
	}
	broken := request(jsonType, "")
	broken.Body = io.NopCloser(io.MultiReader(strings.NewReader(`{"con`), brokenReader{}))
	if _, err := ReadContent(broken); status(err) != 400 {
		t.Errorf("body that breaks off: status %d; want 400", status(err))
	}
}

type brokenReader struct{}

func (brokenReader) Read([]byte) (int, error) { return 0, io.ErrUnexpectedEOF }

func FuzzBodyIsContentOrAProblem(f *testing.F) {
	for _, seed := range []string{`{"content":"hi"}`, `{"content":"\ud83d\udc26"}`, `{"content":"\\ud800"}`, "{\"content\":\"\xff\"}", `{"a":[1,{}]}`, `{"content":null}`, ``} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, body []byte) {
		content, err := ReadContent(request("application/json", string(body)))
		if err != nil {
			if _, ok := errors.AsType[*problem.Problem](err); !ok {
				t.Fatalf("ReadContent(%q): %v is no problem", body, err)
			}
			return
		}
		// Whatever is accepted is what the standard library reads there too.
		var want struct{ Content string }
		if err := json.Unmarshal(body, &want); err != nil || strings.TrimSpace(want.Content) != content {
			t.Fatalf("ReadContent(%q) = %q; encoding/json has %q, %v", body, content, want.Content, err)
		}
		if n := utf8.RuneCountInString(content); n < 1 || n > MaxLength || !utf8.ValidString(content) || strings.ContainsRune(content, 0) {
			t.Fatalf("ReadContent(%q) = %q, which is no content", body, content)
		}
	})
}

func TestQueryStringSelectsThePageOrSaysWhatToSend(t *testing.T) {
	cursor := Cursor{time.UnixMilli(1_700_000_000_123).UTC(), 42}
	for _, test := range []struct {
		query  string
		want   Page
		status int
	}{
		{"", Page{20, "", newest}, 0},
		{"limit=1", Page{1, "", newest}, 0},
		{"limit=100&userId=user_2x", Page{100, "user_2x", newest}, 0},
		{"before=1700000000123-42", Page{20, "", cursor}, 0},
		{"unknown=1", Page{20, "", newest}, 0},
		{"limit=", Page{}, 400}, {"limit=0", Page{}, 400}, {"limit=101", Page{}, 400}, {"limit=-1", Page{}, 400},
		{"limit=1.0", Page{}, 400}, {"limit=+1", Page{}, 400}, {"limit=01", Page{}, 400}, {"limit=1e1", Page{}, 400},
		{"limit=99999999999999999999", Page{}, 400}, {"limit=1&limit=2", Page{}, 400},
		{"userId=user_~", Page{20, "user_~", newest}, 0},
		{"before=253402300799999-1", Page{20, "", Cursor{newest.CreatedAt, 1}}, 0}, {"before=253402300800000-1", Page{}, 400},
		{"before=", Page{}, 400}, {"before=x", Page{}, 400}, {"before=1700000000123", Page{}, 400},
		{"userId=", Page{}, 400}, {"userId=ada", Page{}, 400}, {"userId=user_", Page{}, 400},
		{"userId=user_%C3%A9", Page{}, 400}, {"userId=user_a%20b", Page{}, 400}, {"userId=user_a%00", Page{}, 400},
		{"userId=user_" + strings.Repeat("a", 59), Page{20, "user_" + strings.Repeat("a", 59), newest}, 0},
		{"userId=user_" + strings.Repeat("a", 60), Page{}, 400},
		{"limit=%zz", Page{}, 400}, {"limit=1;before=2", Page{}, 400},
	} {
		got, err := ParsePage(test.query)
		if got != test.want || status(err) != test.status {
			t.Errorf("ParsePage(%q) = %+v, status %d; want %+v, %d", test.query, got, status(err), test.want, test.status)
		}
	}
}

func TestPageHasNextOnlyWhenThereAreMorePosts(t *testing.T) {
	rows := make([]Post, 3)
	for i := range rows {
		rows[i] = Post{ID: int64(30 - i), CreatedAt: Time(time.UnixMilli(1000))}
	}
	for _, test := range []struct {
		limit, posts int
		next         string
	}{{2, 2, "1000-29"}, {3, 3, ""}, {4, 3, ""}} {
		posts, next := Page{Limit: test.limit}.Cut(rows)
		if len(posts) != test.posts || next != test.next {
			t.Errorf("Cut of 3 rows at %d = %d posts, next %q; want %d, %q", test.limit, len(posts), next, test.posts, test.next)
		}
	}
}

func FuzzCursorHasOneSpelling(f *testing.F) {
	for _, seed := range []string{"1700000000123-42", "1-1", "0-1", "-1-1", "1-", "-", "253402300799999-9223372036854775807", "1-2-3", "１-1", " 1-1"} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, s string) {
		cursor, err := ParseCursor(s)
		if err != nil {
			return
		}
		if cursor.String() != s {
			t.Fatalf("ParseCursor(%q).String() = %q; want it unchanged", s, cursor)
		}
		if cursor.ID < 1 || cursor.CreatedAt.Year() > 9999 {
			t.Fatalf("ParseCursor(%q) = %v, which is no row's place", s, cursor)
		}
	})
}

func FuzzPathNamesOnePostOrNone(f *testing.F) {
	for _, seed := range []string{"/api/posts/42", "/api/posts/0", "/api/posts/-1", "/api/posts/042", "/api/posts/", "/api/posts", "42", "/api/posts/9223372036854775807", "/api/posts/9223372036854775808", "/api/posts/4/2", "/api/posts/list", "/api/posts/٤"} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, path string) {
		id, err := IDInPath(path, "/api/posts/")
		switch {
		case err != nil && status(err) != 404:
			t.Fatalf("IDInPath(%q): status %d; want 404", path, status(err))
		case err == nil && (id < 1 || strings.TrimPrefix(path, "/api/posts/") != strconv.FormatInt(id, 10)):
			t.Fatalf("IDInPath(%q) = %d", path, id)
		}
	})
}

func TestTimesHaveMillisecondsAndUTCInEveryAnswer(t *testing.T) {
	for _, test := range []struct {
		time time.Time
		want string
	}{
		{time.Date(2026, 11, 22, 5, 0, 0, 123e6, time.UTC), `"2026-11-22T05:00:00.123Z"`},
		{time.Date(2026, 11, 22, 5, 0, 0, 0, time.UTC), `"2026-11-22T05:00:00.000Z"`},
		{time.Date(2026, 11, 22, 5, 0, 0, 120e6, time.FixedZone("", 3600)), `"2026-11-22T04:00:00.120Z"`},
	} {
		var scanned Time
		if err := scanned.Scan(test.time); err != nil {
			t.Fatal(err)
		}
		got, err := json.Marshal(scanned)
		if string(got) != test.want || err != nil || `"`+Time(test.time).String()+`"` != test.want {
			t.Errorf("scanned from %v: %s, %v; want %s", test.time, got, err, test.want)
		}
	}
	if now := Now(); now.Location() != time.UTC || now.Nanosecond()%1e6 != 0 {
		t.Errorf("Now() = %v; want whole milliseconds in UTC", now)
	}
	if err := new(Time).Scan([]byte("2026-11-22")); err == nil {
		t.Error("a column that the driver has not parsed is taken as a time")
	}
}

// Clerk may not say who wrote a post, or not have all of it.
func TestAPostWithoutAProfileStillHasANameAndAPicture(t *testing.T) {
	const own, clerks = "https://warble.example/og.png", "https://img.clerk.com/ada"
	for _, test := range []struct {
		author      *Author
		name, image string
	}{
		{nil, "Somebody", own},
		{&Author{}, "Somebody", own},
		{&Author{Username: "ada"}, "ada", own},
		{&Author{Name: "Ada", Username: "ada", ImageURL: clerks}, "Ada", clerks},
	} {
		p := Post{Author: test.author}
		if name, image := p.AuthorName(), p.AuthorImage("https://warble.example"); name != test.name || image != test.image {
			t.Errorf("%+v: %s, %s; want %s, %s", test.author, name, image, test.name, test.image)
		}
	}
}

func TestIdempotencyKeyIsTakenBareOrQuoted(t *testing.T) {
	long := strings.Repeat("k", 128)
	for _, test := range []struct {
		sent   []string
		want   string
		status int
	}{
		{[]string{"k"}, "k", 0}, {[]string{`"k"`}, "k", 0}, {[]string{"a b~!"}, "a b~!", 0},
		{[]string{long}, long, 0}, {[]string{`"` + long + `"`}, long, 0},
		{[]string{""}, "", 400}, {[]string{`""`}, "", 400}, {[]string{`"`}, "", 400}, {[]string{`"k`}, "", 400},
		{[]string{long + "k"}, "", 400}, {[]string{"é"}, "", 400}, {[]string{"a\tb"}, "", 400}, {[]string{"a\x7f"}, "", 400},
		{[]string{`"k "`}, "", 400}, {[]string{"a", "b"}, "", 400},
		{[]string{"a, b"}, "", 400}, {[]string{"a,b"}, "", 400}, {[]string{`"a, b"`}, "", 400}, {[]string{`"a", "b"`}, "", 400}, // two lines, joined on the way
	} {
		got, err := IdempotencyKey(http.Header{"Idempotency-Key": test.sent})
		if status(err) != test.status || (err == nil && *got != test.want) {
			t.Errorf("IdempotencyKey(%q) = %v, status %d; want %q, %d", test.sent, got, status(err), test.want, test.status)
		}
	}
	if key, err := IdempotencyKey(http.Header{}); key != nil || err != nil {
		t.Errorf("no header: %v, %v; want no key", key, err)
	}
}

func TestSlotsAreFixedOnTheClock(t *testing.T) {
	at := func(ms int64) time.Time { return time.UnixMilli(ms).UTC() }
	for _, test := range []struct {
		interval   string
		now        int64
		start, end int64
	}{
		{"", 1_000_004_999, 1_000_000, 1_000_005},
		{"", 1_000_005_000, 1_000_005, 1_000_010},
		{"5", 1_000_000_000, 1_000_000, 1_000_005},
		{"7", 1_000_004_999, 999_999, 1_000_006},
		{"3600", 7_199_999, 3600, 7200},
	} {
		t.Setenv("POST_INTERVAL", test.interval)
		slot, err := SlotAt(at(test.now))
		if err != nil || *slot.Start != test.start || slot.End.Unix() != test.end {
			t.Errorf("POST_INTERVAL=%s: SlotAt(%d) = %v, %v; want %d to %d", test.interval, test.now, slot, err, test.start, test.end)
		}
	}
	t.Setenv("POST_INTERVAL", "0")
	if slot, err := SlotAt(Now()); slot.Start != nil || err != nil {
		t.Errorf("POST_INTERVAL=0: %v, %v; want no slot", slot, err)
	}
	for _, wrong := range []string{"-1", "five", "1.5", "99999999999"} {
		t.Setenv("POST_INTERVAL", wrong)
		if _, err := SlotAt(Now()); status(err) != 500 || !strings.Contains(problem.From(err).Detail, "POST_INTERVAL") || strings.Contains(problem.From(err).Detail, wrong) {
			t.Errorf("POST_INTERVAL=%s: %v; want a 500 that names the variable and not its value", wrong, err)
		}
	}
}
