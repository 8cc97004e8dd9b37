package clerk

import (
	"cmp"
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
	password  string
	created   time.Time
	picture   []byte // uploaded; nil for the drawn one
	pictureID string // changes with each upload, so that browsers ask again
}

func demoUsers() []*user {
	var users []*user
	for _, p := range People {
		users = append(users, &user{Person: p, password: Password, created: time.Now()})
	}
	return users
}

func (c *Clerk) userByID(id string) *user {
	for _, u := range c.users {
		if u.ID == id {
			return u
		}
	}
	return nil
}

func (c *Clerk) userByIdentifier(s string) *user {
	for _, u := range c.users {
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
	none := []any{}
	return map[string]any{
		"object": "user", "id": u.ID, "external_id": nil,
		"username": u.Username, "first_name": orNil(u.FirstName), "last_name": orNil(u.LastName),
		"image_url": c.imageURL(u), "has_image": true, "profile_image_id": "img_" + u.ID,
		"primary_email_address_id": primary, "email_addresses": emails,
		"primary_phone_number_id": nil, "phone_numbers": none,
		"primary_web3_wallet_id": nil, "web3_wallets": none, "passkeys": none,
		"external_accounts": none, "saml_accounts": none, "enterprise_accounts": none, "organization_memberships": none,
		"password_enabled": true, "totp_enabled": false, "backup_code_enabled": false, "two_factor_enabled": false,
		"public_metadata": u.publicMetadata(), "unsafe_metadata": map[string]any{},
		"create_organization_enabled": false, "delete_self_enabled": true, "banned": false, "locked": false,
		"last_sign_in_at": nil, "last_active_at": nil, "legal_accepted_at": nil,
		"created_at": u.created.UnixMilli(), "updated_at": u.created.UnixMilli(),
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
	if u.picture != nil {
		return c.origin + Prefix + "/img/" + u.pictureID
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

// portraits are what the demo people are known for, drawn on 64 × 64: the
// wheel of the Analytical Engine, the moth in the relay, the machine's tape.
var portraits = map[string]string{
	"ada": `<g fill="none" stroke="#fff"><circle cx="32" cy="32" r="15" stroke-width="6"/>` +
		`<circle cx="32" cy="32" r="20" stroke-width="6" stroke-dasharray="7.85 7.85"/></g><circle cx="32" cy="32" r="4" fill="#fff"/>`,
	"grace": `<g fill="#fff"><path d="M31 26C24 13 9 12 8 18c-1 8 8 14 21 15zM33 26c7-13 22-14 23-8 1 8-8 14-21 15z"/>` +
		`<path d="M30 34c-10 0-16 6-14 12 2 5 12 2 14-8zM34 34c10 0 16 6 14 12-2 5-12 2-14-8z" opacity=".8"/>` +
		`<rect x="30" y="22" width="4" height="27" rx="2"/></g>` +
		`<path d="M31 23q-2-8-7-9M33 23q2-8 7-9" fill="none" stroke="#fff" stroke-width="1.6" stroke-linecap="round"/>`,
	"alan": `<g fill="none" stroke="#fff" stroke-width="3"><path d="M0 25h64M0 43h64M11 25v18M25 25v18M39 25v18M53 25v18"/></g>` +
		`<path d="M32 22l-6-9h12z" fill="#fff"/><g fill="#fff" font-family="ui-monospace,monospace" font-size="13" font-weight="700" text-anchor="middle">` +
		`<text x="4" y="38.5">1</text><text x="18" y="38.5">0</text><text x="32" y="38.5">1</text><text x="46" y="38.5">1</text><text x="60" y="38.5">0</text></g>`,
}

// servePicture answers /img/<picture's id> with what was uploaded, and draws
// /img/<user id>.svg: a portrait, or the initials, on a gradient whose colours
// follow from the id.
func (c *Clerk) servePicture(w http.ResponseWriter, r *http.Request) {
	file := r.PathValue("file")
	c.mu.Lock()
	at := slices.IndexFunc(c.users, func(u *user) bool { return file == u.ID+".svg" || u.picture != nil && file == u.pictureID })
	var u user
	if at >= 0 {
		u = *c.users[at]
	}
	c.mu.Unlock()
	if at < 0 {
		writeError(w, &apiError{http.StatusNotFound, "resource_not_found", "Nobody has this picture.", ""})
		return
	}
	w.Header().Set("X-Content-Type-Options", "nosniff")
	w.Header().Set("Content-Security-Policy", "default-src 'none'") // opened by itself it is a document
	w.Header().Set("Cache-Control", "public, max-age=3600")
	if file == u.pictureID {
		w.Header().Set("Content-Type", http.DetectContentType(u.picture))
		_, _ = w.Write(u.picture) // the caller has gone; nobody to tell
		return
	}
	drawing, known := portraits[u.Username]
	if !known {
		drawing = `<text x="32" y="41" fill="#fff" font-family="system-ui,sans-serif" font-size="26" font-weight="600" text-anchor="middle">` +
			html.EscapeString(strings.ToUpper(cmp.Or(fmt.Sprintf("%.1s%.1s", u.FirstName, u.LastName), u.Username[:1]))) + `</text>`
	}
	hash := fnv.New32a()
	hash.Write([]byte(u.ID))
	hue := hash.Sum32() % 360
	w.Header().Set("Content-Type", "image/svg+xml")
	fmt.Fprintf(w, `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 64 64" width="256" height="256">`+
		`<defs><linearGradient id="g" x2="1" y2="1"><stop stop-color="hsl(%d 70%% 62%%)"/><stop offset="1" stop-color="hsl(%d 72%% 40%%)"/></linearGradient></defs>`+
		`<rect width="64" height="64" fill="url(#g)"/>%s</svg>`, hue, (hue+45)%360, drawing)
}

// Usernames are those of all who have an account now.
func (c *Clerk) Usernames() []string {
	c.mu.Lock()
	defer c.mu.Unlock()
	var names []string
	for _, u := range c.users {
		names = append(names, u.Username)
	}
	return names
}
