package trust

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"warble/dev/testkit"
)

// A record is what one writer knows of one post: what a reader may find.
type record struct {
	user string
	mark string   // every text of the post begins with it, and of no other
	id   int64    // 0 until it is acknowledged
	may  []string // the texts it may have; gone for no post at all
	// A statement without an answer may still run, long after its request has
	// ended. Repeated by itself it does no harm; written over, it would win.
	late bool
}

const gone = ""

func (r *record) String() string {
	return fmt.Sprintf("post %d (%s), which may say %q", r.id, r.mark, r.may)
}

// verdict counts the posts that differ from what people were told.
type verdict struct{ lost, doubled, wrong int }

// judge compares the posts of a walk through the feed with what all writers
// know, and describes each difference.
func judge(records []*record, walked []testkit.Post) (v verdict, differences []string) {
	report := func(n *int, format string, args ...any) {
		*n++
		differences = append(differences, fmt.Sprintf(format, args...))
	}
	byMark := map[string][]testkit.Post{}
	ids, slots := map[int64]bool{}, map[string]bool{}
	for _, p := range walked {
		if ids[p.ID] {
			report(&v.wrong, "the walk sees post %d twice", p.ID)
			continue
		}
		ids[p.ID] = true
		if slot := p.UserID + p.CreatedAt[:len("2026-01-01T00:00:00")]; slots[slot] {
			report(&v.wrong, "%s has two posts in a second: the rate limit leaks", slot)
		} else {
			slots[slot] = true
		}
		mark, _, _ := strings.Cut(p.Content, ";")
		byMark[mark] = append(byMark[mark], p)
	}
	for _, r := range records {
		found := byMark[r.mark]
		delete(byMark, r.mark)
		switch {
		case len(found) > 1:
			report(&v.doubled, "%v is there %d times: %v", r, len(found), found)
		case len(found) == 0 && !slices.Contains(r.may, gone):
			report(&v.lost, "%v is lost", r)
		case len(found) == 1 && !slices.Contains(r.may, found[0].Content):
			report(&v.wrong, "%v says %q", r, found[0].Content)
		case len(found) == 1 && (found[0].UserID != r.user || r.id != 0 && found[0].ID != r.id):
			report(&v.wrong, "%v is post %d of %s", r, found[0].ID, found[0].UserID)
		}
	}
	for _, strangers := range byMark {
		report(&v.wrong, "nobody wrote %v", strangers)
	}
	return v, differences
}

func TestTheCheckerSeesWhatItIsThereFor(t *testing.T) {
	second := func(n int64) string { return time.Unix(n, 0).UTC().Format("2006-01-02T15:04:05.000Z") }
	there := func(id int64, user, text string) testkit.Post {
		return testkit.Post{ID: id, UserID: user, Content: text, CreatedAt: second(id)}
	}
	known := func(may ...string) []*record { return []*record{{user: "user_a", mark: "m", id: 1, may: may}} }
	for name, test := range map[string]struct {
		records []*record
		walked  []testkit.Post
		want    verdict
	}{
		"as it should be":         {known("m;0"), []testkit.Post{there(1, "user_a", "m;0")}, verdict{}},
		"an edit without answer":  {known("m;0", "m;1"), []testkit.Post{there(1, "user_a", "m;1")}, verdict{}},
		"a delete without answer": {known("m;0", gone), nil, verdict{}},
		"lost":                    {known("m;0"), nil, verdict{lost: 1}},
		"doubled":                 {known("m;0"), []testkit.Post{there(1, "user_a", "m;0"), there(2, "user_a", "m;0")}, verdict{doubled: 1}},
		"doubled by an edit":      {known("m;0", "m;1"), []testkit.Post{there(1, "user_a", "m;0"), there(2, "user_a", "m;1")}, verdict{doubled: 1}},
		"the edit is lost":        {known("m;1"), []testkit.Post{there(1, "user_a", "m;0")}, verdict{wrong: 1}},
		"a deleted post is back":  {known(gone), []testkit.Post{there(1, "user_a", "m;0")}, verdict{wrong: 1}},
		"another's":               {known("m;0"), []testkit.Post{there(1, "user_b", "m;0")}, verdict{wrong: 1}},
		"another number":          {known("m;0"), []testkit.Post{there(2, "user_a", "m;0")}, verdict{wrong: 1}},
		"from nowhere":            {nil, []testkit.Post{there(1, "user_a", "x;0")}, verdict{wrong: 1}},
		"seen twice":              {known("m;0"), []testkit.Post{there(1, "user_a", "m;0"), there(1, "user_a", "m;0")}, verdict{wrong: 1}},
		"two of a user in a second": {
			[]*record{{user: "user_a", mark: "m", id: 1, may: []string{"m;0"}}, {user: "user_a", mark: "n", id: 2, may: []string{"n;0"}}},
			[]testkit.Post{there(1, "user_a", "m;0"), {ID: 2, UserID: "user_a", Content: "n;0", CreatedAt: second(1)}}, verdict{wrong: 1}},
	} {
		if got, differences := judge(test.records, test.walked); got != test.want {
			t.Errorf("%s: %+v; want %+v: %q", name, got, test.want, differences)
		}
	}
}
