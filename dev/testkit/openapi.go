package testkit

import (
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"sync"

	"warble/dev/testkit/openapi"
)

// OpenAPI is public/openapi.json, the description of the API that is served with
// the site. It is read once, and checked to be valid.
var OpenAPI = sync.OnceValues(func() (*openapi.Description, error) {
	text, err := os.ReadFile(filepath.Join(Root(), "public", "openapi.json"))
	if err != nil {
		return nil, fmt.Errorf("read openapi.json: %w", err)
	}
	return openapi.Read(text)
})

// CheckOpenAPI is OpenAPI's Check.
func CheckOpenAPI(request *http.Request, status int, header http.Header, body []byte) (operation string, err error) {
	description, err := OpenAPI()
	if err != nil {
		return "", err
	}
	return description.Check(request, status, header, body)
}
