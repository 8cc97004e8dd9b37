package post

import (
	"crypto/sha256"
	"encoding/hex"
	"net/http"
	"strings"

	"warble/lib/problem"
)

// IdempotencyKey returns the Idempotency-Key header, without the quotes that
// the IETF draft puts around it, or nil when there is none. Its error is a 400.
func IdempotencyKey(header http.Header) (*string, error) {
	values := header.Values("Idempotency-Key")
	if len(values) == 0 {
		return nil, nil
	}
	key := values[0]
	if strings.HasPrefix(key, `"`) {
		key = strings.TrimSuffix(key[1:], `"`)
		if len(key) != len(values[0])-2 {
			key = ""
		}
	}
	// HTTP allows a proxy to join two lines of a header with a comma.
	valid := !strings.ContainsFunc(key, func(r rune) bool { return r < ' ' || r > '~' || r == ',' })
	// The column's collation ignores spaces at the end: "k " would equal "k".
	if len(values) > 1 || key == "" || len(key) > 128 || !valid || strings.TrimSpace(key) != key {
		return nil, problem.New(http.StatusBadRequest,
			"Idempotency-Key must be sent once, with 1 to 128 characters of printable ASCII, no comma, no space at either end.")
	}
	return &key, nil
}

// Digest returns what the column idempotency_digest keeps of the content that a key
// is sent with: nil without a key.
func Digest(key *string, content string) *string {
	if key == nil {
		return nil
	}
	sum := sha256.Sum256([]byte(content))
	digest := hex.EncodeToString(sum[:])
	return &digest
}
