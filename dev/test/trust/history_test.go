package trust

import (
	"cmp"
	"encoding/json"
	"fmt"
	"hash/maphash"
	"maps"
	"math"
	"slices"
	"testing"
	"time"

	"warble/dev/testkit"
)

// call is a request, whose posts it is about, and its answer. One without a definite
// answer is in doubt: its status is 0, and it may have happened, or happen yet.
type call struct {
	what, caller, owner string
	id                  int64
	key, text           string
	interval            time.Duration
	got                 testkit.Answer
	sent, answered      time.Duration // since the round began
	from, to            int64         // the Unix seconds in which it was sent and answered
}

// forever is when a call in doubt is answered.
const forever = time.Duration(math.MaxInt64)

func (c call) String() string {
	return fmt.Sprintf("%v to %v: %s: %s of %s, post %d, key %q, text %q = %d %s", c.sent, c.answered, c.caller, c.what, c.owner, c.id, c.key, c.text, c.got.Status, c.got.Text)
}

// explain looks for an order of all that was done with an author's posts. What is
// done with another's has nothing to do with them.
func explain(t *testing.T, history []call, author string) (explained bool) {
	t.Helper()
	history = slices.DeleteFunc(slices.Clone(history), func(c call) bool { return c.owner != author })
	// The first answered is tried first: most requests act shortly before their answer.
	slices.SortFunc(history, func(a, b call) int { return cmp.Compare(a.answered, b.answered) })
	s := search{history: history, tried: map[uint64]bool{}}
	all := make([]int, len(history))
	for i := range all {
		all[i] = i
	}
	if s.order(all, rows{}) {
		return true
	}
	t.Errorf("no order, of %d tried, explains what was done with the posts of %s:", len(s.tried), author)
	for _, c := range history {
		t.Log(c)
	}
	return false
}

// longestSearch bounds the search for an order, in states. It takes hundreds, at times thousands.
const longestSearch = 300_000

// A search looks for an order in which each call may have had its answer (Wing and
// Gong's; it remembers what it has tried, as Lowe's does). What changes nothing is
// put at the first place that allows it, which hinders nothing else: a checker that
// knows no such thing, as porcupine, does not get through 16 reads at once.
type search struct {
	history []call
	tried   map[uint64]bool // hashes of what was left, and the posts
}

var hashSeed = maphash.MakeSeed()

func (s *search) order(left []int, posts rows) bool {
	var next []int // those that may be next: none was sent after another's answer
	for again := true; again; {
		first := forever
		for _, i := range left {
			first = min(first, s.history[i].answered)
		}
		if first == forever {
			return true // what is left need never happen
		}
		again, next = false, nil
		left = slices.DeleteFunc(slices.Clone(left), func(i int) bool {
			c := s.history[i]
			if c.sent > first {
				return false
			}
			if c.changes() {
				next = append(next, i)
				return false
			}
			ok, after := c.step(posts)
			if ok {
				again, posts = true, after
			}
			return ok
		})
	}
	here := maphash.String(hashSeed, fmt.Sprint(left, posts)) // maps are printed in the order of their keys
	if s.tried[here] || len(s.tried) > longestSearch {
		return false
	}
	s.tried[here] = true
	return slices.ContainsFunc(next, func(i int) bool {
		ok, after := s.history[i].step(posts)
		return ok && s.order(slices.DeleteFunc(slices.Clone(left), func(j int) bool { return i == j }), after)
	})
}

// changes tells whether a call with its answer can change a post.
func (c call) changes() bool {
	switch c.what {
	case "create":
		return c.got.Status == 201 || c.got.Status == 0
	case "edit", "delete", "clear":
		return c.got.Status < 300
	}
	return false
}

// rows are an author's posts, as the model keeps them.
type rows map[int64]row

type row struct {
	content    string
	key, first string // the idempotency key, and the text that it was first sent with
	from, to   int64  // the Unix seconds in which it was published
	doubt      bool   // nobody has been told of it: its id in the model is none
}

func (posts rows) find(is func(row) bool) (id int64, found bool) {
	for id, post := range posts {
		if is(post) {
			return id, true
		}
	}
	return 0, false
}

// with is posts and one more, in the place of the one with an id.
func (posts rows) with(id int64, post row) rows {
	after := maps.Clone(posts)
	after[id] = post
	return after
}

// told is posts once an answer has told the id of one that was in doubt.
func (posts rows) told(id int64, p testkit.Post) rows {
	post := posts[id]
	if !post.doubt {
		return posts
	}
	post.doubt, post.from, post.to = false, second(p), second(p)
	after := posts.with(p.ID, post)
	delete(after, id)
	return after
}

// second is the Unix second of a post's publication, -1 when it has none.
func second(p testkit.Post) int64 {
	at, err := time.Parse(time.RFC3339, p.CreatedAt)
	if err != nil {
		return -1
	}
	return at.Unix()
}

// step is the contract: whether a call may have its answer when its author has
// posts, and what the author has then.
func (c call) step(posts rows) (ok bool, after rows) {
	got := c.got
	owner, moderator := c.caller == c.owner, c.caller == hedy
	post, exists := posts[c.id]
	first, published := posts.find(func(p row) bool { return c.key != "" && p.key == c.key })
	switch fmt.Sprint(c.what, " ", got.Status) {
	case "create 0":
		return !published, posts.with(-int64(c.sent), row{c.text, c.key, c.text, c.from, c.to, true})
	case "create 201":
		at := second(got.Post)
		_, taken := posts.find(func(p row) bool { return c.interval > 0 && p.from == at && p.to == at })
		_, again := posts[got.ID]
		return at >= 0 && !published && !taken && !again && got.Content == c.text && got.UserID == c.caller, posts.with(got.ID, row{c.text, c.key, c.text, at, at, false})
	case "create 200":
		return published && (got.ID == first || posts[first].doubt) && posts[first].first == c.text && posts[first].content == got.Content, posts.told(first, got.Post)
	case "create 422":
		return published && posts[first].first != c.text, posts
	case "create 429":
		_, taken := posts.find(func(p row) bool { return p.to >= c.from && p.from <= c.to })
		return c.interval > 0 && taken && !published, posts
	case "edit 200", "edit 0":
		post.content = c.text
		return exists && owner && (got.Content == c.text || got.Status == 0), posts.with(c.id, post)
	case "edit 404":
		return !exists || !owner, posts
	case "delete 204", "delete 0":
		after := maps.Clone(posts)
		delete(after, c.id)
		return exists && (owner || moderator), after
	case "delete 404":
		return !exists || !owner && !moderator, posts
	case "clear 0":
		return owner || moderator, rows{}
	case "clear 200":
		var said struct {
			Deleted int
			More    bool
		}
		err := json.Unmarshal([]byte(got.Text), &said)
		return err == nil && (owner || moderator) && said.Deleted == len(posts) && !said.More, rows{}
	case "clear 403":
		return !owner && !moderator, posts
	case "get 200":
		return exists && got.Content == post.content && got.UserID == c.owner, posts
	case "get 404":
		return !exists, posts
	case "list 200":
		seconds := map[int64]bool{} // one post each, where there is an interval
		ok, after = len(got.Posts) == len(posts), posts
		for _, p := range got.Posts {
			if _, known := after[p.ID]; !known {
				id, _ := after.find(func(post row) bool { return post.doubt && post.content == p.Content })
				after = after.told(id, p)
			}
			ok = ok && p.UserID == c.owner && p.Content == after[p.ID].content && (c.interval == 0 || !seconds[second(p)])
			seconds[second(p)] = true
		}
		return ok, after
	}
	return false, posts
}

func TestTheSearchForAnOrderSeesWhatItIsThereFor(t *testing.T) {
	const a, b = "user_a", "user_b"
	post := func(id int64, content string) testkit.Post {
		return testkit.Post{ID: id, UserID: a, Content: content, CreatedAt: time.Unix(id, 0).UTC().Format(time.RFC3339)}
	}
	published := func(status int, text, content string) call {
		return call{what: "create", caller: a, owner: a, key: "k", text: text, got: testkit.Answer{Status: status, Post: post(1, content)}}
	}
	other := func(what, caller string, status int, content string) call {
		return call{what: what, caller: caller, owner: a, id: 1, text: content, got: testkit.Answer{Status: status, Text: content, Post: post(1, content)}}
	}
	list := func(posts ...testkit.Post) call {
		return call{what: "list", caller: b, owner: a, interval: time.Second, got: testkit.Answer{Status: 200, Posts: posts}}
	}
	x, doubt := published(201, "x", "x"), published(0, "x", "")
	for name, test := range map[string]struct {
		history []call
		inTurn  bool // one after the other, or all at once
		atOnce  bool
	}{
		"published, sent again, edited, sent again, read, deleted": {[]call{x, published(200, "x", "x"), published(422, "y", ""),
			other("edit", a, 200, "z"), published(200, "x", "z"), other("get", b, 200, "z"), other("delete", hedy, 204, ""), other("delete", a, 404, "")}, true, true},
		"read before it is published":                  {[]call{other("get", b, 200, "x"), x}, false, true},
		"published twice":                              {[]call{x, x}, false, false},
		"another text taken for the first":             {[]call{x, published(200, "y", "x")}, false, false},
		"the first text refused":                       {[]call{x, published(422, "x", "")}, false, false},
		"told to wait for nothing":                     {[]call{published(429, "x", "")}, false, false},
		"deleted twice":                                {[]call{x, other("delete", a, 204, ""), other("delete", a, 204, "")}, false, false},
		"deleted by another":                           {[]call{x, other("delete", b, 204, "")}, false, false},
		"a moderator's edit":                           {[]call{x, other("edit", hedy, 200, "y")}, false, false},
		"an edit that is lost":                         {[]call{x, other("edit", a, 200, "y"), other("get", b, 200, "x")}, false, true},
		"a deleted post is read":                       {[]call{x, other("delete", a, 204, ""), other("get", b, 200, "x")}, false, true},
		"a post that is there is not found":            {[]call{x, other("get", b, 404, "")}, false, true},
		"cleared, and more than was there":             {[]call{x, other("clear", a, 200, `{"deleted":2,"more":false}`)}, false, false},
		"a list without a post that is there":          {[]call{x, list()}, false, true},
		"an answer that nobody knows":                  {[]call{other("get", b, 418, "")}, false, false},
		"in doubt, and there":                          {[]call{doubt, list(post(7, "x"))}, true, true},
		"in doubt, and not there":                      {[]call{doubt, list()}, true, true},
		"in doubt, sent again, and edited":             {[]call{doubt, published(200, "x", "x"), other("edit", a, 200, "y"), list(post(1, "y"))}, true, true},
		"in doubt, sent again, and there twice":        {[]call{doubt, published(200, "x", "x"), list(post(1, "x"), post(2, "x"))}, false, false},
		"in doubt, and sent again as new, there twice": {[]call{doubt, x, list(post(1, "x"), post(2, "x"))}, false, false},
		"an edit and a delete in doubt, that happen":   {[]call{x, other("edit", a, 0, "y"), other("delete", a, 0, ""), other("get", b, 200, "y"), list()}, true, true},
		"a delete in doubt, and an edit is lost":       {[]call{x, other("edit", a, 200, "y"), other("delete", a, 0, ""), list(post(1, "x"))}, false, true},
		"somebody else's post in the list":             {[]call{x, list(post(1, "x"), post(2, "y"))}, false, false},
		"two posts of a second":                        {[]call{doubt, call{what: "create", owner: a, text: "y"}, list(post(1, "x"), testkit.Post{ID: 2, UserID: a, Content: "y", CreatedAt: post(1, "").CreatedAt})}, false, false},
	} {
		for inTurn, want := range map[bool]bool{true: test.inTurn, false: test.atOnce} {
			history, all := slices.Clone(test.history), []int{}
			for i := range history {
				history[i].sent, history[i].answered = time.Duration(i+1), time.Duration(len(history)+1)
				if all = append(all, i); inTurn {
					history[i].sent, history[i].answered = time.Duration(2*i+1), time.Duration(2*i+2)
				}
				if history[i].got.Status == 0 {
					history[i].answered = forever
				}
			}
			if s := (&search{history, map[uint64]bool{}}); s.order(all, rows{}) != want {
				t.Errorf("%s, in turn %t: explained %t; want %t", name, inTurn, !want, want)
			}
		}
	}
}
