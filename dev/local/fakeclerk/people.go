package fakeclerk

import (
	"cmp"
	"embed"
	"encoding/json"
	"fmt"
	"hash/crc32"
	"html/template"
	"net/http"
	"slices"
	"strings"

	"github.com/clerk/clerk-sdk-go/v2"
)

// Password is every demo person's.
const Password = "warble-warble"

// A Person is somebody who can sign in.
type Person struct {
	ID, Username, FirstName, LastName string
	Role                              string // public_metadata.role, such as "moderator"; "" for none
}

// The demo people's ids.
const (
	Ada   = "user_ada00000000000000000000000"
	Grace = "user_grace000000000000000000000"
	Alan  = "user_alan0000000000000000000000"
	Hedy  = "user_hedy0000000000000000000000" // a moderator
)

// People are the demo people. The instance starts with them; signing up adds to
// its own list, not to this one.
var People = []Person{
	{Ada, "ada", "Ada", "Lovelace", ""},
	{Grace, "grace", "Grace", "Hopper", ""},
	{Alan, "alan", "Alan", "Turing", ""},
	{Hedy, "hedy", "Hedy", "Lamarr", "moderator"},
}

type user struct {
	Person
	Password string
	Picture  []byte // nil for initials
}

// portraits are what the demo people are known for: the wheel of the Analytical
// Engine, the moth in the relay, the machine's tape.
//
//go:embed portraits
var portraits embed.FS

func demoUsers() (users []*user) {
	for _, p := range People {
		portrait, _ := portraits.ReadFile("portraits/" + p.Username + ".svg") // Hedy has none
		users = append(users, &user{Person: p, Password: Password, Picture: portrait})
	}
	return users
}

// find returns the first user who is as wanted, or nil.
func (c *Clerk) find(wanted func(*user) bool) *user {
	if at := slices.IndexFunc(c.Users, wanted); at >= 0 {
		return c.Users[at]
	}
	return nil
}

func (c *Clerk) userByID(id string) *user { return c.find(func(u *user) bool { return u.ID == id }) }

func (c *Clerk) userByName(name string) *user {
	return c.find(func(u *user) bool { return strings.EqualFold(name, u.Username) })
}

// forget removes a person, and ends their sessions in every browser.
func (c *Clerk) forget(u *user) any {
	c.Users = slices.DeleteFunc(c.Users, func(other *user) bool { return other == u })
	for _, cl := range c.Clients {
		if cl.Session != nil && cl.Session.UserID == u.ID {
			cl.Session = nil
		}
	}
	return &clerk.DeletedResource{Object: "user", ID: u.ID, Deleted: true}
}

// showUser is a user as both APIs show one.
func (c *Clerk) showUser(u *user) *clerk.User {
	metadata, _ := json.Marshal(u.publicMetadata())
	picture := fmt.Sprintf("%s%s/img/%s?v=%x", c.origin, Prefix, u.ID, crc32.ChecksumIEEE(u.Picture))
	return &clerk.User{
		Object: "user", ID: u.ID, Username: &u.Username, FirstName: orNil(u.FirstName), LastName: orNil(u.LastName),
		ImageURL: &picture, HasImage: u.Picture != nil, PublicMetadata: metadata, PasswordEnabled: true, DeleteSelfEnabled: true,
	}
}

// publicMetadata is the user's, as the session token has it too.
func (u *user) publicMetadata() object {
	metadata := object{"plan": "demo"}
	if u.Role != "" {
		metadata["role"] = u.Role
	}
	return metadata
}

// orNil is Clerk's way with names that are not given.
func orNil(s string) *string {
	if s == "" {
		return nil
	}
	return &s
}

//go:embed initials.svg
var initialsText string

// initials is the picture of people without one. Its colours follow from the id.
var initials = template.Must(template.New("").Parse(initialsText))

// servePicture answers /img/<user id>.
func (c *Clerk) servePicture(w http.ResponseWriter, r *http.Request) {
	c.mu.Lock()
	u := *cmp.Or(c.userByID(r.PathValue("id")), &user{})
	c.mu.Unlock()
	w.Header().Set("X-Content-Type-Options", "nosniff")
	w.Header().Set("Content-Security-Policy", "default-src 'none'") // opened by itself it is a document
	w.Header().Set("Cache-Control", "public, max-age=3600")
	w.Header().Set("Content-Type", "image/svg+xml")
	if kind := http.DetectContentType(u.Picture); strings.HasPrefix(kind, "image/") {
		w.Header().Set("Content-Type", kind)
	}
	if u.Picture != nil {
		w.Write(u.Picture)
		return
	}
	hue := crc32.ChecksumIEEE([]byte(u.ID)) % 360
	letters := strings.ToUpper(cmp.Or(fmt.Sprintf("%.1s%.1s", u.FirstName, u.LastName), fmt.Sprintf("%.1s", u.Username)))
	initials.Execute(w, object{"Hue": hue, "Next": (hue + 45) % 360, "Initials": letters})
}
