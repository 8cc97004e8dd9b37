package contract

import (
	"bytes"
	"encoding/json"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/getkin/kin-openapi/openapi3"
	"github.com/getkin/kin-openapi/openapi3filter"
	"github.com/getkin/kin-openapi/routers"
	"github.com/getkin/kin-openapi/routers/gorillamux"

	"warble/dev/localvercel"
	"warble/dev/product"
)

// openAPI is the description that is served with the site.
var openAPI = sync.OnceValues(func() (*openapi3.T, error) {
	description, err := openapi3.NewLoader().LoadFromFile(filepath.Join(product.Root(), "public", "openapi.json"))
	if err != nil {
		return nil, err
	}
	return description, description.Validate(openapi3.NewLoader().Context)
})

// router finds the operation of a request in the description.
var router = sync.OnceValues(func() (routers.Router, error) {
	description, err := openAPI()
	if err != nil {
		return nil, err
	}
	return gorillamux.NewRouter(description)
})

// checkDescribed checks that an answer is one that openapi.json promises.
// Paths and methods that it does not know are not its business: those are 404
// and 405. Nor are paths in another spelling, which reach no function.
func checkDescribed(t *testing.T, request *http.Request, got answer) {
	t.Helper()
	router, err := router()
	if err != nil {
		t.Fatalf("openapi.json: %v", err)
	}
	route, parameters, err := router.FindRoute(request)
	if err != nil || request.URL.EscapedPath() != request.URL.Path {
		return
	}
	input := &openapi3filter.ResponseValidationInput{
		RequestValidationInput: &openapi3filter.RequestValidationInput{Request: request, PathParams: parameters, Route: route},
		Status:                 got.status,
		Header:                 got.header,
		Body:                   io.NopCloser(bytes.NewReader([]byte(got.text))),
		Options:                &openapi3filter.Options{IncludeResponseStatus: true},
	}
	if err := openapi3filter.ValidateResponse(t.Context(), input); err != nil {
		t.Errorf("%s %s = %d is not what openapi.json promises: %v", request.Method, request.URL, got.status, err)
	}
}

func TestOpenAPIDescribesTheRoutesOfVercelJSON(t *testing.T) {
	description, err := openAPI()
	if err != nil {
		t.Fatalf("openapi.json: %v", err)
	}
	var described []string
	for path, item := range description.Paths.Map() {
		for method := range item.Operations() {
			described = append(described, method+" "+strings.ReplaceAll(path, "{id}", "42"))
		}
	}
	var config struct{ Routes []localvercel.Route }
	text, err := os.ReadFile(filepath.Join(product.Root(), "vercel.json"))
	if err == nil {
		err = json.Unmarshal(text, &config)
	}
	if err != nil {
		t.Fatal(err)
	}
	var routed []string
	for _, route := range config.Routes {
		if len(route.Methods) == 0 || !strings.HasPrefix(route.Dest, "/api/") {
			continue // headers, pages, and what is answered 404 or 405
		}
		source := regexp.MustCompile(route.Src)
		at := slices.IndexFunc([]string{"/api/posts", "/api/posts/42"}, source.MatchString)
		if at < 0 {
			t.Fatalf("route %s is for a path that this test does not know: add it", route.Src)
		}
		for _, method := range route.Methods {
			routed = append(routed, method+" "+[]string{"/api/posts", "/api/posts/42"}[at])
		}
	}
	slices.Sort(described)
	slices.Sort(routed)
	if !slices.Equal(described, routed) {
		t.Errorf("openapi.json describes %q\nvercel.json routes %q", described, routed)
	}
}
