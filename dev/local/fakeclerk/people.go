package fakeclerk

import (
	"cmp"
	"embed"
	"fmt"
	"hash/fnv"
	"html"
	"net/http"
	"slices"
	"strings"
	"time"
)

// Password is every demo person's.
const Password = "warble-warble"

// A Person is somebody who can sign in with the user name or e-mail address.
type Person struct {
	ID, Username, FirstName, LastName, Email string
	Role                                     string // public_metadata.role, such as "moderator"; "" for none
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
	{Ada, "ada", "Ada", "Lovelace", "ada@example.com", ""},
	{Grace, "grace", "Grace", "Hopper", "grace@example.com", ""},
	{Alan, "alan", "Alan", "Turing", "alan@example.com", ""},
	{Hedy, "hedy", "Hedy", "Lamarr", "hedy@example.com", "moderator"},
}

type user struct {
	Person
	Password  string
	Created   time.Time
	Picture   []byte // uploaded; nil for the drawn one
	PictureID string // changes with each upload, so that browsers ask again
}

func demoUsers() []*user {
	var users []*user
	for _, p := range People {
		users = append(users, &user{Person: p, Password: Password, Created: time.Now()})
	}
	return users
}

func (c *Clerk) userByID(id string) *user {
	for _, u := range c.Users {
		if u.ID == id {
			return u
		}
	}
	return nil
}

func (c *Clerk) userByIdentifier(s string) *user {
	for _, u := range c.Users {
		if s != "" && (strings.EqualFold(s, u.Username) || strings.EqualFold(s, u.Email)) {
			return u
		}
	}
	return nil
}

// userJSON is a user as both APIs show one; private_metadata, which only the
// Backend API has, is not in it.
func (c *Clerk) userJSON(u *user) map[string]any {
	var primary any
	emails := []any{}
	if u.Email != "" {
		id := strings.Replace(u.ID, "user_", "idn_", 1)
		primary = id
		emails = append(emails, map[string]any{
			"object": "email_address", "id": id, "email_address": u.Email, "linked_to": []any{},
			"verification": map[string]any{"object": "verification_admin", "status": "verified", "strategy": "admin"},
		})
	}
	return map[string]any{
		"object": "user", "id": u.ID,
		"username": u.Username, "first_name": orNil(u.FirstName), "last_name": orNil(u.LastName),
		"image_url": c.imageURL(u), "has_image": true, "profile_image_id": "img_" + u.ID,
		"primary_email_address_id": primary, "email_addresses": emails,
		"password_enabled": true, "delete_self_enabled": true, "public_metadata": u.publicMetadata(),
		"created_at": u.Created.UnixMilli(), "updated_at": u.Created.UnixMilli(),
	}
}

// publicMetadata is the user's, as the session token has it too.
func (u *user) publicMetadata() map[string]any {
	metadata := map[string]any{"plan": "demo"}
	if u.Role != "" {
		metadata["role"] = u.Role
	}
	return metadata
}

func (c *Clerk) imageURL(u *user) string {
	if u.Picture != nil {
		return c.origin + Prefix + "/img/" + u.PictureID
	}
	return c.origin + Prefix + "/img/" + u.ID + ".svg"
}

// orNil is Clerk's way with names that are not given.
func orNil(s string) any {
	if s == "" {
		return nil
	}
	return s
}

// portraits are what the demo people are known for: the wheel of the Analytical
// Engine, the moth in the relay, the machine's tape.
//
//go:embed portraits
var portraits embed.FS

// servePicture answers /img/<picture's id> with what was uploaded, and
// /img/<user id>.svg with a portrait, or with the initials on a gradient whose
// colours follow from the id.
func (c *Clerk) servePicture(w http.ResponseWriter, r *http.Request) {
	file := r.PathValue("file")
	c.mu.Lock()
	at := slices.IndexFunc(c.Users, func(u *user) bool { return file == u.ID+".svg" || u.Picture != nil && file == u.PictureID })
	var u user
	if at >= 0 {
		u = *c.Users[at]
	}
	c.mu.Unlock()
	if at < 0 {
		writeError(w, &apiError{http.StatusNotFound, "resource_not_found", "Nobody has this picture.", ""})
		return
	}
	w.Header().Set("X-Content-Type-Options", "nosniff")
	w.Header().Set("Content-Security-Policy", "default-src 'none'") // opened by itself it is a document
	w.Header().Set("Cache-Control", "public, max-age=3600")
	if file == u.PictureID {
		w.Header().Set("Content-Type", http.DetectContentType(u.Picture))
		_, _ = w.Write(u.Picture) // the caller has gone; nobody to tell
		return
	}
	w.Header().Set("Content-Type", "image/svg+xml")
	if portrait, err := portraits.ReadFile("portraits/" + u.Username + ".svg"); err == nil {
		_, _ = w.Write(portrait)
		return
	}
	initials := cmp.Or(fmt.Sprintf("%.1s%.1s", u.FirstName, u.LastName), u.Username[:1])
	hash := fnv.New32a()
	hash.Write([]byte(u.ID))
	hue := hash.Sum32() % 360
	fmt.Fprintf(w, `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 64 64" width="256" height="256">
<linearGradient id="g" x2="1" y2="1"><stop stop-color="hsl(%d 70%% 62%%)"/><stop offset="1" stop-color="hsl(%d 72%% 40%%)"/></linearGradient>
<rect width="64" height="64" fill="url(#g)"/>
<text x="32" y="41" fill="#fff" font-family="system-ui,sans-serif" font-size="26" font-weight="600" text-anchor="middle">%s</text>
</svg>`, hue, (hue+45)%360, html.EscapeString(strings.ToUpper(initials)))
}
