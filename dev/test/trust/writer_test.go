package trust

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"strconv"
	"strings"
	"time"

	"warble/dev/testkit"
)

// A writer publishes, edits, deletes and reads its own posts, one request after
// another, and records what each answer promises.
type writer struct {
	*site
	name    string
	rng     *rand.Rand
	records []*record
	wrong   []string // answers that were wrong when they came
}

func (w *writer) write(done <-chan struct{}) {
	for {
		select {
		case <-done:
			return
		default:
		}
		switch what, r := w.rng.IntN(100), w.any(); {
		case what < 45 || r == nil:
			w.publish()
		case what < 60:
			w.read(r)
		case what < 70:
			w.tryForbidden(r)
		case r.late || slices.Contains(r.may, gone): // to be read only
		case what < 90:
			w.edit(r)
		default:
			w.delete(r)
		}
	}
}

// any is one of the writer's own posts that have an id, or nil.
func (w *writer) any() *record {
	if len(w.records) == 0 {
		return nil
	}
	if r := w.records[w.rng.IntN(len(w.records))]; r.id != 0 {
		return r
	}
	return nil
}

func (w *writer) newRecord() *record {
	r := &record{
		user: fmt.Sprint("user_writer", w.name, "as", w.rng.IntN(6)),
		mark: fmt.Sprint(private, "-", w.name, "-", len(w.records)),
	}
	w.records = append(w.records, r)
	return r
}

// deliver sends a request again and again, under the same key, until there is a
// definite answer. doubt tells that an attempt had none: the write may have
// happened, or happen yet. Now and then somebody gives up: the status is 0.
func (w *writer) deliver(user, method, path, body string, headers ...string) (got testkit.Answer, doubt bool) {
	for {
		requests.Add(1)
		got, err := w.Try(user, method, path, body, headers...)
		switch {
		case err == nil && got.Status == 429:
			seconds, _ := strconv.Atoi(got.Header.Get("Retry-After"))
			time.Sleep(time.Duration(seconds) * time.Second)
		case err == nil && got.Status < 500:
			return got, doubt
		default:
			if err == nil && got.Status == 503 && got.ProblemError() != nil {
				w.report("%s %s = 503 that does not say so: %s", method, path, got.Text)
			}
			doubtful.Add(1)
			doubt = true
			if w.rng.IntN(10) == 0 {
				return testkit.Answer{}, true
			}
			time.Sleep(upTo(w.rng, 200*time.Millisecond))
		}
	}
}

func (w *writer) report(format string, args ...any) {
	w.wrong = append(w.wrong, fmt.Sprintf(format, args...))
}

func (w *writer) publish() {
	r := w.newRecord()
	text := r.mark + ";0"
	got, doubt := w.deliver(r.user, "POST", "/api/posts", testkit.Content(text), "Idempotency-Key", "key of "+r.mark)
	r.late = doubt // a delete would let it through
	switch {
	case got.Status == 0:
		r.may = []string{text, gone}
		return
	case got.Status != 201 && !(got.Status == 200 && doubt) || got.Content != text || got.UserID != r.user:
		w.report("publish %q = %d %s", text, got.Status, got.Text)
	}
	acknowledged.Add(1)
	r.id, r.may = got.ID, []string{text}
}

func (w *writer) edit(r *record) {
	text := r.mark + ";" + strconv.Itoa(w.rng.IntN(1_000_000))
	got, doubt := w.deliver(r.user, "PATCH", at(r.id), testkit.Content(text))
	r.late = doubt
	switch {
	case got.Status == 0:
		r.may = append(r.may, text)
		return
	case got.Status != 200 || got.Content != text || got.ID != r.id:
		w.report("edit %v = %d %s", r, got.Status, got.Text)
	}
	acknowledged.Add(1)
	r.may = []string{text}
}

func (w *writer) delete(r *record) {
	got, doubt := w.deliver(r.user, "DELETE", at(r.id), "")
	r.late = doubt
	switch {
	case got.Status == 0:
		r.may = append(r.may, gone)
		return
	case got.Status != 204 && !(got.Status == 404 && doubt):
		w.report("delete %v = %d %s", r, got.Status, got.Text)
	}
	acknowledged.Add(1)
	r.may = []string{gone}
}

// read asks for a post that nobody else writes: what it says must be one of the
// things that it may, at any moment.
func (w *writer) read(r *record) {
	requests.Add(1)
	got, err := w.Try(nobody, "GET", at(r.id), "")
	found := got.Content // gone, when it is a 404
	if err == nil && (got.Status == 200 || got.Status == 404) && !slices.Contains(r.may, found) {
		w.report("read %v = %d %q", r, got.Status, found)
	}
}

// tryForbidden sends a write that must be refused: its text may never be seen.
func (w *writer) tryForbidden(own *record) {
	bad := w.newRecord()
	bad.may = []string{gone}
	text := bad.mark + ";refused"
	var got testkit.Answer
	want := 422
	switch w.rng.IntN(3) {
	case 0: // too long
		got, _ = w.deliver(bad.user, "POST", "/api/posts", testkit.Content(text+strings.Repeat("!", 200)), "Idempotency-Key", "key of "+bad.mark)
	case 1: // somebody else's
		got, _ = w.deliver(bad.user+"else", "PATCH", at(own.id), testkit.Content(text))
		want = 404
	case 2: // another text under a key that has published; after an edit nobody can tell
		if own.late || len(own.may) != 1 || own.may[0] != own.mark+";0" {
			return
		}
		got, _ = w.deliver(own.user, "POST", "/api/posts", testkit.Content(text), "Idempotency-Key", "key of "+own.mark)
	}
	if got.Status != want && got.Status != 0 {
		w.report("%q = %d %s; want %d", text, got.Status, got.Text, want)
	}
}
