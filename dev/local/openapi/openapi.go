// Package openapi holds answers of the API against its description.
package openapi

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"net/http"
	"path/filepath"

	"github.com/getkin/kin-openapi/openapi3"
	"github.com/getkin/kin-openapi/openapi3filter"
	"github.com/getkin/kin-openapi/routers"
	"github.com/getkin/kin-openapi/routers/gorillamux"
)

// Description is an openapi.json that was checked to be valid.
type Description struct {
	*openapi3.T
	router routers.Router
}

// Feeds and pages for robots are text to the description.
func init() {
	openapi3filter.RegisterBodyDecoder("text/html", openapi3filter.FileBodyDecoder)
	openapi3filter.RegisterBodyDecoder("application/atom+xml", openapi3filter.FileBodyDecoder)
}

// Read reads public/openapi.json, which is served with the site, of a repository.
func Read(root string) (*Description, error) {
	description, err := openapi3.NewLoader().LoadFromFile(filepath.Join(root, "public/openapi.json"))
	if err != nil {
		return nil, fmt.Errorf("read openapi.json: %w", err)
	}
	if err := description.Validate(context.Background()); err != nil {
		return nil, fmt.Errorf("openapi.json is no OpenAPI: %w", err)
	}
	router, err := gorillamux.NewRouter(description)
	if err != nil {
		return nil, fmt.Errorf("openapi.json is no OpenAPI: %w", err)
	}
	return &Description{description, router}, nil
}

// Check returns what an answer breaks of the description's promises, or nil, and
// the operationId that the request asked for. That is "" for paths and methods
// that the description does not know, whose answers are 404 and 405 and not its
// business. Nor are paths in another spelling, which reach no function.
func (d *Description) Check(request *http.Request, status int, header http.Header, body []byte) (operation string, err error) {
	route, parameters, err := d.router.FindRoute(request)
	if err != nil || request.URL.EscapedPath() != request.URL.Path {
		return "", nil
	}
	input := &openapi3filter.ResponseValidationInput{
		RequestValidationInput: &openapi3filter.RequestValidationInput{Request: request, PathParams: parameters, Route: route},
		Status:                 status,
		Header:                 header,
		Body:                   io.NopCloser(bytes.NewReader(body)),
		Options:                &openapi3filter.Options{IncludeResponseStatus: true},
	}
	if err := openapi3filter.ValidateResponse(request.Context(), input); err != nil {
		err = fmt.Errorf("%s %s = %d is not what openapi.json promises: %w", request.Method, request.URL, status, err)
		return route.Operation.OperationID, err
	}
	return route.Operation.OperationID, nil
}
